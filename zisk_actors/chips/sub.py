"""sub (SUB, SLT, SLTU) and slti (SLTI, SLTIU): the difference, or what its borrow says.

**What it proves.** c = a - b mod 2^64, or the pair (a < b, 0), signed or unsigned.

**Why it is sound.** compare.py proves the difference and the order. The result is
a column because choosing by flag is not linear, and tuples on a bus have to be.
The immediate of slti is sign-extended by the ROM: its high limb is 0 or
2^32 - 1, so the sign of the immediate is that limb divided by 2^32 - 1.

**How it is filled.** SUB and its like with what was written; slti with the
comparison, from the record's a and the ROM's immediate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction
from zisk_actors.chips.base import ONES32, Chip, T, limbs_of, put, put_limbs
from zisk_actors.chips.compare import Difference, SignB, less_than
from zisk_actors.chips.frames import Immediate, OneHot, ReadA, ReadB, Step, WriteC
from zisk_actors.machine import isa
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64, P

INV_ONES32 = pow(ONES32, -1, P)


class SubRow(OneHot[T], Step[T], ReadA[T], ReadB[T], WriteC[T], Difference[T], SignB[T]):
    """c = a - b, or a < b."""

    c = Columns(2, "result, limbs")
    is_sub = Column("1 for SUB")
    is_slt = Column("1 for SLT")
    is_sltu = Column("1 for SLTU")
    flags: ClassVar = {"SUB": "is_sub", "SLT": "is_slt", "SLTU": "is_sltu"}
    record = fields("c")

    def fill(self: SubRow[U64], records: Any) -> None:
        """What was written."""
        put_limbs(self.c, records.c)


class SltiRow(OneHot[T], Step[T], ReadA[T], WriteC[T], Immediate[T], Difference[T]):
    """c = a < imm."""

    c = Column("result, 0 or 1")
    is_slt = Column("1 for SLTI")
    is_sltu = Column("1 for SLTIU")
    flags: ClassVar = {"SLTI": "is_slt", "SLTIU": "is_sltu"}
    record = fields("a")

    def subtrahend(self, records: Any) -> Any:
        """The immediate."""
        return records.rom.x0 | records.rom.x1 << np.uint64(32)

    def fill(self: SltiRow[U64], records: Any) -> None:
        """The comparison."""
        put(self.c, less_than(records.a, self.subtrahend(records), records.rom.op == isa.op("SLTI")))


def _sub_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from row.one_hot()
    yield from row.is_difference(row.b)
    _, borrow = row.borrows(row.b)
    less = (row.is_slt + row.is_sltu) * borrow + row.is_slt * (row.a_sign - row.b_sign)
    d = limbs_of(row.d)
    yield "low limb of the result", row.c[0] - row.is_sub * d[0] - less
    yield "high limb of the result", row.c[1] - row.is_sub * d[1]


def _sub_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.step(rd=row.rd, rs1=row.rs1, rs2=row.rs2)
    yield from row.read_a()
    yield from row.read_b()
    yield from row.write_c(row.c)
    yield from row.difference_lookups()
    yield from row.sign_b_lookups()


def _slti_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from row.one_hot()
    yield from row.is_difference(row.imm)
    _, borrow = row.borrows(row.imm)
    yield "result", row.c - row.real * borrow - row.is_slt * (row.a_sign - row.imm[1] * INV_ONES32)


def _slti_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.step(rd=row.rd, rs1=row.rs1, x=(*row.imm, 0))
    yield from row.read_a()
    yield from row.write_c((row.c, 0))
    yield from row.difference_lookups()


SUB = Chip(Air("sub", SubRow, _sub_constraints, _sub_interactions, doc="64-bit difference and comparisons"))
SLTI = Chip(Air("slti", SltiRow, _slti_constraints, _slti_interactions, doc="comparisons with an immediate"))
