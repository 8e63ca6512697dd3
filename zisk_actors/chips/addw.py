"""addw (ADDW, SUBW) and addiw: 32-bit sums, sign-extended to 64 bits.

**What it proves.** c = sext32(a + b), sext32(a - b) or sext32(a + imm). Only the
low limbs of the operands take part; the high ones are read (a token carries
both) and ignored.

**Why it is sound.** The low limb of the result is two 16-bit chunks c,
the carry is an expression, for a sum and a difference

    k = (a_lo + b_lo - c) / 2^32     or     k = (c + b_lo - a_lo) / 2^32,   a bit,

which determines c as in add.py. The high limb of the result is 2^32 - 1 times
the sign, bit 15 of the upper chunk.

**How it is filled.** With the chunks of what was written, and its top bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import INV_2_32, ONES32, Chip, Frame, T, is_bit, put, put_chunks, range16
from zisk_actors.chips.buses import MSB16
from zisk_actors.chips.frames import OneHot, ReadA, ReadB, Real, Step, WriteC
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64


class Result32(Frame[T]):
    """A sign-extended 32-bit result."""

    c = Columns(2, "low limb of the result, 16-bit chunks", bits=16)
    sign = Column("bit 31 of the result")
    record = fields("c")

    @property
    def low(self: Result32[Expr]) -> Any:
        """The low limb."""
        return self.c[0] + 2**16 * self.c[1]

    def write_result(self) -> Iterator[Interaction]:
        """rd becomes the result, whose sign is its own."""
        row: Any = self
        yield from row.write_c((row.low, row.sign * ONES32))
        yield from range16(row.real, row.c[0])
        yield send(MSB16, row.c[1], row.sign, times=row.real)

    def fill(self: Result32[U64], records: Any) -> None:
        """What was written."""
        put_chunks(self.c, records.c)
        put(self.sign, records.c >> np.uint64(63))


class AddwRow(OneHot[T], Step[T], ReadA[T], ReadB[T], WriteC[T], Result32[T]):
    """c = sext32(a + b) or sext32(a - b)."""

    is_add = Column("1 for ADDW")
    is_sub = Column("1 for SUBW")
    flags: ClassVar = {"ADDW": "is_add", "SUBW": "is_sub"}


class AddiwRow(Step[T], ReadA[T], WriteC[T], Result32[T], Real[T]):
    """c = sext32(a + imm)."""

    imm = Column("low limb of the immediate, from the ROM", bits=32)
    operation = "ADDIW"

    def fill(self: AddiwRow[U64], records: Any) -> None:
        """The ROM's limb."""
        put(self.imm, records.rom.x0)


def _addw_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from row.one_hot()
    carry = (row.a[0] + row.b[0] - row.low) * INV_2_32
    borrow: Expr = (row.low + row.b[0] - row.a[0]) * INV_2_32
    yield "carry of a sum is a bit", row.is_add * carry * (1 - carry)
    yield "borrow of a difference is a bit", row.is_sub * borrow * (1 - borrow)


def _addw_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.step(rd=row.rd, rs1=row.rs1, rs2=row.rs2)
    yield from row.read_a()
    yield from row.read_b()
    yield from row.write_result()


def _addiw_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield is_bit("real", row.real)
    yield is_bit("carry", (row.a[0] + row.imm - row.low) * INV_2_32)


def _addiw_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.step(rd=row.rd, rs1=row.rs1, x=(row.imm, 0, 0))
    yield from row.read_a()
    yield from row.write_result()


ADDW = Chip(Air("addw", AddwRow, _addw_constraints, _addw_interactions, doc="32-bit sums and differences"))
ADDIW = Chip(Air("addiw", AddiwRow, _addiw_constraints, _addiw_interactions, doc="32-bit sum with an immediate"))
