"""Queue, registry and leases: what happens comes in as events with the time, what to do goes out as effects.

Rules of this file:
* A lease exists here and nowhere else. It is in the table before its effect goes out, so no answer can overtake it.
* Whoever answers under a lease that is not in the table is late: counted, and otherwise without effect.
* A worker holds leases of one job at a time; it is free when it holds none.
* After a restart the leases of before are not in force. A worker that still holds one claims its share; the job that is resumed gives it
  the same lease again, before anything else is given out.
* The scheduler never waits; a share that nobody can take now is wanted, and granted by a later event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from zisk_actors.core.policy import choose_crew, choose_successor, queue_order, spread
from zisk_actors.core.registry import Refusal, Registry
from zisk_actors.core.worker import Health, WorkerRecord
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.wire.values import Kind, Lease

MAX_ATTEMPT: Final = 10_000
"""No share is tried more often; a claim to more is not believed."""

# ------------------------------------------------------------------------------------------------------------------------ events


@dataclass(frozen=True)
class Enqueue:
    """A job waits. `weights` are those of a job that was cut before a restart, `needs` the shares it needs holders for now, and `former`
    who answered for a share in the phase before and may remember what it computed."""

    job: JobId
    kind: Kind
    priority: int
    submitted_at: float
    weights: tuple[int, ...] = ()
    needs: tuple[int, ...] = ()
    former: tuple[tuple[int, WorkerId, Incarnation], ...] = ()


@dataclass(frozen=True)
class Joined:
    """A worker said hello. `held` are the leases that it says it holds."""

    worker: WorkerId
    incarnation: Incarnation
    units: int
    held: tuple[Lease, ...] = ()


@dataclass(frozen=True)
class Heard:
    """A sign of life."""

    worker: WorkerId
    incarnation: Incarnation


@dataclass(frozen=True)
class Left:
    """A worker is gone: it said so, or its link is dead."""

    worker: WorkerId
    incarnation: Incarnation
    reason: str


@dataclass(frozen=True)
class Wanted:
    """A running job needs a holder for a share; `prefer` gets it, where possible."""

    job: JobId
    share: int
    prefer: WorkerId | None = None


@dataclass(frozen=True)
class GaveUp:
    """The holder failed at its share."""

    lease: Lease


@dataclass(frozen=True)
class Blamed:
    """What this start of a worker gave for a share is wrong."""

    worker: WorkerId
    incarnation: Incarnation
    job: JobId
    share: int
    reason: str


@dataclass(frozen=True)
class Finished:
    """The holder is done with its share, and free for another job."""

    lease: Lease


@dataclass(frozen=True)
class Ended:
    """A job needs nothing any more."""

    job: JobId


@dataclass(frozen=True)
class Tick:
    """Time has passed; `late_seconds` is by how much the loop itself was late."""

    late_seconds: float = 0.0


Event = Enqueue | Joined | Heard | Left | Wanted | GaveUp | Blamed | Finished | Ended | Tick

# ----------------------------------------------------------------------------------------------------------------------- effects


@dataclass(frozen=True)
class Admit:
    """Start the job with these leases; `weights` is how it is cut, and `adopted` the leases among them that were there before a
    restart."""

    job: JobId
    weights: tuple[int, ...]
    leases: tuple[Lease, ...]
    adopted: tuple[Lease, ...] = ()


@dataclass(frozen=True)
class Granted:
    """A wanted share has a holder."""

    lease: Lease


@dataclass(frozen=True)
class Revoked:
    """The holder of a share is lost, or not trusted any more."""

    lease: Lease
    reason: str


@dataclass(frozen=True)
class Registered:
    """A worker is in; `fresh` is False where it came back after a break of its link."""

    record: WorkerRecord
    fresh: bool


@dataclass(frozen=True)
class Turned:
    """A worker is turned away."""

    worker: WorkerId
    incarnation: Incarnation
    refusal: Refusal


@dataclass(frozen=True)
class Lost:
    """A worker is out."""

    record: WorkerRecord
    reason: str


@dataclass(frozen=True)
class Quarantined:
    """A worker that is connected gets no work any more."""

    record: WorkerRecord
    reason: str


@dataclass(frozen=True)
class Disowned:
    """Nobody wants any more what a worker holds from before a restart."""

    lease: Lease
    reason: str


Effect = Admit | Granted | Revoked | Registered | Turned | Lost | Quarantined | Disowned


@dataclass
class Crew:
    """The leases of one running job, by share."""

    leases: dict[int, Lease] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    excluded: dict[int, set[WorkerId]] = field(default_factory=dict)


@dataclass
class Scheduler:
    """The state, and `handle` to change it. `opens_at`: nothing is admitted before, so that after a restart the workers can come back
    first."""

    registry: Registry
    max_workers_per_job: int = 10
    min_compute_units: int = 1
    opens_at: float = 0.0
    queue: list[Enqueue] = field(default_factory=list)
    crews: dict[JobId, Crew] = field(default_factory=dict)
    wanted: dict[tuple[JobId, int], Wanted] = field(default_factory=dict)
    claims: dict[tuple[JobId, int], Lease] = field(default_factory=dict)
    late: int = 0

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take one event in. The effects are to be carried out in order, before the next event."""
        effects: list[Effect] = []
        match event:
            case Enqueue():
                self.queue.append(event)
                self.queue.sort(key=lambda each: queue_order(each.priority, each.submitted_at, bool(each.needs), each.job))
            case Joined():
                effects += self._join(event, now)
            case Heard():
                before = self.registry.find(event.worker, event.incarnation)
                self.registry.heard(event.worker, event.incarnation, now)
                if before is None or before.health is Health.READY:
                    return []  # nobody is free now who was not before; this is said with every message of every worker
            case Left():
                lost = self.registry.gone(event.worker, event.incarnation, now)
                effects += self._lose([] if lost is None else [lost], event.reason)
            case Wanted():
                self.wanted[event.job, event.share] = event
            case GaveUp():
                self._drop(event.lease, exclude=True)
            case Blamed():
                effects += self._blame(event, now)
            case Finished():
                self._drop(event.lease, exclude=False)
            case Ended():
                self._forget(event.job)
            case Tick():
                self.registry.forgive(event.late_seconds)
                effects += self._lose(self.registry.expire(now), "no heartbeat")
        return effects + self._grant() + self._admit(now)

    def holds(self, lease: Lease) -> bool:
        """Whether a lease is in force."""
        crew = self.crews.get(lease.job)
        return crew is not None and crew.leases.get(lease.share) == lease

    def claimed(self, lease: Lease) -> bool:
        """Whether a lease of before a restart may be in force again soon."""
        return self.claims.get((lease.job, lease.share)) == lease

    def lease(self, job: JobId, share: int) -> Lease | None:
        """The lease of a share that is in force, if there is one."""
        crew = self.crews.get(job)
        return crew.leases.get(share) if crew is not None else None

    def jobs_of(self, worker: WorkerId) -> list[JobId]:
        return [job for job, crew in self.crews.items() if any(lease.worker == worker for lease in crew.leases.values())]

    def busy(self) -> set[WorkerId]:
        """The workers that hold a lease."""
        return {lease.worker for crew in self.crews.values() for lease in crew.leases.values()}

    def waiting(self, job: JobId) -> tuple[int, str] | None:
        """The position of a queued job, from 0, and what it waits for; None where it is not in the queue."""
        for position, each in enumerate(self.queue):
            if each.job == job:
                if not self.registry.records:
                    return position, "no worker is connected"
                if all(record.health is Health.QUARANTINED for record in self.registry.records.values()):
                    return position, "every worker that is connected is quarantined"
                free = sum(record.units for record in self._free())
                total = sum(record.units for record in self.registry.records.values())
                needed = max(1, self.min_compute_units)
                return position, f"a free worker: {needed} compute units needed, {free} free of {total}"
        return None

    # ------------------------------------------------------------------------------------------------------------- internals

    def _join(self, event: Joined, now: float) -> list[Effect]:
        fresh = self.registry.find(event.worker, event.incarnation) is None
        answer = self.registry.hello(event.worker, event.incarnation, event.units, now)
        if isinstance(answer, Refusal):
            return [Turned(event.worker, event.incarnation, answer)]
        return [Registered(answer, fresh), *self._claim(event)]

    def _claim(self, event: Joined) -> list[Effect]:
        """Note what a worker holds of jobs that wait to be resumed. Of two that hold a share, the later lease counts; of one that holds
        shares of two jobs, the first job."""
        record = self.registry.records[event.worker]
        needs = {each.job: each.needs for each in self.queue if each.needs}
        mine = [
            lease
            for lease in event.held
            if (lease.worker, lease.incarnation) == (event.worker, event.incarnation)
            and lease.share in needs.get(lease.job, ())
            and lease.attempt <= MAX_ATTEMPT
        ]
        effects: list[Effect] = []
        for lease in mine if record.health is not Health.QUARANTINED else []:
            rival = self.claims.get((lease.job, lease.share))
            if lease.job != mine[0].job or (rival is not None and rival.attempt >= lease.attempt):
                continue
            self.claims[lease.job, lease.share] = lease
            if rival is not None:
                effects.append(Disowned(rival, "another worker holds the share under a later lease"))
        return effects

    def _unclaim(self, worker: WorkerId) -> None:
        self.claims = {key: lease for key, lease in self.claims.items() if lease.worker != worker}

    def _lose(self, lost: list[WorkerRecord], reason: str) -> list[Effect]:
        effects: list[Effect] = []
        for record in lost:
            effects.append(Lost(record, reason))
            self._unclaim(record.worker)
            for crew in self.crews.values():
                for lease in [lease for lease in crew.leases.values() if lease.worker == record.worker]:
                    self._drop(lease, exclude=True)
                    effects.append(Revoked(lease, f"worker {record.worker} was lost: {reason}"))
        return effects

    def _blame(self, event: Blamed, now: float) -> list[Effect]:
        crew = self.crews.get(event.job)
        if crew is not None:
            crew.excluded.setdefault(event.share, set()).add(event.worker)
        record = self.registry.condemn(event.worker, event.incarnation, event.reason, now)
        if record is None:
            return []
        self._unclaim(event.worker)
        effects: list[Effect] = [Quarantined(record, event.reason)]
        for crew in self.crews.values():
            for lease in [lease for lease in crew.leases.values() if lease.worker == event.worker]:
                self._drop(lease, exclude=True)
                effects.append(Revoked(lease, f"worker {event.worker} is quarantined: {event.reason}"))
        return effects

    def _drop(self, lease: Lease, *, exclude: bool) -> None:
        if not self.holds(lease):
            return
        crew = self.crews[lease.job]
        del crew.leases[lease.share]
        if exclude:
            crew.excluded.setdefault(lease.share, set()).add(lease.worker)

    def _forget(self, job: JobId) -> None:
        self.crews.pop(job, None)
        self.queue = [each for each in self.queue if each.job != job]
        self.wanted = {key: want for key, want in self.wanted.items() if key[0] != job}
        self.claims = {key: lease for key, lease in self.claims.items() if key[0] != job}

    def _free(self) -> list[WorkerRecord]:
        busy = self.busy()
        return [record for record in self.registry.ready() if record.worker not in busy]

    def _grant(self) -> list[Effect]:
        """Find holders for the wanted shares, from the free workers and those of the same job."""
        effects: list[Effect] = []
        for key, want in list(self.wanted.items()):
            crew = self.crews.setdefault(want.job, Crew())
            own = {lease.worker for lease in crew.leases.values()}
            free = {record.worker for record in self._free()}
            candidates = [record for record in self.registry.ready() if record.worker in own or record.worker in free]
            leases: dict[WorkerId, int] = {}
            for lease in crew.leases.values():
                leases[lease.worker] = leases.get(lease.worker, 0) + 1
            worker = choose_successor(candidates, leases=leases, excluded=crew.excluded.get(want.share, ()), prefer=want.prefer)
            if worker is not None:
                del self.wanted[key]
                effects.append(Granted(self._lease(want.job, want.share, worker)))
        return effects

    def _admit(self, now: float) -> list[Effect]:
        """Start waiting jobs, in order, while there are free workers: first those of which workers still hold shares. A job that cannot
        start holds back those behind it."""
        effects: list[Effect] = []
        while self.queue and now >= self.opens_at:
            found = self._startable()
            if found is None:
                break
            head, free = found
            self.queue.remove(head)
            self.crews[head.job] = Crew()
            if head.needs:
                effects += self._resume(head, free)
                continue
            crew = choose_crew(head.kind, free, self.max_workers_per_job)
            weights = tuple(record.units for record in crew)
            held = {share: record.worker for share, record in enumerate(crew)}
            leases = tuple(self._lease(head.job, share, worker) for share, worker in sorted(held.items()))
            effects.append(Admit(head.job, weights, leases))
        return effects

    def _startable(self) -> tuple[Enqueue, list[WorkerRecord]] | None:
        """The next job that can start, with the workers that it may have: not those that hold shares of another job."""
        claimed = {job for job, _ in self.claims}
        free = self._free()
        for each in [*(each for each in self.queue if each.job in claimed), *self.queue[:1]]:
            reserved = {lease.worker for lease in self.claims.values() if lease.job != each.job}
            able = [record for record in free if record.worker not in reserved]
            if able and (each.job in claimed or sum(record.units for record in able) >= self.min_compute_units):
                return each, able
        return None

    def _resume(self, head: Enqueue, free: list[WorkerRecord]) -> list[Effect]:
        """Give the shares that a job still needs: to who holds them, else to who had them before, else to who has least to do."""
        crew = self.crews[head.job]
        names = {record.worker: record.incarnation for record in free}
        adopted: list[Lease] = []
        effects: list[Effect] = []
        for key, lease in [(key, lease) for key, lease in self.claims.items() if key[0] == head.job]:
            del self.claims[key]
            crew.attempts[lease.share] = lease.attempt
            if names.get(lease.worker) == lease.incarnation:
                crew.leases[lease.share] = lease
                adopted.append(lease)
            else:
                effects.append(Disowned(lease, "its worker is not ready"))
        left = [share for share in head.needs if share not in crew.leases]
        held = {share: worker for share, worker, start in head.former if share in left and names.get(worker) == start}
        weight = {share: head.weights[share] if share < len(head.weights) else 1 for share in head.needs}
        given = [(lease.worker, weight[lease.share]) for lease in adopted] + [(worker, weight[share]) for share, worker in held.items()]
        held |= spread({share: weight[share] for share in left if share not in held}, free, given)
        leases = [*adopted, *(self._lease(head.job, share, worker) for share, worker in sorted(held.items()))]
        ordered = tuple(sorted(leases, key=lambda lease: lease.share))
        return [*effects, Admit(head.job, head.weights, ordered, tuple(adopted))]

    def _lease(self, job: JobId, share: int, worker: WorkerId) -> Lease:
        crew = self.crews[job]
        attempt = crew.attempts[share] = crew.attempts.get(share, 0) + 1
        lease = Lease(worker, self.registry.records[worker].incarnation, job, share, attempt)
        crew.leases[share] = lease
        return lease
