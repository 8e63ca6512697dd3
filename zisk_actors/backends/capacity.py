"""How fast a backend is, in one figure that workers can be compared by: measured in a fraction of a second.

Rules of this file:
* It is the commitment that is measured, low-degree extension and tree: most of a proof's time, and it uses the threads as a proof does.
* The figure is trace cells per second of real time: what a share would wait for. Who shares its processors with others is slower, and
  is to be given less. The best run counts, because noise only slows down.
"""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from zisk_actors.backends.base import Backend, Matrix
from zisk_actors.stark.field import P
from zisk_actors.stark.params import LEVEL_128

COLUMNS: Final = 16
LOG_HEIGHTS: Final = range(6, 19)
RUN_SECONDS: Final = 0.06
"""A run of this length tells; smaller tables come first, so that a slow backend is done as soon as a fast one."""
RUNS: Final = 3


def measure(backend: Backend) -> float:
    """Cells per second."""
    random = np.random.default_rng(0)
    for log_height in LOG_HEIGHTS:
        trace = backend.upload(random.integers(0, P, (COLUMNS, 1 << log_height), dtype=np.uint64))
        seconds = _run(backend, trace)
        if seconds >= RUN_SECONDS:
            break
    best = min([seconds, *(_run(backend, trace) for _ in range(RUNS - 1) if seconds < 2 * RUN_SECONDS)])
    return COLUMNS * (1 << log_height) / best


def _run(backend: Backend, trace: Matrix) -> float:
    start = time.perf_counter()
    backend.commit([backend.lde(trace, LEVEL_128.log_blowup)], LEVEL_128.cap_log)
    return max(1e-9, time.perf_counter() - start)
