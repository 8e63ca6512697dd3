"""The chips sub and slti, and with them compare.py: differences, borrows and signs that lie."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.instruction_forgery import attempt, attempts, check_instructions, check_thoroughly, mixed_flags, split16
from tests.instruction_model import M32, M64, cases, cell
from zisk_actors.chips.base import Chip
from zisk_actors.chips.compare import less_than
from zisk_actors.chips.sub import SLTI, SUB

SUBS, SLTIS = ["SUB", "SLT", "SLTU"], ["SLTI", "SLTIU"]
CHIPS = pytest.mark.parametrize(("chip", "names"), [(SUB, SUBS), (SLTI, SLTIS)], ids=["sub", "slti"])
DERIVED = {"sub": {"c[0]": "low limb of the result", "c[1]": "high limb of the result"}, "slti": {"c": "result"}}
PAIRS = [(0, 0), (0, 1), (1, 0), (2**63, 2**63 - 1), (2**63 - 1, 2**63), (M64, 0), (M32 << 32, M32), (5 << 32, 5 << 32 | 1), (M64, M64 - 1)]


@CHIPS
@pytest.mark.parametrize("seed", range(2))
def test_differences(chip: Chip, names: list[str], seed: int) -> None:
    check_instructions(chip, names, seed=seed)


@pytest.mark.slow
@CHIPS
def test_differences_resist_changes_of_several_cells(chip: Chip, names: list[str]) -> None:
    check_thoroughly(chip, names, derived=DERIVED[chip.name])


@pytest.mark.parametrize("name", SUBS)
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_wrong_borrow_gives_a_limb_out_of_range(name: str, a: int, b: int) -> None:
    tested = cases(SUB, SUBS, 4, fixed=[{"name": name, "a": a, "b": b}])
    low, high = (a & M32) - (b & M32), (a >> 32) - (b >> 32)
    honest = (int(low < 0), int(high - int(low < 0) < 0))
    for k0, k1 in itertools.product((0, 1), repeat=2):
        if (k0, k1) == honest:
            continue
        d_low, d_high = low + k0 * 2**32, high - k0 + k1 * 2**32
        less = k1 + (a >> 63) - (b >> 63) if name == "SLT" else k1
        c = (d_low, d_high) if name == "SUB" else (less, 0)
        lies = [
            {"c[0]": c[0], "c[1]": c[1], "d[0]": d0, "d[1]": d1, "d[2]": d2, "d[3]": d3}
            for (d0, d1), (d2, d3) in itertools.product(split16(d_low), split16(d_high))
        ]
        for forged in attempts(tested, 0, lies):
            assert forged.stopped_by == {"range16"}
            assert forged.different or k1 == honest[1]


@pytest.mark.parametrize("operand", ["a", "b"])
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_sign_cannot_lie(operand: str, a: int, b: int) -> None:
    tested = cases(SUB, SUBS, 4, fixed=[{"name": "SLT", "a": a, "b": b}])
    sign, top = cell(tested, 0, f"{operand}_sign"), cell(tested, 0, f"{operand}_top")
    lie = {f"{operand}_sign": 1 - sign, "c[0]": cell(tested, 0, "c[0]") + (1 - 2 * sign) * (1 if operand == "a" else -1)}
    assert attempt(tested, 0, lie).stopped_by == {"msb16"}
    for other in (top ^ 0x8000, 0 if sign else 0xFFFF, 0x7FFF if sign else 0x8000):
        forged = attempt(tested, 0, lie | {f"{operand}_top": other})
        assert forged.stopped_by == {"range16"}
        assert forged.different
    # The rest in range, the top not: the split in the field.
    assert "msb16" in attempt(tested, 0, lie | {f"{operand}_top": top + 2**16}).stopped_by


@pytest.mark.parametrize("imm", [0, -1, 5, -2048])
def test_the_sign_of_the_first_operand_of_slti_cannot_lie(imm: int) -> None:
    tested = cases(SLTI, SLTIS, 4, fixed=[{"name": "SLTI", "a": 2**63 + 3, "imm": imm}])
    lie = {"a_sign": 0, "c": cell(tested, 0, "c") - 1}
    assert attempt(tested, 0, lie).stopped_by == {"msb16"}
    assert attempt(tested, 0, lie | {"a_top": 0x7FFF}).stopped_by == {"range16"}


def test_a_comparison_cannot_answer_anything_else() -> None:
    tested = cases(SUB, ["SLT", "SLTU"], 16)
    for row in range(16):
        for answer in (1 - cell(tested, row, "c[0]"), 2, -1):
            assert attempt(tested, row, {"c[0]": answer}).stopped_by == {"low limb of the result"}
        assert attempt(tested, row, {"c[1]": 1}).stopped_by == {"high limb of the result"}


def test_flags_cannot_mix() -> None:
    """Flags that are no bits could give a lawful op number and a result of anyone's choice."""
    tested = cases(SUB, SUBS, 4, fixed=[{"name": "SLT", "a": 10, "b": 3}])
    x, y, z = mixed_flags(SUBS, "SLT", 12345)
    forged = attempt(tested, 0, {"is_sub": x, "is_slt": y, "is_sltu": z, "c[0]": x * 7})
    assert forged.stopped_by == {"flag of SUB is a bit", "flag of SLT is a bit", "flag of SLTU is a bit"}
    assert forged.different


def test_less_than_reads_signs_as_asked() -> None:
    a, b = np.array([2**63, 2**63, 1], dtype=np.uint64), np.array([1, 1, 2], dtype=np.uint64)
    assert less_than(a, b, np.array([True, False, True])).tolist() == [1, 0, 1]
