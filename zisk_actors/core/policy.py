"""The policy of a scheduler: who is next, who works on it, how it is cut, who takes over. Each choice is a pure function.

Rules of this file:
* Same input, same choice: every order ends with a tie-break by name.
* A worker works for one job at a time, with all its units; what a job asks for is met with whole workers.
* Declared units are the operator's word. What a worker has measured corrects them only where it is far slower than the others say that
  such units are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from zisk_actors.core.worker import WorkerRecord
from zisk_actors.ids import WorkerId
from zisk_actors.wire.values import Kind

TURNS_PER_PRIORITY: Final = 10
"""A step of priority goes before so many turns of those that have waited longer."""

MAX_SHARES: Final = 256
"""A run is cut into more shares than there are workers only where they would be too large, and into no more than so many."""


@dataclass(frozen=True)
class Need:
    """What a job starts with: compute units of `least` or more, as near to `wanted` as whole workers are (0: as many as it may have), of
    no more than so many workers."""

    least: int
    wanted: int
    workers: int


@dataclass(frozen=True)
class Policy:
    """The choices of a scheduler, which is given one of these; another policy is a class with some of these methods changed. A job has at
    most `max_workers_per_job` workers; one that does not say how many compute units it wants starts with `min_compute_units` at least, and
    takes `default_compute_units`, 0 for all that it may have."""

    max_workers_per_job: int = 10
    min_compute_units: int = 1
    default_compute_units: int = 0

    def order(self, priority: int, submitted_at: float, resumed: bool, turn: int) -> tuple[bool, int, float]:
        """The sort key of a waiting job: what was running before a restart first, by priority; then by turn, each step of priority being
        worth `TURNS_PER_PRIORITY` of them; then by age."""
        return not resumed, -priority if resumed else turn - priority * TURNS_PER_PRIORITY, submitted_at

    def need(self, kind: Kind, min_units: int, units: int) -> Need:
        """What a job needs: what its client asked for, else what is set. An execution takes one worker, the smallest that is enough; the
        minimum that is set is not for executions."""
        if kind is Kind.EXECUTE:
            least = max(1, min_units)
            return Need(least, max(least, units), 1)
        least = max(1, min_units or self.min_compute_units)
        wanted = units or self.default_compute_units
        return Need(least, max(least, wanted) if wanted else 0, self.max_workers_per_job)

    def choose(self, need: Need, free: Sequence[WorkerRecord], program: str = "") -> list[WorkerRecord]:
        """The workers of a new job, in order of their shares; none where those that are free are not enough.

        A job that takes what there is gets the workers with most units. One that wants so many gets, again and again, the smallest worker
        that alone has all that is still missing, or where none has, the largest. Of workers with the same units those that have the
        program at hand come first, then it goes by name.
        """
        ordered = sorted(free, key=lambda record: (-record.units, program not in record.programs, record.worker))
        if not need.wanted:
            crew = ordered[: need.workers]
        else:
            crew, missing = [], need.wanted
            while ordered and missing > 0 and len(crew) < need.workers:
                smallest = min((record.units for record in ordered if record.units >= missing), default=ordered[0].units)
                pick = next(record for record in ordered if record.units == smallest)
                ordered.remove(pick)
                crew.append(pick)
                missing -= pick.units
        return crew if sum(record.units for record in crew) >= need.least else []

    def weigh(self, crew: Sequence[WorkerRecord]) -> tuple[int, ...]:
        """How a job is cut: by declared units, unless somebody's units are worth less than a quarter of what is usual in this crew, by
        what all have measured. That one's weight is then what its measure is worth, as a whole number from 1."""
        units = tuple(record.units for record in crew)
        rates = [record.measured / record.units for record in crew]
        if not crew or min(rates) <= 0:
            return units
        usual = sorted(rates)[len(rates) // 2]
        if min(rates) * 4 >= usual:
            return units
        worth = [rate / usual if rate * 4 < usual else 1.0 for rate in rates]
        return tuple(max(1, round(record.units * part)) for record, part in zip(crew, worth, strict=True))

    def spread(
        self, shares: Mapping[int, int], free: Sequence[WorkerRecord], given: Sequence[tuple[WorkerId, int]] = ()
    ) -> dict[int, WorkerId]:
        """Holders for shares of given weights, when there may be fewer workers than shares: the heaviest share goes to who is least loaded.
        `given` are the weights that some of them have already."""
        units = {record.worker: record.units for record in free}
        load = {record.worker: sum(weight for worker, weight in given if worker == record.worker) / record.units for record in free}
        held: dict[int, WorkerId] = {}
        for share, weight in sorted(shares.items(), key=lambda item: (-item[1], item[0])):
            worker = min(load, key=lambda name: (load[name] + weight / units[name], name))
            load[worker] += weight / units[worker]
            held[share] = worker
        return held

    def succeed(
        self,
        candidates: Sequence[WorkerRecord],
        *,
        leases: Mapping[WorkerId, int],
        excluded: Collection[WorkerId],
        prefer: WorkerId | None,
        program: str = "",
        large: bool = False,
    ) -> WorkerId | None:
        """Who takes a share that has lost its holder: who is preferred, else who did not fail at it, has fewest shares, most units, and the
        program at hand. For a share that was too `large` for a holder most memory comes before all that."""
        names = {record.worker for record in candidates}
        if prefer in names and prefer not in excluded:
            return prefer
        order = [
            (
                record.worker in excluded,
                -record.memory_bytes if large else 0,
                leases.get(record.worker, 0),
                -record.units,
                program not in record.programs,
                record.worker,
            )
            for record in candidates
        ]
        return min(order)[-1] if order else None

    def double(
        self, candidates: Sequence[WorkerRecord], *, leases: Mapping[WorkerId, int], barred: Collection[WorkerId]
    ) -> WorkerId | None:
        """Who tries a share beside its holder: of those who may, who has fewest shares and most units."""
        able = [record for record in candidates if record.worker not in barred]
        order = sorted(able, key=lambda record: (leases.get(record.worker, 0), -record.units, record.worker))
        return order[0].worker if order else None


def cut_finer(weights: Sequence[int], pieces: int) -> tuple[int, ...] | None:
    """Weights of shares that are each a part of one of before; None where there would be too many."""
    if pieces < 2 or len(weights) * pieces > MAX_SHARES:
        return None
    return tuple(weight for weight in weights for _ in range(pieces))
