"""How fast this machine runs a backend, and the kernels of the native library.

    python -m zisk_actors.backends.bench [--backend NAME] [--log-height K] [--columns W] [--threads T]

Rules of this file: a rate is work per second of processor time, so "per core"; on a quiet machine T threads give T times as
much. Each figure is the best of a few runs, because noise only ever slows things down. Cells are trace cells (before extension).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from zisk_actors.air.bus import CHALLENGE_COUNT
from zisk_actors.backends import DEFAULT, PROVING, make_backend
from zisk_actors.backends.base import ExtendedTable
from zisk_actors.chips import CHIPS
from zisk_actors.native import load
from zisk_actors.stark.field import P
from zisk_actors.stark.params import FOLD_LOG_ARITY, LEVEL_128


@dataclass(frozen=True)
class Figure:
    """One line: what, how much of it per second and core, and the seconds of processor time of one run."""

    name: str
    rate: float
    unit: str
    seconds: float


def _best(work: float, run: Callable[[], object], repeats: int = 3) -> tuple[float, float]:
    seconds = min(_cpu_seconds(run) for _ in range(repeats))
    return work / seconds, seconds


def _cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def figures(name: str, log_height: int, columns: int, threads: int) -> Iterator[Figure]:
    """The figures, one by one as they are measured."""
    rng = np.random.default_rng(0)
    backend = make_backend(name, threads)
    native = load()
    height = 1 << log_height

    def random(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
        return rng.integers(0, P, shape, dtype=np.uint64)

    def figure(name: str, work: float, unit: str, run: Callable[[], object]) -> Figure:
        rate, seconds = _best(work, run)
        return Figure(name, rate, unit, seconds)

    states = random(1 << 15, 16)
    yield figure("poseidon2, row-major states", len(states), "permutations", lambda: native.zk_poseidon2_permute(states, len(states)))

    trace = backend.upload(random(columns, height))
    values = backend.download(trace)
    cells = columns * height
    yield figure("ntt, forward", cells, "elements", lambda: native.zk_ntt(values, values, columns, log_height, 7, 0))
    log_blowup, cap_log = LEVEL_128.log_blowup, LEVEL_128.cap_log
    yield figure("lde x2", cells, "cells in", lambda: backend.lde(trace, log_blowup))
    extended = backend.lde(trace, log_blowup)
    yield figure("merkle tree", 2 * cells, "elements", lambda: backend.commit([extended], cap_log))
    yield figure("commit (lde x2 + tree)", cells, "cells", lambda: backend.commit([backend.lde(trace, log_blowup)], cap_log))

    air = max((chip.air for chip in CHIPS if not chip.air.fixed_width), key=lambda air: len(air.bus_terms))
    main = backend.upload(random(air.width, height))
    challenges, point = random(CHALLENGE_COUNT, 3), random(3)
    yield figure(
        f"logup, {air.name}: {len(air.bus_terms)} terms",
        height * len(air.bus_terms),
        "terms",
        lambda: backend.logup(air, main, None, challenges),
    )
    aux, _ = backend.logup(air, main, None, challenges)
    table = ExtendedTable(air, backend.lde(main, log_blowup), None, backend.lde(aux, log_blowup), point)
    constraints = len(air.all_constraints)
    yield figure(
        f"quotient, {air.name}: {constraints} constraints",
        height,
        "rows",
        lambda: backend.quotient([table], log_blowup, challenges, point),
    )
    yield figure("evaluate at a point", cells, "cells", lambda: backend.evaluate(extended, log_blowup, None, point))
    opened = random(columns, 3)
    yield figure("deep", cells, "cells", lambda: backend.deep([extended], opened, [], opened[:0], point, point, point))
    codeword = backend.upload(random(3, 2 * height))
    yield figure("fold by 8", 2 * height, "entries", lambda: backend.fold(codeword, FOLD_LOG_ARITY, point))
    yield figure("codeword tree", 2 * height, "entries", lambda: backend.commit_codeword(codeword, FOLD_LOG_ARITY, cap_log))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Rates of the native kernels on this machine, per core.")
    parser.add_argument("--backend", choices=PROVING, default=DEFAULT, help=f"whose (default {DEFAULT})")
    parser.add_argument("--log-height", type=int, default=18, help="log2 of the trace height (default 18)")
    parser.add_argument("--columns", type=int, default=24, help="columns of the matrices (default 24)")
    parser.add_argument("--threads", type=int, default=1, help="threads (default 1)")
    options = parser.parse_args()
    print(f"{options.backend}, {options.columns} columns of 2^{options.log_height}, {options.threads} threads; rates per core")
    print(f"the native library runs at the level {load().zk_cpu_name()}")
    for each in figures(options.backend, options.log_height, options.columns, options.threads):
        print(f"{each.name:36s} {each.rate / 1e6:9.2f} M {each.unit}/s   ({each.seconds:.3f} s)", flush=True)


if __name__ == "__main__":
    main()
