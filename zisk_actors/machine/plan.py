"""Cutting a run into shares, and a chip's rows into tables.

Rules of this file: pure integer arithmetic, no state. Coordinator and workers compute the same plan from the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

MIN_LOG: Final = 6  # log2 of the smallest table
MAX_LOG: Final = 22  # log2 of the largest
WORTHWHILE: Final = 1 << 14  # rows that a second table must save: its columns are opened at every query, some 70 KB of proof


def cut(steps: int, weights: Sequence[int]) -> list[tuple[int, int]]:
    """Intervals [start, stop) of the steps, one per share, in proportion to `weights` (compute units, positive).

    They are adjacent and cover [0, steps). None is empty if there are as many steps as shares; otherwise the last ones are.
    """
    if steps < 0 or not weights or min(weights) <= 0:
        raise ValueError(f"cannot cut {steps} steps by weights {list(weights)}")
    shares, total = len(weights), sum(weights)
    bounds = [0]
    for index, weight in enumerate(accumulate(weights), start=1):
        lowest = min(bounds[-1] + 1, steps)  # this share has a step
        highest = max(steps - (shares - index), lowest)  # and so has each one after it
        bounds.append(min(max(steps * weight // total, lowest), highest))
    return list(pairwise(bounds))


def instances(n_rows: int, min_log: int = MIN_LOG, max_log: int = MAX_LOG) -> list[int]:
    """log2 heights of the tables that hold `n_rows` rows of a chip, largest first; [] for none.

    One table of 2^k if more than 3/4 of it is used, otherwise one of 2^(k-1) and the smallest that takes the rest, where that
    saves `WORTHWHILE` rows: at most two, and never more than a third of the rows, or `WORTHWHILE`, wasted beyond the smallest height.
    Above 2^max_log full tables come first.
    """
    if n_rows < 0 or not 0 <= min_log <= max_log:
        raise ValueError(f"cannot place {n_rows} rows in tables of 2^{min_log} to 2^{max_log}")
    full, rest = divmod(n_rows, 1 << max_log)
    heights = [max_log] * full
    if rest:
        k = max(min_log, (rest - 1).bit_length())
        if k == min_log or 4 * rest > 3 << k:
            heights.append(k)
        else:
            j = max(min_log, (rest - (1 << (k - 1)) - 1).bit_length())
            saved = (1 << (k - 1)) - (1 << j)
            heights += [k - 1, j] if saved >= WORTHWHILE else [k]
    return heights
