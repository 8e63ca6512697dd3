"""The choices, each a pure function: who is next, who works on it, who takes over.

Rules of this file:
* Same input, same choice: every order ends with a tie-break by name.
* A worker works for one job at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from zisk_actors.core.worker import WorkerRecord
from zisk_actors.ids import WorkerId
from zisk_actors.wire.values import Kind


def queue_order(priority: int, submitted_at: float, resumed: bool, job: str) -> tuple[bool, int, float, str]:
    """The sort key of a waiting job: what was running before a restart first, then by priority, then by age."""
    return (not resumed, -priority, submitted_at, job)


def choose_crew(kind: Kind, free: Sequence[WorkerRecord], max_workers: int) -> list[WorkerRecord]:
    """The workers of a new job, in order of their shares: an execution needs one, the other kinds take all that are free."""
    ordered = sorted(free, key=lambda record: (-record.units, record.worker))
    return ordered[: 1 if kind is Kind.EXECUTE else max_workers]


def spread(shares: Mapping[int, int], free: Sequence[WorkerRecord], given: Sequence[tuple[WorkerId, int]] = ()) -> dict[int, WorkerId]:
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


def choose_successor(
    candidates: Sequence[WorkerRecord], *, leases: Mapping[WorkerId, int], excluded: Collection[WorkerId], prefer: WorkerId | None
) -> WorkerId | None:
    """Who takes a share that has lost its holder: who is preferred, else who did not fail at it, has fewest shares and most units."""
    names = {record.worker for record in candidates}
    if prefer in names and prefer not in excluded:
        return prefer
    order = sorted(candidates, key=lambda record: (record.worker in excluded, leases.get(record.worker, 0), -record.units, record.worker))
    return order[0].worker if order else None


def choose_second(candidates: Sequence[WorkerRecord], *, leases: Mapping[WorkerId, int], barred: Collection[WorkerId]) -> WorkerId | None:
    """Who tries a share beside its holder: of those who may, who has fewest shares and most units."""
    able = [record for record in candidates if record.worker not in barred]
    order = sorted(able, key=lambda record: (leases.get(record.worker, 0), -record.units, record.worker))
    return order[0].worker if order else None
