"""Division: right at every edge, and every classic lie about quotient and remainder is refused."""

from __future__ import annotations

import pytest

from tests.chips_harness import check_chip, column, forge, lookup_misses, uncaught, violations, witness
from tests.chips_semantics import M64, operand_pairs, register_records, result, signed
from zisk_actors.air.check import Table, failures
from zisk_actors.chips.div import DIV, OPERATIONS
from zisk_actors.stark.field import U64, P

NAMES = tuple(op.name for op in OPERATIONS)
INT_MIN = 2**63


def test_edges_and_random_operands():
    rom, records = register_records([(name, a, b) for a, b in operand_pairs(400, 13) for name in NAMES])
    assert not violations(DIV, witness(DIV, records), rom)


def test_generated():
    pairs = [(5, 0), (INT_MIN, M64), (M64 - 6, 2)]
    rom, records = register_records([(name, a, b) for a, b in pairs for name in NAMES])
    check_chip(DIV, records, rom)


@pytest.mark.slow
def test_generated_on_more_rows():
    pairs = [(2**31, 2**32 - 1), (12345678901234567890, 987654321), (7, M64 - 1), (M64, 2**63), *operand_pairs(10, 3)[-10:]]
    rom, records = register_records([(name, a, b) for a, b in pairs for name in NAMES])
    assert not uncaught(DIV, witness(DIV, records), range(len(records)), rom, 3)


def wide(name: str, value: int) -> dict[str, int]:
    """Four chunks."""
    return {f"{name}[{i}]": (value >> (16 * i)) & 0xFFFF for i in range(4)}


def lie(case: tuple[str, int, int], quotient: int, remainder: int) -> tuple[U64, list[str]]:
    """The best row for the claim X / Y = quotient rest remainder (integers): everything consistent that can be made so.

    Signs, chunks, carries, the bound and the result are computed from the claim; returns the row's matrix and what stops it.
    """
    name, a, b = case
    rom, records = register_records([case])
    main = witness(DIV, records)
    kind = OPERATIONS[NAMES.index(name)] - OPERATIONS[0]
    unsigned, rem, word = kind & 1, kind >> 1 & 1, kind >> 2
    width = 32 if word else 64
    x_value, y_value = (v % 2**width if unsigned else signed(v, width) for v in (a, b))
    x, y, q, r = x_value % 2**64, y_value % 2**64, quotient % 2**64, remainder % 2**64
    sx, sy, qs, rs = int(x_value < 0), int(y_value < 0), int(quotient < 0), int(remainder < 0)
    cells: dict[str, int] = {**wide("q", q), **wide("r", r), "q_sign": qs, "r_sign": rs}

    chunk = lambda value, i: value >> (16 * i) & 0xFFFF  # noqa: E731
    t = [sum(chunk(y, i) * chunk(q, k - i) for i in range(4) if 0 <= k - i < 4) for k in range(7)]
    low, high = lambda value: value & (2**32 - 1), lambda value: value >> 32
    k0 = (t[0] + (t[1] << 16) + low(r) - low(x)) * pow(2**32, -1, P) % P
    k1 = (t[2] + (t[3] << 16) + high(r) + k0 - high(x)) * pow(2**32, -1, P) % P
    k2 = ((t[4] + (t[5] << 16) + k1 - sy * low(q) - qs * low(y) - rs + sx) * pow(2**32, -1, P) + 2) % P
    for i, carry in enumerate((k0, k1, k2)):
        cells |= {f"k[{2 * i}]": carry % 2**16, f"k[{2 * i + 1}]": (carry - carry % 2**16) * pow(2**16, -1, P)}

    if y_value:
        d = (abs(y_value) - abs(remainder) - 1) % 2**64
        size = lambda value, sign, half: (1 - 2 * sign) * half(value)  # noqa: E731
        borrow = (size(y, sy, low) - size(r, rs, low) - 1) >> 32
        cells |= {**wide("d", d), "d_carry[0]": borrow + 2 & 1, "d_carry[1]": borrow + 2 >> 1}
    c = r if rem else q
    c = signed(c, 32) % 2**64 if word else c
    cells |= {"c[0]": low(c), "c[1]": high(c), "top": chunk(r if rem else q, 1), "top_msb": chunk(r if rem else q, 1) >> 15}
    forged = forge(DIV, main, 0, cells)
    return forged, violations(DIV, forged, rom)


@pytest.mark.parametrize("name", NAMES)
def test_the_lying_prover_of_these_tests_can_tell_the_truth(name: str):
    """Otherwise the refusals below would prove nothing."""
    for a, b in ((100, 7), (M64 - 99, 7), (100, M64 - 6), (M64 - 99, M64 - 6), (INT_MIN, 3), (5, M64), (9, 0)):
        kind = OPERATIONS[NAMES.index(name)] - OPERATIONS[0]
        width = 32 if kind >> 2 else 64
        x, y = (v % 2**width if kind & 1 else signed(v, width) for v in (a, b))
        q = (abs(x) // abs(y)) * (1 if (x < 0) == (y < 0) else -1) if y else M64
        r = x - y * q if y else x
        assert lie((name, a, b), q, r)[1] == [], (name, a, b)


@pytest.mark.parametrize("name", NAMES)
def test_a_quotient_off_by_one_with_the_remainder_to_match_is_refused(name: str):
    """X = Y (Q ± 1) + (R ∓ Y): the identity holds, the remainder is too large or has the wrong sign."""
    signs = (1,) if (OPERATIONS[NAMES.index(name)] - OPERATIONS[0]) & 1 else (1, -1)
    for sx in signs:
        for sy in signs:
            x, y = sx * 100, sy * 7
            q, r = sx * sy * 14, sx * 2
            for step in (-1, 1):
                _, found = lie((name, x % 2**64, y % 2**64), q + step, r - y * step)
                assert found, (name, x, y, step)
                assert not any("word" in message and "identity" in message for message in found), "the identity should hold"


def test_a_remainder_of_the_other_sign_is_refused():
    """-7 / 2 rounded down: q = -4, r = 1 is an identity with |r| < |y|, but r has not the sign of x."""
    _, found = lie(("DIV", M64 - 6, 2), -4, 1)
    assert found == ["row 0: a remainder of the other sign is 0"]
    _, found = lie(("REM", 7, 2), 4, -1)
    assert "row 0: the remainder is negative only if the dividend is" in found
    assert not any("identity" in message or "|y| - |r|" in message for message in found)


@pytest.mark.parametrize("modulus", [P, 2**32, 2**48, 2**64])
def test_a_quotient_that_is_right_only_modulo_something_is_refused(modulus: int):
    """7 q + 3 = 100 modulo P or a power of two, with |r| < |y| and all signs right: only the identity's carries can tell."""
    quotient = (100 - 3) * pow(7, -1, modulus) % modulus
    _, found = lie(("DIVU", 100, 7), quotient, 3)
    assert found
    assert all("identity" in message or "16 does not hold" in message for message in found)
    assert lie(("DIVU", 100, 7), 14, 2)[1] == []


def test_overflow_gives_int_min_and_nothing_else():
    assert result("DIV", INT_MIN, M64) == INT_MIN
    assert result("REM", INT_MIN, M64) == 0
    assert lie(("DIV", INT_MIN, M64), INT_MIN, 0)[1] == []
    for quotient, remainder in ((-INT_MIN, 0), (INT_MIN - 1, -1), (0, -INT_MIN), (-1, 0), (1, 0), (INT_MIN - 1, 0)):
        for name in ("DIV", "REM"):
            assert lie((name, INT_MIN, M64), quotient, remainder)[1], (quotient, remainder)
    # 32 bits: the quotient is 2^31 as an integer, INT_MIN sign extended as a result.
    forged, found = lie(("DIVW", 2**31, 2**32 - 1), 2**31, 0)
    assert found == []
    assert forged[column(DIV, "c[1]"), 0] == 2**32 - 1
    assert lie(("DIVW", 2**31, 2**32 - 1), -(2**31), 0)[1]


def test_division_by_zero_gives_all_ones_and_the_dividend():
    for name in NAMES:
        rom, records = register_records([(name, 2**40 + 5, 0)])
        main = witness(DIV, records)
        # Another quotient, another remainder, or no division by zero at all.
        for cells in (wide("q", 0) | {"c[0]": 0, "c[1]": 0}, wide("q", 1), wide("r", 4), {"q_sign": 1}, {"zero": 0}):
            assert violations(DIV, forge(DIV, main, 0, cells), rom), (name, cells)
        # Not a division by zero, but claimed to be one: any quotient would do.
        rom, records = register_records([(name, 100, 7)])
        main = witness(DIV, records)
        cells = {"zero": 1, **wide("q", M64), "c[0]": 2**32 - 1, "c[1]": 2**32 - 1, **wide("d", 0)}
        assert "row 0: zero only if the divisor is 0" in violations(DIV, forge(DIV, main, 0, cells), rom)


def test_without_the_flag_a_zero_divisor_has_no_row():
    """zero = 0 and y = 0: |r| < 0 would be needed, and d = -|r| - 1 has no chunks."""
    for name, a in (("DIVU", 100), ("DIV", 0), ("REM", M64 - 4), ("DIVW", 2**31)):
        rom, records = register_records([(name, a, 0)])
        main = witness(DIV, records)
        for quotient in (0, 5, M64):
            for d, bits in ((0, (0, 1)), (0, (1, 0)), (M64, (1, 0)), (M64, (0, 0))):
                cells = {"zero": 0, **wide("q", quotient), **wide("d", d), "d_carry[0]": bits[0], "d_carry[1]": bits[1]}
                found = violations(DIV, forge(DIV, main, 0, cells), rom)
                assert any("|y| - |r| - 1" in message for message in found)


def test_the_sign_of_a_word_is_bit_31():
    """DIVW of 0x80000000 must be negative although the register is positive, and DIV of it must not."""
    for name, sign in (("DIVW", 1), ("DIV", 0), ("DIVUW", 0)):
        rom, records = register_records([(name, 2**31 + 3, 2**31 + 1)])
        main = witness(DIV, records)
        for cell in ("x_sign", "y_sign"):
            assert main[column(DIV, cell), 0] == sign
            forged = forge(DIV, main, 0, {cell: 1 - sign})
            assert any(message.startswith("row 0: sign of the") for message in violations(DIV, forged, rom))


def weighted(main: U64, row: int, real: int) -> U64 | None:
    """The row with another weight, d and the carries made anew as its lines want them; None if no chunks do."""

    def value(name: str, *at: int) -> int:
        return sum(int(main[column(DIV, f"{name}[{i}]"), row]) << 16 * place for place, i in enumerate(at))

    sy, rs, zero = (int(main[column(DIV, name), row]) for name in ("y_sign", "r_sign", "zero"))
    low = (1 - 2 * sy) * value("b", 0) - (1 - 2 * rs) * value("r", 0, 1) - 1
    high = (1 - 2 * sy) * value("y", 1, 2) - (1 - 2 * rs) * value("r", 2, 3) + 2**32 * (sy - rs)
    carry = (value("k", 4, 5) + 2 * (real - 1)) % P
    for bits in range(4):
        borrow = bits - 2 * real
        d = [((real - zero) * low - 2**32 * borrow) % P, ((real - zero) * high + borrow) % P]
        if carry < 2**31 and max(d) < 2**32:
            cells = {"real": real, "k[4]": carry % 2**16, "k[5]": carry >> 16, "d_carry[0]": bits & 1, "d_carry[1]": bits >> 1}
            return forge(DIV, main, row, {**cells, **wide("d", d[0] | d[1] << 32)})
    return None


@pytest.mark.parametrize("real", [2, 3, (P + 1) // 2])
def test_only_its_own_constraint_keeps_a_row_from_counting_otherwise(real: int):
    """The lines have such solutions, so the bit is needed; where there is one, the bit is all that refuses it."""
    rom, records = register_records([(name, a, b) for a, b in operand_pairs(12, 5) for name in NAMES])
    main = witness(DIV, records)
    all_of_them, rows = main.copy(), []
    for row in range(len(records)):
        forged = weighted(main, row, real)
        if forged is not None:
            all_of_them[:, row] = forged[:, row]
            rows.append(row)
    assert len(rows) > 10
    table = Table(DIV.air, all_of_them)
    assert [(failure.constraint, failure.rows) for failure in failures(table)] == [("real is a bit", tuple(rows))]
    assert not lookup_misses(table, rom)


def test_another_operation_than_the_rom_s_is_refused():
    for name, cells in (
        ("DIV", {"unsigned": 1}),
        ("DIV", {"remainder": 1}),
        ("DIVU", {"word": 1}),
        ("REMU", {"unsigned": 2, "remainder": 0}),
    ):
        rom, records = register_records([(name, 100, 7)])
        assert violations(DIV, forge(DIV, witness(DIV, records), 0, cells), rom)
