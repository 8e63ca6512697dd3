"""Random walks of the scheduler: after every event, what must always hold does. A failing walk is named by its seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from zisk_actors.core import events
from zisk_actors.core import scheduler as core
from zisk_actors.core.policy import TURNS_PER_PRIORITY, Policy
from zisk_actors.core.worker import WorkerHealth, WorkerRecord
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.wire.values import Kind, Lease

POLICY = Policy(max_workers_per_job=3)


class Walk:
    """A scheduler, and the jobs as a supervisor would know them: running from their admission to their end."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.scheduler = core.Scheduler(heartbeat_seconds=1.0, max_missed=3, policy=POLICY)
        self.now = 0.0
        self.starts: dict[WorkerId, int] = {}
        self.queued: set[JobId] = set()
        self.running: dict[JobId, int] = {}
        self.ended: set[JobId] = set()
        self.given: set[Lease] = set()
        self.condemned: set[Incarnation] = set()
        self.held_before: set[Lease] = set()
        self.lines: dict[JobId, tuple[str, int]] = {}
        self.passed: dict[JobId, tuple[int, dict[tuple[str, int], int]]] = {}

    def pick(self, items: list[object]) -> object:
        return items[int(self.random.integers(len(items)))]

    def event(self) -> events.Event:
        chance = self.random.random()
        worker = WorkerId(f"w{self.random.integers(5)}")
        start = Incarnation(f"{worker}.{self.starts.get(worker, 0)}")
        leases = [lease for crew in self.scheduler.crews.values() for lease in crew.all()]
        if chance < 0.15:
            job = JobId(f"job-{len(self.queued) + len(self.running) + len(self.ended)}")
            self.queued.add(job)
            kind, priority, program = Kind.PROVE if chance < 0.1 else Kind.EXECUTE, int(self.random.integers(3)), str(chance)[-1]
            client = ["many", "many", "many", "few", "large"][int(self.random.integers(5))]
            asks = {"min_units": int(self.random.integers(40)), "units": int(self.random.integers(40))} if client == "large" else {}
            submitted_at = self.now + 1e-6 * len(self.lines)  # none with another: who comes later is behind its own
            return events.Enqueue(job, kind, priority, submitted_at, client=client, program=program, **asks)
        if chance < 0.35:
            self.starts[worker] = self.starts.get(worker, 0) + int(self.random.random() < 0.5)
            return events.Joined(worker, Incarnation(f"{worker}.{self.starts[worker]}"), int(self.random.integers(1, 20)))
        if chance < 0.45:
            return events.Left(worker, start, "it left")
        if chance < 0.6:
            return events.Heard(worker, start)
        if chance < 0.7 and leases:
            lease = self.pick(leases)  # type: ignore[arg-type]
            assert isinstance(lease, Lease)
            if chance < 0.62:
                self.condemned.add(lease.incarnation)
                return events.FoundFaulty(lease.worker, lease.incarnation, lease.job, lease.share, "it lies")
            return events.GaveUp(lease) if chance < 0.65 else events.Finished(lease)
        if chance < 0.85 and self.running:
            job = self.pick(list(self.running))  # type: ignore[assignment]
            share = int(self.random.integers(self.running[job] + 1))
            if self.scheduler.lease(job, share) is None:
                waits = (job, share) in self.scheduler.wanted
                return events.Unwanted(job, share) if waits and self.random.random() < 0.3 else events.Wanted(job, share, worker)
            mine = [lease.worker for lease in self.scheduler.crews[job].all()]
            idle = frozenset(name for name in mine if self.random.random() < 0.3)
            return events.DoubleWanted(job, share, idle, urgent=bool(self.random.random() < 0.3))
        if chance < 0.95 and self.running:
            job = self.pick(list(self.running))  # type: ignore[assignment]
            del self.running[job]
            self.ended.add(job)
            return events.Ended(job)
        self.now += float(self.random.random()) * 2
        return events.Tick()

    def step(self) -> None:
        if self.random.random() < 0.01:
            self.restart()
            self.passed = {}
        event = self.event()
        if isinstance(event, events.Enqueue):
            self.await_turn(event)
        effects = self.scheduler.handle(event, self.now)
        for each in self.scheduler.queue:
            if not self.scheduler.attainable(each):
                self.passed.pop(each.job, None)
        for effect in effects:
            if isinstance(effect, events.Admit):
                self.let_by(effect.job)
        self.carry_out(effects)
        self.check()

    def await_turn(self, event: events.Enqueue) -> None:
        """Note how many of its own client's jobs a new one waits for: as many turns go by before its own."""
        mine = [each for each in self.scheduler.queue if (each.client, each.priority) == (event.client, event.priority)]
        started = sum(line == (event.client, event.priority) and job not in self.queued for job, line in self.lines.items())
        self.lines[event.job] = (event.client, event.priority)
        self.passed[event.job] = (len(mine) + started, {})

    def let_by(self, job: JobId) -> None:
        """A job starts. All others that wait let it by, and none more of one line than its turn and its priority say."""
        client, priority = line = self.lines[job]
        self.passed.pop(job, None)
        for waits, (turns, passed) in self.passed.items():
            own = self.lines[waits]
            if own != line and client not in ("", "large") and waits in self.scheduler.queue:
                passed[line] = passed.get(line, 0) + 1
                bound = turns + 1 + TURNS_PER_PRIORITY * max(0, priority - own[1])
                assert passed[line] <= bound, f"{waits} of {own} let {passed[line]} jobs of {line} by"

    def restart(self) -> None:
        """The coordinator dies and comes back: all that was running waits, and most workers come back with what they hold."""
        old = self.scheduler
        held = [lease for crew in old.crews.values() for lease in crew.all()]
        self.scheduler = core.Scheduler(heartbeat_seconds=1.0, max_missed=3, policy=POLICY)
        self.scheduler.handle(events.Restarted(self.now + 1.0), self.now)
        self.held_before, self.given = set(held), set()
        for start in self.condemned:
            self.carry_out(
                self.scheduler.handle(events.FoundFaulty(WorkerId(start.split(".")[0]), start, JobId("-"), 0, "it lied"), self.now)
            )
        for job, count in self.running.items():
            needs = tuple(share for share in range(count + 1) if old.lease(job, share) is not None or (job, share) in old.wanted)
            event = events.Enqueue(job, Kind.PROVE, 0, self.now, (1,) * count, needs or (count,))
            self.carry_out(self.scheduler.handle(event, self.now))
        self.lines = dict.fromkeys(self.lines, ("", 0))
        for each in old.queue:
            self.lines[each.job] = (each.client, each.priority)
            self.carry_out(self.scheduler.handle(each, self.now))
        self.queued |= set(self.running)
        self.running = {}
        for record in old.registry.records.values():
            if self.random.random() < 0.8:
                own = tuple(lease for lease in held if lease.worker == record.worker)
                self.carry_out(self.scheduler.handle(events.Joined(record.worker, record.incarnation, record.units, own), self.now))
                self.check()

    def carry_out(self, effects: list[events.Effect]) -> None:
        for effect in effects:
            if isinstance(effect, events.Admit):
                assert effect.job in self.queued, "admitted once, and only what was queued"
                self.queued.discard(effect.job)
                self.running[effect.job] = len(effect.weights)
                self.given |= set(effect.adopted)
                for lease in effect.adopted:
                    assert lease in effect.leases
                    assert lease in self.held_before, "only what was held before is adopted"
                for lease in set(effect.leases) - set(effect.adopted):
                    self.give(lease)
            elif isinstance(effect, events.Granted):
                assert effect.lease.job in self.running
                self.give(effect.lease)
            elif isinstance(effect, events.Doubled):
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
                assert lease in (self.scheduler.lease(job, share), self.scheduler.leases.double_of(job, share)), "it is the same table"
        assert set(self.scheduler.leases.busy) == set(held)
        for position, each in enumerate(self.scheduler.queue):
            assert self.scheduler.queue.position(each.job) == position
        claimers = {lease.worker for lease in self.scheduler.claims}
        for lease in self.scheduler.claims:
            assert lease.job in self.queued, "claims to jobs that wait only"
            assert registry.find(lease.worker, lease.incarnation) is not None, "claims of registered starts only"
        self.check_indexes(held)
        if self.now >= self.scheduler.opens_at + 1.0:
            free = [record for record in registry.ready() if record.worker not in held and record.worker not in claimers]
            for each in self.scheduler.queue:
                crew = free[:1] if each.needs else POLICY.choose(self.scheduler.need(each), free, each.program)
                assert not crew, "nobody is idle while a job waits that they are enough for"
                if self.scheduler.attainable(each):
                    break
        for job, _ in self.scheduler.wanted:
            assert job in self.running

    def check_indexes(self, held: dict[WorkerId, JobId]) -> None:
        """What is kept up to date is what a walk over everything finds."""
        pool, queue, records = self.scheduler.pool, self.scheduler.queue, self.scheduler.registry.records.values()
        free = sorted((record for record in records if record.health is WorkerHealth.READY and record.worker not in held), key=by_units)
        able = sorted((record for record in records if record.health is not WorkerHealth.QUARANTINED), key=by_units)
        assert pool.free() == free
        assert (len(pool), pool.able) == (len(records), len(able))
        assert (pool.free_units, pool.total_units) == (sum(each.units for each in free), sum(each.units for each in records))
        for count in (1, 3):
            assert pool.largest(count) == sum(each.units for each in able[:count])
        clients = Counter(each.client for each in queue)
        assert all(queue.waiting_of(client) == clients[client] for client in ("many", "few", "large"))
        assert [each.job for each in queue] == [job for *_, job in sorted(queue._keys.values())]
        for each in queue:
            waiting = self.scheduler.waiting(each.job)
            assert waiting is not None
            assert waiting.reason


def by_units(record: WorkerRecord) -> tuple[int, str]:
    return -record.units, record.worker


@pytest.mark.parametrize("block", range(10))
def test_random_walks(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        walk = Walk(seed)
        try:
            for _ in range(300):
                walk.step()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
