"""The chips addw and addiw: 32-bit sums and their sign."""

from __future__ import annotations

import pytest

from tests.instruction_forgery import attempt, check_instructions, check_thoroughly, split16
from tests.instruction_model import M32, cases, cell
from zisk_actors.chips.addw import ADDIW, ADDW
from zisk_actors.chips.base import Chip

CHIPS = pytest.mark.parametrize(("chip", "names"), [(ADDW, ["ADDW", "SUBW"]), (ADDIW, ["ADDIW"])], ids=["addw", "addiw"])
PAIRS = [(0, 0), (M32, 1), (2**31 - 1, 1), (2**31, 2**31), (0, 1), (1, 2), (7 << 32, 9 << 32)]


@CHIPS
@pytest.mark.parametrize("seed", range(2))
def test_sums(chip: Chip, names: list[str], seed: int) -> None:
    check_instructions(chip, names, seed=seed)


@pytest.mark.slow
@CHIPS
def test_sums_resist_changes_of_several_cells(chip: Chip, names: list[str]) -> None:
    check_thoroughly(chip, names)


@pytest.mark.parametrize("name", ["ADDW", "SUBW"])
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_wrong_carry_gives_a_limb_out_of_range(name: str, a: int, b: int) -> None:
    tested = cases(ADDW, ["ADDW", "SUBW"], 4, fixed=[{"name": name, "a": a, "b": b}])
    exact = (a & M32) + (b & M32) if name == "ADDW" else (a & M32) - (b & M32)
    lie = exact - (1 - (exact >> 32)) * 2**32 if name == "ADDW" else exact + (1 + (exact >> 32)) * 2**32
    assert not 0 <= lie <= M32
    for c0, c1 in split16(lie):
        for sign in (0, 1):
            stopped = attempt(tested, 0, {"c[0]": c0, "c[1]": c1, "sign": sign}).stopped_by
            assert stopped
            assert stopped <= {"range16", "msb16"}


def test_the_other_operations_carry_does_not_do() -> None:
    """A sum passed off as a difference: each flag has its own equation."""
    tested = cases(ADDW, ["ADDW", "SUBW"], 4, fixed=[{"name": "SUBW", "a": 5, "b": 3}, {"name": "ADDW", "a": 5, "b": 3}])
    assert attempt(tested, 0, {"c[0]": 8}).stopped_by == {"borrow of a difference is a bit"}
    assert attempt(tested, 1, {"c[0]": 2}).stopped_by == {"carry of a sum is a bit"}


@CHIPS
def test_the_sign_cannot_lie(chip: Chip, names: list[str]) -> None:
    tested = cases(chip, names, 16)
    for row in range(16):
        sign, c0, c1 = (cell(tested, row, name) for name in ("sign", "c[0]", "c[1]"))
        assert attempt(tested, row, {"sign": 1 - sign}).stopped_by == {"msb16"}
        # Chunks of the same limb with the other sign: the lower one leaves its range.
        forged = attempt(tested, row, {"sign": 1 - sign, "c[1]": c1 ^ 0x8000, "c[0]": c0 + 2**16 * (c1 - (c1 ^ 0x8000))})
        assert forged.stopped_by == {"range16"}
        assert forged.different
