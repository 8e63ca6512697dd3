"""How often a share may be tried: what its failures and the losses of its workers leave of its budget.

Rules of this file:
* A failure is an attempt that the worker itself ended, a wrong answer, or one that stood still: the share may be at fault. A loss is a
  worker that is gone, which says nothing of the share; only very many losses say that it kills whoever takes it.
* Each phase of a share has a budget of its own.
* Only what is in the job's record counts, so a restart of the coordinator gives nothing back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import ShareFailed
from zisk_actors.wire.values import Attempt, Phase

MAX_LISTED: Final = 200
"""Attempts that a failure lists, the last ones; more are only counted."""

REASON_LENGTH: Final = 500
"""Characters that are kept of the reason of one of many attempts."""


@dataclass(frozen=True)
class Budget:
    """How many failures and how many losses end a job: the share that has so many is not tried again."""

    failures: int = 3
    losses: int = 100

    def spent(self, tried: Tally) -> bool:
        """Whether there is no further attempt."""
        return tried.failures >= self.failures or tried.losses >= self.losses


@dataclass(frozen=True)
class Tally:
    """What one share has had in one phase."""

    failures: int
    losses: int

    def __str__(self) -> str:
        failed = f"{self.failures} attempt{'' if self.failures == 1 else 's'}"
        return failed + (f" and {self.losses} lost worker{'' if self.losses == 1 else 's'}" if self.losses else "")


def tally(record: JobRecord, unwritten: tuple[ShareFailed, ...], phase: Phase, share: int) -> Tally:
    """Count. `unwritten` are attempts that could not be put into the record."""
    attempts = [each for each in (*record.attempts, *unwritten) if each.phase is phase and each.share == share]
    faults = sum(fault.attempt.phase is phase and fault.attempt.share == share for fault in record.faults)
    losses = sum(each.lost for each in attempts)
    return Tally(len(attempts) - losses + faults, losses)


def attempts(record: JobRecord, unwritten: tuple[ShareFailed, ...] = ()) -> tuple[Attempt, ...]:
    """All that went wrong in a job, for its failure to list: who, at which share and phase, and why."""
    attempts = [Attempt(each.worker, each.share, each.phase, each.reason) for each in (*record.attempts, *unwritten)]
    found = [*(fault.attempt for fault in record.faults), *attempts][-MAX_LISTED:]
    return tuple(Attempt(each.worker, each.share, each.phase, each.reason[:REASON_LENGTH]) for each in found)
