"""The passing of time, for the registry: who is overdue, and how late we are ourselves.

Rules of this file:
* A tick several times per period; the beats themselves are each session's.
* Time that our own loop did not run is nobody's silence: a tick that comes late forgives as much as it was late.
"""

from __future__ import annotations

from typing import Final

import trio

from zisk_actors import log
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.workers.roster import Roster
from zisk_actors.core.events import Lost, Tick
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.series import QUICK_SECONDS, Histogram

SLACK_SECONDS = 0.25

LOOP_LAG: Final = Histogram("coordinator_loop_lag_seconds", "By how much the event loop was late, each time it looked.", QUICK_SECONDS)


class HeartbeatMonitor:
    """Ticks; `loop_lag` is by how much the last tick was late, in seconds."""

    def __init__(self, *, dispatcher: Dispatcher, roster: Roster, metrics: Metrics, period_seconds: float) -> None:
        self._dispatcher = dispatcher
        self._roster = roster
        self._metrics = metrics
        self._period_seconds = period_seconds
        self._log = log.get()
        self.loop_lag = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        step = min(1.0, self._period_seconds / 4)
        due = trio.current_time() + step
        while True:
            await trio.sleep_until(due)
            late = self.loop_lag = trio.current_time() - due
            self._metrics.observe(LOOP_LAG, late)
            if late > SLACK_SECONDS:
                self._log.warning("the coordinator's loop was late", late_seconds=round(late, 3))
            effects = self._dispatcher.handle(Tick(late if late > SLACK_SECONDS else 0.0))
            if any(isinstance(effect, Lost) for effect in effects):
                self._roster.changed()
            due = trio.current_time() + step
