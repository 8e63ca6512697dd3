"""add, addi: 64-bit addition.

The sum is four 16-bit chunks, each range checked. The carries are expressions:

    k0 = (a_lo + b_lo - c_lo) / 2^32,   k1 = (a_hi + b_hi + k0 - c_hi) / 2^32,   both bits.

Sound because all limbs are below 2^32 (operands come from tokens or the ROM,
c from its chunks): a_lo + b_lo - c_lo is an integer in (-2^32, 2^33), far from
wrapping p, so "equal to 0 or 2^32 in the field" says the same of the integers,
and one of the two holds for exactly one c_lo below 2^32. Likewise above.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from zisk_actors.air.air import Air, Columns, Constraint, Row, Window
from zisk_actors.air.bus import Interaction
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import (
    Chip,
    ReadA,
    ReadB,
    Real,
    Step,
    WriteC,
    is_bit,
    limbs_of,
    put_chunks,
    range16,
    read_a,
    read_b,
    step,
    write_c,
)
from zisk_actors.chips.operands import INV_2_32, Immediate, fill_a, fill_b, fill_c, fill_immediate, fill_real, fill_step
from zisk_actors.machine import isa

T = TypeVar("T")


class Sum(Row[T]):
    """The result."""

    c = Columns(4, "a + b mod 2^64, 16-bit chunks", bits=16)


class AddRow(Step[T], ReadA[T], ReadB[T], WriteC[T], Sum[T], Real[T]):
    """c = a + b."""


class AddiRow(Step[T], ReadA[T], WriteC[T], Immediate[T], Sum[T], Real[T]):
    """c = a + imm."""


def carries(a: Sequence[Expr], b: Sequence[Expr], c: Sequence[Expr]) -> tuple[Expr, Expr]:
    """The carries out of both limbs of c = a + b."""
    low = (a[0] + b[0] - c[0]) * INV_2_32
    high = (a[1] + b[1] + low - c[1]) * INV_2_32
    return low, high


def _chip(name: str, main: type[Row[Any]], *, immediate: bool) -> Chip:
    def constraints(window: Window) -> Iterator[Constraint]:
        row = window.row
        yield is_bit("real", row.real)
        low, high = carries(row.a, row.imm if immediate else row.b, limbs_of(row.c))
        yield is_bit("carry of the low limb", low)
        yield is_bit("carry of the high limb", high)

    def interactions(window: Window) -> Iterator[Interaction]:
        row = window.row
        if immediate:
            yield from step(row, row.real, isa.op("ADDI"), rd=row.rd, rs1=row.rs1, x=(*row.imm, 0))
            yield from read_a(row, row.real)
        else:
            yield from step(row, row.real, isa.op("ADD"), rd=row.rd, rs1=row.rs1, rs2=row.rs2)
            yield from read_a(row, row.real)
            yield from read_b(row, row.real)
        yield from write_c(row, row.real, limbs_of(row.c))
        yield from range16(row.real, *row.c)

    def fill(row: Any, records: Any) -> None:
        fill_step(row, records)
        fill_a(row, records)
        (fill_immediate if immediate else fill_b)(row, records)
        fill_c(row, records)
        fill_real(row, records)
        put_chunks(row.c, records.c)

    return Chip(Air(name, main, constraints, interactions, doc="64-bit addition"), fill)


ADD = _chip("add", AddRow, immediate=False)
ADDI = _chip("addi", AddiRow, immediate=True)
