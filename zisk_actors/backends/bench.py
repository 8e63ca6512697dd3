"""How fast this machine runs a backend and the kernels of the native library, and how far that is from what the machine can.

Rules of this file:
* A rate is work per second of processor time, so "per core"; on a quiet machine T threads give T times as much. Each figure is the
  median of some runs, with the slowest and the fastest beside it. Cells are trace cells, before extension.
* A ceiling is measured in the same run: multiplications that wait for nothing, permutations of states that stay in the cache, copying
  of memory. A figure says how much of its ceiling it needs for each unit of work, where that can be counted; the fraction is of that.
* Where others had the processors meanwhile, the figures say so (`quiet`), and are then good for ratios within one run only.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from zisk_actors.air.bus import CHALLENGE_COUNT
from zisk_actors.backends import make_backend
from zisk_actors.backends.base import ExtendedTable
from zisk_actors.chips import CHIPS
from zisk_actors.native import load
from zisk_actors.stark.field import P
from zisk_actors.stark.params import FOLD_LOG_ARITY, LEVEL_128
from zisk_actors.stark.poseidon2 import RATE

RUNS: Final = 5
QUIET: Final = 0.95
"""The part of a run's time that a process has on processors that are its own."""
MULTIPLY, PERMUTE, COPY = "multiply", "permute", "copy"
LAYER: Final = 3 / 8
"""Multiplications of an element in a layer of a transform: three of four elements, once for two layers."""


@dataclass(frozen=True)
class Figure:
    """One line. ``rate``: the median, in units of work per second and core; ``slowest`` and ``fastest`` of ``runs``.

    ``ceiling``: the name of the figure that bounds this one, and ``fraction`` how much of it is reached; "" and 0 where neither is known.
    ``quiet``: the part of its time that the process had a processor for each of its threads.
    """

    name: str
    unit: str
    rate: float
    slowest: float
    fastest: float
    runs: int
    ceiling: str
    fraction: float
    quiet: float


class Ruler:
    """Measures, and remembers the ceilings."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._ceilings: dict[str, float] = {}

    def figure(self, name: str, unit: str, work: float, run: Callable[[], object], ceiling: str = "", each: float = 0.0) -> Figure:
        """One figure. ``work``: units done by one run; ``each``: how many units of the ceiling one unit of work needs."""
        run()
        rates, processor, real = [], 0.0, 0.0
        for _ in range(RUNS):
            began, on_clock = time.process_time(), time.perf_counter()
            run()
            seconds = max(1e-9, time.process_time() - began)
            processor, real = processor + seconds, real + time.perf_counter() - on_clock
            rates.append(work / seconds)
        rate = statistics.median(rates)
        fraction = rate * each / self._ceilings[ceiling] if ceiling else 0.0
        quiet = min(1.0, processor / real) if self._threads == 1 else min(1.0, processor / real / self._threads)
        return Figure(name, unit, rate, min(rates), max(rates), RUNS, ceiling, fraction, quiet)

    def ceiling(self, name: str, title: str, unit: str, work: float, run: Callable[[], object]) -> Figure:
        """A figure that others are held against, by its name."""
        found = self.figure(title, unit, work, run)
        self._ceilings[name] = found.rate
        return found


def _random(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return rng.integers(0, P, shape, dtype=np.uint64)


def ceilings(ruler: Ruler, rng: np.random.Generator) -> Iterator[Figure]:
    """What the machine can, by core. Products and copying are measured on one thread."""
    native = load()
    chains, rounds = _random(rng, 64), 1 << 18
    yield ruler.ceiling(MULTIPLY, "multiplications", "products", 64 * rounds, lambda: native.zk_multiply_chains(chains, rounds))
    states, times = _random(rng, 2048, 16), 8

    def permute() -> None:
        for _ in range(times):
            native.zk_poseidon2_permute(states, len(states))

    yield ruler.ceiling(PERMUTE, "permutations in the cache", "permutations", times * len(states), permute)
    source = _random(rng, 1 << 23)
    target = np.zeros_like(source)
    yield ruler.ceiling(COPY, "copying memory", "words", source.size, lambda: np.copyto(target, source))


def figures(backend_name: str, log_height: int, columns: int, threads: int) -> Iterator[Figure]:
    """The figures, one by one as they are measured, ceilings first."""
    rng, ruler = np.random.default_rng(0), Ruler(threads)
    backend = make_backend(backend_name, threads)
    yield from ceilings(ruler, rng)
    native = load()
    height, cells = 1 << log_height, columns << log_height
    log_blowup, cap_log = LEVEL_128.log_blowup, LEVEL_128.cap_log
    blowup = 1 << log_blowup

    states = _random(rng, 1 << 15, 16)
    yield ruler.figure(
        "poseidon2, row-major states", "permutations", len(states), lambda: native.zk_poseidon2_permute(states, len(states)), PERMUTE, 1
    )
    trace = backend.upload(_random(rng, columns, height))
    values = backend.download(trace)
    transform = LAYER * log_height + 1
    yield ruler.figure(
        "ntt, forward", "elements", cells, lambda: native.zk_ntt(values, values, columns, log_height, 7, 0), MULTIPLY, transform
    )
    yield ruler.figure("lde x2", "cells", cells, lambda: backend.lde(trace, log_blowup), MULTIPLY, (1 + blowup) * transform)
    extended = backend.lde(trace, log_blowup)
    row = -(-columns // RATE) + 1  # permutations of a leaf and of a node
    yield ruler.figure("merkle tree", "rows", blowup * height, lambda: backend.commit([extended], cap_log), PERMUTE, row)
    yield ruler.figure(
        "commit (lde x2 + tree)", "cells", cells, lambda: backend.commit([backend.lde(trace, log_blowup)], cap_log), PERMUTE,
        blowup * row / columns,
    )  # fmt: skip

    air = max((chip.air for chip in CHIPS if not chip.air.fixed_width), key=lambda air: len(air.bus_terms))
    main = backend.upload(_random(rng, air.width, height))
    challenges, point = _random(rng, CHALLENGE_COUNT, 3), _random(rng, 3)
    terms = len(air.bus_terms)
    yield ruler.figure(f"logup, {air.name}", "terms", height * terms, lambda: backend.logup(air, main, None, challenges))
    aux, _ = backend.logup(air, main, None, challenges)
    table = ExtendedTable(air, backend.lde(main, log_blowup), None, backend.lde(aux, log_blowup), point)
    constraints = len(air.all_constraints)
    yield ruler.figure(
        f"quotient, {air.name}", "constraints", height * constraints, lambda: backend.quotient([table], log_blowup, challenges, point)
    )
    yield ruler.figure("evaluate at a point", "cells", cells, lambda: backend.evaluate(extended, log_blowup, None, point), MULTIPLY, 3)
    opened = _random(rng, columns, 3)
    yield ruler.figure(
        "deep", "cells", cells, lambda: backend.deep([extended], opened, [], opened[:0], point, point, point), MULTIPLY, 3 * blowup
    )
    codeword = backend.upload(_random(rng, 3, blowup * height))
    yield ruler.figure("fold by 8", "entries", blowup * height, lambda: backend.fold(codeword, FOLD_LOG_ARITY, point))
    leaf = 3 << FOLD_LOG_ARITY
    yield ruler.figure(
        "codeword tree", "entries", blowup * height, lambda: backend.commit_codeword(codeword, FOLD_LOG_ARITY, cap_log), PERMUTE,
        (leaf // RATE + 1) / (1 << FOLD_LOG_ARITY),
    )  # fmt: skip
