"""How long an attempt at a share may take: until its phase is over, until it counts as standing still, until another worker should try too.

Rules of this file:
* The clock of a share runs while its worker works on it, not while the task waits behind another of the same worker. The clock of a phase
  is over when that of one of its shares is.
* A share that is begun again elsewhere gets the time again that was lost with its worker, up to `EXTENSIONS` limits in all. Time in which
  it stood still is not given again: what hangs is tried again within the limit.
* Whether an attempt is slow is measured against the other shares of the phase: seconds for a unit of weight on a worker of one unit.
* A limit or factor of 0 means: never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from zisk_actors.wire.values import Lease

EXTENSIONS: Final = 4
"""A share that is begun again and again has its limit this many times more, and no longer."""

STILL: Final = 0.7
"""An attempt that has not moved for this part of the limit has failed. The prover's longest step, a commitment, is 0.6 of its phase."""

STILL_DOUBLED: Final = 0.35
"""An attempt that has not moved for this part of the limit is begun a second time, where somebody is idle."""


@dataclass(frozen=True)
class PhaseLimits:
    """Limits of one phase in seconds. A share is a straggler that takes longer than `factor` times what is expected, and than
    `least_seconds`."""

    limit: float = 0.0
    factor: float = 0.0
    least_seconds: float = 10.0


@dataclass(frozen=True)
class RunningAttempt:
    """One worker's attempt at a share: its weight, the worker's units, since when it is at it (None: not yet), when it last moved."""

    lease: Lease
    weight: int
    units: int
    began_at: float | None
    moved_at: float

    def seconds(self, now: float) -> float:
        return 0.0 if self.began_at is None else now - self.began_at

    def still_seconds(self, now: float) -> float:
        """For how long it has not moved."""
        return 0.0 if self.began_at is None else now - max(self.began_at, self.moved_at)


def deadline(attempts: Sequence[RunningAttempt], lost_seconds: float, still_seconds: float, patience: PhaseLimits) -> float:
    """When the clock of a share is over, given the time that attempts at it have taken which came to nothing: those that were lost or
    failed, and those that stood still."""
    if not patience.limit or not attempts or any(each.began_at is None for each in attempts):
        return float("inf")
    extended = max(0.0, patience.limit * (1 + EXTENSIONS) - lost_seconds)
    return max(each.began_at or 0.0 for each in attempts) + min(patience.limit, extended) - still_seconds


def stands_still(one: RunningAttempt, patience: PhaseLimits, now: float) -> bool:
    """Whether an attempt has failed because nothing has been heard of its progress for so long."""
    return bool(patience.limit) and one.still_seconds(now) >= STILL * patience.limit


def rate(one: RunningAttempt, now: float) -> float:
    """What a finished attempt took: seconds for one unit of weight on one unit of a worker."""
    return one.seconds(now) * one.units / max(1, one.weight)


def straggler(lone: Sequence[RunningAttempt], rates: Sequence[float], patience: PhaseLimits, now: float) -> RunningAttempt | None:
    """Of the attempts that are their share's only one, the one that should have a second beside it: the one that is furthest over what is
    expected. `rates` are those of the shares that are done."""
    if not patience.factor:
        return None
    late: list[tuple[float, int, RunningAttempt]] = []
    for one in lone:
        spent = one.seconds(now)
        expected = median(rates) * one.weight / max(1, one.units) if rates else float("inf")
        slow = spent >= max(patience.least_seconds, patience.factor * expected)
        still = bool(patience.limit) and one.still_seconds(now) >= max(patience.least_seconds, STILL_DOUBLED * patience.limit)
        if slow or still:
            late.append((-spent / expected if rates and expected else 0.0, one.lease.share, one))
    return min(late, key=lambda each: each[:2])[2] if late else None
