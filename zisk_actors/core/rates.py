"""How long jobs take, of what was measured lately: what is left of one that runs, when one that waits will start, when to ask again.

Rules of this file:
* Only what has been measured is said; where nothing has, the answer is None.
* A measure is an exponentially weighted mean of the last ones, of a program where that has been seen, else of all programs. A phase that
  is cut into shares is measured in seconds for one compute unit, the others in seconds.
* Times come with the events; nothing here has a clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from zisk_actors.core.job import JobRecord
from zisk_actors.core.phases import fraction_of, stages_of
from zisk_actors.wire.values import Kind, Phase, ShareStatus

WEIGHT: Final = 0.3
"""Of the newest measure in its mean."""

MAX_MEASURES: Final = 4096
"""Programs and phases that are remembered; the longest unmeasured goes."""

LEAST_RETRY_SECONDS: Final = 1.0
MOST_RETRY_SECONDS: Final = 300.0
RETRY_SECONDS: Final = 5.0
"""When to ask again, where no job has ended yet."""

_CUT: Final = frozenset({Phase.CONTRIBUTE, Phase.PROVE})


class Rates:
    """What was measured."""

    def __init__(self) -> None:
        self._means: OrderedDict[tuple[str, Phase], float] = OrderedDict()
        self._ended_at: float | None = None
        self._between_ends: float | None = None

    def phase_took(self, program: str, phase: Phase, seconds: float, units: int) -> None:
        """A phase of a job of so many compute units is over."""
        measure = seconds * max(1, units) if phase in _CUT else seconds
        for key in ((program, phase), ("", phase)):
            self._means[key] = _mean(self._means.get(key), measure)
            self._means.move_to_end(key)
        if len(self._means) > MAX_MEASURES:
            self._means.popitem(last=False)

    def job_ended(self, at: float) -> None:
        """A job has ended, and made room for another."""
        if self._ended_at is not None:
            self._between_ends = _mean(self._between_ends, max(0.0, at - self._ended_at))
        self._ended_at = at

    def retry_seconds(self) -> float:
        """When there may be room in a queue that is full: after the usual time between two ends."""
        usual = RETRY_SECONDS if self._between_ends is None else self._between_ends
        return round(min(MOST_RETRY_SECONDS, max(LEAST_RETRY_SECONDS, usual)), 1)

    def phase_seconds(self, program: str, phase: Phase, units: int) -> float | None:
        """How long a phase is expected to take with so many units."""
        measure = self._means.get((program, phase), self._means.get(("", phase)))
        return None if measure is None else measure / max(1, units) if phase in _CUT else measure

    def job_seconds(self, kind: Kind, program: str, units: int) -> float | None:
        """How long a job is expected to take from its start."""
        return self._sum(program, [Phase(stage.value) for stage in stages_of(kind)], units)

    def seconds_left(self, job: JobRecord, shares: Sequence[ShareStatus]) -> float | None:
        """How long a running job will go on: the rest of its phase, and those behind it. `shares` are those of its phase."""
        stages = stages_of(job.kind)
        if job.stage not in stages:
            return None
        phases = [Phase(stage.value) for stage in stages[stages.index(job.stage) :]]
        program, units = job.submitted.program.sha256, sum(job.weights)
        later = self._sum(program, phases[1:], units)
        now = self.phase_seconds(program, phases[0], units)
        return None if later is None or now is None else later + now * (1 - fraction_of(job, shares))

    def _sum(self, program: str, phases: Sequence[Phase], units: int) -> float | None:
        known = [self.phase_seconds(program, phase, units) for phase in phases]
        return None if None in known else sum(seconds for seconds in known if seconds is not None)


def starts_in(position: int, left: Sequence[float], usual_seconds: float) -> float | None:
    """When the job at a position of the queue, from 0, will start: each running job that ends, of which `left` is what they have left, the
    least first, lets the next one start, which then takes `usual_seconds`. None where nothing runs."""
    if not left:
        return None
    rounds, place = divmod(position, len(left))
    return left[place] + rounds * usual_seconds


def _mean(before: float | None, new: float) -> float:
    return new if before is None else before + WEIGHT * (new - before)
