"""The ends of jobs that come from outside: a client cancels, a deadline passes, an input does not come.

Rules of this file:
* A job's supervisor ends it; one that waits in the queue gets a supervisor for that.
* Of several who want a job ended the first is heard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from zisk_actors import log
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.dispatch.stopping import Stopping
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.supervision import Supervision
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.core.events import Admit, Ended
from zisk_actors.core.job_events import Cancelled, JobFailed
from zisk_actors.wire.values import State

STOP_SECONDS: Final = 10.0
"""How long a cancel waits for the workers to say that they have stopped."""


class Endings:
    """Ends jobs. `clock` is the wall clock."""

    def __init__(
        self, *, jobs: JobTable, dispatcher: Dispatcher, supervision: Supervision, stopping: Stopping, clock: Callable[[], float]
    ) -> None:
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._supervision = supervision
        self._stopping = stopping
        self._clock = clock
        self._log = log.get()

    async def cancel(self, entry: JobEntry, reason: str) -> bool:
        """End a job as cancelled; False where it ended otherwise. Returns when it has, and its workers say that they have stopped or have
        had `STOP_SECONDS` for it.

        Raises `StoreUnwritable` where its end cannot be written down; the job does nothing more, and ends when it can.
        """
        if entry.record.state.final:
            return False
        self._end(entry, Cancelled(self._clock(), reason))
        await self._jobs.written_down(entry)
        await self._supervision.over(entry)
        await self._stopping.all_stopped(entry.job, STOP_SECONDS)
        return entry.record.state is State.CANCELLED

    async def expire(self, entry: JobEntry, event: JobFailed) -> None:
        """End a job that is late; returns when that is written down."""
        if not entry.record.state.final:
            self._log.error("deadline passed", job=entry.record.job, stage=entry.record.stage.value, error=event.failure.message)
            self._end(entry, event)
            await self._jobs.ended(entry)

    def _end(self, entry: JobEntry, event: Cancelled | JobFailed) -> None:
        if entry.ending is not None:
            return
        entry.ending = event
        if entry.scope is not None:
            entry.scope.cancel()
        elif entry.record.job not in self._jobs.supervised:
            self._dispatcher.handle(Ended(entry.record.job))
            self._supervision.start(entry, Admit(entry.record.job, (), ()))
