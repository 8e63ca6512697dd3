"""The ends of jobs that the webhook is owed, by when each is to be told next.

Rule of this file: an end is put here when it is on disk as owed, and not before.
"""

from __future__ import annotations

import heapq

import trio

from zisk_actors.core.job import JobRecord
from zisk_actors.ids import JobId
from zisk_actors.store.rows import OwedEnd


class Outbox:
    """What is owed: the jobs with the times of their ends. `wanted`: ends of jobs are to be told at all."""

    def __init__(self, *, wanted: bool) -> None:
        self.wanted = wanted
        self.owed: dict[JobId, float] = {}
        self._heap: list[tuple[float, JobId, OwedEnd]] = []
        self._fresh = trio.Event()

    def ended(self, job: JobRecord) -> None:
        """The end of a job is on disk, and owed where ends are to be told."""
        if self.wanted and job.ended_at is not None:
            self.put(OwedEnd(JobId(job.job), job.ended_at, 0, job.ended_at))

    def put(self, notice: OwedEnd) -> None:
        """An end is to be told, or told again, at its time."""
        self.owed[notice.job] = notice.ended_at
        heapq.heappush(self._heap, (notice.next_at, notice.job, notice))
        self._fresh.set()

    def forget(self, job: JobId) -> None:
        """The end of a job is owed no more."""
        self.owed.pop(job, None)

    def oldest(self, now: float) -> float:
        """How many seconds ago the job ended that is owed longest, by the wall clock; 0 where nothing is owed."""
        return max(0.0, now - min(self.owed.values())) if self.owed else 0.0

    def take_due(self, now: float) -> OwedEnd | None:
        """An end whose time has come, which is not here any more; None where there is none."""
        return heapq.heappop(self._heap)[2] if self._heap and self._heap[0][0] <= now else None

    async def wait(self, now: float, most_seconds: float) -> None:
        """Until there is something new, or the time of the next one has come, or so much time has passed."""
        fresh = self._fresh
        left = self._heap[0][0] - now if self._heap else float("inf")
        with trio.move_on_after(min(left, most_seconds) if self._heap else float("inf")):
            await fresh.wait()
        self._fresh = trio.Event()
