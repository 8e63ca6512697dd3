"""Which jobs have a supervisor, and how a job comes to one: it waits in the scheduler's queue, and is admitted.

Rules of this file:
* One supervisor task for each job that runs or is being ended; the table's `supervised` says which these are, and is changed here alone.
* A job that is to go on and needs no worker now is not queued.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from zisk_actors.actors.background import Background
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.core.events import Admit, Enqueue
from zisk_actors.core.job import JobRecord
from zisk_actors.core.phases import PHASES
from zisk_actors.core.stages import Stage
from zisk_actors.wire.values import Phase

Supervise = Callable[[JobEntry, Admit], Awaitable[None]]
"""The life of one job, from when it is admitted."""


class Supervision:
    """Starts supervisors. `supervise` is the life of one."""

    def __init__(self, *, jobs: JobTable, dispatcher: Dispatcher, background: Background, supervise: Supervise) -> None:
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._background = background
        self._supervise = supervise
        self._job_over = trio.Event()

    def admitted(self, admit: Admit) -> None:
        """The scheduler has workers for a job."""
        self.start(self._jobs.entries[admit.job], admit)

    def enqueue(self, entry: JobEntry) -> None:
        """Have a job wait for workers; one that needs none goes on at once."""
        waits = enqueue_of(entry.record)
        if entry.record.stage is not Stage.QUEUED and not waits.needs:
            self.start(entry, Admit(entry.record.job, entry.record.weights, ()))
        else:
            self._dispatcher.handle(waits)

    def start(self, entry: JobEntry, admit: Admit) -> None:
        """Have a job supervised, with the leases that it was given."""

        async def supervise() -> None:
            try:
                await self._supervise(entry, admit)
            finally:
                self._jobs.supervised.discard(admit.job)
                self._job_over.set()
                self._job_over = trio.Event()

        self._jobs.supervised.add(admit.job)
        self._background.start(supervise, f"job {admit.job}")

    async def over(self, entry: JobEntry) -> None:
        """Until a job has no supervisor."""
        while entry.job in self._jobs.supervised:
            await self._job_over.wait()

    async def idle(self) -> None:
        """Until no job has one."""
        while self._jobs.supervised:
            await self._job_over.wait()


def enqueue_of(record: JobRecord) -> Enqueue:
    """How a job waits for workers: for the shares of its stage that have no answer."""
    request = record.submitted
    needs: tuple[int, ...] = ()
    if record.stage in PHASES:
        spec = PHASES[record.stage]
        needs = tuple(share for share in spec.shares(record) if (spec.name, share) not in record.answers)
    return Enqueue(
        job=request.job,
        kind=request.kind,
        priority=request.priority,
        submitted_at=request.at,
        weights=record.weights,
        needs=needs,
        former=tuple((done.share, done.worker, done.incarnation) for (of, _), done in record.answers.items() if of is Phase.CONTRIBUTE),
        client=request.client,
        program=request.program.sha256,
        min_units=request.min_units,
        units=request.units,
    )
