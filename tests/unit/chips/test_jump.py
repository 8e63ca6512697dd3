"""The jalr chip: where a register may jump."""

from __future__ import annotations

import pytest

from tests.instruction_forgery import attempt, check_instructions, check_thoroughly
from tests.instruction_model import TEXT, cases, cell
from zisk_actors.chips.jump import JALR
from zisk_actors.stark.field import P


@pytest.mark.parametrize("seed", range(2))
def test_jalr(seed: int) -> None:
    check_instructions(JALR, ["JALR"], seed=seed)


@pytest.mark.slow
def test_jalr_resists_changes_of_several_cells() -> None:
    check_thoroughly(JALR, ["JALR"])


def test_the_target_cannot_be_another_row() -> None:
    tested = cases(JALR, ["JALR"], 16)
    for row in range(16):
        npc = (cell(tested, row, "npc") + 1) % 16
        assert attempt(tested, row, {"npc": npc}).stopped_by == {"pcmap"}
        # "odd" as any number would reach any row.
        odd = cell(tested, row, "base") + cell(tested, row, "offset") - (TEXT + 4 * npc)
        forged = attempt(tested, row, {"npc": npc, "odd": odd})
        assert forged.stopped_by == {"odd is a bit"}
        assert forged.different


def test_the_cleared_bit_cannot_lie() -> None:
    tested = cases(JALR, ["JALR"], 16)
    for row in range(16):
        assert attempt(tested, row, {"odd": 1 - cell(tested, row, "odd")}).stopped_by == {"pcmap"}


def test_the_link_is_the_roms() -> None:
    tested = cases(JALR, ["JALR"], 4)
    assert attempt(tested, 0, {"link": cell(tested, 0, "link") + 4}).stopped_by == {"program"}
    assert attempt(tested, 0, {"offset": cell(tested, 0, "offset") + 4}).stopped_by >= {"program"}


@pytest.mark.parametrize("base", [-4, P - TEXT, TEXT - 4, TEXT + 4 * 16, TEXT + 2, 2**32 + TEXT, 2**63])
def test_addresses_that_are_no_row_go_nowhere(base: int) -> None:
    """Below 0, beyond the text, between instructions, above 2^32: with either bit, no row is there."""
    tested = cases(JALR, ["JALR"], 16, fixed=[{"name": "JALR", "a": TEXT + 8, "imm": 0, "target": 2}])
    for odd in (0, 1):
        for npc in range(17):
            assert "pcmap" in attempt(tested, 0, {"base": base, "odd": odd, "npc": npc}).stopped_by
