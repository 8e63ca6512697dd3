"""Random walks of the scheduler: after every event, what must always hold does. A failing walk is named by its seed."""

from __future__ import annotations

import numpy as np
import pytest

from zisk_actors.core import scheduler as core
from zisk_actors.core.registry import Registry
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.wire.values import Kind, Lease


class Walk:
    """A scheduler, and the jobs as a supervisor would know them: running from their admission to their end."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.scheduler = core.Scheduler(Registry(1.0, 3), max_workers_per_job=3)
        self.now = 0.0
        self.starts: dict[WorkerId, int] = {}
        self.queued: set[JobId] = set()
        self.running: dict[JobId, int] = {}
        self.ended: set[JobId] = set()
        self.given: set[Lease] = set()
        self.condemned: set[Incarnation] = set()
        self.held_before: set[Lease] = set()

    def pick(self, items: list[object]) -> object:
        return items[int(self.random.integers(len(items)))]

    def event(self) -> core.Event:
        chance = self.random.random()
        worker = WorkerId(f"w{self.random.integers(5)}")
        start = Incarnation(f"{worker}.{self.starts.get(worker, 0)}")
        leases = [lease for crew in self.scheduler.crews.values() for lease in crew.all()]
        if chance < 0.15:
            job = JobId(f"job-{len(self.queued) + len(self.running) + len(self.ended)}")
            self.queued.add(job)
            return core.Enqueue(job, Kind.PROVE if chance < 0.1 else Kind.EXECUTE, int(self.random.integers(3)), self.now)
        if chance < 0.35:
            self.starts[worker] = self.starts.get(worker, 0) + int(self.random.random() < 0.5)
            return core.Joined(worker, Incarnation(f"{worker}.{self.starts[worker]}"), int(self.random.integers(1, 20)))
        if chance < 0.45:
            return core.Left(worker, start, "it left")
        if chance < 0.6:
            return core.Heard(worker, start)
        if chance < 0.7 and leases:
            lease = self.pick(leases)  # type: ignore[arg-type]
            assert isinstance(lease, Lease)
            if chance < 0.62:
                self.condemned.add(lease.incarnation)
                return core.Blamed(lease.worker, lease.incarnation, lease.job, lease.share, "it lies")
            return core.GaveUp(lease) if chance < 0.65 else core.Finished(lease)
        if chance < 0.85 and self.running:
            job = self.pick(list(self.running))  # type: ignore[assignment]
            share = int(self.random.integers(self.running[job] + 1))
            if self.scheduler.lease(job, share) is None:
                return core.Wanted(job, share, worker)
            mine = [lease.worker for lease in self.scheduler.crews[job].all()]
            idle = frozenset(name for name in mine if self.random.random() < 0.3)
            return core.DoubleWanted(job, share, idle, urgent=bool(self.random.random() < 0.3))
        if chance < 0.95 and self.running:
            job = self.pick(list(self.running))  # type: ignore[assignment]
            del self.running[job]
            self.ended.add(job)
            return core.Ended(job)
        self.now += float(self.random.random()) * 2
        return core.Tick()

    def step(self) -> None:
        if self.random.random() < 0.01:
            self.restart()
        self.carry_out(self.scheduler.handle(self.event(), self.now))
        self.check()

    def restart(self) -> None:
        """The coordinator dies and comes back: all that was running waits, and most workers come back with what they hold."""
        old = self.scheduler
        held = [lease for crew in old.crews.values() for lease in crew.all()]
        self.scheduler = core.Scheduler(Registry(1.0, 3), max_workers_per_job=3, opens_at=self.now + 1.0)
        self.held_before, self.given = set(held), set()
        for start in self.condemned:
            self.carry_out(self.scheduler.handle(core.Blamed(WorkerId(start.split(".")[0]), start, JobId("-"), 0, "it lied"), self.now))
        for job, count in self.running.items():
            needs = tuple(share for share in range(count + 1) if old.lease(job, share) is not None or (job, share) in old.wanted)
            event = core.Enqueue(job, Kind.PROVE, 0, self.now, (1,) * count, needs or (count,))
            self.carry_out(self.scheduler.handle(event, self.now))
        for each in old.queue:
            self.carry_out(self.scheduler.handle(each, self.now))
        self.queued |= set(self.running)
        self.running = {}
        for record in old.registry.records.values():
            if self.random.random() < 0.8:
                own = tuple(lease for lease in held if lease.worker == record.worker)
                self.carry_out(self.scheduler.handle(core.Joined(record.worker, record.incarnation, record.units, own), self.now))
                self.check()

    def carry_out(self, effects: list[core.Effect]) -> None:
        for effect in effects:
            if isinstance(effect, core.Admit):
                assert effect.job in self.queued, "admitted once, and only what was queued"
                self.queued.discard(effect.job)
                self.running[effect.job] = len(effect.weights)
                self.given |= set(effect.adopted)
                for lease in effect.adopted:
                    assert lease in effect.leases
                    assert lease in self.held_before, "only what was held before is adopted"
                for lease in set(effect.leases) - set(effect.adopted):
                    self.give(lease)
            elif isinstance(effect, core.Granted):
                assert effect.lease.job in self.running
                self.give(effect.lease)
            elif isinstance(effect, core.Doubled):
                assert self.scheduler.lease(effect.lease.job, effect.lease.share) == effect.first
                self.give(effect.lease)

    def give(self, lease: Lease) -> None:
        assert lease not in self.given, "a lease is never given twice"
        self.given.add(lease)
        assert lease.incarnation not in self.condemned, "nothing is given to who is quarantined"

    def check(self) -> None:
        registry, held = self.scheduler.registry, {}
        for job, crew in self.scheduler.crews.items():
            assert job in self.running, "leases of running jobs only"
            for share, lease in crew.doubles.items():
                assert crew.leases[share].worker != lease.worker, "a doubled share has two leases of two workers"
            for share, lease in [*crew.leases.items(), *crew.doubles.items()]:
                assert (lease.job, lease.share) == (job, share)
                assert self.scheduler.holds(lease)
                assert registry.find(lease.worker, lease.incarnation) is not None, "leases of registered starts only"
                assert held.setdefault(lease.worker, job) == job, "a worker works for one job at a time"
                assert lease in self.given
                assert lease.incarnation not in self.condemned, "who is quarantined holds nothing"
        assert {each.job for each in self.scheduler.queue} == self.queued
        for worker, leases in self.scheduler.leases.busy.items():
            assert leases, "who holds nothing is not busy"
            for (job, share), lease in leases.items():
                assert (lease.worker, lease.job, lease.share) == (worker, job, share)
                assert lease in (self.scheduler.lease(job, share), self.scheduler.leases.second(job, share)), "it is the same table"
        assert set(self.scheduler.leases.busy) == set(held)
        for position, each in enumerate(self.scheduler.queue):
            assert self.scheduler.queue.position(each.job) == position
        claimers = {lease.worker for lease in self.scheduler.claims}
        for lease in self.scheduler.claims:
            assert lease.job in self.queued, "claims to jobs that wait only"
            assert registry.find(lease.worker, lease.incarnation) is not None, "claims of registered starts only"
        if self.queued and self.now >= self.scheduler.opens_at + 1.0:
            free = [record for record in registry.ready() if record.worker not in held and record.worker not in claimers]
            assert not free, "nobody is idle while a job waits"
        for job, _ in self.scheduler.wanted:
            assert job in self.running


@pytest.mark.parametrize("block", range(10))
def test_random_walks(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        walk = Walk(seed)
        try:
            for _ in range(300):
                walk.step()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
