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

    def pick(self, items: list[object]) -> object:
        return items[int(self.random.integers(len(items)))]

    def event(self) -> core.Event:
        chance = self.random.random()
        worker = WorkerId(f"w{self.random.integers(5)}")
        start = Incarnation(f"{worker}.{self.starts.get(worker, 0)}")
        leases = [lease for crew in self.scheduler.crews.values() for lease in crew.leases.values()]
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
        if chance < 0.95 and self.running:
            job = self.pick(list(self.running))  # type: ignore[assignment]
            del self.running[job]
            self.ended.add(job)
            return core.Ended(job)
        self.now += float(self.random.random()) * 2
        return core.Tick()

    def step(self) -> None:
        effects = self.scheduler.handle(self.event(), self.now)
        for effect in effects:
            if isinstance(effect, core.Admit):
                assert effect.job in self.queued, "admitted once, and only what was queued"
                self.queued.discard(effect.job)
                self.running[effect.job] = len(effect.weights)
                for lease in effect.leases:
                    self.give(lease)
            elif isinstance(effect, core.Granted):
                assert effect.lease.job in self.running
                self.give(effect.lease)
        self.check()

    def give(self, lease: Lease) -> None:
        assert lease not in self.given, "a lease is never given twice"
        self.given.add(lease)
        assert lease.incarnation not in self.condemned, "nothing is given to who is quarantined"

    def check(self) -> None:
        registry, held = self.scheduler.registry, {}
        for job, crew in self.scheduler.crews.items():
            assert job in self.running, "leases of running jobs only"
            for share, lease in crew.leases.items():
                assert (lease.job, lease.share) == (job, share)
                assert registry.find(lease.worker, lease.incarnation) is not None, "leases of registered starts only"
                assert held.setdefault(lease.worker, job) == job, "a worker works for one job at a time"
                assert lease in self.given
                assert lease.incarnation not in self.condemned, "who is quarantined holds nothing"
        assert {each.job for each in self.scheduler.queue} == self.queued
        if self.queued:
            free = [record for record in registry.ready() if record.worker not in held]
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
