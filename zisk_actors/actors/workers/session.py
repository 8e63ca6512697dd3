"""One connected worker: its messages, and what is sent to it.

Rules of this file:
* Every message is a sign of life. One that we do not understand ends the link.
* A worker fetches what its tasks name, and nothing else.
* A worker that comes back is sent its tasks again, where it does not hold them.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec
import trio

from zisk_actors import log
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.dispatch.stopping import Stopping
from zisk_actors.actors.dispatch.tasks import Tasks
from zisk_actors.actors.jobs.answers import Answers
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.threads import in_thread
from zisk_actors.actors.transfer import Exchange
from zisk_actors.actors.until_written import until_written
from zisk_actors.actors.workers.roster import Roster
from zisk_actors.core import events
from zisk_actors.core.events import Heard, Left, Loss
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.errors import ZiskError
from zisk_actors.ids import BlobId, Incarnation, ProgramId, WorkerId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.errors import StoreUnwritable
from zisk_actors.transport.base import Link, LinkClosed
from zisk_actors.wire.blobs import unpack_manifest
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk
from zisk_actors.wire.values import BlobRef, Failure, FailureKind, Lease, Phase, WorkerStatus
from zisk_actors.wire.worker_link import (
    AggregateTask,
    Answer,
    AnswerTaken,
    CancelDone,
    CancelLease,
    Failed,
    Goodbye,
    Heartbeat,
    Hello,
    Measured,
    Progress,
    Task,
    Welcome,
)

MAX_NAMED: Final = 10_000
"""Blobs of its last tasks that a worker may fetch."""


class Session:
    """A worker that was welcomed, over one link."""

    def __init__(
        self,
        link: Link,
        hello: Hello,
        *,
        dispatcher: Dispatcher,
        scheduler: Scheduler,
        tasks: Tasks,
        stopping: Stopping,
        jobs: JobTable,
        answers: Answers,
        roster: Roster,
        store: BlobStore,
        epoch: int,
    ) -> None:
        self.hello = hello
        self.link = link
        self._dispatcher = dispatcher
        self._scheduler = scheduler
        self._tasks = tasks
        self._stopping = stopping
        self._jobs = jobs
        self._answers = answers
        self._roster = roster
        self._store = store
        self._epoch = epoch
        self._over = trio.Event()
        self._collecting: set[tuple[Lease, Phase]] = set()
        self._named: dict[BlobId, None] = {}
        self.exchange = Exchange(self.send_with, store, may_read=self._named.__contains__, sender=hello.worker)
        self._log = log.get(worker=hello.worker)

    @property
    def worker(self) -> WorkerId:
        return self.hello.worker

    @property
    def incarnation(self) -> Incarnation:
        return self.hello.incarnation

    @property
    def key(self) -> str:
        return self.link.peer.key

    async def send(self, message: msgspec.Struct) -> None:
        """Say something to the worker; what a task names it may fetch from then on. Raises `LinkClosed`."""
        if isinstance(message, Task):
            self._named |= dict.fromkeys(_blobs_of(message, self._store))
            while len(self._named) > MAX_NAMED:
                del self._named[next(iter(self._named))]
        await self.send_with(message, b"")

    async def send_with(self, message: msgspec.Struct, bulk: bytes) -> None:
        await self.link.send(pack(message, bulk, epoch=self._epoch))

    def end(self) -> None:
        """The link is dead, or another took its place: stop receiving from it."""
        self._over.set()

    async def run(self, unpacker: Unpacker[Any], heartbeat: tuple[float, int]) -> str:
        """Greet the worker, and receive until the link is over; why it is."""
        try:
            await self._greet(heartbeat)
        except LinkClosed as error:
            return error.message
        reason = "its link ended"
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await self._over.wait()
                nursery.cancel_scope.cancel()

            async def beat() -> None:
                tick = 0
                while True:
                    try:
                        await self.send(Heartbeat(tick))
                    except LinkClosed:
                        self.end()
                    await trio.sleep(heartbeat[0])
                    tick += 1

            nursery.start_soon(watch)
            nursery.start_soon(beat)
            try:
                while True:
                    message, bulk, _ = unpacker.unpack(await self.link.receive())
                    self._dispatcher.handle(Heard(self.worker, self.incarnation))
                    if isinstance(message, Goodbye):
                        reason = f"it left: {message.reason}"
                        self._dispatcher.handle(Left(self.worker, self.incarnation, reason, Loss.GOODBYE))
                        self._roster.changed()
                        break
                    await self._take(message, bulk, nursery)
            except LinkClosed as error:
                reason = error.message
            except WireError as error:
                reason = f"it says what we do not understand: {error.message}"
                self.link.refuse(error.code)
                self._log.error("worker refused: bad message", code=error.code, error=error.message)
            nursery.cancel_scope.cancel()
        self.exchange.close()
        return reason

    async def _greet(self, heartbeat: tuple[float, int]) -> None:
        """Say what the worker has to know first: how often to beat, what it holds in vain, what it was asked. Raises `LinkClosed`."""
        await self.send(Welcome(*heartbeat))
        for lease in self.hello.held:
            if not self._scheduler.holds(lease) and not self._scheduler.claimed(lease):
                await self.send(CancelLease(lease, "the lease is not in force any more"))
        for task in self._tasks.tasks_of(self.worker):
            await self.send(task)  # also what it may hold: that is not done twice, and leases alone do not say which task it has

    async def _take(self, message: Any, bulk: bytes, nursery: trio.Nursery) -> None:
        match message:
            case FetchChunk() | Chunk() | NoChunk():
                await self.exchange.take(message, bulk)
            case Progress():
                entry = self._jobs.entries.get(message.lease.job)
                if entry is not None and self._owns(message) and self._tasks.is_out(message.lease, message.phase):
                    self._tasks.moved(message.lease, message.phase, message.step, message.fraction)
                    self._jobs.tell(entry)
            case Answer() | Failed() if self._answers.will_ask(message.lease, message.phase):
                pass  # asked for again when its job goes on; the worker keeps it until then
            case Answer() if (message.lease, message.phase) in self._collecting:
                pass  # said twice; the first is on its way
            case Answer() if self._answers.known(message.lease, message.phase, message.result):
                await self.send(AnswerTaken(message.lease, message.phase))
            case Answer() | Failed() if not self._tasks.is_out(message.lease, message.phase):
                self._dispatcher.drop_late(message.lease)
                await self.send(AnswerTaken(message.lease, message.phase))
            case Answer() if self._owns(message):
                nursery.start_soon(self._collect, message)
            case Answer() | Failed():
                if isinstance(message, Failed) and self._owns(message):
                    self._tasks.failed(message.lease, message.phase, message.failure)
                await self.send(AnswerTaken(message.lease, message.phase))
            case CancelDone():
                self._stopping.done(message.job, self.worker)
                self._log.debug("worker has stopped work for a job", job=message.job)
            case Measured():
                self._dispatcher.handle(events.RateMeasured(self.worker, self.incarnation, message.rate))
                self._log.info("worker capacity measured", compute_units=self.hello.units, cells_per_second=round(message.rate))
            case Heartbeat() | Hello():
                pass

    def _owns(self, message: Answer | Failed | Progress) -> bool:
        """A worker answers for its own leases only."""
        return message.lease.worker == self.worker and message.lease.incarnation == self.incarnation

    async def _collect(self, answer: Answer) -> None:
        """Fetch a result, and only then say that we have it."""
        key = (answer.lease, answer.phase)
        self._collecting.add(key)
        try:
            await self._take_in(answer)
        finally:
            self._collecting.discard(key)

    async def _take_in(self, answer: Answer) -> None:
        """Have a result on our shelf, and then count, as soon as the disk takes either: that it does not is no fault of the worker's, who
        keeps it until then."""
        try:
            await until_written(
                partial(self._fetch, answer), waits=partial(self._disk_refuses, "cannot keep a result, trying again", answer)
            )
        except LinkClosed:
            return  # it is offered again over the next link
        except ZiskError as error:
            failure = Failure(kind=FailureKind.WORKER, code=error.code, message=f"its result cannot be had: {error.message}"[:4000])
            self._tasks.failed(answer.lease, answer.phase, failure)
        else:
            accept = partial(self._answers.accept, answer.lease, answer.phase, answer.result)
            if not await until_written(accept, waits=partial(self._disk_refuses, "cannot record an answer, trying again", answer)):
                self._dispatcher.drop_late(answer.lease)
        try:
            await self.send(AnswerTaken(answer.lease, answer.phase))
        except LinkClosed:
            self.end()

    async def _fetch(self, answer: Answer) -> None:
        """Get a result onto our shelf. Raises `WrongBlob`, `StoreUnwritable` and what a fetch raises."""
        if answer.content:
            await in_thread(self._store.keep, answer.result, answer.content)
        else:
            await self.exchange.fetch(answer.result)

    def _disk_refuses(self, words: str, answer: Answer, error: StoreUnwritable) -> None:
        self._log.error(words, job=answer.lease.job, share=answer.lease.share, error=error.message)

    def status(self) -> WorkerStatus:
        """What a client is told of this worker."""
        scheduler = self._scheduler
        record = scheduler.registry.records.get(self.worker)
        jobs = tuple(scheduler.jobs_of(self.worker))
        health = record.health.value if record is not None else "lost"
        return WorkerStatus(
            worker=self.worker,
            incarnation=self.incarnation,
            state="computing" if jobs and health == "ready" else health,
            units=self.hello.units,
            version=self.hello.version,
            backend=self.hello.backend,
            threads=self.hello.threads,
            pid=self.hello.pid,
            address=self.link.peer.address[:200],
            heard_seconds_ago=max(0.0, trio.current_time() - record.heard_at) if record is not None else 0.0,
            jobs=jobs[:64],
            measured=record.measured if record is not None else 0.0,
            programs=tuple(ProgramId(program) for program in record.programs) if record is not None else (),
        )


def _blobs_of(task: Task, store: BlobStore) -> list[BlobId]:
    """What a task names, with what a list of blobs that it names has in it."""
    named = [value for value in msgspec.structs.astuple(task) if isinstance(value, BlobRef)]
    if isinstance(task, AggregateTask):
        with suppress(ZiskError):  # a list that is gone is found by who fetches it
            named += unpack_manifest(store.get(task.partials)).blobs
    return [blob.sha256 for blob in named]
