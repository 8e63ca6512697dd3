"""Who is in: hellos, duplicates, silence."""

from __future__ import annotations

import pytest

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.registry import Refusal, Registry
from zisk_actors.core.worker import TRANSITIONS, Sign, WorkerHealth, WorkerRecord, evolve
from zisk_actors.ids import Incarnation, WorkerId

A = WorkerId("a")
FIRST, SECOND = Incarnation("1"), Incarnation("2")


def test_a_second_process_is_asked_to_wait_and_refused_for_good_when_the_first_lives() -> None:
    registry = Registry(1.0, 3)
    assert isinstance(registry.hello(A, FIRST, 10, 0.0), WorkerRecord)
    refusal = registry.hello(A, SECOND, 10, 1.0)
    assert isinstance(refusal, Refusal)
    assert not refusal.permanent
    registry.heard(A, FIRST, 1.5)
    refusal = registry.hello(A, SECOND, 10, 2.0)
    assert isinstance(refusal, Refusal)
    assert refusal.permanent
    assert refusal.code == "duplicate-worker"


def test_a_second_process_takes_the_place_of_one_that_is_dead() -> None:
    registry = Registry(1.0, 3)
    registry.hello(A, FIRST, 10, 0.0)
    registry.hello(A, SECOND, 10, 1.0)
    assert [record.incarnation for record in registry.expire(4.0)] == [FIRST]
    assert isinstance(registry.hello(A, SECOND, 10, 4.0), WorkerRecord)
    assert registry.heard(A, FIRST, 5.0) is False


def test_the_same_start_may_come_back() -> None:
    registry = Registry(1.0, 3)
    registry.hello(A, FIRST, 10, 0.0)
    again = registry.hello(A, FIRST, 20, 2.0)
    assert isinstance(again, WorkerRecord)
    assert (again.joined_at, again.heard_at, again.units) == (0.0, 2.0, 20)


def test_no_more_than_the_limit() -> None:
    registry = Registry(1.0, 3, max_workers=1)
    registry.hello(A, FIRST, 10, 0.0)
    refusal = registry.hello(WorkerId("b"), SECOND, 10, 0.0)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "too-many-workers"
    registry.gone(A, FIRST, 1.0)
    assert isinstance(registry.hello(WorkerId("b"), SECOND, 10, 1.0), WorkerRecord)


def test_suspicion_comes_before_loss_and_a_sign_of_life_ends_it() -> None:
    registry = Registry(30.0, 3)
    registry.hello(A, FIRST, 10, 0.0)
    assert registry.expire(60.0) == []
    assert registry.records[A].health is WorkerHealth.READY
    assert registry.expire(61.0) == []
    assert registry.records[A].health is WorkerHealth.SUSPECT
    registry.heard(A, FIRST, 62.0)
    assert registry.records[A].health is WorkerHealth.READY
    assert registry.expire(62.0 + 90.0) == []
    assert [record.worker for record in registry.expire(62.0 + 90.1)] == [A]
    assert registry.records == {}


def test_lost_has_no_way_out() -> None:
    assert not [move for move in TRANSITIONS if move[0] is WorkerHealth.LOST]
    record = WorkerRecord(worker=A, incarnation=FIRST, units=1, health=WorkerHealth.LOST, joined_at=0, heard_at=0)
    for sign in Sign:
        with pytest.raises(IllegalTransition):
            evolve(record, sign, 1.0)
