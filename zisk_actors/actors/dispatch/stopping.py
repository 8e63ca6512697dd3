"""Which workers have stopped what they did for jobs that ended early, as they say themselves.

Rules of this file:
* A worker has stopped when it says so, which it does when the process that computed is dead; a worker that is lost says nothing any more.
* The last `MAX_JOBS` jobs are remembered; what is known of them is for people, and nothing is decided by it.
"""

from __future__ import annotations

from typing import Final

import trio

from zisk_actors.ids import JobId, WorkerId

MAX_JOBS: Final = 1000


class Stopping:
    """By job: the workers that were told to stop, and whether they have; None for one that was lost before it said so."""

    def __init__(self) -> None:
        self._told: dict[JobId, dict[WorkerId, bool | None]] = {}
        self._said = trio.Event()

    def told(self, job: JobId, worker: WorkerId) -> None:
        """A worker is to stop what it does for a job."""
        self._told.setdefault(job, {})[worker] = False
        while len(self._told) > MAX_JOBS:
            del self._told[next(iter(self._told))]

    def done(self, job: JobId, worker: WorkerId) -> None:
        """It says that it has."""
        if worker in (workers := self._told.get(job, {})):
            workers[worker] = True
            self._wake()

    def lost(self, worker: WorkerId) -> None:
        """It will say nothing any more."""
        for workers in self._told.values():
            if workers.get(worker) is False:
                workers[worker] = None
        self._wake()

    def _wake(self) -> None:
        self._said.set()
        self._said = trio.Event()

    def of(self, job: JobId) -> tuple[tuple[WorkerId, ...], tuple[WorkerId, ...]]:
        """The workers that have stopped, and those that have not said so."""
        workers = self._told.get(job, {})
        return tuple(sorted(w for w in workers if workers[w])), tuple(sorted(w for w in workers if not workers[w]))

    async def all_stopped(self, job: JobId, seconds: float) -> None:
        """Wait until all have stopped, at most so long."""
        with trio.move_on_after(seconds):
            while False in self._told.get(job, {}).values():
                await self._said.wait()
