"""add, addi: 64-bit addition.

**What it proves.** c = a + b mod 2^64, or a + imm.

**Why it is sound.** The sum is four 16-bit chunks, each range checked. The carries are expressions:

    k0 = (a_lo + b_lo - c_lo) / 2^32,   k1 = (a_hi + b_hi + k0 - c_hi) / 2^32,   both bits.

All limbs are below 2^32 (operands come from tokens or the ROM,
c from its chunks): a_lo + b_lo - c_lo is an integer in (-2^32, 2^33), far from
wrapping p, so "equal to 0 or 2^32 in the field" says the same of the integers,
and one of the two holds for exactly one c_lo below 2^32. Likewise above.

**How it is filled.** With the chunks of what the record says was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from zisk_actors.air.air import Air, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import INV_2_32, Chip, Frame, T, is_bit, limbs_of, put_chunks, range16
from zisk_actors.chips.frames import Immediate, ReadA, ReadB, Real, Step, WriteC
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64


class Sum(Frame[T]):
    """The result."""

    c = Columns(4, "a + b mod 2^64, 16-bit chunks", bits=16)
    record = fields("c")

    def fill(self: Sum[U64], records: Any) -> None:
        """What was written."""
        put_chunks(self.c, records.c)


class AddRow(Step[T], ReadA[T], ReadB[T], WriteC[T], Sum[T], Real[T]):
    """c = a + b."""

    operation = "ADD"


class AddiRow(Step[T], ReadA[T], WriteC[T], Immediate[T], Sum[T], Real[T]):
    """c = a + imm."""

    operation = "ADDI"


def carries(a: Sequence[Expr], b: Sequence[Expr], c: Sequence[Expr]) -> tuple[Expr, Expr]:
    """The carries out of both limbs of c = a + b."""
    low = (a[0] + b[0] - c[0]) * INV_2_32
    high = (a[1] + b[1] + low - c[1]) * INV_2_32
    return low, high


def _sum(row: Any, b: Sequence[Expr]) -> Iterator[Constraint]:
    yield is_bit("real", row.real)
    low, high = carries(row.a, b, limbs_of(row.c))
    yield is_bit("carry of the low limb", low)
    yield is_bit("carry of the high limb", high)


def _write(row: Any) -> Iterator[Interaction]:
    yield from row.write_c(limbs_of(row.c))
    yield from range16(row.real, *row.c)


def _add_constraints(window: Window) -> Iterator[Constraint]:
    return _sum(window.row, window.row.b)


def _add_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.step(rd=row.rd, rs1=row.rs1, rs2=row.rs2)
    yield from row.read_a()
    yield from row.read_b()
    yield from _write(row)


def _addi_constraints(window: Window) -> Iterator[Constraint]:
    return _sum(window.row, window.row.imm)


def _addi_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.step(rd=row.rd, rs1=row.rs1, x=(*row.imm, 0))
    yield from row.read_a()
    yield from _write(row)


ADD = Chip(Air("add", AddRow, _add_constraints, _add_interactions, doc="64-bit addition"))
ADDI = Chip(Air("addi", AddiRow, _addi_constraints, _addi_interactions, doc="64-bit addition"))
