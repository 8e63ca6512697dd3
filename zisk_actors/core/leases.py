"""Who works on what: the leases of the running jobs, and what workers claim to hold from before a restart of ours.

Rules of this file:
* A lease exists here and nowhere else. One that is not in the table is not in force, whoever shows it.
* By job and by worker it is the same table: what belongs to a worker is found without looking at all the jobs.
* The number of an attempt grows with every lease of a share; no lease is given out twice.
* A share has at most two leases, of two workers: its own, and a double for where that one is slow or in doubt. Where the first ends, the
  double takes its place.
* A claim is a lease that is not in force. The job that is resumed makes it one again, or orphans it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.wire.values import Lease

K = TypeVar("K")
L = TypeVar("L")


@dataclass
class Crew:
    """The leases of one running job, by share; the second leases of shares that have one; how often each share was tried; who is not to
    try it again; which shares were too large for the memory of a worker; its program."""

    leases: dict[int, Lease] = field(default_factory=dict)
    doubles: dict[int, Lease] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    excluded: dict[int, set[WorkerId]] = field(default_factory=dict)
    large: set[int] = field(default_factory=set)
    program: str = ""

    def load(self) -> dict[WorkerId, int]:
        """How many shares each of its workers holds."""
        count: dict[WorkerId, int] = {}
        for lease in self.all():
            count[lease.worker] = count.get(lease.worker, 0) + 1
        return count

    def all(self) -> list[Lease]:
        """All leases, doubles included."""
        return [*self.leases.values(), *self.doubles.values()]


class Leases:
    """The leases in force. `on_change` hears of every worker that got its first lease or lost its last."""

    def __init__(self, on_change: Callable[[WorkerId], None] = lambda worker: None) -> None:
        self._on_change = on_change
        self._crews: dict[JobId, Crew] = {}
        self._held: dict[WorkerId, dict[tuple[JobId, int], Lease]] = {}

    @property
    def crews(self) -> Mapping[JobId, Crew]:
        """The running jobs. To be read only; what changes goes through the verbs below."""
        return MappingProxyType(self._crews)

    @property
    def busy(self) -> Mapping[WorkerId, Mapping[tuple[JobId, int], Lease]]:
        """The workers that hold a lease, each with its leases."""
        return MappingProxyType(self._held)

    def open(self, job: JobId) -> Crew:
        """The crew of a job that runs, made where there is none yet."""
        return self._crews.setdefault(job, Crew())

    def give(self, job: JobId, share: int, worker: WorkerId, incarnation: Incarnation) -> Lease:
        """A new lease, in force from now on; the next attempt at its share."""
        crew = self.open(job)
        lease = Lease(worker, incarnation, job, share, crew.attempts.get(share, 0) + 1)
        self.adopt(lease)
        return lease

    def adopt(self, lease: Lease) -> None:
        """Put a lease in force as it is; who held the share until now does no more."""
        crew = self.open(lease.job)
        before = crew.leases.get(lease.share)
        if before is not None:
            self._release(before)
        crew.attempts[lease.share] = lease.attempt
        crew.leases[lease.share] = lease
        self._hold(lease)

    def double(self, job: JobId, share: int, worker: WorkerId, incarnation: Incarnation) -> Lease:
        """A second lease of a share that has one, for another worker."""
        crew = self._crews[job]
        if share in crew.doubles or crew.leases[share].worker == worker:
            raise IllegalTransition(f"share {share} of job {job} cannot be given to {worker} as well")
        lease = Lease(worker, incarnation, job, share, crew.attempts[share] + 1)
        crew.attempts[share] = lease.attempt
        crew.doubles[share] = lease
        self._hold(lease)
        return lease

    def holds(self, lease: Lease) -> bool:
        crew = self._crews.get(lease.job)
        return crew is not None and lease in (crew.leases.get(lease.share), crew.doubles.get(lease.share))

    def find(self, job: JobId, share: int) -> Lease | None:
        crew = self._crews.get(job)
        return crew.leases.get(share) if crew is not None else None

    def double_of(self, job: JobId, share: int) -> Lease | None:
        """The double of a share, where it has one."""
        crew = self._crews.get(job)
        return crew.doubles.get(share) if crew is not None else None

    def of_worker(self, worker: WorkerId) -> list[Lease]:
        """What a worker holds, in the order in which it was given."""
        return list(self._held.get(worker, {}).values())

    def jobs_of(self, worker: WorkerId) -> list[JobId]:
        return list(dict.fromkeys(job for job, _ in self._held.get(worker, {})))

    def drop(self, lease: Lease, *, exclude: bool) -> bool:
        """End a lease; `exclude`: its worker is to have the share again only where nobody else can. False where it was not in force."""
        if not self.holds(lease):
            return False
        crew = self._crews[lease.job]
        double = crew.doubles.pop(lease.share, None)
        if double is not None and double != lease:
            crew.leases[lease.share] = double
        elif double is None:
            del crew.leases[lease.share]
        self._release(lease)
        if exclude:
            crew.excluded.setdefault(lease.share, set()).add(lease.worker)
        return True

    def reissue(self, job: JobId) -> None:
        """Replace the leases of a job, for shares that are others than before."""
        crew = self.open(job)
        for lease in list(crew.doubles.values()):
            self.drop(lease, exclude=False)
        for lease in list(crew.leases.values()):
            self.give(job, lease.share, lease.worker, lease.incarnation)
        crew.excluded.clear()
        crew.large.clear()

    def close(self, job: JobId) -> Crew | None:
        """End all leases of a job, and forget it."""
        crew = self._crews.pop(job, None)
        for lease in crew.all() if crew is not None else ():
            self._release(lease)
        return crew

    def _hold(self, lease: Lease) -> None:
        self._held.setdefault(lease.worker, {})[lease.job, lease.share] = lease
        self._on_change(lease.worker)

    def _release(self, lease: Lease) -> None:
        _without(self._held, lease.worker, (lease.job, lease.share))
        if lease.worker not in self._held:
            self._on_change(lease.worker)


class Claims:
    """What workers hold from before a restart, of shares that jobs which wait to be resumed need."""

    def __init__(self) -> None:
        self._by_job: dict[JobId, dict[int, Lease]] = {}
        self._by_worker: dict[WorkerId, dict[tuple[JobId, int], Lease]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_job.values()))

    def __iter__(self) -> Iterator[Lease]:
        return (lease for shares in self._by_job.values() for lease in shares.values())

    def jobs(self) -> Collection[JobId]:
        return self._by_job.keys()

    def find(self, job: JobId, share: int) -> Lease | None:
        return self._by_job.get(job, {}).get(share)

    def elsewhere(self, worker: WorkerId, job: JobId) -> bool:
        """Whether a worker holds a share of another job than this."""
        return any(of != job for of, _ in self._by_worker.get(worker, ()))

    def note(self, lease: Lease) -> None:
        """Take a claim down, in place of one to the same share."""
        before = self.find(lease.job, lease.share)
        if before is not None:
            self._forget(before)
        self._by_job.setdefault(lease.job, {})[lease.share] = lease
        self._by_worker.setdefault(lease.worker, {})[lease.job, lease.share] = lease

    def take(self, job: JobId) -> list[Lease]:
        """All claims to a job's shares, which are claims no more."""
        taken = list(self._by_job.get(job, {}).values())
        for lease in taken:
            self._forget(lease)
        return taken

    def drop_worker(self, worker: WorkerId) -> list[Lease]:
        """A worker is gone, or not believed any more; what it claimed."""
        dropped = list(self._by_worker.get(worker, {}).values())
        for lease in dropped:
            self._forget(lease)
        return dropped

    def _forget(self, lease: Lease) -> None:
        _without(self._by_job, lease.job, lease.share)
        _without(self._by_worker, lease.worker, (lease.job, lease.share))


def _without(table: dict[K, dict[L, Lease]], key: K, inner: L) -> None:
    """Delete an entry, and its row where that was the last."""
    row = table[key]
    del row[inner]
    if not row:
        del table[key]
