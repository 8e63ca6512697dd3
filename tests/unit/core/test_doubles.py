"""A share with two leases: who may have the second, and what is left when one of them ends."""

from __future__ import annotations

import pytest

from zisk_actors.core import events
from zisk_actors.core import scheduler as core
from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.leases import Leases
from zisk_actors.core.policy import Policy
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.wire.values import Kind, Lease

JOB, OTHER = JobId("job-1"), JobId("job-2")


def start(name: str) -> Incarnation:
    return Incarnation(f"{name}.1")


def cluster(*names: str, busy: int = 2) -> core.Scheduler:
    """A scheduler with a job over the first `busy` workers, whose shares are numbered as they are; the others are free."""
    it = core.Scheduler(heartbeat_seconds=1.0, max_missed=3, policy=Policy(max_workers_per_job=busy))
    for name in names[:busy]:
        it.handle(events.Joined(WorkerId(name), start(name), 10), 0.0)
    it.handle(events.Enqueue(JOB, Kind.PROVE, 0, 0.0), 0.0)
    for name in names[busy:]:
        it.handle(events.Joined(WorkerId(name), start(name), 10), 0.0)
    return it


def double(it: core.Scheduler, share: int = 0, *idle: str, urgent: bool = False, never: str = "") -> Lease | None:
    wanted = events.DoubleWanted(JOB, share, frozenset(map(WorkerId, idle)), frozenset(map(WorkerId, never)), urgent)
    effects = it.handle(wanted, 1.0)
    assert len(effects) <= 1
    for effect in effects:
        assert isinstance(effect, events.Doubled)
        assert effect.first == it.lease(JOB, share)
        return effect.lease
    return None


def test_a_free_worker_gets_the_second_lease_and_both_are_in_force() -> None:
    it = cluster("a", "b", "c")
    first = it.lease(JOB, 0)
    second = double(it)
    assert second is not None
    assert first is not None
    assert (second.worker, second.attempt) == ("c", first.attempt + 1)
    assert it.holds(first)
    assert it.holds(second)
    assert it.lease(JOB, 0) == first
    assert double(it) is None, "never three"
    assert set(it.busy()) == {"a", "b", "c"}


def test_nobody_free_and_nobody_idle_is_nobody() -> None:
    it = cluster("a", "b")
    assert double(it) is None
    assert double(it, 0, "a") is None, "not its own holder"
    second = double(it, 0, "b")
    assert second is not None
    assert second.worker == "b"


def test_who_waits_in_the_queue_comes_first_unless_it_is_urgent() -> None:
    it = cluster("a", "b", "c")
    it.handle(events.Enqueue(OTHER, Kind.PROVE, 0, 0.0, min_units=1000), 0.5)
    assert double(it) is None
    assert double(it, urgent=True, never="c") is None
    assert double(it, urgent=True) is not None


def test_the_double_takes_the_place_of_a_holder_that_is_lost() -> None:
    it = cluster("a", "b", "c")
    second = double(it)
    effects = it.handle(events.Left(WorkerId("a"), start("a"), "gone"), 2.0)
    assert [type(effect) for effect in effects] == [events.Lost, events.Revoked]
    assert it.lease(JOB, 0) == second
    assert double(it) is None, "who was lost with it does not count, and nobody else is there"


def test_a_double_that_is_lost_leaves_the_holder() -> None:
    it = cluster("a", "b", "c")
    first, second = it.lease(JOB, 0), double(it)
    assert second is not None
    it.handle(events.Left(WorkerId("c"), start("c"), "gone"), 2.0)
    assert it.lease(JOB, 0) == first
    assert not it.holds(second)


def test_who_gave_up_a_share_does_not_get_it_as_a_double() -> None:
    it = cluster("a", "b", "c")
    first, second = it.lease(JOB, 0), double(it)
    assert first is not None
    assert second is not None
    it.handle(events.GaveUp(first), 2.0)
    assert it.lease(JOB, 0) == second
    assert double(it, 0, "a", "b") is not None
    it.handle(events.Ended(JOB), 3.0)
    assert not it.busy()


def test_the_table_refuses_a_third_and_the_holder_itself() -> None:
    leases = Leases()
    leases.give(JOB, 0, WorkerId("a"), start("a"))
    with pytest.raises(IllegalTransition):
        leases.double(JOB, 0, WorkerId("a"), start("a"))
    leases.double(JOB, 0, WorkerId("b"), start("b"))
    with pytest.raises(IllegalTransition):
        leases.double(JOB, 0, WorkerId("c"), start("c"))
