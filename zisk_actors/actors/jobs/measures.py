"""What the coordinator's counters are told of jobs.

Rules of this file:
* Nothing is decided here, and nothing but our own bookkeeping is changed.
* A phase that was under way when this process started is not measured: nobody knows how much of its time nobody worked.
* Labels get short words of ours, never a sentence or a peer's text.
"""

from __future__ import annotations

from typing import Final

from zisk_actors.actors.dispatch.progress import ProgressTable
from zisk_actors.core.job import JobRecord
from zisk_actors.core.rates import Rates
from zisk_actors.core.stages import Stage
from zisk_actors.ids import JobId
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.cluster_view import PHASE
from zisk_actors.web.series import LONG_SECONDS, Histogram
from zisk_actors.wire.values import State

QUEUE_SECONDS: Final = Histogram("coordinator_job_queue_seconds", "From a job's submission to its start.", LONG_SECONDS)
PHASE_SECONDS: Final = Histogram("coordinator_phase_duration_seconds", "How long finished phases of jobs took.", LONG_SECONDS, (PHASE,))


class Measures:
    """Turns changes of jobs into counts, and into the rates that estimates are made of. Times are those of the events; `progress` knows
    who held shares of a job."""

    def __init__(self, metrics: Metrics, rates: Rates, progress: ProgressTable) -> None:
        self._metrics = metrics
        self._progress = progress
        self.rates = rates
        self._since: dict[JobId, float] = {}

    def since(self, job: JobId, otherwise: float) -> float:
        """Since when a job is in its stage, as far as we know."""
        return self._since.get(job, otherwise)

    def changed(self, before: JobRecord, after: JobRecord, at: float) -> None:
        """An event of a job is true since `at`."""
        if after.stage is before.stage:
            return
        job = JobId(after.job)
        began = self._since.pop(job, None)
        phase = before.stage.phase
        if phase is not None and began is not None and after.state not in (State.FAILED, State.CANCELLED):
            self._metrics.observe(PHASE_SECONDS, at - began, phase.value)
            self.rates.phase_took(before.submitted.program.sha256, phase, max(0.0, at - began), sum(before.weights))
        if before.stage is Stage.QUEUED and after.started_at is not None:
            self._metrics.observe(QUEUE_SECONDS, after.started_at - after.submitted.at)
        if after.state.final:
            self.rates.job_ended(at)
            seconds = None if after.started_at is None else max(0.0, at - after.started_at)
            self._metrics.job_finished(after.kind, after.state, seconds, self._progress.workers_of(job))
        else:
            self._since[job] = at
