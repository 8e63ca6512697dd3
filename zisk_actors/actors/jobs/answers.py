"""Which answers of workers count.

Rules of this file:
* An answer counts when it is in the journal, and not before.
* Of two that answer one share the first counts; where contributions differ, somebody is wrong, and that is said.
* What a worker still holds of before a restart is not refused while its job may ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from zisk_actors.actors.dispatch.tasks import Tasks
from zisk_actors.actors.jobs.disputes import mismatch
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job_events import ShareAnswered
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.wire.values import BlobRef, Lease, Phase


class Answers:
    """What is done with an answer, of all jobs."""

    def __init__(self, *, scheduler: Scheduler, jobs: JobTable, tasks: Tasks, clock: Callable[[], float]) -> None:
        self._scheduler = scheduler
        self._jobs = jobs
        self._tasks = tasks
        self._clock = clock

    async def accept(self, lease: Lease, phase: Phase, answer: BlobRef) -> bool:
        """Make an answer, which is on our shelf, count: in the journal first. False where it is not wanted any more. Raises
        `StoreUnwritable`."""
        if not self._tasks.is_out(lease, phase):
            return False
        if self._tasks.is_cross_check(lease, phase):
            self._tasks.answered(lease, phase, answer)
            return True
        entry = self._jobs.entries[lease.job]
        event = ShareAnswered(self._clock(), phase, lease.share, lease.worker, lease.incarnation, answer)
        with suppress(IllegalTransition):  # the job went on without it, or has one already
            await self._jobs.record(entry, event)
        known = entry.record.answers.get((phase, lease.share))
        if known is None:
            return False
        if known.answer != answer and phase is Phase.CONTRIBUTE:
            self._tasks.failed(lease, phase, mismatch(lease.share, known.worker, lease.worker, phase))
        else:
            self._tasks.answered(lease, phase, known.answer)
        return True

    def will_ask(self, lease: Lease, phase: Phase) -> bool:
        """Whether this is of before a restart, and asked for soon: its job has not been taken up again, or has and is not that far."""
        entry = self._jobs.entries.get(lease.job)
        if entry is None or self._tasks.is_out(lease, phase) or not (self._scheduler.claimed(lease) or self._scheduler.holds(lease)):
            return False
        return entry.record.stage.phase is phase and (phase, lease.share) not in entry.record.answers

    def known(self, lease: Lease, phase: Phase, answer: BlobRef) -> bool:
        """Whether this very answer of this very worker is in the journal."""
        entry = self._jobs.entries.get(lease.job)
        known = entry.record.answers.get((phase, lease.share)) if entry is not None else None
        return known is not None and (known.worker, known.incarnation, known.answer) == (lease.worker, lease.incarnation, answer)
