"""The chips logic and logici: bytes that are none, operations that mix."""

from __future__ import annotations

import pytest

from tests.instruction_forgery import attempt, check_instructions, check_thoroughly, mixed_flags
from tests.instruction_model import cases, cell
from zisk_actors.chips.base import Chip
from zisk_actors.chips.logic import LOGIC, LOGICI
from zisk_actors.stark.field import P

LOGICS, LOGICIS = ["AND", "OR", "XOR"], ["ANDI", "ORI", "XORI"]
CHIPS = pytest.mark.parametrize(("chip", "names"), [(LOGIC, LOGICS), (LOGICI, LOGICIS)], ids=["logic", "logici"])


@CHIPS
@pytest.mark.parametrize("seed", range(2))
def test_bitwise(chip: Chip, names: list[str], seed: int) -> None:
    check_instructions(chip, names, seed=seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
@CHIPS
def test_bitwise_resists_changes_of_several_cells(chip: Chip, names: list[str]) -> None:
    check_thoroughly(chip, names, derived={"c[0]": "limb 0 of the result", "c[1]": "limb 1 of the result"})


@pytest.mark.parametrize("operand", ["a", "b"])
@pytest.mark.parametrize("place", [0, 1, 2, 4, 5, 6])
def test_bytes_have_one_form(operand: str, place: int) -> None:
    """The same limb from other bytes: carried over, and with a fraction; the operation's result would follow them."""
    tested = cases(LOGIC, LOGICS, 8)
    for row in range(8):
        low, high = cell(tested, row, f"{operand}[{place}]"), cell(tested, row, f"{operand}[{place + 1}]")
        for lie in (low + 256, low - 256, (low + 1) % 256):
            other = (high - (lie - low) * pow(256, -1, P)) % P
            stopped = attempt(tested, row, {f"{operand}[{place}]": lie, f"{operand}[{place + 1}]": other}).stopped_by
            assert "and8" in stopped
            assert stopped == {"and8"}, "the token still carries the same limbs"


@pytest.mark.parametrize("place", range(8))
def test_the_and_is_the_tables(place: int) -> None:
    tested = cases(LOGIC, LOGICS, 8)
    for row in range(8):
        name = next(name for name in ("is_and", "is_or", "is_xor") if cell(tested, row, name))
        q = {"is_and": 1, "is_or": -1, "is_xor": -2}[name]
        limb = f"c[{place // 4}]"
        lie = {f"both[{place}]": cell(tested, row, f"both[{place}]") ^ 1}
        change = lie[f"both[{place}]"] - cell(tested, row, f"both[{place}]")
        forged = attempt(tested, row, lie | {limb: cell(tested, row, limb) + q * change * 256 ** (place % 4)})
        assert forged.stopped_by == {"and8"}
        assert forged.different


@CHIPS
def test_flags_cannot_mix(chip: Chip, names: list[str]) -> None:
    tested = cases(chip, names, 6)
    for row in range(6):
        flags = dict(zip(("is_and", "is_or", "is_xor"), mixed_flags(names, names[row % 3], 1000), strict=True))
        stopped = attempt(tested, row, flags).stopped_by
        assert {f"flag of {name} is a bit" for name in names} <= stopped
        assert "program" not in stopped


def test_the_upper_part_of_an_immediate_operand_has_one_form() -> None:
    """Bits 16 to 31 go unsplit: moving weight between them and the bytes leaves a range."""
    tested = cases(LOGICI, LOGICIS, 12)
    for row in range(12):
        upper, second = cell(tested, row, "upper"), cell(tested, row, "a[1]")
        assert "and8" in attempt(tested, row, {"upper": upper - 1, "a[1]": second + 256}).stopped_by
        fraction = pow(256, -1, P)
        stopped = attempt(tested, row, {"upper": upper + fraction, "a[1]": second - 1}).stopped_by
        assert "range16" in stopped


def test_the_sign_and_bytes_of_an_immediate_are_the_roms() -> None:
    tested = cases(LOGICI, LOGICIS, 12)
    for row in range(12):
        sign = cell(tested, row, "sign")
        assert "program" in attempt(tested, row, {"sign": 1 - sign}).stopped_by
        assert (
            "program"
            in attempt(tested, row, {"sign": 1 - sign, "imm[0]": cell(tested, row, "imm[0]") + (2 * sign - 1) * (2**32 - 2**16)}).stopped_by
        )
        moved = {"imm[0]": cell(tested, row, "imm[0]") + 256, "imm[1]": cell(tested, row, "imm[1]") - 1}
        stopped = attempt(tested, row, moved).stopped_by
        assert "and8" in stopped
        assert "program" not in stopped
