"""Queue, registry and leases put together: what happens comes in as events with the time, what to do goes out as effects.

Rules of this file:
* A lease is in the table (`core.leases`) before its effect goes out, so no answer can overtake it.
* Whoever answers under a lease that is not in the table is late: counted, and otherwise without effect.
* A worker holds leases of one job at a time; it is free when it holds none.
* After a restart the leases of before are not in force. A worker that still holds one claims its share; the job that is resumed gives it
  the same lease again, before anything else is given out.
* What can be given to whom is kept up to date with each change (`core.pool`); no event looks at all workers or all jobs.
* The scheduler never waits; a share that nobody can take now is wanted, and granted by a later event.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from zisk_actors.core.events import (
    Admit,
    Doubled,
    DoubleWanted,
    Effect,
    Ended,
    Enqueue,
    Event,
    Finished,
    FoundFaulty,
    GaveUp,
    Granted,
    Heard,
    Joined,
    JoinRejected,
    Left,
    Loss,
    Lost,
    Measured,
    Orphaned,
    Quarantined,
    Registered,
    Reissued,
    Revoked,
    Tick,
    Unwanted,
    Wanted,
)
from zisk_actors.core.leases import Claims, Crew, Leases
from zisk_actors.core.policy import Need, choose_crew, choose_double, choose_successor, need_of, spread, weigh
from zisk_actors.core.pool import Pool
from zisk_actors.core.queue import Queue
from zisk_actors.core.registry import Refusal, Registry
from zisk_actors.core.worker import Health, WorkerRecord
from zisk_actors.ids import JobId, WorkerId
from zisk_actors.wire.values import Lease

MAX_ATTEMPT: Final = 10_000
"""No share is tried more often; a claim to more is not believed."""

EQUALS: Final = 16
"""Of so many of the largest free workers one that has the program at hand is looked for, to take a share over."""


class Waiting(NamedTuple):
    """Where a job stands in the queue, from 0; what it waits for; and the compute units that it needs, that are free, and that there
    are."""

    position: int
    reason: str
    needed: int
    free: int
    total: int


@dataclass
class Scheduler:
    """The state, and `handle` to change it. `opens_at`: nothing is admitted before, so that after a restart the workers can come back
    first; `awaited` are those that were there, and with the last of them it opens."""

    registry: Registry
    max_workers_per_job: int = 10
    min_compute_units: int = 1
    opens_at: float = 0.0
    default_compute_units: int = 0
    awaited: set[WorkerId] = field(default_factory=set)
    queue: Queue = field(default_factory=Queue)
    leases: Leases = field(default_factory=Leases)
    wanted: dict[tuple[JobId, int], Wanted] = field(default_factory=dict)
    claims: Claims = field(default_factory=Claims)
    late: int = 0
    _now: float = 0.0
    _in_vain: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self.pool = Pool(self.registry, self.leases)

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take one event in. The effects are to be carried out in order, before the next event."""
        effects: list[Effect] = []
        self._now = now
        match event:
            case Enqueue():
                self.queue.enqueue(event)
            case Joined():
                effects += self._join(event, now)
                self._arrived(event.worker, now)
            case Measured():
                self.registry.measured(event.worker, event.incarnation, event.rate)
                return []
            case Heard():
                before = self.registry.find(event.worker, event.incarnation)
                self.registry.heard(event.worker, event.incarnation, now)
                if before is None or before.health is Health.READY:
                    return []  # nobody is free now who was not before; this is said with every message of every worker
            case Left():
                lost = self.registry.gone(event.worker, event.incarnation, now)
                effects += self._lose([] if lost is None else [lost], event.reason, event.why)
            case Wanted():
                self.wanted[event.job, event.share] = event
            case Unwanted():
                self.wanted.pop((event.job, event.share), None)
                return []
            case DoubleWanted():
                return self._double(event)
            case GaveUp():
                if self.leases.drop(event.lease, exclude=True) and event.short:
                    self.crews[event.lease.job].large.add(event.lease.share)
            case FoundFaulty():
                effects += self._condemn(event, now)
            case Finished():
                self.leases.drop(event.lease, exclude=False)
            case Reissued():
                self.leases.reissue(event.job)
            case Ended():
                effects += self._forget(event.job)
            case Tick():
                self.registry.forgive(event.late_seconds)
                effects += self._lose(self.registry.expire(now), "no heartbeat", Loss.HEARTBEAT)
        return effects + self._grant(now) + self._admit(now)

    @property
    def crews(self) -> Mapping[JobId, Crew]:
        """The leases of the running jobs."""
        return self.leases.crews

    def holds(self, lease: Lease) -> bool:
        """Whether a lease is in force."""
        return self.leases.holds(lease)

    def claimed(self, lease: Lease) -> bool:
        """Whether a lease of before a restart may be in force again soon."""
        return self.claims.find(lease.job, lease.share) == lease

    def lease(self, job: JobId, share: int) -> Lease | None:
        """The lease of a share that is in force, if there is one."""
        return self.leases.find(job, share)

    def jobs_of(self, worker: WorkerId) -> list[JobId]:
        return self.leases.jobs_of(worker)

    def busy(self) -> Collection[WorkerId]:
        """The workers that hold a lease."""
        return self.leases.busy.keys()

    def waiting(self, job: JobId) -> Waiting | None:
        """Where a queued job stands and what it waits for; None where it is not in the queue."""
        position, each = self.queue.position(job), self.queue.find(job)
        if position is None or each is None:
            return None
        need, pool = self.need(each), self.pool
        figures = f"{need.least} compute units needed, {pool.free_units} free of {pool.total_units}"
        if self._now < self.opens_at:
            reason = (
                "the coordinator ends and starts nothing" if self.opens_at == float("inf") else "workers to come back after our restart"
            )
        elif not len(pool):
            reason = "no worker is connected"
        elif not pool.able:
            reason = "every worker that is connected is quarantined"
        elif not self.attainable(each):
            reason = f"more workers: {figures}, and at most {need.workers} workers for a job, who have {pool.largest(need.workers)}"
        else:
            reason = f"a free worker: {figures}" if position == 0 else f"its turn, behind {position} job{'s' * (position > 1)}: {figures}"
        return Waiting(position, reason, need.least, pool.free_units, pool.total_units)

    def need(self, each: Enqueue) -> Need:
        """What a job needs to start."""
        return need_of(
            each.kind,
            each.min_units,
            each.units,
            min_default=self.min_compute_units,
            units_default=self.default_compute_units,
            max_workers=self.max_workers_per_job,
        )

    def attainable(self, each: Enqueue) -> bool:
        """Whether a job could start with the workers that are connected now, were all of them free."""
        need = self.need(each)
        return need.least <= self.pool.largest(need.workers) or (bool(each.needs) and self.pool.able > 0)

    def starts_at_once(self, each: Enqueue, now: float) -> bool:
        """Whether a job that is not in the queue would start as soon as it were."""
        if now < self.opens_at:
            return False
        self.queue.enqueue(each)
        found = self._startable()
        self.queue.remove(each.job)
        return found is not None and found[0].job == each.job

    # ------------------------------------------------------------------------------------------------------------- internals

    def _join(self, event: Joined, now: float) -> list[Effect]:
        fresh = self.registry.find(event.worker, event.incarnation) is None
        answer = self.registry.hello(
            event.worker,
            event.incarnation,
            event.units,
            now,
            measured=event.measured,
            programs=event.programs,
            memory_bytes=event.memory_bytes,
        )
        if isinstance(answer, Refusal):
            return [JoinRejected(event.worker, event.incarnation, answer)]
        return [Registered(answer, fresh), *self._claim(event)]

    def _arrived(self, worker: WorkerId, now: float) -> None:
        """Open when the last of those is here for whom we wait."""
        if worker in self.awaited and worker in self.registry.records:
            self.awaited.remove(worker)
            if not self.awaited:
                self.opens_at = min(self.opens_at, now)

    def _claim(self, event: Joined) -> list[Effect]:
        """Note what a worker holds of jobs that wait to be resumed. Of two that hold a share, the later lease counts; of one that holds
        shares of two jobs, the first job."""
        record = self.registry.records[event.worker]
        mine = [
            lease
            for lease in event.held
            if (lease.worker, lease.incarnation) == (event.worker, event.incarnation)
            and (waits := self.queue.find(lease.job)) is not None
            and lease.share in waits.needs
            and lease.attempt <= MAX_ATTEMPT
        ]
        effects: list[Effect] = []
        for lease in mine if record.health is not Health.QUARANTINED else []:
            rival = self.claims.find(lease.job, lease.share)
            if lease.job != mine[0].job or (rival is not None and rival.attempt >= lease.attempt):
                continue
            self.claims.note(lease)
            if rival is not None:
                effects.append(Orphaned(rival, "another worker holds the share under a later lease"))
        return effects

    def _lose(self, lost: list[WorkerRecord], reason: str, why: Loss) -> list[Effect]:
        effects: list[Effect] = []
        for record in lost:
            effects.append(Lost(record, reason, why))
            effects += self._revoke(record.worker, f"worker {record.worker} was lost: {reason}", why)
        return effects

    def _condemn(self, event: FoundFaulty, now: float) -> list[Effect]:
        crew = self.crews.get(event.job)
        if crew is not None:
            crew.excluded.setdefault(event.share, set()).add(event.worker)
        record = self.registry.condemn(event.worker, event.incarnation, event.reason, now)
        if record is None:
            return []
        revoked = self._revoke(event.worker, f"worker {event.worker} is quarantined: {event.reason}", Loss.QUARANTINE)
        return [Quarantined(record, event.reason), *revoked]

    def _revoke(self, worker: WorkerId, reason: str, why: Loss) -> list[Effect]:
        """Take back all that a worker holds or says it holds."""
        claimed = self.claims.drop_worker(worker)
        held = self.leases.of_worker(worker)
        for lease in held:
            self.leases.drop(lease, exclude=True)
        return [*(Revoked(lease, reason, why) for lease in held), *(Orphaned(lease, reason) for lease in claimed)]

    def _forget(self, job: JobId) -> list[Effect]:
        """Nothing is left of a job; who claims a share of it is to forget that too."""
        self.leases.close(job)
        self.queue.remove(job)
        for key in [key for key in self.wanted if key[0] == job]:
            del self.wanted[key]
        return [Orphaned(lease, "its job has ended") for lease in self.claims.take(job)]

    def _grant(self, now: float) -> list[Effect]:
        """Find holders for the wanted shares, from the free workers and those of the same job; not from those that hold shares of another
        since before a restart, nor before all had time to say so."""
        effects: list[Effect] = []
        if now < self.opens_at < float("inf"):
            return effects
        for key, want in list(self.wanted.items()):
            crew = self.leases.open(want.job)
            own, excluded = crew.load(), crew.excluded.get(want.share, set())
            others = [want.prefer] if want.prefer is not None and self.pool.is_free(want.prefer) else []
            records = [self.registry.records[worker] for worker in [*own, *others]]
            candidates = [record for record in records if record.health is Health.READY]
            large = want.share in crew.large
            # One of the first ones has failed at nothing, or no free one has; who has most memory may be any.
            candidates += self.pool.free() if large else self.pool.first_free(len(excluded | want.never) + EQUALS + len(self.claims))
            candidates = [
                record for record in candidates if record.worker not in want.never and not self.claims.elsewhere(record.worker, want.job)
            ]
            worker = choose_successor(candidates, leases=own, excluded=excluded, prefer=want.prefer, program=crew.program, large=large)
            if worker is not None:
                del self.wanted[key]
                effects.append(Granted(self._lease(want.job, want.share, worker)))
        return effects

    def _double(self, event: DoubleWanted) -> list[Effect]:
        first, second = self.leases.find(event.job, event.share), self.leases.double_of(event.job, event.share)
        if first is None or second is not None:
            return []
        crew = self.crews[event.job]
        spare = event.urgent or not len(self.queue)
        idle = [self.registry.records[worker] for worker in sorted(event.idle) if worker in self.registry.records]
        able = [record for record in idle if record.health is Health.READY]
        able += self._unclaimed(self.pool.free(), event.job) if spare else []
        barred = event.never | crew.excluded.get(event.share, set()) | {first.worker}
        worker = choose_double(able, leases=crew.load(), barred=barred)
        if worker is None:
            return []
        lease = self.leases.double(event.job, event.share, worker, self.registry.records[worker].incarnation)
        return [Doubled(lease, first)]

    def _admit(self, now: float) -> list[Effect]:
        """Start waiting jobs, in order, while there are free workers: first those of which workers still hold shares."""
        effects: list[Effect] = []
        if now < self.opens_at:
            return effects
        while len(self.queue) and self._in_vain != (now_is := (self.pool.version, self.queue.version)):
            found = self._startable()
            if found is None:
                self._in_vain = now_is
                break
            head, crew = found
            self.queue.start(head.job)
            self.leases.open(head.job).program = head.program
            if head.needs:
                effects += self._resume(head, crew)
                continue
            leases = tuple(self._lease(head.job, share, record.worker) for share, record in enumerate(crew))
            effects.append(Admit(head.job, weigh(crew), leases))
        return effects

    def _startable(self) -> tuple[Enqueue, list[WorkerRecord]] | None:
        """The next job that can start, with its crew, or for one that is resumed all that it may have: nobody who holds shares of another
        job. One that could start if more were free holds back those behind it; one for which the connected workers are not enough does
        not."""
        if not self.pool.any_free():
            return None
        free = self.pool.free()
        for job in sorted(self.claims.jobs(), key=lambda job: self.queue.position(job) or 0):
            each, able = self.queue.find(job), self._unclaimed(free, job)
            if each is not None and able:
                return each, able
        for each in self.queue:
            able = self._unclaimed(free, each.job)
            crew = able if each.needs else choose_crew(self.need(each), able, each.program)
            if crew:
                return each, crew
            if self.attainable(each):
                return None
        return None

    def _unclaimed(self, free: list[WorkerRecord], job: JobId) -> list[WorkerRecord]:
        return [record for record in free if not self.claims.elsewhere(record.worker, job)] if len(self.claims) else free

    def _resume(self, head: Enqueue, free: list[WorkerRecord]) -> list[Effect]:
        """Give the shares that a job still needs: to who holds them, else to who had them before, else to who has least to do."""
        names = {record.worker: record.incarnation for record in free}
        adopted: list[Lease] = []
        effects: list[Effect] = []
        crew = self.leases.open(head.job)
        for lease in self.claims.take(head.job):
            crew.attempts[lease.share] = lease.attempt
            if names.get(lease.worker) == lease.incarnation:
                self.leases.adopt(lease)
                adopted.append(lease)
            else:
                effects.append(Orphaned(lease, "its worker is not ready"))
        left = [share for share in head.needs if share not in crew.leases]
        held = {share: worker for share, worker, start in head.former if share in left and names.get(worker) == start}
        weight = {share: head.weights[share] if share < len(head.weights) else 1 for share in head.needs}
        given = [(lease.worker, weight[lease.share]) for lease in adopted] + [(worker, weight[share]) for share, worker in held.items()]
        held |= spread({share: weight[share] for share in left if share not in held}, free, given)
        leases = [*adopted, *(self._lease(head.job, share, worker) for share, worker in sorted(held.items()))]
        ordered = tuple(sorted(leases, key=lambda lease: lease.share))
        return [*effects, Admit(head.job, head.weights, ordered, tuple(adopted))]

    def _lease(self, job: JobId, share: int, worker: WorkerId) -> Lease:
        self.registry.works_on(worker, self.leases.open(job).program)
        return self.leases.give(job, share, worker, self.registry.records[worker].incarnation)
