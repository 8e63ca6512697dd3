"""The journal's actor: writes what it is given in the order it was given, many at a time, and answers when it is on disk.

Rules of this file:
* One thread at a time touches the journal.
* What waits while a write is under way goes with the next one: one flush for all of them (group commit).
* An event that cannot be written is an error of whoever recorded it; nothing is told to anybody before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from zisk_actors.actors.threads import in_thread
from zisk_actors.core.job_events import JobEvent
from zisk_actors.ids import JobId
from zisk_actors.store.errors import StoreUnwritable
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Ending

T = TypeVar("T")


@dataclass
class _Row:
    job: JobId
    event: JobEvent
    ending: Ending | None
    done: trio.Event = field(default_factory=trio.Event)
    error: StoreUnwritable | None = None


class Recorder:
    """Appends events to a journal. `committed` is told of each group that is on disk: the seconds it took, and how many events.

    `seconds` is how long the last write took; `broken` whether it failed.
    """

    def __init__(self, journal: Journal, committed: Callable[[float, int], None] | None = None) -> None:
        self._journal = journal
        self._committed = committed
        self._rows: list[_Row] = []
        self._waiting: list[float] = []
        self._some = trio.Event()
        self._lock = trio.Lock()
        self._closed = False
        self.seconds = 0.0
        self.broken = False

    @property
    def epoch(self) -> int:
        return self._journal.epoch

    @property
    def waits_seconds(self) -> float:
        """Since when the journal has not done what it was given first of what is open; 0 where nothing is."""
        return trio.current_time() - self._waiting[0] if self._waiting else 0.0

    async def append(self, job: JobId, event: JobEvent, ending: Ending | None = None) -> None:
        """Returns when the event is on disk, with a job's last one its ending too. Raises `StoreUnwritable`. Cancelling does not take back
        what was given."""
        if self._closed:
            raise StoreUnwritable("the journal is closing: the coordinator stops")
        row = _Row(job, event, ending)
        self._rows.append(row)
        self._some.set()
        await row.done.wait()
        if row.error is not None:
            raise row.error

    async def call(self, function: Callable[[Journal], T]) -> T:
        """Do something else with the journal, in its turn."""
        now = trio.current_time()
        self._waiting.append(now)
        try:
            async with self._lock:
                return await in_thread(function, self._journal)
        finally:
            self._waiting.remove(now)

    async def run(self) -> None:
        """Write until cancelled; what was given by then is written still, what comes later is refused."""
        try:
            while True:
                await self._some.wait()
                self._some = trio.Event()
                await self._write()
        finally:
            self._closed = True
            await self._write()

    async def _write(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        began = trio.current_time()
        batch = [(row.job, row.event) for row in rows]
        endings = [row.ending for row in rows if row.ending is not None]
        try:
            with trio.CancelScope(shield=True):
                await self.call(lambda journal: journal.append(batch, endings))
            self.broken = False
        except StoreUnwritable as error:
            self.broken = True
            for row in rows:
                row.error = error
        finally:
            for row in rows:
                row.done.set()
        self.seconds = trio.current_time() - began
        if self._committed is not None and not self.broken:
            self._committed(self.seconds, len(rows))
