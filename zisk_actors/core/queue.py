"""The jobs that wait, in the order in which they are to start.

Rules of this file:
* The order is kept, not made: taking a job in, taking one out and asking for a position cost a binary search, not a walk.
* Same jobs, same order, in whatever sequence they came: the order ends with a tie-break by name.
* What runs, and whether anything can start, is not known here.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from zisk_actors.core.events import Enqueue
from zisk_actors.core.policy import queue_order
from zisk_actors.ids import JobId

_Key = tuple[bool, int, float, str]


class Queue:
    """Waiting jobs by their place. One job stands in it once."""

    def __init__(self) -> None:
        self._jobs: dict[JobId, Enqueue] = {}
        self._keys: dict[JobId, _Key] = {}
        self._order: list[tuple[_Key, JobId]] = []
        self._resumed: set[JobId] = set()

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Enqueue]:
        """The jobs in order."""
        return (self._jobs[job] for _, job in self._order)

    def __contains__(self, job: object) -> bool:
        return job in self._jobs

    def find(self, job: JobId) -> Enqueue | None:
        return self._jobs.get(job)

    def head(self) -> Enqueue | None:
        """Who is next."""
        return self._jobs[self._order[0][1]] if self._order else None

    def enqueue(self, each: Enqueue) -> None:
        """Give a job its place. A job that waits already gets the place that it has now a right to."""
        self.remove(each.job)
        key = queue_order(each.priority, each.submitted_at, bool(each.needs), each.job)
        self._jobs[each.job], self._keys[each.job] = each, key
        insort(self._order, (key, each.job))
        if each.needs:
            self._resumed.add(each.job)

    def remove(self, job: JobId) -> Enqueue | None:
        """Take a job out; what it was, or None where it did not wait."""
        each = self._jobs.pop(job, None)
        if each is not None:
            del self._order[bisect_left(self._order, (self._keys.pop(job), job))]
            self._resumed.discard(job)
        return each

    def position(self, job: JobId) -> int | None:
        """How many jobs are before this one; None where it does not wait."""
        key = self._keys.get(job)
        return None if key is None else bisect_left(self._order, (key, job))
