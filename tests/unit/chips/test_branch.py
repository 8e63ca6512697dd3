"""The chips brancheq and branchlt: equality that aliases, borrows and signs that lie, the way not taken."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.instruction_forgery import attempt, attempts, check_instructions, check_thoroughly, split16
from tests.instruction_model import EDGES, M32, M64, cases, cell
from zisk_actors.chips.base import Chip
from zisk_actors.chips.branch import BRANCHEQ, BRANCHLT, NON_RESIDUE, inverses
from zisk_actors.machine import isa
from zisk_actors.stark import field
from zisk_actors.stark.field import P

EQS, LTS = ["BEQ", "BNE"], ["BLT", "BGE", "BLTU", "BGEU"]
FREE = {"inverse": "if a equals b the norm is zero and its inverse takes no part"}
CHIPS = pytest.mark.parametrize(("chip", "names", "free"), [(BRANCHEQ, EQS, FREE), (BRANCHLT, LTS, {})], ids=["eq", "lt"])
DERIVED = {"brancheq": {"npc": "next row"}, "branchlt": {"taken": "taken", "npc": "next row"}}
# Values that are equal packed into one field element, or limb by limb up to a multiple of 2^32 or of p.
ALIASES = [(0, P), (1, P + 1), (5, P + 5), (M32, M64), (P, 0), (1 << 32, 0), (1, 1 << 32), (7, 7 | 1 << 32), (M64, M32)]
PAIRS = [(0, 0), (0, 1), (1, 0), (2**63, 2**63 - 1), (2**63 - 1, 2**63), (M64, 0), (0, M64), (5 << 32, 5 << 32 | 1), (3, 3)]


@CHIPS
@pytest.mark.parametrize("seed", range(2))
def test_branches(chip: Chip, names: list[str], free: dict[str, str], seed: int) -> None:
    check_instructions(chip, names, free=free, seed=seed)


@pytest.mark.slow
@CHIPS
def test_branches_resist_changes_of_several_cells(chip: Chip, names: list[str], free: dict[str, str]) -> None:
    check_thoroughly(chip, names, free=free, derived=DERIVED[chip.name])


def _next_row(tested: object, row: int, taken: int) -> dict[str, int]:
    pc, target = (cell(tested, row, name) for name in ("pc", "target"))  # type: ignore[arg-type]
    return {"npc": target if taken else pc + 1}


@pytest.mark.parametrize("name", EQS)
@pytest.mark.parametrize(("a", "b"), ALIASES)
def test_unequal_values_cannot_pass_for_equal(name: str, a: int, b: int) -> None:
    tested = cases(BRANCHEQ, EQS, 4, fixed=[{"name": name, "a": a, "b": b, "target": 3}])
    lie = {"equal": 1} | _next_row(tested, 0, name == "BEQ")
    # The inverse may be anything: 0 satisfies the first equation, the second stands.
    forged = attempt(tested, 0, lie | {"inverse": 0})
    assert forged.stopped_by == {"equal only if the norm is zero"}
    assert forged.different
    assert "equal only if the norm is zero" in attempt(tested, 0, lie).stopped_by


@pytest.mark.parametrize("name", EQS)
@pytest.mark.parametrize("a", [0, 1, P, M64, M32 << 32])
@pytest.mark.parametrize("inverse", [0, 1, P - 1, 12345])
def test_equal_values_cannot_pass_for_unequal(name: str, a: int, inverse: int) -> None:
    tested = cases(BRANCHEQ, EQS, 4, fixed=[{"name": name, "a": a, "b": a, "target": 3}])
    forged = attempt(tested, 0, {"equal": 0, "inverse": inverse} | _next_row(tested, 0, name == "BNE"))
    assert forged.stopped_by == {"unequal if the norm has an inverse"}
    assert forged.different


def test_the_norm_form_has_no_zero_but_zero() -> None:
    assert pow(NON_RESIDUE, (P - 1) // 2, P) == P - 1


@CHIPS
def test_the_next_row_is_one_of_two(chip: Chip, names: list[str], free: dict[str, str]) -> None:
    tested = cases(chip, names, 16)
    for row in range(16):
        for npc in {0, cell(tested, row, "pc") + 1, cell(tested, row, "target")} - {cell(tested, row, "npc")}:
            assert attempt(tested, row, {"npc": npc}).stopped_by == {"next row"}


@pytest.mark.parametrize("name", LTS)
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_wrong_borrow_gives_a_limb_out_of_range(name: str, a: int, b: int) -> None:
    tested = cases(BRANCHLT, LTS, 4, fixed=[{"name": name, "a": a, "b": b, "target": 3}])
    low, high = (a & M32) - (b & M32), (a >> 32) - (b >> 32)
    honest = (int(low < 0), int(high - int(low < 0) < 0))
    for k0, k1 in itertools.product((0, 1), repeat=2):
        if (k0, k1) == honest:
            continue
        less = k1 + ((a >> 63) - (b >> 63) if name in ("BLT", "BGE") else 0)
        taken = 1 - less if name in ("BGE", "BGEU") else less
        pc, target = cell(tested, 0, "pc"), cell(tested, 0, "target")
        lie = {"taken": taken, "npc": pc + 1 + taken * (target - pc - 1)}
        splits = itertools.product(split16(low + k0 * 2**32), split16(high - k0 + k1 * 2**32))
        lies = [lie | {"d[0]": d0, "d[1]": d1, "d[2]": d2, "d[3]": d3} for (d0, d1), (d2, d3) in splits]
        for forged in attempts(tested, 0, lies):
            assert forged.stopped_by == {"range16"}


@pytest.mark.parametrize("operand", ["a", "b"])
@pytest.mark.parametrize("name", ["BLT", "BGE"])
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_sign_cannot_lie(operand: str, name: str, a: int, b: int) -> None:
    tested = cases(BRANCHLT, LTS, 4, fixed=[{"name": name, "a": a, "b": b, "target": 3}])
    sign, top, taken = (cell(tested, 0, column) for column in (f"{operand}_sign", f"{operand}_top", "taken"))
    change = (1 - 2 * sign) * (1 if operand == "a" else -1) * (1 if name == "BLT" else -1)
    pc, target = cell(tested, 0, "pc"), cell(tested, 0, "target")
    lie = {f"{operand}_sign": 1 - sign, "taken": taken + change, "npc": pc + 1 + (taken + change) * (target - pc - 1)}
    assert attempt(tested, 0, lie).stopped_by == {"msb16"}
    assert attempt(tested, 0, lie | {f"{operand}_top": top ^ 0x8000}).stopped_by == {"range16"}


def test_the_operation_cannot_be_another() -> None:
    """The two bits that say which branch it is give the ROM's op number for one choice only."""
    tested = cases(BRANCHLT, LTS, 8)
    for row in range(8):
        honest = cell(tested, row, "unsigned"), cell(tested, row, "negated")
        for unsigned, negated in itertools.product((0, 1), repeat=2):
            if (unsigned, negated) != honest:
                assert "program" in attempt(tested, row, {"unsigned": unsigned, "negated": negated}).stopped_by


def test_bits_of_the_operation_cannot_mix() -> None:
    """As any numbers they could give the ROM's op number and a way of anyone's choice."""
    tested = cases(BRANCHLT, LTS, 8)
    across, down = isa.op("BLTU") - isa.op("BLT"), isa.op("BGE") - isa.op("BLT")
    for row in range(8):
        unsigned, negated = cell(tested, row, "unsigned"), cell(tested, row, "negated")
        stopped = attempt(tested, row, {"unsigned": unsigned + 5 * down, "negated": negated - 5 * across}).stopped_by
        assert {"unsigned is a bit", "negated is a bit"} <= stopped
        assert "program" not in stopped


def test_taken_is_what_the_comparison_says() -> None:
    tested = cases(BRANCHLT, LTS, 16)
    for row in range(16):
        pc, target = cell(tested, row, "pc"), cell(tested, row, "target")
        for taken in (1 - cell(tested, row, "taken"), 2):
            forged = attempt(tested, row, {"taken": taken, "npc": pc + 1 + taken * (target - pc - 1)})
            assert forged.stopped_by == {"taken"}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, 100])
def test_inverses(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.integers(P, size=count, dtype=np.uint64)
    values[::3] = 0
    expected = [pow(int(v), -1, P) if v else 0 for v in values]
    assert inverses(values).tolist() == expected
    edges = field.array(EDGES)
    assert np.all(field.mul(edges, inverses(edges)) == (edges != 0))
