"""Who works on what: waiting jobs get workers, shares without a holder get one, slow ones a second.

Rules of this file:
* The policy chooses; here is what may be chosen from, and what follows from a choice.
* A worker holds leases of one job at a time; it is free when it holds none.
* Who holds shares of a job from before a restart is given nothing of another one.
* What was tried in vain is not tried again before the free workers or the waiting jobs are others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from zisk_actors.core.events import Admit, Doubled, DoubleWanted, Effect, Enqueue, Granted, Orphaned
from zisk_actors.core.policy import Need, Policy
from zisk_actors.core.tables import Tables
from zisk_actors.core.worker import WorkerHealth, WorkerRecord
from zisk_actors.ids import JobId, WorkerId
from zisk_actors.wire.values import Lease

EQUALS: Final = 16
"""Of so many of the largest free workers one that has the program at hand is looked for, to take a share over."""


class Assignment:
    """Gives the workers of some tables to jobs and shares, as a policy chooses."""

    def __init__(self, tables: Tables, policy: Policy) -> None:
        self._tables = tables
        self._policy = policy
        self._in_vain: tuple[int, int] | None = None

    def need(self, each: Enqueue) -> Need:
        """What a job needs to start."""
        return self._policy.need(each.kind, each.min_units, each.units)

    def attainable(self, each: Enqueue) -> bool:
        """Whether a job could start with the workers that are connected now, were all of them free."""
        need, pool = self.need(each), self._tables.pool
        return need.least <= pool.largest(need.workers) or (bool(each.needs) and pool.able > 0)

    def starts(self, each: Enqueue) -> bool:
        """Whether a job that is not in the queue would start as soon as it were."""
        found = self._startable([*self._tables.queue.ahead_of(each), each])
        return found is not None and found[0].job == each.job

    def grant(self, now: float) -> list[Effect]:
        """Find holders for the wanted shares, from the free workers and those of the same job; not from those that hold shares of another
        since before a restart, nor before all had time to say so."""
        effects: list[Effect] = []
        if now < self._tables.opens_at < float("inf"):
            return effects
        for key, want in list(self._tables.wanted.items()):
            crew = self._tables.leases.open(want.job)
            own, excluded = crew.load(), crew.excluded.get(want.share, set())
            others = [want.prefer] if want.prefer is not None and self._tables.pool.is_free(want.prefer) else []
            records = [self._tables.registry.records[worker] for worker in [*own, *others]]
            candidates = [record for record in records if record.health is WorkerHealth.READY]
            large = want.share in crew.large
            # One of the first ones has failed at nothing, or no free one has; who has most memory may be any.
            candidates += (
                self._tables.pool.free()
                if large
                else self._tables.pool.first_free(len(excluded | want.never) + EQUALS + len(self._tables.claims))
            )
            candidates = [
                record
                for record in candidates
                if record.worker not in want.never and not self._tables.claims.elsewhere(record.worker, want.job)
            ]
            if now < want.patient_until and not large and self._others_may(candidates, excluded, want.never):
                continue
            worker = self._policy.succeed(candidates, leases=own, excluded=excluded, prefer=want.prefer, program=crew.program, large=large)
            if worker is not None:
                del self._tables.wanted[key]
                effects.append(Granted(self._lease(want.job, want.share, worker)))
        return effects

    def _others_may(self, candidates: list[WorkerRecord], excluded: Collection[WorkerId], never: Collection[WorkerId]) -> bool:
        """Whether all that are free for a share have failed at it, and somebody is connected who has not."""
        if any(record.worker not in excluded for record in candidates):
            return False
        records = self._tables.registry.records.values()
        return any(each.health is WorkerHealth.READY and each.worker not in excluded and each.worker not in never for each in records)

    def double(self, event: DoubleWanted) -> list[Effect]:
        first, second = self._tables.leases.find(event.job, event.share), self._tables.leases.double_of(event.job, event.share)
        if first is None or second is not None:
            return []
        crew = self._tables.leases.crews[event.job]
        spare = event.urgent or not len(self._tables.queue)
        idle = [self._tables.registry.records[worker] for worker in sorted(event.idle) if worker in self._tables.registry.records]
        able = [record for record in idle if record.health is WorkerHealth.READY]
        able += self._unclaimed(self._tables.pool.free(), event.job) if spare else []
        barred = event.never | crew.excluded.get(event.share, set()) | {first.worker}
        worker = self._policy.double(able, leases=crew.load(), barred=barred)
        if worker is None:
            return []
        lease = self._tables.leases.double(event.job, event.share, worker, self._tables.registry.records[worker].incarnation)
        return [Doubled(lease, first)]

    def admit(self, now: float) -> list[Effect]:
        """Start waiting jobs, in order, while there are free workers: first those of which workers still hold shares."""
        effects: list[Effect] = []
        if now < self._tables.opens_at:
            return effects
        while len(self._tables.queue) and self._in_vain != (now_is := (self._tables.pool.version, self._tables.queue.version)):
            found = self._startable(self._tables.queue)
            if found is None:
                self._in_vain = now_is
                break
            head, crew = found
            self._tables.queue.start(head.job)
            self._tables.leases.open(head.job).program = head.program
            if head.needs:
                effects += self._resume(head, crew)
                continue
            leases = tuple(self._lease(head.job, share, record.worker) for share, record in enumerate(crew))
            effects.append(Admit(head.job, self._policy.weigh(crew), leases))
        return effects

    def _startable(self, waiting: Iterable[Enqueue]) -> tuple[Enqueue, list[WorkerRecord]] | None:
        """The next job of those that wait that can start, with its crew, or for one that is resumed all that it may have.

        That is nobody who holds shares of another job. One that could start if more were free holds back those behind it; one for which
        the connected workers are not enough does not.
        """
        if not self._tables.pool.any_free():
            return None
        free = self._tables.pool.free()
        for job in sorted(self._tables.claims.jobs(), key=lambda job: self._tables.queue.position(job) or 0):
            each, able = self._tables.queue.find(job), self._unclaimed(free, job)
            if each is not None and able:
                return each, able
        for each in waiting:
            able = self._unclaimed(free, each.job)
            crew = able if each.needs else self._policy.choose(self.need(each), able, each.program)
            if crew:
                return each, crew
            if self.attainable(each):
                return None
        return None

    def _unclaimed(self, free: list[WorkerRecord], job: JobId) -> list[WorkerRecord]:
        return [record for record in free if not self._tables.claims.elsewhere(record.worker, job)] if len(self._tables.claims) else free

    def _resume(self, head: Enqueue, free: list[WorkerRecord]) -> list[Effect]:
        """Give the shares that a job still needs: to who holds them, else to who had them before, else to who has least to do."""
        names = {record.worker: record.incarnation for record in free}
        adopted: list[Lease] = []
        effects: list[Effect] = []
        crew = self._tables.leases.open(head.job)
        for lease in self._tables.claims.take(head.job):
            crew.attempts[lease.share] = lease.attempt
            if names.get(lease.worker) == lease.incarnation:
                self._tables.leases.adopt(lease)
                adopted.append(lease)
            else:
                effects.append(Orphaned(lease, "its worker is not ready"))
        left = [share for share in head.needs if share not in crew.leases]
        held = {share: worker for share, worker, start in head.former if share in left and names.get(worker) == start}
        weight = {share: head.weights[share] if share < len(head.weights) else 1 for share in head.needs}
        given = [(lease.worker, weight[lease.share]) for lease in adopted] + [(worker, weight[share]) for share, worker in held.items()]
        held |= self._policy.spread({share: weight[share] for share in left if share not in held}, free, given)
        leases = [*adopted, *(self._lease(head.job, share, worker) for share, worker in sorted(held.items()))]
        ordered = tuple(sorted(leases, key=lambda lease: lease.share))
        return [*effects, Admit(head.job, head.weights, ordered, tuple(adopted))]

    def _lease(self, job: JobId, share: int, worker: WorkerId) -> Lease:
        self._tables.registry.works_on(worker, self._tables.leases.open(job).program)
        return self._tables.leases.give(job, share, worker, self._tables.registry.records[worker].incarnation)
