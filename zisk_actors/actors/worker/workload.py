"""What a worker was asked to do and what came of it: tasks in a queue, one at a time on the device, answers kept until they are taken.

Rules of this file:
* It knows no link: tasks and answers outlive every link, and what is to be said goes through `say`, which may drop it. An answer that was
  dropped is offered again by who owns the link.
* A task that is here already is not done twice; of one that is done the answer is said again, also where the answer was taken: a message
  that comes late a second time must not occupy a device with what nobody waits for. It is the same task only where all of it is the same:
  a lease of before a restart of the coordinator can be given again, for other weights or another challenge.
* Cancelling kills the device's child if it works for what is cancelled, and returns when nothing of it is left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from zisk_actors.actors.device import CallFailed, ComputeDevice
from zisk_actors.actors.threads import in_thread
from zisk_actors.actors.transfer import Send
from zisk_actors.actors.worker.calls import prepare
from zisk_actors.errors import ZiskError
from zisk_actors.ids import ProgramId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.errors import StoreCorrupt
from zisk_actors.wire.compute import Call, blobs_of
from zisk_actors.wire.values import BlobRef, Failure, FailureKind, Lease, Phase
from zisk_actors.wire.worker_link import PHASE_OF, Answer, Failed, Progress, Task, answer

if TYPE_CHECKING:  # prometheus_client takes a tenth of a second to load, and most workers have no use for it
    from zisk_actors.web.worker import ShareOutcome, WorkerMetrics

MAX_TASKS: Final = 256
MAX_PROGRAMS: Final = 64
MAX_DONE: Final = 256
PROGRESS_SECONDS: Final = 0.25


@dataclass
class QueuedTask:
    """A task that waits or runs."""

    task: Task
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    started: bool = False
    ended: trio.Event = field(default_factory=trio.Event)


def _same(task: Task, other: Task) -> bool:
    """Whether two tasks of one lease ask for the same, whatever time they have for it."""
    return msgspec.structs.replace(task, limit_seconds=0) == msgspec.structs.replace(other, limit_seconds=0)


class Workload:
    """The tasks and the answers of one worker. `path` fetches a blob and gives its path; `say` tells the coordinator, if it is there."""

    def __init__(
        self,
        device: ComputeDevice,
        store: BlobStore,
        path: Callable[[BlobRef], Awaitable[str]],
        say: Callable[[msgspec.Struct], Awaitable[None]],
        log: Any,  # Any: structlog's bound logger has no type of its own
        metrics: WorkerMetrics | None = None,
    ) -> None:
        self._device = device
        self._store = store
        self._path = path
        self._say = say
        self._log = log
        self._metrics = metrics
        self._put, self._get = trio.open_memory_channel[QueuedTask](MAX_TASKS)
        self.tasks: dict[tuple[Lease, Phase], QueuedTask] = {}
        self.outbox: dict[tuple[Lease, Phase], Answer | Failed] = {}
        self._done: dict[tuple[Lease, Phase], tuple[Task, Answer | Failed]] = {}
        self.phase: Phase | None = None
        self.programs: dict[ProgramId, None] = {}

    def held(self) -> tuple[Lease, ...]:
        """The leases under which something is done, or an answer is kept."""
        return tuple(dict.fromkeys(lease for lease, _ in (*self.tasks, *self.outbox)))

    async def accept(self, task: Task, send: Send) -> None:
        """Queue a task; one that is here already is not done twice, and of one that is done the answer is said again."""
        key = (task.lease, PHASE_OF[type(task)])
        if key in self.tasks:
            if _same(self.tasks[key].task, task):
                return
            await self.cancel(lambda lease: lease == task.lease, "its lease was given again, for something else")
        before, outcome = self._done.get(key, (task, None))
        if not _same(before, task):
            self.outbox.pop(key, None)
        elif isinstance(outcome, Answer) and self._store.has(outcome.result):
            self.outbox[key] = outcome
        if key in self.outbox:
            await send(self.outbox[key], b"")
            return
        self._note(ProgramId(task.program.sha256))
        job = QueuedTask(task)
        try:
            self._put.send_nowait(job)
        except trio.WouldBlock:
            self.outbox[key] = Failed(*key, Failure(kind=FailureKind.WORKER, code="worker-busy", message=f"{MAX_TASKS} tasks wait already"))
        else:
            self.tasks[key] = job

    def _remember(self, key: tuple[Lease, Phase], task: Task, outcome: Answer | Failed) -> None:
        """What came of a task, for when it is asked for again."""
        self._done[key] = (task, outcome)
        if len(self._done) > MAX_DONE:
            del self._done[next(iter(self._done))]

    def _note(self, program: ProgramId) -> None:
        """Remember that a program is at hand; the last used last."""
        self.programs.pop(program, None)
        self.programs[program] = None
        if len(self.programs) > MAX_PROGRAMS:
            del self.programs[next(iter(self.programs))]

    async def cancel(self, chosen: Callable[[Lease], bool], reason: str) -> None:
        """Stop and forget what is done under the chosen leases; returns when nothing of it runs any more."""
        cancelled = self._stop(chosen)
        for key in [key for key in self.outbox if chosen(key[0])]:
            del self.outbox[key]
        if cancelled:
            self._log.info("cancelled: stopped work", job=cancelled[0].task.lease.job, tasks=len(cancelled), reason=reason)
        for each in cancelled:
            if each.started:
                await each.ended.wait()  # until the device's child is dead

    def _stop(self, chosen: Callable[[Lease], bool]) -> list[QueuedTask]:
        """Cancel tasks. One that still waits is forgotten at once; one that runs, when it has ended."""
        stopped = [(key, job) for key, job in self.tasks.items() if chosen(key[0])]
        for key, job in stopped:
            job.scope.cancel()
            if not job.started:
                del self.tasks[key]
        return [job for _, job in stopped]

    async def run(self) -> None:
        """Carry out the queued tasks, one after the other."""
        async for job in self._get:
            task, phase = job.task, PHASE_OF[type(job.task)]
            key = (task.lease, phase)
            if self.tasks.get(key) is not job:
                continue
            job.started = True
            words = self._log.bind(job=task.lease.job, share=task.lease.share, attempt=task.lease.attempt, phase=phase.value)
            outcome: Answer | Failed | None = None
            began = trio.current_time()
            self.phase = phase
            try:
                with job.scope:
                    words.info("task started")
                    outcome = answer(task.lease, phase, await self._perform(task, phase))
                    words.info("task completed", seconds=round(trio.current_time() - began, 3), bytes=outcome.result.size)
            except CallFailed as error:
                words.warning("task failed", error=error.message, code=error.failure.code)
                outcome = Failed(task.lease, phase, error.failure)
            except ZiskError as error:
                words.warning("task failed", error=error.message, code=error.code)
                outcome = Failed(
                    task.lease, phase, Failure(kind=FailureKind.WORKER, code=error.code, message=error.message, hint=error.hint)
                )
            self.phase = None
            if self._metrics is not None:
                how: ShareOutcome = "cancelled" if outcome is None else "done" if isinstance(outcome, Answer) else "failed"
                self._metrics.share_finished(phase, how, trio.current_time() - began)
            del self.tasks[key]
            job.ended.set()
            if outcome is not None:
                self.outbox[key] = outcome
                self._remember(key, task, outcome)
                await self._say(outcome)

    async def _perform(self, task: Task, phase: Phase) -> bytes:
        """The result of a task, which is on our shelf too. What has rotted there is fetched again, once. Raises `CallFailed` and what
        fetching inputs raises."""
        call = await prepare(task, self._path, self._store)
        try:
            return await self._compute(task, phase, call)
        except CallFailed as error:
            if error.failure.code != StoreCorrupt.code:
                raise
            self._log.error("a kept blob has rotted: it is fetched again", error=error.message)
        for blob in blobs_of(call):
            await in_thread(self._store.sound, blob)
        return await self._compute(task, phase, await prepare(task, self._path, self._store))

    async def _compute(self, task: Task, phase: Phase, call: Call) -> bytes:
        """What the device makes of a call, which is on our shelf too. Raises `CallFailed`."""
        sent_at = -1.0
        last_step = ""
        channel_put, channel_get = trio.open_memory_channel[Progress](1)

        def on_progress(step: str, fraction: float) -> None:
            nonlocal sent_at, last_step
            now = trio.current_time()
            if step != last_step or now - sent_at >= PROGRESS_SECONDS:
                sent_at, last_step = now, step
                with suppress(trio.WouldBlock):
                    channel_put.send_nowait(Progress(task.lease, phase, step, fraction))

        async def tell() -> None:
            async for progress in channel_get:
                await self._say(progress)

        failure: CallFailed | None = None
        content = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell)
            try:
                content = (await self._device.call(call, seconds=task.limit_seconds, on_progress=on_progress)).content
            except CallFailed as error:  # carried out of the nursery, which would wrap it in a group
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        await in_thread(self._store.put, content)
        return content
