"""The heights of a share's tables: the cheapest of all bounds, and what a bound is worth."""

from __future__ import annotations

import pytest

from zisk_actors.chips import AIRS, NUMBER, OP_CHIPS
from zisk_actors.chips.heights import MOST_COLUMNS, PERMUTATION, share_cost, share_heights
from zisk_actors.machine import plan
from zisk_actors.machine.plan import MAX_LOG, instances

OTHERS = [(AIRS[NUMBER["rom"]], 9), (AIRS[NUMBER["table16"]], 16)]
MILLION = {"addi": 230_415, "add": 78_349, "brancheq": 116_297, "load": 116_132, "store": 37_658, "mul": 27_621, "halt": 1}
"""Rows of some chips in a run of a million steps."""


def columns(heights: dict[str, list[int]]) -> int:
    return sum(len(logs) * (AIRS[NUMBER[name]].width + 3 * AIRS[NUMBER[name]].aux_width) for name, logs in heights.items())


@pytest.mark.parametrize("times", [1, 4, 40])
def test_no_bound_on_the_heights_is_cheaper(times: int) -> None:
    records = {name: times * count for name, count in MILLION.items()}
    chosen = share_cost(share_heights(records, OTHERS), OTHERS)
    for bound in range(14, MAX_LOG + 1):
        cut = {name: instances(count, bound) for name, count in records.items()}
        assert chosen <= share_cost(cut, OTHERS) or columns(cut) > MOST_COLUMNS
    assert chosen < share_cost({name: instances(count) for name, count in records.items()}, OTHERS)


def test_tables_hold_their_records() -> None:
    for name, heights in share_heights(MILLION, OTHERS).items():
        assert sum(1 << log for log in heights) >= MILLION[name]


def test_a_high_table_that_cannot_be_cut_makes_low_ones_pointless() -> None:
    low = share_heights({"addi": 1 << 18}, OTHERS)["addi"]
    assert max(low) < 18
    assert share_heights({"addi": 1 << 18}, [*OTHERS, (AIRS[NUMBER["ram"]], 20)])["addi"] == [18]


def test_few_records_have_one_table() -> None:
    assert share_heights({"addi": 70, "add": 0}, OTHERS) == {"addi": [7], "add": []}


def test_a_further_table_costs_what_the_plan_says(monkeypatch: pytest.MonkeyPatch) -> None:
    air = AIRS[NUMBER["addi"]]
    cells = air.width + 3 * air.aux_width
    alone, two = share_cost({"addi": [14]}, OTHERS), share_cost({"addi": [13, 13]}, OTHERS)
    assert share_cost({"addi": [15]}, OTHERS) - alone > cells << 14
    assert share_cost({"addi": [14]}, [*OTHERS, (AIRS[NUMBER["halt"]], 17)]) - alone > 4 * PERMUTATION << 16
    monkeypatch.setattr(plan, "WORTHWHILE", 0)
    assert share_cost({"addi": [14]}, OTHERS) == alone
    assert two - share_cost({"addi": [13, 13]}, OTHERS) == 2 * cells << 14


def test_no_more_columns_than_the_sets_keep_their_level_for() -> None:
    records = {chip.name: 1 << 26 for chip in OP_CHIPS}
    heights = share_heights(records, OTHERS)
    assert {log for logs in heights.values() for log in logs} == {MAX_LOG}  # as few as there can be
    smaller = share_heights({chip.name: 1 << 20 for chip in OP_CHIPS}, OTHERS)
    assert columns(smaller) <= MOST_COLUMNS
