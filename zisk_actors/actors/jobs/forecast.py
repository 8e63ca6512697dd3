"""When the jobs that run will end and those that wait will start, of the rates that were measured.

Rules of this file:
* Where nothing was measured yet, a running job's own progress is what there is to go by; of a waiting one nothing is said.
* The look at all running jobs is kept for `FRESH_SECONDS`: a list of a thousand waiting jobs must not cost a thousand of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import fmean
from typing import Final

import trio

from zisk_actors.actors.dispatch.progress import ProgressTable
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.core.phases import percent, seconds_left
from zisk_actors.core.rates import Rates, starts_in
from zisk_actors.wire.values import State

FRESH_SECONDS: Final = 1.0


class Forecast:
    """Estimates in seconds; `running` are the jobs that run."""

    def __init__(self, rates: Rates, progress: ProgressTable, running: Callable[[], Iterable[JobEntry]]) -> None:
        self._rates = rates
        self._progress = progress
        self._running = running
        self._looked_at = -FRESH_SECONDS
        self._left: list[float] = []
        self._usual = 0.0

    def left(self, entry: JobEntry) -> float | None:
        """How long a running job will go on."""
        if entry.record.state is not State.RUNNING:
            return None
        shares = tuple(self._progress.shares(entry.job, entry.record.stage.phase).values())
        measured = self._rates.seconds_left(entry.record, shares)
        if measured is not None:
            return round(measured, 1)
        if entry.resumed_at is None:
            return None
        return seconds_left(percent(entry.record, shares), trio.current_time() - entry.resumed_at)

    def starts_in(self, position: int) -> float | None:
        """When the job at this position of the queue will start, as far as that depends on those before it."""
        now = trio.current_time()
        if now - self._looked_at >= FRESH_SECONDS:
            self._look(now)
        estimate = starts_in(position, self._left, self._usual)
        return None if estimate is None else round(estimate, 1)

    def _look(self, now: float) -> None:
        self._looked_at = now
        known: list[tuple[float, float]] = []
        for entry in self._running():
            record = entry.record
            left = self.left(entry)
            whole = self._rates.job_seconds(record.kind, record.submitted.program.sha256, sum(record.weights))
            if left is not None and whole is not None:
                known.append((left, whole))
        self._left = sorted(left for left, _ in known)
        self._usual = fmean(whole for _, whole in known) if known else 0.0
