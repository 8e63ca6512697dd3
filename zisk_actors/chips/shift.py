"""shift, shifti, shiftw, shiftiw: shifts of 64 and 32 bits, by a register or by a constant.

**What it proves.** c = a shifted to the left, or to the right with zeros or with copies of its sign, by a register or a constant: all
64 bits, or the low 32 with the result sign-extended.

**Why it is sound.** Let s be the shift amount and t = s mod 32. Each limb of the operand is cut in
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

**How it is filled.** By the same multiplications, over numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Row, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import MASK16, MASK32, ONES32, Chip, Frame, T, is_bit, limbs_of, put, put_chunks, put_limbs, range16
from zisk_actors.chips.buses import MSB16, POW32, POW64, RANGE16
from zisk_actors.chips.frames import OneHot, ReadA, ReadB, Step, WriteC
from zisk_actors.machine import isa
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64, P

INV_2_16 = pow(2, -16, P)


class Kinds(OneHot[T]):
    """Which shift it is; all 0 on padding."""

    left = Column("1 for a left shift")
    logical = Column("1 for a logical right shift")
    arithmetic = Column("1 for an arithmetic right shift")

    @property
    def real(self: Kinds[Expr]) -> Any:
        """The sum of the flags; its order is part of the key."""
        return self.left + self.logical + self.arithmetic

    def are(self, kind: str, records: Any) -> Any:
        """Which records are of a kind, by its column's name; bool (n,)."""
        return records.rom.op == next(isa.op(name) for name, column in self.flags.items() if column == kind)


def _flags(suffix: str) -> dict[str, str]:
    """The columns of Kinds by mnemonic."""
    return {f"SLL{suffix}": "left", f"SRL{suffix}": "logical", f"SRA{suffix}": "arithmetic"}


class Amount(Frame[T]):
    """The shift amount out of rs2."""

    amount = Column("rs2 mod 2^16", bits=16)
    record = fields("b")

    def amount_lookup(self) -> Iterator[Interaction]:
        """b_lo = amount + 2^16 (something below 2^16); POW64 and POW32 bound the amount."""
        row: Any = self
        return range16(row.real, (row.b[0] - row.amount) * INV_2_16)

    def amounts(self, records: Any) -> Any:
        """Shift amounts, (n,) uint64, of which the lowest 6 or 5 bits count."""
        return records.b & MASK16

    def fill(self: Amount[U64], records: Any) -> None:
        """The register's low chunk."""
        put(self.amount, self.amounts(records))


class Constant(Frame[T]):
    """The ROM's copy of the amount; the tuple must match it."""

    shamt = Column("shift amount, from the ROM")

    def amounts(self, records: Any) -> Any:
        """Shift amounts, (n,) uint64."""
        return records.rom.x2

    def fill(self: Constant[U64], records: Any) -> None:
        """The ROM's amount."""
        put(self.shamt, self.amounts(records))


class Power64(Frame[T]):
    """2^(s mod 64)."""

    power = Columns(2, "limbs of 2^s, from POW64 or the ROM", bits=32)
    wide = Column("1 if s >= 32")

    def fill(self: Power64[U64], records: Any) -> None:
        """The power, and which of its limbs is not 0."""
        row: Any = self
        amount = row.amounts(records) & np.uint64(63)
        put_limbs(row.power, np.uint64(1) << amount)
        put(row.wide, amount >> np.uint64(5))


class Power32(Frame[T]):
    """2^(s mod 32)."""

    power = Column("2^s, from POW32 or the ROM", bits=32)

    def fill(self: Power32[U64], records: Any) -> None:
        """The power."""
        row: Any = self
        put(row.power, np.uint64(1) << (row.amounts(records) & np.uint64(31)))


class Cut64(Frame[T]):
    """The limbs of rs1, cut."""

    factor = Column("2^t when shifting left, 2^(31 - t) when shifting right")
    full = Columns(4, "the 32-bit parts of both limbs, 16-bit chunks", bits=16)
    cut = Columns(4, "the 31-bit parts of both limbs, chunks of 16 and 15 bits", bits=16)
    top = Column("top chunk of rs1", bits=16)
    sign = Column("bit 63 of rs1")
    fill_in = Column("ones that come in from above in the limb where the value ends, for a negative arithmetic shift")
    c = Columns(2, "result, limbs", bits=32)
    record = fields("a", "c")

    def fill(self: Cut64[U64], records: Any) -> None:
        """The limbs' parts, the sign of rs1, what was written."""
        row: Any = self
        left, factor = _factors(row, records)
        low, high = records.a & MASK32, records.a >> np.uint64(32)
        _fill_cut(row.full[:2], row.cut[:2], low, factor, left)
        _fill_cut(row.full[2:], row.cut[2:], high, factor, left)
        _fill_sign(row, records, high >> np.uint64(16), factor)
        put_limbs(row.c, records.c)


class Cut32(Frame[T]):
    """The low limb of rs1, cut."""

    factor = Column("2^t when shifting left, 2^(31 - t) when shifting right")
    full = Columns(2, "the 32-bit part, 16-bit chunks", bits=16)
    cut = Columns(2, "the 31-bit part, chunks of 16 and 15 bits", bits=16)
    top = Column("chunk that holds the result's sign: of rs1 for an arithmetic shift, else of the 32-bit part", bits=16)
    sign = Column("bit 15 of top")
    fill_in = Column("ones that come in from above, for a negative arithmetic shift")
    record = fields("a")

    def fill(self: Cut32[U64], records: Any) -> None:
        """The limb's parts, and the result's sign."""
        row: Any = self
        left, factor = _factors(row, records)
        low = records.a & MASK32
        _fill_cut(row.full, row.cut, low, factor, left)
        top = np.where(row.are("arithmetic", records), low >> np.uint64(16), row.full[1][: len(records)])
        _fill_sign(row, records, top, factor)


class ShiftRow(Step[T], Kinds[T], ReadA[T], ReadB[T], WriteC[T], Amount[T], Power64[T], Cut64[T]):
    """c = a shifted by b mod 64."""

    flags = _flags("")


class ShiftiRow(Step[T], Kinds[T], ReadA[T], WriteC[T], Power64[T], Constant[T], Cut64[T]):
    """c = a shifted by a constant."""

    flags = _flags("I")


class ShiftwRow(Step[T], Kinds[T], ReadA[T], ReadB[T], WriteC[T], Amount[T], Power32[T], Cut32[T]):
    """c = sign extension of (a mod 2^32 shifted by b mod 32)."""

    flags = _flags("W")


class ShiftiwRow(Step[T], Kinds[T], ReadA[T], WriteC[T], Power32[T], Constant[T], Cut32[T]):
    """c = sign extension of (a mod 2^32 shifted by a constant)."""

    flags = _flags("IW")


def _factor(row: Any, power: Expr) -> Constraint:
    """The factor belongs to the power."""
    right = row.logical + row.arithmetic
    return "factor is the power, or 2^31 over it", row.left * (row.factor - power) + right * (row.factor * power - 2**31)


def _cut(row: Any, limb: Expr, full: Expr, cut: Expr, what: str) -> Constraint:
    """limb * factor is put together of its parts."""
    right = row.logical + row.arithmetic
    parts = row.left * (full + 2**32 * cut) + right * (2**31 * full + cut)
    return f"{what} limb is cut", (row.left + right) * row.factor * limb - parts


def _constraints64(row: Any) -> Iterator[Constraint]:
    right = row.logical + row.arithmetic
    wide, narrow = row.wide, 1 - row.wide
    yield from row.one_hot()
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


def _constraints32(row: Any) -> Iterator[Constraint]:
    yield from row.one_hot()
    yield _factor(row, row.power)
    (full,), (cut,) = limbs_of(row.full), limbs_of(row.cut)
    yield _cut(row, row.a[0], full, cut, "low")
    yield "fill-in is ones above the value", row.fill_in - row.arithmetic * row.sign * (2**32 - 2 * row.factor)
    yield "the sign is the 32-bit part's", (row.left + row.logical) * (row.top - row.full[1])


def _parts(row: Any) -> Iterator[Interaction]:
    """Full parts are 32-bit numbers, cut ones 31-bit; the sign is the top chunk's."""
    yield from range16(row.real, *row.full)
    for i, chunk in enumerate(row.cut):
        yield send(MSB16, chunk, 0, times=row.real) if i % 2 else send(RANGE16, chunk, times=row.real)
    yield send(MSB16, row.top, row.sign, times=row.real)


def _interactions(row: Any, *, immediate: bool, word: bool) -> Iterator[Interaction]:
    power = (row.power, 0) if word else row.power
    if immediate:
        yield from row.step(rd=row.rd, rs1=row.rs1, x=(*power, row.shamt))
        yield from row.read_a()
    else:
        yield from row.step(rd=row.rd, rs1=row.rs1, rs2=row.rs2)
        yield from row.read_a()
        yield from row.read_b()
        yield from row.amount_lookup()
        yield send(POW32, row.amount, row.power, times=row.real) if word else send(POW64, row.amount, *row.power, times=row.real)
    yield from _parts(row)
    if word:
        # Split of rs1's low limb, needed only where the sign is rs1's.
        yield send(RANGE16, row.a[0] - 2**16 * row.top, times=row.arithmetic)
        (full,) = limbs_of(row.full)
        yield from row.write_c((full + row.fill_in, row.sign * ONES32))
    else:
        yield send(RANGE16, row.a[1] - 2**16 * row.top, times=row.real)
        yield from row.write_c(row.c)


# --- filling ---------------------------------------------------------------


def _factors(row: Any, records: Any) -> tuple[Any, U64]:
    """Which shifts are to the left, and the factor that cuts; it is filled. (n,) each."""
    left, t = row.are("left", records), row.amounts(records) & np.uint64(31)
    factor = np.uint64(1) << np.where(left, t, np.uint64(31) - t)
    put(row.factor, factor)
    return left, factor


def _fill_cut(full: Sequence[U64], cut: Sequence[U64], limb: U64, factor: U64, left: Any) -> None:
    """The parts of limb * factor < 2^63."""
    product = limb * factor
    put_chunks(full, np.where(left, product & MASK32, product >> np.uint64(31)))
    put_chunks(cut, np.where(left, product >> np.uint64(32), product & np.uint64(2**31 - 1)))


def _fill_sign(row: Any, records: Any, top: U64, factor: U64) -> None:
    """The sign is the top bit of ``top``; a negative number that is shifted arithmetically gets ones from above."""
    sign = top >> np.uint64(15)
    put(row.top, top)
    put(row.sign, sign)
    ones = np.uint64(2**32) - np.uint64(2) * factor
    put(row.fill_in, np.where(row.are("arithmetic", records) & (sign == 1), ones, np.uint64(0)))


def _chip(name: str, main: type[Row[Any]], *, immediate: bool, word: bool) -> Chip:
    def constraints(window: Window) -> Iterator[Constraint]:
        return (_constraints32 if word else _constraints64)(window.row)

    def interactions(window: Window) -> Iterator[Interaction]:
        return _interactions(window.row, immediate=immediate, word=word)

    width, by = ("32" if word else "64"), ("a constant" if immediate else "a register")
    return Chip(Air(name, main, constraints, interactions, doc=f"{width}-bit shifts by {by}"))


SHIFT = _chip("shift", ShiftRow, immediate=False, word=False)
SHIFTI = _chip("shifti", ShiftiRow, immediate=True, word=False)
SHIFTW = _chip("shiftw", ShiftwRow, immediate=False, word=True)
SHIFTIW = _chip("shiftiw", ShiftiwRow, immediate=True, word=True)
