"""The store chips: what is overwritten, what is kept, and where."""

from __future__ import annotations

import pytest

from tests.instruction_forgery import attempt, check_instructions, check_thoroughly
from tests.instruction_model import INPUT, M32, RAM, Cases, cases, cell
from zisk_actors.air.check import Table, said
from zisk_actors.chips.base import Chip
from zisk_actors.chips.buses import TOKEN
from zisk_actors.chips.store import STORE, STOREB, STOREW
from zisk_actors.stark.field import P

ALL = [(STORE, ["SD"]), (STOREW, ["SW"]), (STOREB, ["SB", "SH"])]
CHIPS = pytest.mark.parametrize(("chip", "names"), ALL, ids=["store", "storew", "storeb"])
DERIVED = {
    "store": {},
    "storew": {"new[0]": "low limb", "new[1]": "high limb"},
    "storeb": {"change": "change", "change_high": "change of the high limb"},
}
WORD, VALUE = 0x8899AABB_7766CC44, 0x01020304_F5F6F7F8


@CHIPS
@pytest.mark.parametrize("seed", range(2))
def test_stores(chip: Chip, names: list[str], seed: int) -> None:
    check_instructions(chip, names, seed=seed)


@pytest.mark.slow
@CHIPS
def test_stores_resist_changes_of_several_cells(chip: Chip, names: list[str]) -> None:
    check_thoroughly(chip, names, derived=DERIVED[chip.name])


def _memory_tokens(tested: Cases) -> set[int]:
    """The addresses of tokens below the registers that row 0 takes."""
    found = set()
    for term in said(Table(tested.chip.air, tested.main)):
        if term.bus is TOKEN:
            found |= {int(address) for address, row in zip(term.values[0], term.rows, strict=True) if row == 0 and address < 2**40}
    return found


@CHIPS
def test_a_store_to_read_only_memory_meets_no_token(chip: Chip, names: list[str]) -> None:
    """A row filled in for a store to input takes the token of a RAM word there, and there is none."""
    tested = cases(chip, names, 4, fixed=[{"name": names[0], "a": INPUT, "addr": INPUT, "memory": WORD}])
    assert _memory_tokens(tested) == {INPUT // 8}


@CHIPS
def test_no_other_value_can_be_written(chip: Chip, names: list[str]) -> None:
    tested = cases(chip, names, 8)
    results = {"store": [], "storew": ["new[0]", "new[1]"], "storeb": ["change", "change_high"]}[chip.name]
    for row in range(8):
        for column in results:
            assert attempt(tested, row, {column: cell(tested, row, column) + 1}).stopped_by


@pytest.mark.parametrize("half", [0, 1])
def test_sw_keeps_the_other_limb(half: int) -> None:
    addr = RAM + 8 + 4 * half
    tested = cases(STOREW, ["SW"], 4, fixed=[{"name": "SW", "a": addr, "addr": addr, "b": VALUE, "memory": WORD}])
    both = {"new[0]": VALUE & M32, "new[1]": VALUE & M32}
    assert attempt(tested, 0, both).stopped_by == {"high limb" if half == 0 else "low limb"}
    assert attempt(tested, 0, {"new[0]": WORD & M32, "new[1]": WORD >> 32}).stopped_by == {"low limb" if half == 0 else "high limb"}
    swapped = {"half": 1 - half, "new[0]": WORD & M32 if half == 0 else VALUE & M32}
    swapped["new[1]"] = VALUE & M32 if half == 0 else WORD >> 32
    moved = attempt(tested, 0, swapped)
    assert not moved.stopped_by
    assert not moved.accepted


def test_half_as_a_number_would_reach_other_words() -> None:
    tested = cases(STOREW, ["SW"], 4, fixed=[{"name": "SW", "a": RAM + 64, "addr": RAM + 64, "b": VALUE, "memory": WORD}])
    low, high, value = WORD & M32, WORD >> 32, VALUE & M32
    for half in (2, -2, 20):
        new = {"new[0]": value + half * (low - value), "new[1]": high + half * (value - high)}
        forged = attempt(tested, 0, {"half": half} | new)
        assert forged.stopped_by == {"half is a bit"}
        assert forged.different


@pytest.mark.parametrize(("name", "within"), [*(("SB", i) for i in range(8)), *(("SH", i) for i in range(0, 8, 2))])
def test_the_other_bytes_are_kept(name: str, within: int) -> None:
    """Every way to move the change to another place, or to take another old byte away, is stopped."""
    addr = RAM + 8 + within
    tested = cases(STOREB, ["SB"], 4, fixed=[{"name": name, "a": addr, "addr": addr, "b": VALUE, "memory": WORD}])
    change, change_high = cell(tested, 0, "change"), cell(tested, 0, "change_high")
    assert attempt(tested, 0, {"change_high": change - change_high}).stopped_by == {"change of the high limb"}
    for factor in (256, pow(256, -1, P), 65536, 0):
        moved = {"change": change * factor, "change_high": change_high * factor}
        assert attempt(tested, 0, moved).stopped_by == {"change"}
    # Another place within the word is another address.
    for lie in range(8):
        if lie == within or (name == "SH" and lie % 2):
            continue
        bits = {f"bit{i}": lie >> i & 1 for i in range(3)}
        half = WORD >> 8 * (lie & 6) & 0xFFFF
        byte, rest = (half >> 8, half & 255) if lie & 1 else (half & 255, half >> 8)
        new = WORD & ~(0xFF << 8 * lie) | (VALUE & 0xFF) << 8 * lie
        if name == "SH":
            new = WORD & ~(0xFFFF << 8 * lie) | (VALUE & 0xFFFF) << 8 * lie
        shift = 32 * (lie >> 2)
        amount = (new >> shift & M32) - (WORD >> shift & M32)
        parts = {"byte": byte, "rest": rest, "old_both": byte & rest, "other": WORD >> 8 * (lie & 6 ^ 2) & 0xFFFF}
        moved_row = attempt(tested, 0, bits | parts | {"change": amount, "change_high": amount * (lie >> 2)})
        assert not moved_row.stopped_by
        assert not moved_row.accepted


def test_old_parts_have_one_form() -> None:
    """Another old byte in the same limb would put the difference into the bytes that are kept."""
    addr = RAM + 8
    tested = cases(STOREB, ["SB"], 4, fixed=[{"name": "SB", "a": addr, "addr": addr, "b": VALUE, "memory": WORD}])
    byte, rest, other, change = (cell(tested, 0, name) for name in ("byte", "rest", "other", "change"))
    for lie in (0, 255, byte ^ 1, byte + 256):
        moved = lie - byte
        result = {"byte": lie, "change": change - moved}
        fraction = {"rest": rest - moved * pow(256, -1, P)}
        for both in (cell(tested, 0, "old_both"), lie & rest):
            forged = attempt(tested, 0, result | fraction | {"old_both": both})
            assert forged.stopped_by == {"and8"}
            assert forged.different
        hidden = attempt(tested, 0, result | {"other": other - moved * pow(2**16, -1, P), "old_both": lie & rest})
        assert "range16" in hidden.stopped_by
        assert hidden.stopped_by <= {"range16", "and8"}
        assert hidden.different


def test_the_bytes_of_the_value_have_one_form() -> None:
    addr = RAM + 8
    tested = cases(STOREB, ["SB"], 4, fixed=[{"name": "SB", "a": addr, "addr": addr, "b": VALUE, "memory": WORD}])
    first, second, upper, change = (cell(tested, 0, name) for name in ("b[0]", "b[1]", "b_upper", "change"))
    for lie in (0, 255, first ^ 1, first + 256):
        moved = lie - first
        result = {"b[0]": lie, "change": change + moved}
        borrowed = attempt(tested, 0, result | {"b[1]": second - moved * pow(256, -1, P), "new_both": lie & second})
        assert borrowed.stopped_by == {"and8"}
        assert borrowed.different
        hidden = attempt(tested, 0, result | {"b_upper": upper - moved * pow(2**16, -1, P), "new_both": lie & second})
        assert "range16" in hidden.stopped_by
        assert hidden.stopped_by <= {"range16", "and8"}


@pytest.mark.parametrize("bit", ["bit2", "bit1", "bit0"])
def test_address_bits_are_bits(bit: str) -> None:
    tested = cases(STOREB, ["SB"], 4, fixed=[{"name": "SB", "a": RAM + 64, "addr": RAM + 64, "b": VALUE, "memory": WORD}])
    assert f"{bit} is a bit" in attempt(tested, 0, {bit: 8}).stopped_by


def test_half_words_are_aligned() -> None:
    tested = cases(STOREB, ["SB"], 4, fixed=[{"name": "SH", "a": RAM, "addr": RAM, "b": VALUE, "memory": WORD}])
    assert "half words are aligned" in attempt(tested, 0, {"base": RAM + 1, "bit0": 1}).stopped_by
    for chip, name, misaligned in ((STORE, "SD", RAM + 4), (STOREW, "SW", RAM + 2)):
        tested = cases(chip, [name], 4, fixed=[{"name": name, "a": RAM, "addr": RAM}])
        assert not attempt(tested, 0, {"base": misaligned}).accepted
