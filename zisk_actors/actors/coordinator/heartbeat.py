"""The passing of time, for the registry: who is overdue, and how late we are ourselves.

Rules of this file:
* A tick several times per period; the beats themselves are each session's.
* Time that our own loop did not run is nobody's silence: a tick that comes late forgives as much as it was late.
"""

from __future__ import annotations

import trio

from zisk_actors.actors.coordinator.coordinator import Coordinator
from zisk_actors.core.events import Tick

SLACK_SECONDS = 0.25


async def monitor(coordinator: Coordinator, period_seconds: float) -> None:
    """Tick until cancelled."""
    step = min(1.0, period_seconds / 4)
    due = trio.current_time() + step
    while True:
        await trio.sleep_until(due)
        late = trio.current_time() - due
        coordinator.loop_lag = late
        coordinator.metrics.loop_lag(late)
        if late > SLACK_SECONDS:
            coordinator.log.warning("the coordinator's loop was late", late_seconds=round(late, 3))
        coordinator.handle(Tick(late if late > SLACK_SECONDS else 0.0))
        due = trio.current_time() + step
