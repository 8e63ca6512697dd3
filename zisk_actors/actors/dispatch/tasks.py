"""What was asked of the holders of shares: tasks that are out, answers that come in.

Rules of this file:
* When a worker begins with a task is when it says so, or when it has nothing else of ours to do.
* A task is out under a lease that is in force; when the lease is revoked, whoever waits for the answer is told at once.
* Of an answer under any other lease nothing is used: it is counted as late and dropped.
* A worker that comes back after a break gets what it was asked and does not hold, again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from zisk_actors.actors.dispatch.progress import AttemptProgress, ProgressTable
from zisk_actors.actors.dispatch.sessions import Sessions
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.ids import WorkerId
from zisk_actors.wire.values import BlobRef, Failure, Lease, Phase
from zisk_actors.wire.worker_link import PHASE_OF, Task


class ShareLost(Exception):
    """The holder of a share is gone, or failed at it. Carries what the supervisor needs to decide; `worker` is the holder."""

    def __init__(self, reason: str, *, worker: WorkerId | None, failure: Failure | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.worker = worker
        self.failure = failure


@dataclass
class _Out:
    """A task that is out."""

    task: Task
    attempt: AttemptProgress
    cross_check: bool = False
    done: trio.Event = field(default_factory=trio.Event)
    answer: BlobRef | None = None
    lost: ShareLost | None = None


class Tasks:
    """The tasks of all jobs, and the progress of those that are out. `sessions` are the connected workers; of the scheduler it is asked
    which leases are in force."""

    def __init__(self, scheduler: Scheduler, sessions: Sessions, progress: ProgressTable) -> None:
        self._scheduler = scheduler
        self._sessions = sessions
        self._progress = progress
        self._out: dict[tuple[Lease, Phase], _Out] = {}
        self._line: dict[WorkerId, list[_Out]] = {}

    async def ask(self, lease: Lease, task: Task, attempt: AttemptProgress | None = None, *, cross_check: bool = False) -> BlobRef:
        """Give a task out and wait for its answer; `attempt` is its progress, where that has been begun. What comes of a `cross_check` is
        compared, and is no part of the job. Raises `ShareLost`."""
        phase = PHASE_OF[type(task)]
        attempt = attempt or self._progress.asked(lease, phase)
        try:
            return await self._ask(_Out(task, attempt, cross_check), lease, phase)
        finally:
            attempt.over = True

    async def _ask(self, out: _Out, lease: Lease, phase: Phase) -> BlobRef:
        if not self._scheduler.holds(lease):
            await trio.lowlevel.checkpoint()
            raise ShareLost(f"worker {lease.worker} was lost", worker=lease.worker)
        self._out[lease, phase] = out
        line = self._line.setdefault(lease.worker, [])
        line.append(out)
        _begin(line)
        try:
            await self._sessions.send(lease.worker, out.task)  # who is not there comes back within the grace and gets it, or is lost
            await out.done.wait()
        finally:
            del self._out[lease, phase]
            line.remove(out)
            _begin(line)
            if not line:
                self._line.pop(lease.worker, None)
        if out.answer is None:
            raise out.lost or ShareLost(f"worker {lease.worker} was lost", worker=lease.worker)
        return out.answer

    def revoked(self, lease: Lease, reason: str) -> None:
        """A holder is lost."""
        for (held, _), out in self._out.items():
            if held == lease:
                out.lost = ShareLost(reason, worker=lease.worker)
                out.done.set()

    def tasks_of(self, worker: WorkerId) -> list[Task]:
        """What a worker was asked and has not answered."""
        return [out.task for (lease, _), out in self._out.items() if lease.worker == worker and not out.done.is_set()]

    def moved(self, lease: Lease, phase: Phase, step: str, fraction: float) -> None:
        """A worker gets on with a task that is out."""
        out, line = self._out[lease, phase], self._line[lease.worker]
        if line[0] is not out:  # it took this one first
            line.remove(out)
            line.insert(0, out)
            if not line[1].attempt.heard:
                line[1].attempt.began_at = None
            _begin(line)
        self._progress.moved(lease, step, fraction)

    def is_out(self, lease: Lease, phase: Phase) -> bool:
        """Whether something is asked under this lease, so that an answer would be used."""
        return self._scheduler.holds(lease) and (lease, phase) in self._out

    def is_cross_check(self, lease: Lease, phase: Phase) -> bool:
        out = self._out.get((lease, phase))
        return out is not None and out.cross_check

    def answered(self, lease: Lease, phase: Phase, answer: BlobRef) -> None:
        """The answer is on our shelf."""
        out = self._out.get((lease, phase))
        if out is not None:
            out.answer = answer
            out.done.set()

    def failed(self, lease: Lease, phase: Phase, failure: Failure) -> None:
        """The holder says that it failed."""
        out = self._out.get((lease, phase))
        if out is not None:
            out.lost = ShareLost(failure.message, worker=lease.worker, failure=failure)
            out.done.set()


def _begin(line: list[_Out]) -> None:
    """The first in a worker's line is what it works on."""
    if line and line[0].attempt.began_at is None:
        line[0].attempt.began_at = trio.current_time()
