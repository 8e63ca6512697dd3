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


def instances(n_rows: int, max_log: int = MAX_LOG, min_log: int = MIN_LOG) -> list[int]:
    """log2 heights of the tables that hold `n_rows` rows of a chip, largest first; [] for none.

    None is higher than 2^max_log. Of all ways it is the one with the fewest rows in all, where each table but the first counts
    as `WORTHWHILE` rows more. As many tables of 2^max_log as are full come first.
    """
    if n_rows < 0 or not 0 <= min_log <= max_log:
        raise ValueError(f"cannot place {n_rows} rows in tables of 2^{min_log} to 2^{max_log}")
    full, rest = divmod(n_rows, 1 << max_log)
    return [max_log] * full + (_cheapest(rest, min_log) if rest else [])


def _cheapest(n_rows: int, min_log: int) -> list[int]:
    """The same for 1 to 2^MAX_LOG rows, without a bound: one table, or the largest that is full and the cheapest for the rest."""
    log = max(min_log, (n_rows - 1).bit_length())
    if log == min_log or n_rows == 1 << log:
        return [log]
    several = [log - 1, *_cheapest(n_rows - (1 << (log - 1)), min_log)]
    return several if price(several) <= price([log]) else [log]


def price(heights: Sequence[int]) -> int:
    """What tables of one chip cost, in rows: their own, and `WORTHWHILE` for each but the first."""
    return sum(1 << log for log in heights) + WORTHWHILE * (len(heights) - 1)
