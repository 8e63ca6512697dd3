"""The workers by what they can be given: who is free, most units first, and the sums that decisions and explanations need.

Rules of this file:
* Nothing here is true by itself: it follows from the registry and the leases, and is brought up to date for one worker at a time.
* Free is who is believed to live and holds no lease. Able is who is not quarantined, whether it is busy or late.
* `version` changes with every change, so that what was tried in vain need not be tried again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable

from zisk_actors.core.worker import WorkerHealth, WorkerRecord
from zisk_actors.ids import WorkerId

_Place = tuple[int, WorkerId]


class WorkerPool:
    """An index over workers; it hears by `refresh` of every change. `find` gives a worker's record, None where it is not registered;
    `is_busy` says whether it holds a lease."""

    def __init__(self, find: Callable[[WorkerId], WorkerRecord | None], is_busy: Callable[[WorkerId], bool]) -> None:
        self._find = find
        self._is_busy = is_busy
        self._free: list[_Place] = []
        self._able: list[_Place] = []
        self._seen: dict[WorkerId, tuple[_Place, bool, bool]] = {}
        self._largest: dict[int, int] = {}
        self.total_units = 0
        self.free_units = 0
        self.version = 0

    def refresh(self, worker: WorkerId) -> None:
        """Something about a worker may have changed."""
        record = self._find(worker)
        after = None
        if record is not None:
            free = record.health is WorkerHealth.READY and not self._is_busy(worker)
            after = ((-record.units, worker), record.health is not WorkerHealth.QUARANTINED, free)
        before = self._seen.get(worker)
        if after == before:
            return
        self.version += 1
        self._largest.clear()
        if before is not None:
            self._count(*before, add=False)
            del self._seen[worker]
        if after is not None:
            self._count(*after, add=True)
            self._seen[worker] = after

    def _count(self, place: _Place, able: bool, free: bool, *, add: bool) -> None:
        units = -place[0] if add else place[0]
        self.total_units += units
        self.free_units += units * free
        for wanted, index in ((able, self._able), (free, self._free)):
            if wanted and add:
                insort(index, place)
            elif wanted:
                del index[bisect_left(index, place)]

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def able(self) -> int:
        """How many workers are not quarantined."""
        return len(self._able)

    def free(self) -> list[WorkerRecord]:
        """Who could be given work now: most units first, then by name."""
        return self.first_free(len(self._free))

    def first_free(self, count: int) -> list[WorkerRecord]:
        """The first of those."""
        return [record for _, worker in self._free[:count] if (record := self._find(worker)) is not None]

    def is_free(self, worker: WorkerId) -> bool:
        seen = self._seen.get(worker)
        return seen is not None and seen[2]

    def any_free(self) -> bool:
        return bool(self._free)

    def largest(self, workers: int) -> int:
        """The most units that so many of the connected workers have together, when all are free."""
        if workers not in self._largest:
            self._largest[workers] = -sum(units for units, _ in self._able[:workers])
        return self._largest[workers]
