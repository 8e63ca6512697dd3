"""Products: right at every edge of sign and size, and no other product can be proved."""

from __future__ import annotations

import numpy as np

from tests.chips_harness import check_chip, column, forge, uncaught, violations, witness
from tests.chips_semantics import operand_pairs, register_records, result
from zisk_actors.chips.mul import MUL
from zisk_actors.stark.field import P

NAMES = ("MUL", "MULH", "MULHSU", "MULHU", "MULW")


def test_edges_and_random_operands():
    rom, records = register_records([(name, a, b) for a, b in operand_pairs(400, 11) for name in NAMES])
    assert not violations(MUL, witness(MUL, records), rom)


def test_generated():
    pairs = [(2**63, 2**64 - 1), (2**64 - 1, 2**64 - 1), (12345678901234567890, 987654321), (3, 2**63 + 5), (0, 7)]
    rom, records = register_records([(name, a, b) for a, b in pairs for name in NAMES])
    check_chip(MUL, records, rom)
    assert not uncaught(MUL, witness(MUL, records), [24], rom, 3)


def refused(case: tuple[str, int, int], **cells: int) -> list[str]:
    rom, records = register_records([case])
    named = {(f"{name[:-3]}[{name[-1]}]" if name[-3:-1] == "__" else name): value for name, value in cells.items()}
    return violations(MUL, forge(MUL, witness(MUL, records), 0, named), rom)


def test_a_word_that_is_too_large_or_negative_with_a_carry_to_match_is_refused():
    """r_0 + 2^32 with the carry one less, or r_0 - 1 with the carry a field element more: chunks bound both."""
    found = refused(("MUL", 2**40 + 3, 2**20 + 5), r__1=2**16, k__0=(1 << 28) % 2**16)
    assert any("msb16" in message or "word 0" in message for message in found)
    rom, records = register_records([("MUL", 3, 5)])
    main = witness(MUL, records)
    forged = forge(MUL, main, 0, {"r[0]": 15 + 2**32, "k[0]": -1, "k[1]": 0, "c[0]": 15 + 2**32})
    found = violations(MUL, forged, rom)
    assert any("range16" in message for message in found)


def test_a_carry_that_wraps_the_modulus_is_refused():
    """r_0 + 1 and carry 2^32 - 1 make the same field element, p more: the top chunk of a carry is below 2^15."""
    rom, records = register_records([("MUL", 3, 5)])
    main = witness(MUL, records)
    assert (16 + 2**32 * (2**32 - 1)) % P == 15
    forged = forge(MUL, main, 0, {"r[0]": 16, "k[0]": 0xFFFF, "k[1]": 0xFFFF, "c[0]": 16})
    found = violations(MUL, forged, rom)
    assert "row 0: msb16 does not hold (65535, 0)" in found
    assert not any("word 0" in message for message in found)


def test_signs_cannot_be_chosen():
    for name, sign in (("MULH", "a_sign"), ("MULH", "b_sign"), ("MULHSU", "a_sign")):
        for a, b in ((2**63 + 1, 2**63 + 3), (5, 7)):
            rom, records = register_records([(name, a, b)])
            main = witness(MUL, records)
            flipped = 1 - int(main[column(MUL, sign), 0])
            assert any("msb16" in message for message in violations(MUL, forge(MUL, main, 0, {sign: flipped}), rom))


def test_another_half_of_the_product_is_refused():
    """The whole row of MULHU, claimed by MULH of the same operands: op and flags must agree with the ROM."""
    a, b = 2**63 + 1, 2**63 + 3
    assert result("MULH", a, b) != result("MULHU", a, b)
    rom, records = register_records([("MULH", a, b)])
    _, other = register_records([("MULHU", a, b)])
    other_rom, _ = register_records([("MULHU", a, b)])
    main = witness(MUL, other)
    assert not violations(MUL, main, other_rom)
    assert any("program" in message for message in violations(MUL, main, rom))
    swapped = forge(MUL, main, 0, {"mulhu": 0, "mulh": 1})
    assert any("word 2" in message for message in violations(MUL, swapped, rom))
    assert len(records) == 1


def test_the_borrow_cannot_hide_a_wrong_high_word():
    for borrow in (-1, 2, P // 2):
        assert "row 0: borrow is a bit" in refused(("MULH", 2**63, 2), borrow=borrow)
    rom, records = register_records([("MULHU", 2**63, 2)])
    main = witness(MUL, records)
    forged = forge(MUL, main, 0, {"borrow": 1, "r[6]": int(main[column(MUL, "r[6]"), 0]) + 2**32})
    assert any("range16" in message for message in violations(MUL, forged, rom))


def test_mulw_takes_the_sign_of_its_own_low_word():
    rom, records = register_records([("MULW", 2**31 - 1, 3), ("MULW", 2**16, 2**15)])
    main = witness(MUL, records)
    assert main[column(MUL, "sign"), :2].tolist() == [0, 1]
    for row in range(2):
        sign = 1 - int(main[column(MUL, "sign"), row])
        forged = forge(MUL, main, row, {"sign": sign, "c[1]": sign * (2**32 - 1)})
        assert any("msb16" in message for message in violations(MUL, forged, rom))
    assert np.all(main[column(MUL, "c[1]"), :2] == [0, 2**32 - 1])
