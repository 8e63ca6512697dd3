"""addw (ADDW, SUBW) and addiw: 32-bit sums, sign-extended to 64 bits.

Only the low limbs of the operands take part; the high ones are read (a token
carries both) and ignored. The low limb of the result is two 16-bit chunks c,
the carry is an expression, for a sum and a difference

    k = (a_lo + b_lo - c) / 2^32     or     k = (c + b_lo - a_lo) / 2^32,   a bit,

which determines c as in add.py. The high limb of the result is 2^32 - 1 times
the sign, bit 15 of the upper chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Row, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import (
    Chip,
    ReadA,
    ReadB,
    Real,
    Step,
    WriteC,
    is_bit,
    put,
    put_chunks,
    range16,
    read_a,
    read_b,
    step,
    write_c,
)
from zisk_actors.chips.buses import MSB16
from zisk_actors.chips.operands import INV_2_32, ONES32, fill_a, fill_b, fill_c, fill_flags, fill_real, fill_step, one_hot, op_of, total
from zisk_actors.machine import isa

T = TypeVar("T")


class Result32(Row[T]):
    """A sign-extended 32-bit result."""

    c = Columns(2, "low limb of the result, 16-bit chunks", bits=16)
    sign = Column("bit 31 of the result")


class AddwRow(Step[T], ReadA[T], ReadB[T], WriteC[T], Result32[T]):
    """c = sext32(a + b) or sext32(a - b)."""

    is_add = Column("1 for ADDW")
    is_sub = Column("1 for SUBW")


class AddiwRow(Step[T], ReadA[T], WriteC[T], Result32[T], Real[T]):
    """c = sext32(a + imm)."""

    imm = Column("low limb of the immediate, from the ROM", bits=32)


def _low(row: Any) -> Expr:
    return row.c[0] + 2**16 * row.c[1]  # type: ignore[no-any-return]


def _write(row: Any, real: Expr) -> Iterator[Interaction]:
    yield from write_c(row, real, (_low(row), row.sign * ONES32))
    yield from range16(real, row.c[0])
    yield send(MSB16, row.c[1], row.sign, times=real)


def _flags(row: Any) -> dict[str, Any]:
    return {"ADDW": row.is_add, "SUBW": row.is_sub}


def _addw_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from one_hot(_flags(row))
    carry = (row.a[0] + row.b[0] - _low(row)) * INV_2_32
    borrow = (_low(row) + row.b[0] - row.a[0]) * INV_2_32
    yield "carry of a sum is a bit", row.is_add * carry * (1 - carry)
    yield "borrow of a difference is a bit", row.is_sub * borrow * (1 - borrow)


def _addw_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    flags = _flags(row)
    real = total(flags.values())
    yield from step(row, real, op_of(flags), rd=row.rd, rs1=row.rs1, rs2=row.rs2)
    yield from read_a(row, real)
    yield from read_b(row, real)
    yield from _write(row, real)


def _addiw_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield is_bit("real", row.real)
    yield is_bit("carry", (row.a[0] + row.imm - _low(row)) * INV_2_32)


def _addiw_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from step(row, row.real, isa.op("ADDIW"), rd=row.rd, rs1=row.rs1, x=(row.imm, 0, 0))
    yield from read_a(row, row.real)
    yield from _write(row, row.real)


def _fill_result(row: Any, records: Any) -> None:
    put_chunks(row.c, records.c)
    put(row.sign, records.c >> np.uint64(63))


def _addw_fill(row: Any, records: Any) -> None:
    fill_step(row, records)
    fill_a(row, records)
    fill_b(row, records)
    fill_c(row, records)
    fill_flags(_flags(row), records)
    _fill_result(row, records)


def _addiw_fill(row: Any, records: Any) -> None:
    fill_step(row, records)
    fill_a(row, records)
    fill_c(row, records)
    fill_real(row, records)
    put(row.imm, records.rom.x0)
    _fill_result(row, records)


ADDW = Chip(Air("addw", AddwRow, _addw_constraints, _addw_interactions, doc="32-bit sums and differences"), _addw_fill)
ADDIW = Chip(Air("addiw", AddiwRow, _addiw_constraints, _addiw_interactions, doc="32-bit sum with an immediate"), _addiw_fill)
