"""What was asked of the holders of shares: tasks that are out, answers that come in.

Rules of this file:
* When a worker begins with a task is when it says so, or when it has nothing else of ours to do.
* A task is out under a lease that is in force; when the lease is revoked, whoever waits for the answer is told at once.
* Of an answer under any other lease nothing is used: it is counted as late and dropped.
* A worker that comes back after a break gets what it was asked and does not hold, again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
import trio

from zisk_actors import log
from zisk_actors.core.events import Effect, Event, LateResult, Unwanted, Wanted
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.worker import Health
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.transport.base import LinkClosed
from zisk_actors.wire.values import BlobRef, Failure, FailureKind, Lease, Phase, WorkerStatus
from zisk_actors.wire.worker_link import PHASE_OF, Task

LOOKS: Final = 20
"""So often is looked whether anybody lives, in the time that a share waits for somebody to: who comes and goes in between is not seen."""

MISMATCH: Final = "contribution-mismatch"


def mismatch(share: int, first: str, second: str, phase: Phase) -> Failure:
    """What it is when two workers disagree about a share, which is the same whoever computes it: one of them computes wrongly, and nobody
    can tell which."""
    message = (
        f"workers {first} and {second} computed share {share} and got different contributions: one of them computes wrongly, or runs "
        "another release"
    )
    hint = "check the memory and the installation of both; nothing that they proved was handed out unverified"
    return Failure(kind=FailureKind.PROOF, code=MISMATCH, message=message, hint=hint, exit_code=10, phase=phase, share=share)


class Connected(Protocol):
    """A worker that is connected: what others need of its session. `key` is the one that CURVE has proved."""

    @property
    def worker(self) -> WorkerId: ...
    @property
    def incarnation(self) -> Incarnation: ...
    @property
    def key(self) -> str: ...

    async def send(self, message: msgspec.Struct) -> None:
        """Raises `LinkClosed`."""

    def end(self) -> None:
        """The link is dead, or another took its place."""

    def status(self) -> WorkerStatus:
        """What a client is told of it."""


class ShareLost(Exception):
    """The holder of a share is gone, or failed at it. Carries what the supervisor needs to decide; `worker` is the holder."""

    def __init__(self, reason: str, *, worker: WorkerId | None, failure: Failure | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.worker = worker
        self.failure = failure


@dataclass
class Timing:
    """When a worker began with a task, and when it last got on with it; None and 0: not yet."""

    began_at: float | None = None
    moved_at: float = 0.0
    seen: tuple[str, float] = ("", 0.0)


@dataclass
class _Out:
    """A task that is out."""

    task: Task
    timing: Timing
    cross_check: bool = False
    done: trio.Event = field(default_factory=trio.Event)
    answer: BlobRef | None = None
    lost: ShareLost | None = None


class Tasks:
    """The tasks of all jobs. `handle` has an event decided; `sessions` are the connected workers."""

    def __init__(
        self,
        scheduler: Scheduler,
        sessions: dict[WorkerId, Connected],
        handle: Callable[[Event], list[Effect]],
        worker_wait_seconds: float,
        count_late: Callable[[], None],
    ) -> None:
        self._scheduler = scheduler
        self._sessions = sessions
        self._handle = handle
        self._worker_wait_seconds = worker_wait_seconds
        self._count_late = count_late
        self._out: dict[tuple[Lease, Phase], _Out] = {}
        self._line: dict[WorkerId, list[_Out]] = {}
        self._wanted: dict[tuple[JobId, int], trio.Event] = {}
        self._log = log.get()

    async def holder(self, job: JobId, share: int, prefer: WorkerId | None = None, never: frozenset[WorkerId] = frozenset()) -> Lease:
        """The lease of a share: the one in force, or a new one as soon as somebody can take it who is none of `never`. Raises `ShareLost`
        where nobody can in time, and at once where nobody else is there."""
        lease = self._scheduler.lease(job, share)
        if lease is not None:
            return lease
        registry = self._scheduler.registry
        if never and not self._others(never):
            await trio.lowlevel.checkpoint()
            raise ShareLost(f"there is no other worker that could take share {share}", worker=None)
        granted = self._wanted[job, share] = trio.Event()
        wait = self._worker_wait_seconds
        seen_at = trio.current_time()
        try:
            self._handle(Wanted(job, share, prefer, never))
            while not granted.is_set() and trio.current_time() - seen_at < wait:
                with trio.move_on_after(min(wait, max(0.1, wait / LOOKS))):
                    await granted.wait()
                if any(each.worker not in never for each in registry.ready()):
                    seen_at = trio.current_time()  # somebody lives who could, and is busy with another job
        finally:
            del self._wanted[job, share]
            self._handle(Unwanted(job, share))  # where nobody was found, or the job is over: its end may take a while to be written down
        lease = self._scheduler.lease(job, share)
        if lease is None:
            raise ShareLost(f"no worker could take share {share} within {self._worker_wait_seconds:g} s", worker=None)
        return lease

    def _others(self, never: frozenset[WorkerId]) -> bool:
        """Whether there is a worker that is none of these, or may come back after a restart of ours."""
        if trio.current_time() < self._scheduler.opens_at < float("inf"):
            return True
        records = self._scheduler.registry.records.values()
        return any(each.worker not in never and each.health is not Health.QUARANTINED for each in records)

    async def ask(self, lease: Lease, task: Task, timing: Timing | None = None, *, cross_check: bool = False) -> BlobRef:
        """Give a task out and wait for its answer; `timing` is kept up to date. What comes of a `cross_check` is compared, and is no
        part of the job. Raises `ShareLost`."""
        key = (lease, PHASE_OF[type(task)])
        if not self._scheduler.holds(lease):
            await trio.lowlevel.checkpoint()
            raise ShareLost(f"worker {lease.worker} was lost", worker=lease.worker)
        out = self._out[key] = _Out(task, timing or Timing(), cross_check)
        line = self._line.setdefault(lease.worker, [])
        line.append(out)
        _begin(line)
        try:
            session = self._sessions.get(lease.worker)
            if session is not None:
                try:
                    await session.send(task)
                except LinkClosed:
                    session.end()  # it comes back within the grace and gets its tasks again, or is lost
            await out.done.wait()
        finally:
            del self._out[key]
            line.remove(out)
            _begin(line)
            if not line:
                self._line.pop(lease.worker, None)
        if out.answer is None:
            raise out.lost or ShareLost(f"worker {lease.worker} was lost", worker=lease.worker)
        return out.answer

    def granted(self, lease: Lease) -> None:
        """A wanted share has a holder."""
        event = self._wanted.get((lease.job, lease.share))
        if event is not None:
            event.set()

    def revoked(self, lease: Lease, reason: str) -> None:
        """A holder is lost."""
        for (held, _), out in self._out.items():
            if held == lease:
                out.lost = ShareLost(reason, worker=lease.worker)
                out.done.set()

    def tasks_of(self, worker: WorkerId) -> list[Task]:
        """What a worker was asked and has not answered."""
        return [out.task for (lease, _), out in self._out.items() if lease.worker == worker and not out.done.is_set()]

    def drop_late(self, lease: Lease) -> None:
        """An answer came under a lease that nothing is asked under: it is counted, and dropped."""
        self._handle(LateResult(lease))
        self._count_late()
        self._log.info(
            "late result dropped",
            job=lease.job,
            share=lease.share,
            attempt=lease.attempt,
            worker=lease.worker,
            late_results=self._scheduler.late,
        )

    def moved(self, lease: Lease, phase: Phase, step: str, fraction: float) -> None:
        """A worker gets on with a task that is out."""
        out = self._out[lease, phase]
        timing, line, now = out.timing, self._line[lease.worker], trio.current_time()
        if line[0] is not out:  # it took this one first
            line.remove(out)
            line.insert(0, out)
            if not line[1].timing.moved_at:
                line[1].timing.began_at = None
            _begin(line)
        if timing.seen != (step, fraction):
            timing.seen, timing.moved_at = (step, fraction), now

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
    if line and line[0].timing.began_at is None:
        line[0].timing.began_at = trio.current_time()
