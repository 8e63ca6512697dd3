"""Who works on what: the choice of a crew, how it is cut, and who takes over."""

from __future__ import annotations

from collections.abc import Sequence

from zisk_actors.core.events import Admit, Enqueue, Joined
from zisk_actors.core.policy import Need, Policy
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.worker import WorkerRecord
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.wire.values import Kind


def worker(name: str, units: int, measured: float = 0.0, programs: tuple[str, ...] = ()) -> WorkerRecord:
    return WorkerRecord(
        worker=WorkerId(name),
        incarnation=Incarnation(name),
        units=units,
        measured=measured,
        programs=programs,
        joined_at=0.0,
        heard_at=0.0,
    )


def names(crew: list[WorkerRecord]) -> list[str]:
    return [record.worker for record in crew]


POLICY = Policy()
BIG, MEDIUM, SMALL, TINY = worker("big", 10), worker("medium", 4), worker("small", 2), worker("tiny", 1)
ALL = [TINY, SMALL, MEDIUM, BIG]


def test_a_job_that_says_nothing_takes_the_largest_that_it_may_have() -> None:
    assert names(POLICY.choose(Need(1, 0, 3), ALL)) == ["big", "medium", "small"]


def test_a_job_that_wants_few_units_takes_a_small_worker() -> None:
    assert names(POLICY.choose(Need(1, 1, 10), ALL)) == ["tiny"]
    assert names(POLICY.choose(Need(1, 3, 10), ALL)) == ["medium"]
    assert names(POLICY.choose(Need(1, 11, 10), ALL)) == ["big", "tiny"]
    assert names(POLICY.choose(Need(1, 13, 10), ALL)) == ["big", "medium"]
    assert names(POLICY.choose(Need(1, 99, 10), ALL)) == ["big", "medium", "small", "tiny"], "as near as there is"


def test_fewer_units_than_the_least_are_no_crew() -> None:
    assert POLICY.choose(Need(15, 0, 2), ALL) == []
    assert names(POLICY.choose(Need(14, 0, 2), ALL)) == ["big", "medium"]
    assert POLICY.choose(Need(14, 14, 1), ALL) == []
    assert POLICY.choose(Need(1, 0, 5), []) == []


def test_of_equals_who_has_the_program_at_hand_and_then_the_first_by_name() -> None:
    free = [worker("a", 5), worker("b", 5, programs=("p",)), worker("c", 9)]
    assert names(POLICY.choose(Need(1, 5, 5), free, "p")) == ["b"]
    assert names(POLICY.choose(Need(1, 5, 5), free, "q")) == ["a"]
    assert names(POLICY.choose(Need(1, 0, 2), free, "p")) == ["c", "b"]
    assert POLICY.succeed(free[:2], leases={}, excluded=(), prefer=None, program="p") == "b"
    assert POLICY.succeed(free[:2], leases={}, excluded=("b",), prefer=None, program="p") == "a"


def test_what_a_job_needs_is_what_was_asked_for_else_what_is_set() -> None:
    def need(kind: Kind, least: int, units: int) -> Need:
        return Policy(max_workers_per_job=10, min_compute_units=3, default_compute_units=5).need(kind, least, units)

    assert need(Kind.PROVE, 0, 0) == Need(3, 5, 10)
    assert need(Kind.PROVE, 8, 0) == Need(8, 8, 10)
    assert need(Kind.PROVE, 1, 20) == Need(1, 20, 10)
    assert need(Kind.EXECUTE, 0, 0) == Need(1, 1, 1), "an execution takes the smallest worker"
    assert need(Kind.EXECUTE, 4, 0) == Need(4, 4, 1)


def test_weights_are_declared_units_as_long_as_the_measures_do_not_contradict() -> None:
    assert POLICY.weigh([worker("a", 10, 100.0), worker("b", 20, 150.0)]) == (10, 20)
    assert POLICY.weigh([worker("a", 10, 100.0), worker("b", 10)]) == (10, 10), "who has not measured is believed"
    assert POLICY.weigh([]) == ()


def test_units_that_are_worth_a_tenth_weigh_a_tenth() -> None:
    a, b, slow = worker("a", 10, 100.0), worker("b", 5, 50.0), worker("slow", 10, 10.0)
    assert POLICY.weigh([a, slow, b]) == (10, 1, 5)
    assert min(POLICY.weigh([worker("a", 1, 1e6), worker("b", 1, 1.0)])) == 1


class Slowest(Policy):
    """Another policy: the smallest worker, alone."""

    def choose(self, need: Need, free: Sequence[WorkerRecord], program: str = "") -> list[WorkerRecord]:
        return sorted(free, key=lambda record: (record.units, record.worker))[:1]


def test_a_policy_is_one_object_that_the_scheduler_is_given() -> None:
    scheduler = Scheduler(heartbeat_seconds=1, max_missed=3, policy=Slowest())
    for each in (BIG, SMALL):
        scheduler.handle(Joined(each.worker, each.incarnation, each.units), 0.0)
    (admit,) = scheduler.handle(Enqueue(JobId("one"), Kind.PROVE, 0, 0.0), 0.0)
    assert isinstance(admit, Admit)
    assert [lease.worker for lease in admit.leases] == ["small"]
