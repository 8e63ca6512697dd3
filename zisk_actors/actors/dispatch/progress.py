"""Since when each share is held, and when it last moved.

Rule of this file: a share that moves is one whose step or fraction is another than before; a worker that says the same again has not moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from zisk_actors.ids import JobId
from zisk_actors.wire.values import Lease, Phase


@dataclass
class _Held:
    since: float
    moved_at: float
    seen: tuple[Phase | None, str, float] = (None, "", 0.0)


@dataclass
class ShareProgress:
    """Since when shares are held, and when they last moved."""

    _held: dict[JobId, dict[Lease, _Held]] = field(default_factory=dict)

    def assigned(self, lease: Lease) -> None:
        """A worker holds a share."""
        now = trio.current_time()
        self._held.setdefault(lease.job, {})[lease] = _Held(now, now)

    def moved(self, lease: Lease, phase: Phase, step: str, fraction: float) -> None:
        """A worker says how far it is."""
        held = self._held.get(lease.job, {}).get(lease)
        if held is not None and held.seen != (phase, step, fraction):
            held.seen, held.moved_at = (phase, step, fraction), trio.current_time()

    def ended(self, job: JobId) -> None:
        """Nobody holds anything of a job any more."""
        self._held.pop(job, None)

    def workers_of(self, job: JobId) -> list[str]:
        """Who holds or held a share of a job that has not ended, by name."""
        return sorted({lease.worker for lease in self._held.get(job, ())})

    def find(self, lease: Lease) -> tuple[float, float]:
        """Since when a lease is held, and when its share last moved."""
        held = self._held.get(lease.job, {}).get(lease)
        now = trio.current_time()
        return (held.since, held.moved_at) if held is not None else (now, now)
