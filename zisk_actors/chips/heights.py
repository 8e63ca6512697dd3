"""How high the tables of a share are: the cut of each chip's rows that costs the share least.

Rules of this file:
* Integer arithmetic over the definitions of the AIRs. The same numbers give the same heights on every machine.
* All tables of a share are proved on the domain of the highest one: its quotient, its codeword and the nodes of its trees are as large
  as that. So a bound on the height of all tables is worth more of them. Each bound is tried, and the cheapest taken.
* What counts are the permutations of the prover and its cells. What a further table costs in bytes of the proof is `plan.WORTHWHILE`
  rows of its chip (docs/protocol.md, section 4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from zisk_actors.air.air import Air
from zisk_actors.chips import AIRS, NUMBER
from zisk_actors.machine.plan import MAX_LOG, MIN_LOG, instances, price
from zisk_actors.stark.layout import QUOTIENT_WIDTH
from zisk_actors.stark.params import FOLD_LOG_ARITY, LARGEST
from zisk_actors.stark.poseidon2 import RATE

PERMUTATION: Final = 6
"""What a permutation costs, in cells: a cell costs as much beside the hashing (extension, LogUp, quotient, openings) as a sixth of one."""
MOST_COLUMNS: Final = LARGEST.columns // 2
"""Columns that a share's tables may have: some are opened twice, and all openings count."""


def share_heights(records: Mapping[str, int], others: Sequence[tuple[Air, int]]) -> dict[str, list[int]]:
    """By name of a chip, log2 heights of the tables that hold its records, largest first.

    ``records``: their numbers by name of the chip. ``others``: the tables of the share that are cut by no plan, with log2 of their heights.
    """
    lowest = max((log_height for _, log_height in others), default=MIN_LOG)  # a lower bound would lower no domain
    cuts = [{name: instances(count, bound) for name, count in records.items()} for bound in range(lowest, MAX_LOG + 1)]
    allowed = [cut for cut in cuts if _columns(cut, others) <= MOST_COLUMNS]
    return min(allowed or cuts[-1:], key=lambda cut: share_cost(cut, others))


def share_cost(cut: Mapping[str, Sequence[int]], others: Sequence[tuple[Air, int]]) -> int:
    """What proving a share with these tables costs, in cells; for a blowup of 2^b it is 2^b times as much, whatever the cut."""
    cells = 0
    main: Counter[int] = Counter()  # words of a row, by log2 of the height
    aux: Counter[int] = Counter()
    for air, log_height in (*_tables(cut), *others):
        cells += (air.width + 3 * air.aux_width) << log_height
        main[log_height] += air.width
        aux[log_height] += 3 * air.aux_width
    top = 1 << max(main)
    permutations = _leaves(main) + top + _leaves(aux) + top + _leaves({max(main): QUOTIENT_WIDTH}) + top
    layer = _leaves({0: 3 << FOLD_LOG_ARITY}) + 1  # a leaf of FRI's first layer and its node; each further layer has an eighth of them
    permutations += layer * top // ((1 << FOLD_LOG_ARITY) - 1)
    further = sum(_row(name) * (price(heights) - sum(1 << log for log in heights)) for name, heights in cut.items() if heights)
    return PERMUTATION * permutations + cells + further


def _tables(cut: Mapping[str, Sequence[int]]) -> list[tuple[Air, int]]:
    return [(AIRS[NUMBER[name]], log) for name, heights in cut.items() for log in heights]


def _columns(cut: Mapping[str, Sequence[int]], others: Sequence[tuple[Air, int]]) -> int:
    return sum(air.width + 3 * air.aux_width for air, _ in (*_tables(cut), *others))


def _leaves(widths: Mapping[int, int]) -> int:
    """Permutations of the leaves of a tree over rows of so many words by log2 of their number, per entry of the blowup."""
    return sum(-(-width // RATE) << log for log, width in widths.items())


def _row(name: str) -> int:
    """What a row of a chip costs, in cells."""
    air = AIRS[NUMBER[name]]
    return 2 * (air.width + 3 * air.aux_width)
