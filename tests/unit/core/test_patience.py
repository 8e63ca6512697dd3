"""How long a try may take, and when a second worker should try."""

from __future__ import annotations

from zisk_actors.core.patience import EXTENSIONS, PhaseLimits, RunningAttempt, deadline, rate, stands_still, straggler
from zisk_actors.ids import JobId
from zisk_actors.wire.values import Lease

JOB = JobId("0" * 8 + "-0000-4000-8000-" + "0" * 12)
PATIENCE = PhaseLimits(limit=100.0, factor=2.0, least_seconds=10.0)
NEVER = float("inf")


def at(
    share: int, began: float | None = 0.0, *, weight: int = 10, units: int = 10, moved: float = 0.0, worker: str = "a"
) -> RunningAttempt:
    return RunningAttempt(Lease(worker, "a" * 32, JOB, share, 1), weight, units, began, moved)


def test_the_clock_runs_from_when_the_worker_begins() -> None:
    assert deadline([at(0, 5.0)], 0, 0, PATIENCE) == 105.0
    assert deadline([at(0, None)], 0, 0, PATIENCE) == NEVER, "it waits behind another task"
    assert deadline([], 0, 0, PATIENCE) == NEVER, "it waits for a worker, which has a limit of its own"
    assert deadline([at(0, 5.0)], 0, 0, PhaseLimits()) == NEVER


def test_what_was_lost_is_given_again_up_to_a_bound() -> None:
    assert deadline([at(0, 90.0)], 90.0, 0, PATIENCE) == 190.0
    assert deadline([at(0, 450.0)], 450.0, 0, PATIENCE) == 500.0 == 100 * (1 + EXTENSIONS)
    assert deadline([at(0, 900.0)], 900.0, 0, PATIENCE) == 900.0


def test_time_that_stood_still_is_not_given_again() -> None:
    assert deadline([at(0, 50.0)], 0, 50.0, PATIENCE) == 100.0


def test_of_two_tries_the_later_counts() -> None:
    assert deadline([at(0, 0.0), at(0, 60.0, worker="b")], 0, 0, PATIENCE) == 160.0


def test_what_has_not_moved_for_most_of_the_limit_stands_still() -> None:
    assert not stands_still(at(0, 0.0), PATIENCE, 69.0)
    assert stands_still(at(0, 0.0), PATIENCE, 71.0)
    assert not stands_still(at(0, 0.0, moved=30.0), PATIENCE, 99.0)
    assert not stands_still(at(0, None), PATIENCE, 1000.0)
    assert not stands_still(at(0, 0.0), PhaseLimits(), 1000.0)


def test_a_straggler_is_measured_by_its_siblings_weight_and_units() -> None:
    rates = [rate(at(0, 0.0), 20.0), rate(at(1, 0.0), 22.0), rate(at(2, 0.0), 18.0)]
    moving = {"moved": 1000.0}
    assert straggler([at(3, **moving)], rates, PATIENCE, 39.0) is None  # type: ignore[arg-type]
    assert straggler([at(3, **moving)], rates, PATIENCE, 40.0) == at(3, **moving)  # type: ignore[arg-type]
    double = at(3, weight=20, moved=1000.0)
    assert straggler([double], rates, PATIENCE, 79.0) is None, "it has twice the weight"
    strong = at(3, units=20, moved=1000.0)
    assert straggler([strong], rates, PATIENCE, 20.0) == strong, "its worker is twice as strong"


def test_little_is_no_straggler_and_0_switches_it_off() -> None:
    late = at(3, moved=1000.0)
    assert straggler([late], [0.1], PATIENCE, 9.0) is None
    assert straggler([late], [0.1], PATIENCE, 10.0) == late
    assert straggler([late], [0.1], PhaseLimits(100.0, 0.0, 10.0), 90.0) is None
    assert straggler([late], [], PATIENCE, 90.0) is None, "nobody to compare with, and it moves"


def test_what_does_not_move_is_doubled_before_it_is_given_up() -> None:
    one = at(0, 0.0)
    assert straggler([one], [], PATIENCE, 34.0) is None
    assert straggler([one], [], PATIENCE, 36.0) == one
    assert not stands_still(one, PATIENCE, 36.0)


def test_the_furthest_over_goes_first() -> None:
    attempts = [at(1, 10.0, moved=1000.0), at(2, 0.0, moved=1000.0), at(3, 0.0, moved=1000.0)]
    assert straggler(attempts, [1.0], PATIENCE, 50.0) == attempts[1]
