"""The const chip: the ROM's value and the ROM's next row."""

from __future__ import annotations

import pytest

from tests.instruction_forgery import attempt, check_instructions, check_thoroughly
from tests.instruction_model import cases, cell
from zisk_actors.chips.const import CONST


@pytest.mark.parametrize("seed", range(2))
def test_const(seed: int) -> None:
    check_instructions(CONST, ["CONST"], seed=seed)


@pytest.mark.slow
def test_const_resists_changes_of_several_cells() -> None:
    check_thoroughly(CONST, ["CONST"])


@pytest.mark.parametrize("column", ["value[0]", "value[1]", "npc", "rd"])
def test_what_the_rom_says_cannot_be_changed(column: str) -> None:
    tested = cases(CONST, ["CONST"], 4)
    assert attempt(tested, 1, {column: cell(tested, 1, column) + 1}).stopped_by == {"program"}


def test_it_costs_25_cells() -> None:
    assert (CONST.air.width, len(CONST.air.bus_terms)) == (10, 6)
