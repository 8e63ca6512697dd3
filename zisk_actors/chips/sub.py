"""sub (SUB, SLT, SLTU) and slti (SLTI, SLTIU): the difference, or what its borrow says.

The result of SUB is the difference itself, that of the others the pair
(a < b, 0); compare.py proves both. The result is a column because choosing by
flag is not linear, and tuples on a bus have to be.

The immediate of slti is sign-extended by the ROM: its high limb is 0 or
2^32 - 1, so the sign of the immediate is that limb divided by 2^32 - 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Row, Window
from zisk_actors.air.bus import Interaction
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import Chip, ReadA, ReadB, Step, WriteC, limbs_of, put, put_limbs, read_a, read_b, step, write_c
from zisk_actors.chips.compare import (
    Difference,
    SignB,
    borrow_constraints,
    borrows,
    difference_lookups,
    fill_difference,
    fill_sign_b,
    less_than,
    sign_b_lookups,
)
from zisk_actors.chips.operands import (
    ONES32,
    Immediate,
    fill_a,
    fill_b,
    fill_c,
    fill_flags,
    fill_immediate,
    fill_step,
    one_hot,
    op_of,
    total,
)
from zisk_actors.machine import isa
from zisk_actors.stark.field import P

T = TypeVar("T")

INV_ONES32 = pow(ONES32, -1, P)


class SubRow(Step[T], ReadA[T], ReadB[T], WriteC[T], Difference[T], SignB[T]):
    """c = a - b, or a < b."""

    c = Columns(2, "result, limbs")
    is_sub = Column("1 for SUB")
    is_slt = Column("1 for SLT")
    is_sltu = Column("1 for SLTU")


class SltiRow(Step[T], ReadA[T], WriteC[T], Immediate[T], Difference[T]):
    """c = a < imm."""

    c = Column("result, 0 or 1")
    is_slt = Column("1 for SLTI")
    is_sltu = Column("1 for SLTIU")


def _sub_flags(row: Row[T]) -> dict[str, T]:
    return {"SUB": row.is_sub, "SLT": row.is_slt, "SLTU": row.is_sltu}  # type: ignore[attr-defined]


def _slti_flags(row: Row[T]) -> dict[str, T]:
    return {"SLTI": row.is_slt, "SLTIU": row.is_sltu}  # type: ignore[attr-defined]


def _sub_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from one_hot(_sub_flags(row))
    yield from borrow_constraints(row, row.a, row.b)
    _, borrow = borrows(row, row.a, row.b)
    less = (row.is_slt + row.is_sltu) * borrow + row.is_slt * (row.a_sign - row.b_sign)
    d = limbs_of(row.d)
    yield "low limb of the result", row.c[0] - row.is_sub * d[0] - less
    yield "high limb of the result", row.c[1] - row.is_sub * d[1]


def _sub_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    flags = _sub_flags(row)
    real: Expr = total(flags.values())
    yield from step(row, real, op_of(flags), rd=row.rd, rs1=row.rs1, rs2=row.rs2)
    yield from read_a(row, real)
    yield from read_b(row, real)
    yield from write_c(row, real, row.c)
    yield from difference_lookups(row, real)
    yield from sign_b_lookups(row, real)


def _sub_fill(row: Any, records: Any) -> None:
    fill_step(row, records)
    fill_a(row, records)
    fill_b(row, records)
    fill_c(row, records)
    fill_flags(_sub_flags(row), records)
    fill_difference(row, records.a, records.b)
    fill_sign_b(row, records.b)
    put_limbs(row.c, records.c)


def _slti_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from one_hot(_slti_flags(row))
    yield from borrow_constraints(row, row.a, row.imm)
    _, borrow = borrows(row, row.a, row.imm)
    real = total(_slti_flags(row).values())
    yield "result", row.c - real * borrow - row.is_slt * (row.a_sign - row.imm[1] * INV_ONES32)


def _slti_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    flags = _slti_flags(row)
    real: Expr = total(flags.values())
    yield from step(row, real, op_of(flags), rd=row.rd, rs1=row.rs1, x=(*row.imm, 0))
    yield from read_a(row, real)
    yield from write_c(row, real, (row.c, 0))
    yield from difference_lookups(row, real)


def _slti_fill(row: Any, records: Any) -> None:
    fill_step(row, records)
    fill_a(row, records)
    fill_c(row, records)
    fill_immediate(row, records)
    fill_flags(_slti_flags(row), records)
    rom = records.rom
    imm = rom.x0 | rom.x1 << np.uint64(32)
    fill_difference(row, records.a, imm)
    put(row.c, less_than(records.a, imm, rom.op == isa.op("SLTI")))


SUB = Chip(Air("sub", SubRow, _sub_constraints, _sub_interactions, doc="64-bit difference and comparisons"), _sub_fill)
SLTI = Chip(Air("slti", SltiRow, _slti_constraints, _slti_interactions, doc="comparisons with an immediate"), _slti_fill)
