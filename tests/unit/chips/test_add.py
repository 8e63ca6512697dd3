"""The chips add and addi: honest sums, and carries that wrap."""

from __future__ import annotations

import itertools

import pytest

from tests.instruction_forgery import attempt, attempts, check_instructions, check_thoroughly, split16
from tests.instruction_model import M32, M64, cases, cell
from zisk_actors.chips.add import ADD, ADDI
from zisk_actors.chips.base import Chip

CHIPS = pytest.mark.parametrize(("chip", "name"), [(ADD, "ADD"), (ADDI, "ADDI")], ids=["add", "addi"])
# (a, b): all four combinations of carries, and immediates where b is one.
PAIRS = [(0, 0), (1, M32), (M32 << 32, 1 << 32), (M64, 1), (5, M64), (M32, M32), (2**63, 2**63), (12345 << 32 | 67890, 2047)]


@CHIPS
@pytest.mark.parametrize("seed", range(2))
def test_sums(chip: Chip, name: str, seed: int) -> None:
    check_instructions(chip, [name], seed=seed)


@pytest.mark.slow
@CHIPS
def test_sums_resist_changes_of_several_cells(chip: Chip, name: str) -> None:
    check_thoroughly(chip, [name])


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_wrong_carry_gives_a_limb_out_of_range(a: int, b: int) -> None:
    """The prover solves the carry equations in the field for other carries: only the range check stands against that."""
    tested = cases(ADD, ["ADD"], 4, fixed=[{"name": "ADD", "a": a, "b": b}])
    low, high = (a & M32) + (b & M32), (a >> 32) + (b >> 32)
    honest = (low >> 32, (high + (low >> 32)) >> 32)
    for k0, k1 in itertools.product((0, 1), repeat=2):
        if (k0, k1) == honest:
            continue
        splits = itertools.product(split16(low - k0 * 2**32), split16(high + k0 - k1 * 2**32))
        lies = [{"c[0]": c0, "c[1]": c1, "c[2]": c2, "c[3]": c3} for (c0, c1), (c2, c3) in splits]
        for forged in attempts(tested, 0, lies):
            assert forged.stopped_by == {"range16"}
            assert forged.different


@CHIPS
def test_a_carry_that_is_no_bit_fails(chip: Chip, name: str) -> None:
    tested = cases(chip, [name], 8)
    for row in range(8):
        c0, c2 = cell(tested, row, "c[0]"), cell(tested, row, "c[2]")
        low = attempt(tested, row, {"c[0]": c0 ^ 1, "c[2]": c2})
        assert "carry of the low limb is a bit" in low.stopped_by
        assert attempt(tested, row, {"c[2]": c2 ^ 1}).stopped_by == {"carry of the high limb is a bit"}


def test_chunks_have_one_form() -> None:
    tested = cases(ADD, ["ADD"], 4, fixed=[{"name": "ADD", "a": 5 << 16, "b": 7}])
    c0, c1 = cell(tested, 0, "c[0]"), cell(tested, 0, "c[1]")
    assert attempt(tested, 0, {"c[0]": c0 + 2**16, "c[1]": c1 - 1}).stopped_by == {"range16"}


@pytest.mark.parametrize("column", ["imm[0]", "imm[1]"])
def test_the_immediate_is_the_roms(column: str) -> None:
    tested = cases(ADDI, ["ADDI"], 4)
    assert "program" in attempt(tested, 2, {column: cell(tested, 2, column) + 1}).stopped_by
