"""Who works on what: the choice of a crew, how it is cut, and who takes over."""

from __future__ import annotations

from zisk_actors.core.policy import Need, choose_crew, choose_successor, need_of, weigh
from zisk_actors.core.worker import WorkerRecord
from zisk_actors.ids import Incarnation, WorkerId
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


BIG, MEDIUM, SMALL, TINY = worker("big", 10), worker("medium", 4), worker("small", 2), worker("tiny", 1)
ALL = [TINY, SMALL, MEDIUM, BIG]


def test_a_job_that_says_nothing_takes_the_largest_that_it_may_have() -> None:
    assert names(choose_crew(Need(1, 0, 3), ALL)) == ["big", "medium", "small"]


def test_a_job_that_wants_few_units_takes_a_small_worker() -> None:
    assert names(choose_crew(Need(1, 1, 10), ALL)) == ["tiny"]
    assert names(choose_crew(Need(1, 3, 10), ALL)) == ["medium"]
    assert names(choose_crew(Need(1, 11, 10), ALL)) == ["big", "tiny"]
    assert names(choose_crew(Need(1, 13, 10), ALL)) == ["big", "medium"]
    assert names(choose_crew(Need(1, 99, 10), ALL)) == ["big", "medium", "small", "tiny"], "as near as there is"


def test_fewer_units_than_the_least_are_no_crew() -> None:
    assert choose_crew(Need(15, 0, 2), ALL) == []
    assert names(choose_crew(Need(14, 0, 2), ALL)) == ["big", "medium"]
    assert choose_crew(Need(14, 14, 1), ALL) == []
    assert choose_crew(Need(1, 0, 5), []) == []


def test_of_equals_who_has_the_program_at_hand_and_then_the_first_by_name() -> None:
    free = [worker("a", 5), worker("b", 5, programs=("p",)), worker("c", 9)]
    assert names(choose_crew(Need(1, 5, 5), free, "p")) == ["b"]
    assert names(choose_crew(Need(1, 5, 5), free, "q")) == ["a"]
    assert names(choose_crew(Need(1, 0, 2), free, "p")) == ["c", "b"]
    assert choose_successor(free[:2], leases={}, excluded=(), prefer=None, program="p") == "b"
    assert choose_successor(free[:2], leases={}, excluded=("b",), prefer=None, program="p") == "a"


def test_what_a_job_needs_is_what_was_asked_for_else_what_is_set() -> None:
    def need(kind: Kind, least: int, units: int) -> Need:
        return need_of(kind, least, units, min_default=3, units_default=5, max_workers=10)

    assert need(Kind.PROVE, 0, 0) == Need(3, 5, 10)
    assert need(Kind.PROVE, 8, 0) == Need(8, 8, 10)
    assert need(Kind.PROVE, 1, 20) == Need(1, 20, 10)
    assert need(Kind.EXECUTE, 0, 0) == Need(1, 1, 1), "an execution takes the smallest worker"
    assert need(Kind.EXECUTE, 4, 0) == Need(4, 4, 1)


def test_weights_are_declared_units_as_long_as_the_measures_do_not_contradict() -> None:
    assert weigh([worker("a", 10, 100.0), worker("b", 20, 150.0)]) == (10, 20)
    assert weigh([worker("a", 10, 100.0), worker("b", 10)]) == (10, 10), "who has not measured is believed"
    assert weigh([]) == ()


def test_units_that_are_worth_a_tenth_weigh_a_tenth() -> None:
    a, b, slow = worker("a", 10, 100.0), worker("b", 5, 50.0), worker("slow", 10, 10.0)
    assert weigh([a, slow, b]) == (10, 1, 5)
    assert min(weigh([worker("a", 1, 1e6), worker("b", 1, 1.0)])) == 1
