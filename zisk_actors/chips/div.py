"""div: DIV, DIVU, REM, REMU, DIVW, DIVUW, REMW, REMUW.

**What it proves.** c is the quotient or the remainder of a by b, truncated towards zero, signed as the operation says, of 64 bits or of
the low 32 with the result sign-extended. A division by zero gives -1 and the dividend.

**Why it is sound.** *Operands as integers.* For a 32-bit operation the operands are the low limbs,
extended by their sign (or by 0): x and y below are two 32-bit limbs each, the
upper ones 0 or 2^32 - 1 then. With sx, sy the sign bits, 0 for an unsigned
operation, the dividend is X = x - 2^64 sx and the divisor Y = y - 2^64 sy.
The signs are read off by MSB16: of the chunk that ends the operand's low limb
for 32 bits, its high limb for 64.

*The identity X = Y Q + R,* with Q = q - 2^64 qs and R = r - 2^64 rs, all of x,
y, q, r below 2^64 and all signs bits. Modulo nothing, it is proved over the
integers in words of 32 bits; t_k is the sum of chunk products y_i q_j of weight
2^16k as in mul.py:

    t0 + 2^16 t1 + r_lo                              = x_lo + 2^32 k0
    t2 + 2^16 t3 + r_hi + k0                         = x_hi + 2^32 k1
    t4 + 2^16 t5 + k1 - sy q_lo - qs y_lo - rs       = -sx + 2^32 (k2 - 2)
    t6 + (k2 - 2) - sy q_hi - qs y_hi + 2^32 sy qs   = 0

(2^64 times the last two lines carries the sign terms, 2^128 sy qs among them.)
Carries are below 2^31 by their chunks, everything else is below 2^51, so no
line wraps p: each holds over the integers, and so does the identity.

*The remainder's sign:* rs <= sx, and where sx = 1 but rs = 0, r is 0. So R is 0
or has the sign of X (rs = 1 means R < 0, as r < 2^64).

*|R| < |Y|:* d = |Y| - |R| - 1 is shown to be two limbs of four chunks, with
|Y| = Y or -Y by sy, |R| = R or -R by rs, limb by limb with a borrow in -2..1.

The three together define truncated division: Q and R are unique, hence so are
their representations. The overflow INT_MIN / -1 gives Q = 2^63 (qs = 0), whose
word is INT_MIN, and R = 0: no special case.

*Division by zero.* ``zero`` is 1 exactly if y = 0: it must be 0 otherwise, and
|R| < |Y| has no solution with Y = 0 unless ``zero`` waives it. Then the identity
alone gives R = X, and q is forced to be all ones, qs to be 0.

*The weight of a row.* ``real`` stands in these lines as the number 1, and it is a
bit by its own constraint alone: on many rows the lines also have solutions with
real = 2, 3 or 1/2 (a small d doubled or halved, the carries moved along). Such
a row would take and put its tokens twice, or by half.

*Result:* q or r; for a 32-bit operation its low limb, sign extended.

**How it is filled.** With the division of the magnitudes, then the signs, then
the carries line by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import MASK32, ONES32, Chip, T, is_bit, limbs_of, put, put_chunks, put_limbs, range16
from zisk_actors.chips.buses import MSB16
from zisk_actors.chips.frames import ReadA, ReadB, Real, Step, WriteC
from zisk_actors.chips.mul import carry_chunks, columns_of_product, numbers_of_product, sixteens
from zisk_actors.machine.isa import Op
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64

# The op number is affine in three bits, so the row needs no flag per operation: DIV + unsigned + 2 remainder + 4 word.
OPERATIONS = (Op.DIV, Op.DIVU, Op.REM, Op.REMU, Op.DIVW, Op.DIVUW, Op.REMW, Op.REMUW)
if [op - Op.DIV for op in OPERATIONS] != list(range(8)):
    raise AssertionError("the divisions must have consecutive op numbers in this order")


class DivRow(Step[T], Real[T], ReadA[T], ReadB[T], WriteC[T]):
    """c = the quotient or the remainder of a by b."""

    unsigned = Column("1 for the unsigned operations")
    remainder = Column("1 if the result is the remainder")
    word = Column("1 for the 32-bit operations")
    x_last = Column("the limb of a that holds the dividend's sign", bits=32)
    x_top = Column("its upper chunk", bits=16)
    x_msb = Column("its top bit")
    x_sign = Column("1 if the dividend is negative")
    y = Columns(3, "chunks 1 to 3 of the extended divisor", bits=16)
    y_msb = Columns(2, "top bits of chunks 1 and 3")
    y_sign = Column("1 if the divisor is negative")
    zero = Column("1 if the divisor is 0")
    q = Columns(4, "the quotient mod 2^64, 16-bit chunks", bits=16)
    q_sign = Column("1 if the quotient is negative")
    r = Columns(4, "the remainder mod 2^64, 16-bit chunks", bits=16)
    r_sign = Column("1 if the remainder is negative")
    d = Columns(4, "|divisor| - |remainder| - 1, 16-bit chunks; 0 if the divisor is 0", bits=16)
    d_carry = Columns(2, "bits: out of its low limb go bit 0 + 2 bit 1 - 2")
    k = Columns(6, "three carries, chunks of 16 and 15 bits", bits=16)
    top = Column("upper chunk of the result's low limb", bits=16)
    top_msb = Column("its top bit")
    c = Columns(2, "result, limbs", bits=32)
    record = fields("a", "b", "c")

    @property
    def op(self: DivRow[Expr]) -> Any:
        """Three bits choose among eight operations."""
        return int(Op.DIV) + self.unsigned + 2 * self.remainder + 4 * self.word

    def fill(self: DivRow[U64], records: Any) -> None:
        """The division."""
        _fill(self, records)


def _divisor(row: Any) -> list[Expr]:
    """The four chunks of the extended divisor; chunk 0 is what remains of b's low limb."""
    return [row.b[0] - 2**16 * row.y[0], *row.y]


def _constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    real, word, signed = row.real, row.word, 1 - row.unsigned
    bits = ("real", "unsigned", "remainder", "word", "x_sign", "y_sign", "zero", "q_sign", "r_sign")
    for name in bits:
        yield is_bit(name, getattr(row, name))
    for i in range(2):
        yield is_bit(f"d_carry {i}", row.d_carry[i])

    # Operands.
    yield "the dividend's last limb", row.x_last - word * row.a[0] - (1 - word) * row.a[1]
    yield "sign of the dividend", row.x_sign - signed * row.x_msb
    yield "sign of the divisor", row.y_sign - signed * (word * row.y_msb[0] + (1 - word) * row.y_msb[1])
    y_chunks = _divisor(row)
    x = (row.a[0], word * row.x_sign * ONES32 + (1 - word) * row.a[1])
    y = limbs_of(y_chunks)
    yield "high limb of the divisor", y[1] - word * row.y_sign * ONES32 - (1 - word) * row.b[1]

    # X = Y Q + R.
    q, r, k = limbs_of(row.q), limbs_of(row.r), limbs_of(row.k)
    t = columns_of_product(y_chunks, row.q)
    sx, sy, qs, rs = row.x_sign, row.y_sign, row.q_sign, row.r_sign
    last = k[2] - 2 * real
    yield "word 0 of the identity", t[0] + 2**16 * t[1] + r[0] - x[0] - 2**32 * k[0]
    yield "word 1 of the identity", t[2] + 2**16 * t[3] + r[1] + k[0] - x[1] - 2**32 * k[1]
    yield "word 2 of the identity", t[4] + 2**16 * t[5] + k[1] - sy * q[0] - qs * y[0] - rs + sx - 2**32 * last
    yield "word 3 of the identity", t[6] + last - sy * q[1] - qs * y[1] + 2**32 * sy * qs

    # The remainder's sign and size.
    yield "the remainder is negative only if the dividend is", rs * (1 - sx)
    yield "a remainder of the other sign is 0", (sx - rs) * (r[0] + r[1])
    d = limbs_of(row.d)
    carry = row.d_carry[0] + 2 * row.d_carry[1] - 2 * real
    some = real - row.zero
    yield "low limb of |y| - |r| - 1", some * ((1 - 2 * sy) * y[0] - (1 - 2 * rs) * r[0] - 1) - d[0] - 2**32 * carry
    yield "high limb of |y| - |r| - 1", some * ((1 - 2 * sy) * y[1] - (1 - 2 * rs) * r[1] + 2**32 * (sy - rs)) + carry - d[1]

    # Division by zero.
    yield "zero only if the divisor is 0", row.zero * (y[0] + y[1])
    yield "the quotient by 0 is all ones", row.zero * (row.q[0] + row.q[1] + row.q[2] + row.q[3] - 4 * (2**16 - 1))
    yield "the quotient by 0 has no sign", row.zero * qs

    # Result.
    rem = row.remainder
    yield "top chunk of the result", row.top - rem * row.r[1] - (1 - rem) * row.q[1]
    yield "low limb of the result", row.c[0] - rem * r[0] - (1 - rem) * q[0]
    yield (
        "high limb of the result",
        row.c[1] - word * row.top_msb * ONES32 - (1 - word) * (rem * r[1] + (1 - rem) * q[1]),
    )


def _interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    real = row.real
    yield from row.step(rd=row.rd, rs1=row.rs1, rs2=row.rs2)
    yield from row.read_a()
    yield from row.read_b()
    yield from row.write_c(row.c)
    yield from range16(real, row.x_last - 2**16 * row.x_top)
    yield send(MSB16, row.x_top, row.x_msb, times=real)
    y = _divisor(row)
    yield from range16(real, y[0], y[2])
    yield send(MSB16, y[1], row.y_msb[0], times=real)
    yield send(MSB16, y[3], row.y_msb[1], times=real)
    yield from range16(real, *row.q, *row.r, *row.d)
    yield from carry_chunks(real, row.k)
    yield send(MSB16, row.top, row.top_msb, times=real)


# --- filling ---------------------------------------------------------------

_32, _31, _63 = np.uint64(32), np.uint64(31), np.uint64(63)


def _negate_if(value: U64, sign: U64) -> U64:
    """-value mod 2^64 where sign is 1: (value xor ones) + 1."""
    return (value ^ (np.uint64(0) - sign)) + sign


@np.errstate(over="ignore")
def _fill(row: Any, records: Any) -> None:
    put_limbs(row.c, records.c)
    kind = records.rom.op - np.uint64(Op.DIV)
    unsigned, rem, word = kind & np.uint64(1), (kind >> np.uint64(1)) & np.uint64(1), kind >> np.uint64(2)
    put(row.unsigned, unsigned)
    put(row.remainder, rem)
    put(row.word, word)

    last = np.where(word == 1, records.a & MASK32, records.a >> _32)
    put(row.x_last, last)
    put(row.x_top, last >> np.uint64(16))
    put(row.x_msb, last >> _31)
    sx = (last >> _31) * (np.uint64(1) - unsigned)
    put(row.x_sign, sx)
    sy = np.where(word == 1, records.b >> _31, records.b >> _63) & np.uint64(1) & (np.uint64(1) - unsigned)
    put(row.y_sign, sy)

    # The operands as numbers mod 2^64, their magnitudes, and the results.
    ones = np.uint64(0) - np.uint64(1)
    above = ones << _32
    x = np.where(word == 1, (records.a & MASK32) | (sx * above), records.a)
    y = np.where(word == 1, (records.b & MASK32) | (sy * above), records.b)
    zero = (y == 0).astype(np.uint64)
    x_size, y_size = _negate_if(x, sx), _negate_if(y, sy)
    divisor = y_size | zero
    q_size, r_size = x_size // divisor, x_size % divisor
    q_size, r_size = np.where(zero == 1, ones, q_size), np.where(zero == 1, x_size, r_size)
    qs = (sx ^ sy) & (np.uint64(1) - zero) & (q_size != 0)
    rs = sx & (r_size != 0)
    q, r = _negate_if(q_size, qs), _negate_if(r_size, rs)
    d = np.where(zero == 1, np.uint64(0), y_size - r_size - np.uint64(1))
    put(row.zero, zero)
    put(row.q_sign, qs)
    put(row.r_sign, rs)
    for columns, value in ((row.q, q), (row.r, r), (row.d, d)):
        put_chunks(columns, value)
    y_chunks = sixteens(y)
    put_chunks(row.y, y >> np.uint64(16))
    put(row.y_msb[0], y_chunks[1] >> np.uint64(15))
    put(row.y_msb[1], y_chunks[3] >> np.uint64(15))

    low_sum = _signed_limb(y, sy, 0) - _signed_limb(r, rs, 0) - 1
    carry = np.where(zero == 1, 0, low_sum >> 32) + 2
    put(row.d_carry[0], (carry & 1).view(np.uint64))
    put(row.d_carry[1], (carry >> 1).view(np.uint64))
    _fill_carries(row, x, y, q, r, (sx, sy, qs, rs))

    low = np.where(rem == 1, r, q) & MASK32
    put(row.top, low >> np.uint64(16))
    put(row.top_msb, low >> _31)


def _signed_limb(value: U64, sign: U64, shift: int) -> Any:
    """A limb, negated where ``sign`` is 1, as int64."""
    limb = ((value >> np.uint64(shift)) & MASK32).view(np.int64)
    return np.where(sign == 1, -limb, limb)


def _fill_carries(row: Any, x: U64, y: U64, q: U64, r: U64, signs: tuple[U64, U64, U64, U64]) -> None:
    """k0 to k2: every line fits signed 64-bit integers."""
    t = [column.view(np.int64) for column in numbers_of_product(sixteens(y), sixteens(q))]
    sx, sy, qs, rs = (sign.view(np.int64) for sign in signs)

    def low(value: U64) -> Any:
        return (value & MASK32).view(np.int64)

    def high(value: U64) -> Any:
        return (value >> _32).view(np.int64)

    k0 = (t[0] + (t[1] << 16) + low(r) - low(x)) >> 32
    k1 = (t[2] + (t[3] << 16) + high(r) + k0 - high(x)) >> 32
    k2 = (t[4] + (t[5] << 16) + k1 - sy * low(q) - qs * low(y) - rs + sx) >> 32
    for i, carry in enumerate((k0, k1, k2 + 2)):
        put_chunks(row.k[2 * i : 2 * i + 2], carry.view(np.uint64))


DIV = Chip(Air("div", DivRow, _constraints, _interactions, doc="quotients and remainders"))
