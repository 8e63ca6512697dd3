"""Queue, registry and leases put together: what happens comes in as events with the time, what to do goes out as effects.

Rules of this file:
* Events change the state, and nothing else does: its tables are private, and shown by types that have no verbs (`core.views`).
* A lease is in the table (`core.leases`) before its effect goes out, so no answer can overtake it.
* Whoever answers under a lease that is not in the table is late: counted, and otherwise without effect.
* After a restart the leases of before are not in force. A worker that still holds one claims its share; the job that is resumed gives it
  the same lease again, before anything else is given out.
* What can be given to whom is kept up to date with each change (`core.pool`); no event looks at all workers or all jobs.
* The scheduler never waits; a share that nobody can take now is wanted, and granted by a later event.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from zisk_actors.core.assignment import Assignment
from zisk_actors.core.events import (
    DoubleWanted,
    Draining,
    Effect,
    Ended,
    Enqueue,
    Event,
    Finished,
    FoundFaulty,
    GaveUp,
    Heard,
    Joined,
    JoinRejected,
    LateResult,
    Left,
    Loss,
    Lost,
    Orphaned,
    Quarantined,
    RateMeasured,
    Registered,
    Reissued,
    Restarted,
    Revoked,
    Tick,
    Unwanted,
    Wanted,
)
from zisk_actors.core.policy import Need, Policy
from zisk_actors.core.registry import Refusal
from zisk_actors.core.tables import Tables
from zisk_actors.core.views import ClaimsView, CrewView, LeasesView, PoolView, QueueView, RegistryView
from zisk_actors.core.worker import WorkerHealth, WorkerRecord
from zisk_actors.ids import JobId, WorkerId
from zisk_actors.wire.values import Lease

MAX_ATTEMPT: Final = 10_000
"""No share is tried more often; a claim to more is not believed."""


class Waiting(NamedTuple):
    """Where a job stands in the queue, from 0; what it waits for; and the compute units that it needs, that are free, and that there
    are."""

    position: int
    reason: str
    needed: int
    free: int
    total: int


class Scheduler:
    """The state, and `handle` to change it; everything else is a question. `max_workers`: so many may be registered."""

    def __init__(self, *, heartbeat_seconds: float, max_missed: int, max_workers: int = 1000, policy: Policy | None = None) -> None:
        policy = policy or Policy()
        self._tables = Tables(policy, heartbeat_seconds=heartbeat_seconds, max_missed=max_missed, max_workers=max_workers)
        self._assignment = Assignment(self._tables, policy)
        self._now = 0.0

    @property
    def registry(self) -> RegistryView:
        """The workers that are registered."""
        return self._tables.registry

    @property
    def queue(self) -> QueueView:
        """The jobs that wait."""
        return self._tables.queue

    @property
    def pool(self) -> PoolView:
        """The workers by what they can be given."""
        return self._tables.pool

    @property
    def leases(self) -> LeasesView:
        """The leases in force."""
        return self._tables.leases

    @property
    def crews(self) -> Mapping[JobId, CrewView]:
        """The leases of the running jobs."""
        return self._tables.leases.crews

    @property
    def claims(self) -> ClaimsView:
        """What workers hold from before a restart, and jobs that are to be resumed need."""
        return self._tables.claims

    @property
    def wanted(self) -> Mapping[tuple[JobId, int], Wanted]:
        """The shares of running jobs that have no holder."""
        return MappingProxyType(self._tables.wanted)

    @property
    def awaited(self) -> frozenset[WorkerId]:
        """The workers of before a restart that are not back."""
        return frozenset(self._tables.awaited)

    @property
    def opens_at(self) -> float:
        """Nothing is admitted before; infinity where nothing is any more."""
        return self._tables.opens_at

    @property
    def late(self) -> int:
        """How many results came under a lease that was not in force."""
        return self._tables.late

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take one event in. The effects are to be carried out in order, before the next event."""
        tables, effects = self._tables, list[Effect]()
        self._now = now
        match event:
            case Enqueue():
                tables.queue.enqueue(event)
            case Joined():
                effects += self._join(event, now)
                self._arrived(event.worker, now)
            case RateMeasured():
                tables.registry.measured(event.worker, event.incarnation, event.rate)
                return []
            case Heard():
                before = tables.registry.find(event.worker, event.incarnation)
                tables.registry.heard(event.worker, event.incarnation, now)
                if before is None or before.health is WorkerHealth.READY:
                    return []  # nobody is free now who was not before; this is said with every message of every worker
            case Left():
                lost = tables.registry.gone(event.worker, event.incarnation, now)
                effects += self._lose([] if lost is None else [lost], event.reason, event.why)
            case Wanted():
                tables.wanted[event.job, event.share] = event
            case Unwanted():
                tables.wanted.pop((event.job, event.share), None)
                return []
            case DoubleWanted():
                return self._assignment.double(event)
            case GaveUp():
                if tables.leases.drop(event.lease, exclude=True) and event.short:
                    tables.leases.crews[event.lease.job].large.add(event.lease.share)
            case FoundFaulty():
                effects += self._condemn(event, now)
            case Finished():
                tables.leases.drop(event.lease, exclude=False)
            case Reissued():
                tables.leases.reissue(event.job)
            case Ended():
                effects += self._forget(event.job)
            case Restarted():
                tables.opens_at, tables.awaited = event.opens_at, set(event.awaited)
                return []
            case Draining():
                tables.opens_at = float("inf")
                tables.awaited.clear()
                return []
            case LateResult():
                tables.late += 1
                return []
            case Tick():
                tables.registry.forgive(event.late_seconds)
                effects += self._lose(tables.registry.expire(now), "no heartbeat", Loss.HEARTBEAT)
        return effects + self._assignment.grant(now) + self._assignment.admit(now)

    def holds(self, lease: Lease) -> bool:
        """Whether a lease is in force."""
        return self._tables.leases.holds(lease)

    def claimed(self, lease: Lease) -> bool:
        """Whether a lease of before a restart may be in force again soon."""
        return self._tables.claims.find(lease.job, lease.share) == lease

    def lease(self, job: JobId, share: int) -> Lease | None:
        """The lease of a share that is in force, if there is one."""
        return self._tables.leases.find(job, share)

    def jobs_of(self, worker: WorkerId) -> list[JobId]:
        return self._tables.leases.jobs_of(worker)

    def busy(self) -> Collection[WorkerId]:
        """The workers that hold a lease."""
        return self._tables.leases.busy.keys()

    def expected(self, now: float) -> set[WorkerId]:
        """The workers that are registered, and those that a restart still waits for."""
        return {*self._tables.registry.records, *(self._tables.awaited if now < self._tables.opens_at else ())}

    def waiting(self, job: JobId) -> Waiting | None:
        """Where a queued job stands and what it waits for; None where it is not in the queue."""
        position, each = self._tables.queue.position(job), self._tables.queue.find(job)
        if position is None or each is None:
            return None
        need, pool = self.need(each), self._tables.pool
        figures = f"{need.least} compute units needed, {pool.free_units} free of {pool.total_units}"
        if self._now < self._tables.opens_at:
            reason = (
                "the coordinator ends and starts nothing"
                if self._tables.opens_at == float("inf")
                else "workers to come back after our restart"
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
        return self._assignment.need(each)

    def attainable(self, each: Enqueue) -> bool:
        """Whether a job could start with the workers that are connected now, were all of them free."""
        return self._assignment.attainable(each)

    def starts_at_once(self, each: Enqueue, now: float) -> bool:
        """Whether a job that is not in the queue would start as soon as it were."""
        return now >= self._tables.opens_at and self._assignment.starts(each)

    # ------------------------------------------------------------------------------------------------------------- internals

    def _join(self, event: Joined, now: float) -> list[Effect]:
        fresh = self._tables.registry.find(event.worker, event.incarnation) is None
        answer = self._tables.registry.hello(
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
        if worker in self._tables.awaited and worker in self._tables.registry.records:
            self._tables.awaited.remove(worker)
            if not self._tables.awaited:
                self._tables.opens_at = min(self._tables.opens_at, now)

    def _claim(self, event: Joined) -> list[Effect]:
        """Note what a worker holds of jobs that wait to be resumed. Of two that hold a share, the later lease counts; of one that holds
        shares of two jobs, the first job."""
        record = self._tables.registry.records[event.worker]
        mine = [
            lease
            for lease in event.held
            if (lease.worker, lease.incarnation) == (event.worker, event.incarnation)
            and (waits := self._tables.queue.find(lease.job)) is not None
            and lease.share in waits.needs
            and lease.attempt <= MAX_ATTEMPT
        ]
        effects: list[Effect] = []
        for lease in mine if record.health is not WorkerHealth.QUARANTINED else []:
            rival = self._tables.claims.find(lease.job, lease.share)
            if lease.job != mine[0].job or (rival is not None and rival.attempt >= lease.attempt):
                continue
            self._tables.claims.note(lease)
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
        crew = self._tables.leases.crews.get(event.job)
        if crew is not None:
            crew.excluded.setdefault(event.share, set()).add(event.worker)
        record = self._tables.registry.condemn(event.worker, event.incarnation, event.reason, now)
        if record is None:
            return []
        revoked = self._revoke(event.worker, f"worker {event.worker} is quarantined: {event.reason}", Loss.QUARANTINE)
        return [Quarantined(record, event.reason), *revoked]

    def _revoke(self, worker: WorkerId, reason: str, why: Loss) -> list[Effect]:
        """Take back all that a worker holds or says it holds."""
        claimed = self._tables.claims.drop_worker(worker)
        held = self._tables.leases.of_worker(worker)
        for lease in held:
            self._tables.leases.drop(lease, exclude=True)
        return [*(Revoked(lease, reason, why) for lease in held), *(Orphaned(lease, reason) for lease in claimed)]

    def _forget(self, job: JobId) -> list[Effect]:
        """Nothing is left of a job; who claims a share of it is to forget that too."""
        self._tables.leases.close(job)
        self._tables.queue.remove(job)
        for key in [key for key in self._tables.wanted if key[0] == job]:
            del self._tables.wanted[key]
        return [Orphaned(lease, "its job has ended") for lease in self._tables.claims.take(job)]
