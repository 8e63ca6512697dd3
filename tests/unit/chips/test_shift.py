"""Shifts: right for every amount, and nothing else can be proved."""

from __future__ import annotations

import pytest

from tests.chips_harness import check_chip, column, forge, uncaught, violations, witness
from tests.chips_semantics import EDGES, M32, operand_pairs, register_records
from zisk_actors.chips.base import Chip
from zisk_actors.chips.shift import SHIFT, SHIFTI, SHIFTIW, SHIFTW
from zisk_actors.stark.field import P

CHIPS = [(SHIFT, "", 64), (SHIFTI, "I", 64), (SHIFTW, "W", 32), (SHIFTIW, "IW", 32)]
A = 2**63 + 0x1234_5678_9ABC_DEF1


def names(suffix: str) -> list[str]:
    return [kind + suffix for kind in ("SLL", "SRL", "SRA")]


@pytest.mark.parametrize(("chip", "suffix", "width"), CHIPS)
def test_every_amount(chip: Chip, suffix: str, width: int):
    cases = [(name, a, by) for a in (*EDGES, A, A >> 1) for by in range(width) for name in names(suffix)]
    rom, records = register_records(cases)
    assert not violations(chip, witness(chip, records), rom)


@pytest.mark.parametrize(("chip", "suffix", "width"), [CHIPS[0], CHIPS[2]])
def test_a_register_amount_is_reduced(chip: Chip, suffix: str, width: int):
    amounts = [by + k for k in (0, width, 2**16, 2**31, 2**32, 2**63, 2**64 - 2**16) for by in (0, 1, 31, width - 1)]
    pairs = [(A, by) for by in amounts] + operand_pairs(100, 5)
    rom, records = register_records([(name, a, b) for a, b in pairs for name in names(suffix)])
    assert not violations(chip, witness(chip, records), rom)


@pytest.mark.parametrize(("chip", "suffix", "width"), CHIPS)
def test_generated(chip: Chip, suffix: str, width: int):
    amounts = (0, 5, 31, 32, 63) if width == 64 else (0, 5, 31)
    cases = [(name, a, by) for a in (A + 2**31, 2**62 + 77777) for by in amounts for name in names(suffix)]
    rom, records = register_records(cases)
    check_chip(chip, records, rom)
    assert not uncaught(chip, witness(chip, records), range(24, len(records)), rom, 1)


def forged(chip: Chip, case: tuple[str, int, int], **cells: int) -> list[str]:
    """What stops a row of ``case`` with other cells (``__`` stands for brackets: full__0 is full[0])."""
    rom, records = register_records([case])
    main = witness(chip, records)
    assert not violations(chip, main, rom)
    named = {(f"{name[:-3]}[{name[-1]}]" if name[-3:-1] == "__" else name): value for name, value in cells.items()}
    return violations(chip, forge(chip, main, 0, named), rom)


def chunks(name: str, value: int) -> dict[str, int]:
    return {f"{name}__{i}": (value >> (16 * i)) & 0xFFFF for i in range(2)}


def test_another_amount_than_rs2_s_low_bits_is_refused():
    """b = 5 shifted by 6: the amount's other part would be (5 - 6) / 2^16."""
    rom, records = register_records([("SLL", A, 5), ("SLL", A, 6)])
    main = witness(SHIFT, records)
    taken = main.copy()
    taken[:, 0] = main[:, 1]
    for name in ("pc", "ts", "rs1", "a_prev", "b[0]", "b[1]", "b_prev", "rd", "old[0]", "old[1]", "old_prev"):
        taken[column(SHIFT, name), 0] = main[column(SHIFT, name), 0]
    assert violations(SHIFT, taken, rom) == [f"row 0: range16 does not hold ({-pow(2, -16, P) % P},)"]


def test_an_amount_beyond_16_bits_is_refused():
    """b = 2^16 as amount 2^16 + 2^16 * 0: the same number, split the other way."""
    assert any("pow64" in message for message in forged(SHIFT, ("SLL", A, 2**16), amount=2**16))


def test_the_sign_of_an_arithmetic_shift_cannot_be_chosen():
    for chip, name in ((SHIFT, "SRA"), (SHIFTI, "SRAI"), (SHIFTW, "SRAW"), (SHIFTIW, "SRAIW")):
        ones = 2**32 - 2 * (1 << (31 - 5))
        case = (name, A % 2**31 + 2**40, 5)
        assert any("msb16" in message for message in forged(chip, case, sign=1, fill_in=ones))
        other = {"top": (A % 2**31 >> 16) | 0x8000, "sign": 1, "fill_in": ones}
        assert any("range16" in message for message in forged(chip, case, **other))


def test_the_remainder_of_a_product_cannot_reach_p():
    """a * 2^t + p written as full + 2^32 cut: the only other field-equal pair has cut = 2^32 - 1, beyond 31 bits."""
    a, by = 12345, 3
    full, cut = (a << by) + 1, M32
    assert full + (cut << 32) == (a << by) + P
    found = forged(SHIFTW, ("SLLW", a, by), **chunks("full", full), **chunks("cut", cut))
    assert found == ["row 0: msb16 does not hold (65535, 0)"]


def test_a_quotient_one_less_needs_a_remainder_too_large():
    """SRLW by 4 with quotient q - 1: the rest would be 2^31 more."""
    a, by = 0xFFFF, 4
    q, rest = a >> by, (a << (31 - by)) & (2**31 - 1)
    found = forged(SHIFTW, ("SRLW", a, by), **chunks("full", q - 1), **chunks("cut", rest + 2**31), top=(q - 1) >> 16)
    assert found == [f"row 0: msb16 does not hold ({rest + 2**31 >> 16}, 0)"]


def test_the_factor_of_a_right_shift_is_the_inverse_power():
    found = forged(SHIFT, ("SRL", A, 7), factor=1 << 7)
    assert "row 0: factor is the power, or 2^31 over it" in found


def test_narrow_cannot_pass_for_wide():
    """s = 3 claimed as s >= 32: then the low power would have to be 0."""
    assert "row 0: wide leaves no low power" in forged(SHIFT, ("SLL", A, 3), wide=1)
    assert "row 0: narrow leaves no high power" in forged(SHIFT, ("SLL", A, 40), wide=0)


def test_two_kinds_at_once_are_refused():
    assert "row 0: sum of flags is a bit" in forged(SHIFT, ("SLL", A, 3), logical=1)
