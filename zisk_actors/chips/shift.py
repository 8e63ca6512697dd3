"""shift, shifti, shiftw, shiftiw: shifts of 64 and 32 bits, by a register or by a constant.

Let s be the shift amount and t = s mod 32. Each limb of the operand is cut in
two at the bit where it leaves the limb, by one multiplication:

    left:   limb * 2^t        = full + 2^32 * cut      cut < 2^31
    right:  limb * 2^(31 - t) = cut + 2^31 * full      cut < 2^31

``full`` is two 16-bit chunks, ``cut`` likewise with its top chunk below 2^15
(MSB16 with msb 0). Sound because a limb is below 2^32 and the factor at most
2^31: the left sides are below 2^63, and the right sides too, since one part is
below 2^31 and the other below 2^32. So the equation in the field is one of
integers, and it is a division with remainder: both parts are unique. Left,
full = limb << t mod 2^32 and cut = limb >> (32 - t). Right, full = limb >> t
and 2 cut = limb << (32 - t) mod 2^32. The factor comes from the power p = 2^t:
it is p when shifting left and the field element with factor * p = 2^31 when
shifting right, which is 2^(31 - t) and nothing else.

**64 bits.** The power table (or the ROM) gives 2^s as two limbs, of which one is
0 and the other 2^t; the bit ``wide`` says s >= 32, as wide * low = 0 and
(1 - wide) * high = 0 leave one choice. The result's limbs are disjoint sums:

    left:   narrow (full0, full1 + cut0)        wide (0, full0)
    right:  narrow (full0 + 2 cut1, full1 + e)  wide (full1 + e, all sign bits)

**Sign.** For an arithmetic shift of a negative number the bits above come in as
ones: e = 2^32 - 2^(32 - t) = 2^32 - 2 factor. The sign is the operand's top bit:
its top 16-bit chunk goes through MSB16 and the rest of its limb through RANGE16.

**Amount.** A register's low limb is split as low + 2^16 high, both below 2^16,
hence uniquely; the power tables take ``low`` and reduce it mod 64 or 32. An
immediate's power is a field of the ROM.

**32 bits.** Only the low limb counts; the result is full (+ e) with its own top
bit as the sign of the high limb. An arithmetic right shift's sign is the operand's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Row, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import (
    MASK32,
    Chip,
    ReadA,
    ReadB,
    Step,
    WriteC,
    is_bit,
    limbs_of,
    put,
    put_chunks,
    put_limbs,
    range16,
    read_a,
    read_b,
    step,
    write_c,
)
from zisk_actors.chips.buses import MSB16, POW32, POW64, RANGE16
from zisk_actors.chips.operands import ONES32, fill_a, fill_b, fill_c, fill_flags, fill_step, one_hot, op_of
from zisk_actors.stark.field import U64, P

T = TypeVar("T")

INV_2_16 = pow(2, -16, P)


class Kinds(Row[T]):
    """Which shift it is; all 0 on padding."""

    left = Column("1 for a left shift")
    logical = Column("1 for a logical right shift")
    arithmetic = Column("1 for an arithmetic right shift")


class Amount(Row[T]):
    """The shift amount out of rs2."""

    amount = Column("rs2 mod 2^16", bits=16)


class Power64(Row[T]):
    """2^(s mod 64)."""

    power = Columns(2, "limbs of 2^s, from POW64 or the ROM", bits=32)
    wide = Column("1 if s >= 32")


class Power32(Row[T]):
    """2^(s mod 32)."""

    power = Column("2^s, from POW32 or the ROM", bits=32)


class Immediate(Row[T]):
    """The ROM's copy of the amount; the tuple must match it."""

    shamt = Column("shift amount, from the ROM")


class Cut64(Row[T]):
    """The limbs of rs1, cut."""

    factor = Column("2^t when shifting left, 2^(31 - t) when shifting right")
    full = Columns(4, "the 32-bit parts of both limbs, 16-bit chunks", bits=16)
    cut = Columns(4, "the 31-bit parts of both limbs, chunks of 16 and 15 bits", bits=16)
    top = Column("top chunk of rs1", bits=16)
    sign = Column("bit 63 of rs1")
    fill_in = Column("ones that come in from above in the limb where the value ends, for a negative arithmetic shift")
    c = Columns(2, "result, limbs", bits=32)


class Cut32(Row[T]):
    """The low limb of rs1, cut."""

    factor = Column("2^t when shifting left, 2^(31 - t) when shifting right")
    full = Columns(2, "the 32-bit part, 16-bit chunks", bits=16)
    cut = Columns(2, "the 31-bit part, chunks of 16 and 15 bits", bits=16)
    top = Column("chunk that holds the result's sign: of rs1 for an arithmetic shift, else of the 32-bit part", bits=16)
    sign = Column("bit 15 of top")
    fill_in = Column("ones that come in from above, for a negative arithmetic shift")


class ShiftRow(Step[T], Kinds[T], ReadA[T], ReadB[T], WriteC[T], Amount[T], Power64[T], Cut64[T]):
    """c = a shifted by b mod 64."""


class ShiftiRow(Step[T], Kinds[T], ReadA[T], WriteC[T], Power64[T], Immediate[T], Cut64[T]):
    """c = a shifted by a constant."""


class ShiftwRow(Step[T], Kinds[T], ReadA[T], ReadB[T], WriteC[T], Amount[T], Power32[T], Cut32[T]):
    """c = sign extension of (a mod 2^32 shifted by b mod 32)."""


class ShiftiwRow(Step[T], Kinds[T], ReadA[T], WriteC[T], Power32[T], Immediate[T], Cut32[T]):
    """c = sign extension of (a mod 2^32 shifted by a constant)."""


def _flags(row: Any, suffix: str) -> dict[str, Expr]:
    """The kinds by mnemonic: SLL + suffix, SRL + suffix, SRA + suffix."""
    return {f"SLL{suffix}": row.left, f"SRL{suffix}": row.logical, f"SRA{suffix}": row.arithmetic}


def _factor(row: Any, power: Expr) -> Constraint:
    """The factor belongs to the power."""
    right = row.logical + row.arithmetic
    return "factor is the power, or 2^31 over it", row.left * (row.factor - power) + right * (row.factor * power - 2**31)


def _cut(row: Any, limb: Expr, full: Expr, cut: Expr, what: str) -> Constraint:
    """limb * factor is put together of its parts."""
    right = row.logical + row.arithmetic
    parts = row.left * (full + 2**32 * cut) + right * (2**31 * full + cut)
    return f"{what} limb is cut", (row.left + right) * row.factor * limb - parts


def _constraints64(row: Any, suffix: str) -> Iterator[Constraint]:
    right = row.logical + row.arithmetic
    wide, narrow = row.wide, 1 - row.wide
    yield from one_hot(_flags(row, suffix))
    yield is_bit("wide", wide)
    yield "wide leaves no low power", wide * row.power[0]
    yield "narrow leaves no high power", narrow * row.power[1]
    yield _factor(row, row.power[0] + row.power[1])
    full, cut = limbs_of(row.full), limbs_of(row.cut)
    yield _cut(row, row.a[0], full[0], cut[0], "low")
    yield _cut(row, row.a[1], full[1], cut[1], "high")
    yield "fill-in is ones above the value", row.fill_in - row.arithmetic * row.sign * (2**32 - 2 * row.factor)
    yield (
        "low limb of the result",
        row.left * (row.c[0] - narrow * full[0]) + right * (row.c[0] - narrow * (full[0] + 2 * cut[1]) - wide * (full[1] + row.fill_in)),
    )
    yield (
        "high limb of the result",
        row.left * (row.c[1] - narrow * (full[1] + cut[0]) - wide * full[0])
        + right * (row.c[1] - narrow * (full[1] + row.fill_in))
        - row.arithmetic * row.sign * wide * ONES32,
    )


def _constraints32(row: Any, suffix: str) -> Iterator[Constraint]:
    yield from one_hot(_flags(row, suffix))
    yield _factor(row, row.power)
    (full,), (cut,) = limbs_of(row.full), limbs_of(row.cut)
    yield _cut(row, row.a[0], full, cut, "low")
    yield "fill-in is ones above the value", row.fill_in - row.arithmetic * row.sign * (2**32 - 2 * row.factor)
    yield "the sign is the 32-bit part's", (row.left + row.logical) * (row.top - row.full[1])


def _parts(row: Any, real: Expr) -> Iterator[Interaction]:
    """Full parts are 32-bit numbers, cut ones 31-bit."""
    yield from range16(real, *row.full)
    for i, chunk in enumerate(row.cut):
        yield send(MSB16, chunk, 0, times=real) if i % 2 else send(RANGE16, chunk, times=real)


def _amount(row: Any, real: Expr) -> Iterator[Interaction]:
    """b_lo = amount + 2^16 (something below 2^16); POW64 and POW32 bound the amount."""
    yield from range16(real, (row.b[0] - row.amount) * INV_2_16)


def _interactions(row: Any, suffix: str, *, immediate: bool, word: bool) -> Iterator[Interaction]:
    real = row.left + row.logical + row.arithmetic
    op = op_of(_flags(row, suffix))
    power = (row.power, 0) if word else row.power
    if immediate:
        yield from step(row, real, op, rd=row.rd, rs1=row.rs1, x=(*power, row.shamt))
        yield from read_a(row, real)
    else:
        yield from step(row, real, op, rd=row.rd, rs1=row.rs1, rs2=row.rs2)
        yield from read_a(row, real)
        yield from read_b(row, real)
        yield from _amount(row, real)
        yield send(POW32, row.amount, row.power, times=real) if word else send(POW64, row.amount, *row.power, times=real)
    yield from _parts(row, real)
    yield send(MSB16, row.top, row.sign, times=real)
    if word:
        # Split of rs1's low limb, needed only where the sign is rs1's.
        yield send(RANGE16, row.a[0] - 2**16 * row.top, times=row.arithmetic)
        (full,) = limbs_of(row.full)
        yield from write_c(row, real, (full + row.fill_in, row.sign * ONES32))
    else:
        yield send(RANGE16, row.a[1] - 2**16 * row.top, times=real)
        yield from write_c(row, real, row.c)


# --- filling ---------------------------------------------------------------


def _fill_cut(full: Sequence[U64], cut: Sequence[U64], limb: U64, factor: U64, left: U64) -> None:
    """The parts of limb * factor < 2^63."""
    product = limb * factor
    put_chunks(full, np.where(left, product & MASK32, product >> np.uint64(31)))
    put_chunks(cut, np.where(left, product >> np.uint64(32), product & np.uint64(2**31 - 1)))


def _fill(row: Any, records: Any, suffix: str, *, immediate: bool, word: bool) -> None:
    fill_step(row, records)
    fill_flags(_flags(row, suffix), records)
    fill_a(row, records)
    fill_c(row, records)
    n = len(records.pc)
    left, arithmetic = row.left[:n] == 1, row.arithmetic[:n] == 1
    if immediate:
        amount = records.rom.x2
        put(row.shamt, amount)
    else:
        fill_b(row, records)
        amount = records.b & np.uint64(0xFFFF)
        put(row.amount, amount)
    t = amount & np.uint64(31)
    factor = np.uint64(1) << np.where(left, t, np.uint64(31) - t)
    put(row.factor, factor)
    low, high = records.a & MASK32, records.a >> np.uint64(32)
    if word:
        put(row.power, np.uint64(1) << t)
        _fill_cut(row.full, row.cut, low, factor, left)
        put(row.top, np.where(arithmetic, low >> np.uint64(16), row.full[1][:n]))
    else:
        put_limbs(row.power, np.uint64(1) << (amount & np.uint64(63)))
        put(row.wide, (amount & np.uint64(63)) >> np.uint64(5))
        _fill_cut(row.full[:2], row.cut[:2], low, factor, left)
        _fill_cut(row.full[2:], row.cut[2:], high, factor, left)
        put(row.top, high >> np.uint64(16))
        put_limbs(row.c, records.c)
    sign = row.top[:n] >> np.uint64(15)
    put(row.sign, sign)
    put(row.fill_in, np.where(arithmetic & (sign == 1), np.uint64(2**32) - np.uint64(2) * factor, np.uint64(0)))


def _chip(name: str, main: type[Row[Any]], suffix: str, *, immediate: bool, word: bool) -> Chip:
    def constraints(window: Window) -> Iterator[Constraint]:
        return (_constraints32 if word else _constraints64)(window.row, suffix)

    def interactions(window: Window) -> Iterator[Interaction]:
        return _interactions(window.row, suffix, immediate=immediate, word=word)

    def fill(row: Any, records: Any) -> None:
        _fill(row, records, suffix, immediate=immediate, word=word)

    width, by = ("32" if word else "64"), ("a constant" if immediate else "a register")
    return Chip(Air(name, main, constraints, interactions, doc=f"{width}-bit shifts by {by}"), fill)


SHIFT = _chip("shift", ShiftRow, "", immediate=False, word=False)
SHIFTI = _chip("shifti", ShiftiRow, "I", immediate=True, word=False)
SHIFTW = _chip("shiftw", ShiftwRow, "W", immediate=False, word=True)
SHIFTIW = _chip("shiftiw", ShiftiwRow, "IW", immediate=True, word=True)
