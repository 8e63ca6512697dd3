"""A seed is replayed exactly: the same trace to the last message, in another process, with strings hashed otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.faults import plan
from tests.simulation.run import simulate

SEEDS = (3, 17, 66, 92)
PROGRAM = "from tests.simulation.run import simulate\nfor seed in {seeds}: print(seed, simulate(seed).digest)"


def digests(hash_seed: str) -> str:
    """The traces of the seeds, from a process of its own."""
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", PROGRAM.format(seeds=SEEDS)]
    return subprocess.run(command, env=environment, cwd=root, check=True, capture_output=True, text=True, timeout=120).stdout


def test_a_seed_is_the_same_in_every_process() -> None:
    first = digests("1")
    assert len(first.split()) == 2 * len(SEEDS)
    assert digests("2") == first


def test_a_seed_is_the_same_when_it_is_read() -> None:
    told: list[str] = []
    assert simulate(17).digest == simulate(17, say=told.append).digest
    assert any("log info" in line for line in told)


def test_a_plan_is_its_seeds() -> None:
    assert plan(5) == plan(5)
    assert plan(5) != plan(6)
