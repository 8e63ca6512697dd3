"""Many seeds: in none of them is a law broken. A failing seed is replayed with `scripts/simulate SEED`."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.simulation.faults import plan_of_liars
from tests.simulation.run import Outcome, simulate

QUICK = 100
LIARS = 20
MANY = 1000


def report(outcomes: list[Outcome]) -> str:
    """What is said of seeds that broke something."""
    return "\n".join(f"scripts/simulate {outcome.seed}: {outcome.breaks[0]}" for outcome in outcomes if outcome.breaks)


@pytest.mark.parametrize("first", range(0, QUICK, 5))
def test_a_hundred_seeds(first: int) -> None:
    outcomes = [simulate(seed) for seed in range(first, first + 5)]
    assert not report(outcomes), report(outcomes)
    assert sum(sum(outcome.ended.values()) for outcome in outcomes) >= 5


@pytest.mark.parametrize("first", range(0, LIARS, 5))
def test_some_seeds_in_which_every_worker_lies(first: int) -> None:
    outcomes = [simulate(seed, todo=plan_of_liars(seed)) for seed in range(first, first + 5)]
    words = "\n".join(f"plan_of_liars, seed {outcome.seed}: {outcome.breaks[0]}" for outcome in outcomes if outcome.breaks)
    assert not words, words


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_seeds() -> None:
    processes = min(2, os.cpu_count() or 1)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        outcomes = list(pool.map(simulate, range(QUICK, QUICK + MANY), chunksize=10))
    assert not report(outcomes), report(outcomes)
    states = {state: sum(outcome.ended.get(state, 0) for outcome in outcomes) for state in ("completed", "failed", "cancelled")}
    assert min(states.values()) > 20, f"the plans are too tame: {states}"
    assert sum(outcome.epochs > 1 for outcome in outcomes) > MANY / 10
