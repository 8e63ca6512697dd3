"""The worker port: who may register, and one link from its first message to its end.

Rules of this file:
* Who has not said hello is asked to, and gets nothing else.
* A worker's id belongs to the key that it first came with, as long as it is registered.
* When the link is gone the worker has a grace to come back before it is lost.
"""

from __future__ import annotations

from typing import Any, Final

import trio

from zisk_actors import log, mock
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.dispatch.sessions import Connected, Sessions
from zisk_actors.actors.dispatch.stopping import Stopping
from zisk_actors.actors.dispatch.tasks import Tasks
from zisk_actors.actors.jobs.answers import Answers
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.workers.roster import Roster
from zisk_actors.actors.workers.session import Session
from zisk_actors.core.events import Joined, JoinRejected, Left
from zisk_actors.core.registry import Refusal
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.store.blobs import BlobStore
from zisk_actors.transport.base import Link, LinkClosed, seldom
from zisk_actors.web.cluster import Metrics
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.worker_link import Heartbeat, Hello, Refused, Reintroduce, WorkerSays

HELLO_SECONDS: Final = 10.0
_OTHER_BACKEND: Final = {
    False: Refusal("mock-worker", "it is a mock worker, and this coordinator wants proofs (worker.backend, backend.mode)", permanent=True),
    True: Refusal("not-a-mock-worker", "it proves, and this coordinator is a mock (worker.backend, backend.mode)", permanent=True),
}
"""By whether the coordinator is a mock: what a worker of the other kind is told."""


class WorkerPort:
    """Serves the links of workers. `heartbeat` is the period in seconds and the beats that may be missed, `grace_seconds` how long a worker
    has to come back; `mocked` lets in mock workers, and nobody else."""

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        scheduler: Scheduler,
        sessions: Sessions,
        tasks: Tasks,
        stopping: Stopping,
        jobs: JobTable,
        answers: Answers,
        roster: Roster,
        store: BlobStore,
        metrics: Metrics,
        epoch: int,
        version: str,
        heartbeat: tuple[float, int],
        grace_seconds: float,
        mocked: bool = False,
    ) -> None:
        self._dispatcher = dispatcher
        self._scheduler = scheduler
        self._sessions = sessions
        self._tasks = tasks
        self._stopping = stopping
        self._jobs = jobs
        self._answers = answers
        self._roster = roster
        self._store = store
        self._metrics = metrics
        self._epoch = epoch
        self._version = version
        self._heartbeat = heartbeat
        self._grace_seconds = grace_seconds
        self._mocked = mocked
        self._log = log.get()

    async def serve(self, link: Link) -> None:
        """One link, from its first message to its end."""
        unpacker: Unpacker[Any] = Unpacker(WorkerSays)  # Any: the union has no type of its own
        session: Session | None = None
        try:
            hello = await self._first_hello(link, unpacker)
            if hello is None:
                return
            session = await self._let_in(link, hello)
            if session is None:
                return
            reason = await session.run(unpacker, self._heartbeat)
        except LinkClosed:
            return
        finally:
            with trio.CancelScope(shield=True):
                await link.aclose()
        await trio.sleep(self._grace_seconds)
        if self._sessions.find(session.worker) is session:
            self._dispatcher.handle(Left(session.worker, session.incarnation, reason))
            self._roster.changed()

    async def _first_hello(self, link: Link, unpacker: Unpacker[Any]) -> Hello | None:
        """The hello of a new link; whoever says something else first is asked for it. None where it does not come."""
        with trio.move_on_after(HELLO_SECONDS):
            while True:
                try:
                    message = unpacker.unpack(await link.receive()).message
                except WireError as error:
                    if seldom(count := link.refuse(error.code)):
                        peer = link.peer
                        self._log.warning(
                            "worker port: bad message", peer=peer.address, key=peer.key, code=error.code, error=error.message, so_far=count
                        )
                    continue
                if isinstance(message, Hello):
                    return message
                await link.send(pack(Reintroduce()))
        return None

    async def _let_in(self, link: Link, hello: Hello) -> Session | None:
        """Register a worker, or refuse it."""
        before: Connected | None = None
        refusal = self._unfit(hello)
        if refusal is not None:
            self._say_refused(hello, refusal)
        else:
            async with self._roster.joining(hello.worker):
                before = self._sessions.find(hello.worker)
                refusal = self._register(link, hello, before)
        if refusal is not None:
            await link.send(pack(Refused(refusal.code, refusal.reason, refusal.permanent), epoch=self._epoch))
            if before is not None and not refusal.permanent:
                try:
                    await before.send(Heartbeat(0))
                except LinkClosed:
                    before.end()
            await trio.sleep(0.1)  # for the refusal to go out before the link is forgotten
            return None
        session = Session(
            link,
            hello,
            dispatcher=self._dispatcher,
            scheduler=self._scheduler,
            tasks=self._tasks,
            stopping=self._stopping,
            jobs=self._jobs,
            answers=self._answers,
            roster=self._roster,
            store=self._store,
            epoch=self._epoch,
        )
        self._sessions.open(session)
        return session

    def _unfit(self, hello: Hello) -> Refusal | None:
        """Why a worker can never work here."""
        if hello.version != self._version:
            reason = f"it runs version {hello.version} and the coordinator {self._version}; run the same release everywhere"
            return Refusal("version-mismatch", reason, permanent=True)
        return _OTHER_BACKEND[self._mocked] if (hello.backend == mock.BACKEND) is not self._mocked else None

    def _register(self, link: Link, hello: Hello, before: Connected | None) -> Refusal | None:
        """Have a worker known to the scheduler, or know why not. `before` is the session under its id."""
        if before is not None and before.key != link.peer.key:
            refusal = Refusal("duplicate-worker", f"worker id {hello.worker} belongs to another key", permanent=True)
            self._say_refused(hello, refusal)
            return refusal
        joined = Joined(
            hello.worker,
            hello.incarnation,
            hello.units,
            hello.held,
            memory_bytes=hello.memory_bytes,
            measured=hello.measured,
            programs=hello.programs,
        )
        for effect in self._dispatcher.handle(joined):
            if isinstance(effect, JoinRejected):
                self._roster.changed()
                return effect.refusal
        return None

    def _say_refused(self, hello: Hello, refusal: Refusal) -> None:
        self._metrics.refused("worker", refusal.code)
        self._log.error("worker refused to register", worker=hello.worker, reason=refusal.reason, code=refusal.code)
