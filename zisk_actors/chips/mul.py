"""mul: MUL, MULH, MULHSU, MULHU, MULW.

**What it proves.** c is the low or the high half of a b, the factors signed as the operation says; for MULW the low 32 bits, sign-extended.

**Why it is sound.** The operands are four 16-bit chunks each, the product four 32-bit words r_0 to
r_3, all range checked. With t_k the sum of the chunk products of weight 2^16k:

    t0 + 2^16 t1              = r_0 + 2^32 k0
    t2 + 2^16 t3 + k0         = r_1 + 2^32 k1
    t4 + 2^16 t5 + k1 - s_lo  = r_2 + 2^32 (k2 - 2)
    t6 + (k2 - 2) - s_hi      = r_3 - 2^32 borrow

Carries are two chunks, the top one below 2^15, so below 2^31. A t_k is a sum of
at most four products below 2^32: left sides are integers of magnitude below
2^51, right sides below 2^63 + 2^33. Their difference is below p, so equality in
the field is equality of integers. Each line is then a division by 2^32 with
remainder: the words are the product's, no other values fit.

*Signs.* As two's complement numbers, a = a' - 2^64 sa, so for a signed a the
product's upper half loses b (times sa), and for a signed b it loses a: that is
s = fa sa b + fb sb a, where fa says that the operation takes a as signed (MULH,
MULHSU) and fb that it takes b so (MULH). The term 2^128 sa sb does not reach
the upper half. The upper half is taken mod 2^64: ``borrow`` is 1 when the true
result is negative or both operands are, and 0 otherwise; being a bit, it leaves
r_2 and r_3 no choice. The sign bits come from MSB16 on the operands' top chunks.

*Result.* The low words for MUL, the high ones for MULH*, and for MULW the
lowest word with its own top bit as the sign: r_0 does not depend on the
operands' upper halves.

**How it is filled.** Line by line, in signed 64-bit integers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import MASK16, MASK32, ONES32, Chip, T, is_bit, limbs_of, put, put_chunks, put_limbs, range16
from zisk_actors.chips.buses import MSB16, RANGE16
from zisk_actors.chips.frames import OneHot, ReadA, ReadB, Step, WriteC
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64


class MulRow(OneHot[T], Step[T], ReadA[T], ReadB[T], WriteC[T]):
    """c = some half of a * b."""

    mul = Column("1 for MUL")
    mulh = Column("1 for MULH")
    mulhsu = Column("1 for MULHSU")
    mulhu = Column("1 for MULHU")
    mulw = Column("1 for MULW")
    a_top = Columns(2, "upper chunk of each limb of a", bits=16)
    b_top = Columns(2, "upper chunk of each limb of b", bits=16)
    a_sign = Column("bit 63 of a")
    b_sign = Column("bit 63 of b")
    r = Columns(8, "the product, 16-bit chunks; its upper half as the signs say", bits=16)
    k = Columns(6, "three carries, chunks of 16 and 15 bits", bits=16)
    borrow = Column("1 if 2^64 was added to the upper half")
    sign = Column("bit 31 of the product")
    c = Columns(2, "result, limbs", bits=32)
    flags: ClassVar = {"MUL": "mul", "MULH": "mulh", "MULHSU": "mulhsu", "MULHU": "mulhu", "MULW": "mulw"}
    record = fields("a", "b", "c")

    @property
    def real(self: MulRow[Expr]) -> Any:
        """The sum of the flags; its order is part of the key."""
        return self.mul + self.mulh + self.mulhsu + self.mulhu + self.mulw

    def fill(self: MulRow[U64], records: Any) -> None:
        """The product, its carries, and what was written."""
        row: Any = self
        put_limbs(row.c, records.c)
        n = len(records)
        a, b = sixteens(records.a), sixteens(records.b)
        for top, sign, chunks in ((row.a_top, row.a_sign, a), (row.b_top, row.b_sign, b)):
            put(top[0], chunks[1])
            put(top[1], chunks[3])
            put(sign, chunks[3] >> np.uint64(15))
        t = [column.view(np.int64) for column in numbers_of_product(a, b)]
        mulh, mulhsu = row.mulh[:n].view(np.int64), row.mulhsu[:n].view(np.int64)
        lose_b = (mulh | mulhsu) * row.a_sign[:n].view(np.int64)
        lose_a = mulh * row.b_sign[:n].view(np.int64)

        def less(shift: int) -> Any:
            a_limb, b_limb = (((x >> np.uint64(shift)) & MASK32).view(np.int64) for x in (records.a, records.b))
            return lose_b * b_limb + lose_a * a_limb

        # Signed 64-bit integers hold every line: magnitudes are below 2^51. >> and & are floor division and remainder.
        words, carry = [], np.zeros(n, dtype=np.int64)
        lines = (t[0] + (t[1] << 16), t[2] + (t[3] << 16), t[4] + (t[5] << 16) - less(0), t[6] - less(32))
        for i, line in enumerate(lines):
            total = line + carry
            words.append((total & 0xFFFFFFFF).view(np.uint64))
            carry = total >> 32
            if i < 3:
                put_chunks(row.k[2 * i : 2 * i + 2], (carry + (2 if i == 2 else 0)).view(np.uint64))
        put(row.borrow, (-carry).view(np.uint64))
        for i, word in enumerate(words):
            put_chunks(row.r[2 * i : 2 * i + 2], word)
        put(row.sign, words[0] >> np.uint64(31))


def chunks_of(limbs: Sequence[Expr], top: Sequence[Expr]) -> list[Expr]:
    """Two limbs as four chunks, given the upper chunk of each."""
    return [limbs[0] - 2**16 * top[0], top[0], limbs[1] - 2**16 * top[1], top[1]]


def columns_of_product(x: Sequence[Expr], y: Sequence[Expr]) -> list[Expr]:
    """t_0 to t_6: the sums of x_i y_j with i + j = k."""
    result = []
    for k in range(7):
        terms = [x[i] * y[k - i] for i in range(4) if 0 <= k - i < 4]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        result.append(total)
    return result


def carry_chunks(real: Expr, k: Sequence[Expr]) -> Iterator[Interaction]:
    """Pairs of chunks are carries below 2^31."""
    for i, chunk in enumerate(k):
        yield send(MSB16, chunk, 0, times=real) if i % 2 else send(RANGE16, chunk, times=real)


def _constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from row.one_hot()
    yield is_bit("borrow", row.borrow)
    high = row.mulh + row.mulhsu + row.mulhu
    a_signed, b_signed = row.mulh + row.mulhsu, row.mulh
    t = columns_of_product(chunks_of(row.a, row.a_top), chunks_of(row.b, row.b_top))
    r, k = limbs_of(row.r), limbs_of(row.k)
    yield "word 0 of the product", t[0] + 2**16 * t[1] - r[0] - 2**32 * k[0]
    yield "word 1 of the product", t[2] + 2**16 * t[3] + k[0] - r[1] - 2**32 * k[1]
    less = [a_signed * row.a_sign * row.b[i] + b_signed * row.b_sign * row.a[i] for i in range(2)]
    last = k[2] - 2 * row.real
    yield "word 2 of the product", t[4] + 2**16 * t[5] + k[1] - less[0] - r[2] - 2**32 * last
    yield "word 3 of the product", t[6] + last - less[1] - r[3] + 2**32 * row.borrow
    yield "low limb of the result", row.c[0] - (row.mul + row.mulw) * r[0] - high * r[2]
    yield "high limb of the result", row.c[1] - row.mul * r[1] - high * r[3] - row.mulw * row.sign * ONES32


def _interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    real = row.real
    yield from row.step(rd=row.rd, rs1=row.rs1, rs2=row.rs2)
    yield from row.read_a()
    yield from row.read_b()
    yield from row.write_c(row.c)
    for limbs, top, sign in ((row.a, row.a_top, row.a_sign), (row.b, row.b_top, row.b_sign)):
        yield from range16(real, *chunks_of(limbs, top)[:3])
        yield send(MSB16, top[1], sign, times=real)
    yield from range16(real, row.r[0], *row.r[2:])
    yield send(MSB16, row.r[1], row.sign, times=real)
    yield from carry_chunks(real, row.k)


# --- filling ---------------------------------------------------------------


def numbers_of_product(x: Sequence[U64], y: Sequence[U64]) -> list[U64]:
    """t_0 to t_6 of 16-bit chunks: each below 2^34."""
    return columns_of_product(x, y)  # type: ignore[arg-type, return-value]  # the same sums over columns


def sixteens(value: U64) -> list[U64]:
    """A 64-bit value in four chunks."""
    return [(value >> np.uint64(16 * i)) & MASK16 for i in range(4)]


MUL = Chip(Air("mul", MulRow, _constraints, _interactions, doc="products"))
