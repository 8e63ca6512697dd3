"""How far each attempt at a share is: one record of each, which stalls, stragglers and what clients are told of shares are read from.

Rules of this file:
* An attempt is one worker's work under one lease; asked for the next phase of its share, it is at the beginning again.
* It moves when its phase, step or fraction is another than before; a worker that says the same again has not moved.
* A worker begins with what it was asked when it says so, or when it has nothing else of ours to do (`tasks.py`).
* Of two attempts at a share the older one is shown, with how far that one is which is further; of those that are over only the last one,
  while there is no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import trio

from zisk_actors.ids import JobId
from zisk_actors.wire.values import Lease, Phase, ShareStatus

WAITING: Final = "waiting"
DONE: Final = "done"


@dataclass(slots=True)
class AttemptProgress:
    """How far an attempt is. Times are the loop's, in seconds: since when its lease is held, when its worker began with the phase (None:
    not yet), and when it last moved. `heard`: the worker has said something of it; `over`: nobody waits for its answer any more."""

    lease: Lease
    held_since: float
    moved_at: float
    phase: Phase | None = None
    began_at: float | None = None
    step: str = ""
    fraction: float = 0.0
    heard: bool = False
    over: bool = False


class ProgressTable:
    """The attempts of all jobs that have not ended."""

    def __init__(self) -> None:
        self._of: dict[JobId, dict[Lease, AttemptProgress]] = {}

    def assigned(self, lease: Lease) -> AttemptProgress:
        """A worker holds a share."""
        now = trio.current_time()
        attempt = self._of.setdefault(lease.job, {})[lease] = AttemptProgress(lease, held_since=now, moved_at=now)
        return attempt

    def asked(self, lease: Lease, phase: Phase) -> AttemptProgress:
        """A worker is asked for a phase of its share."""
        attempt = self.find(lease) or self.assigned(lease)
        attempt.phase, attempt.began_at, attempt.heard, attempt.over = phase, None, False, False
        attempt.step, attempt.fraction, attempt.moved_at = WAITING, 0.0, trio.current_time()
        return attempt

    def moved(self, lease: Lease, step: str, fraction: float) -> None:
        """A worker says how far it is."""
        attempt = self.find(lease)
        if attempt is not None:
            attempt.heard = True
            if (attempt.step, attempt.fraction) != (step, fraction):
                attempt.step, attempt.fraction, attempt.moved_at = step, fraction, trio.current_time()

    def done(self, lease: Lease) -> None:
        """Its answer counts."""
        attempt = self.find(lease)
        if attempt is not None:
            attempt.step, attempt.fraction, attempt.moved_at = DONE, 1.0, trio.current_time()

    def anew(self, job: JobId, share: int) -> None:
        """A share is to be done, whatever was done of it before."""
        for lease, attempt in self._of.get(job, {}).items():
            if lease.share == share:
                attempt.phase = None

    def ended(self, job: JobId) -> None:
        """Nobody holds anything of a job any more."""
        self._of.pop(job, None)

    def find(self, lease: Lease) -> AttemptProgress | None:
        return self._of.get(lease.job, {}).get(lease)

    def workers_of(self, job: JobId) -> list[str]:
        """Who holds or held a share of a job that has not ended, by name."""
        return sorted({lease.worker for lease in self._of.get(job, ())})

    def shares(self, job: JobId, phase: Phase | None) -> dict[int, ShareStatus]:
        """How far the shares of a job are that were asked for in a phase, by their number."""
        attempts: dict[int, list[AttemptProgress]] = {}
        for lease, attempt in self._of.get(job, {}).items():
            if attempt.phase is phase and phase is not None:
                attempts.setdefault(lease.share, []).append(attempt)
        return {share: _status(attempts[share], phase) for share in sorted(attempts) if phase is not None}


def _status(attempts: list[AttemptProgress], phase: Phase) -> ShareStatus:
    """What is shown of the attempts at one share."""
    done = [attempt for attempt in attempts if attempt.step == DONE]
    live = [attempt for attempt in attempts if not attempt.over]
    shown = sorted(done[-1:] or live or attempts[-1:], key=lambda attempt: attempt.lease.attempt)
    first, last = shown[0], max(shown, key=lambda attempt: attempt.moved_at)
    return ShareStatus(
        share=first.lease.share,
        worker=first.lease.worker,
        attempt=first.lease.attempt,
        phase=phase,
        fraction=max(attempt.fraction for attempt in shown),
        step=last.step[:200],
        second=shown[1].lease.worker if len(shown) > 1 else None,
    )
