"""logic (AND, OR, XOR) and logici: bitwise operations, byte by byte.

**What it proves.** c = a and b, a or b, a xor b, or the same with an immediate.

**Why it is sound.** With and = a & b from the lookup table, every operation is p (a + b) + q and:

    AND: p = 0, q = 1      OR: p = 1, q = -1      XOR: p = 1, q = -2

The table makes its entries bytes. In ``logic`` there are no limb columns for a
and b at all: the token carries the limbs recomposed from bytes, and 32 bits
have one decomposition into bytes. The result's limbs are columns, because the
choice by flag is not linear; they are bounded, being bitwise results of bounded
limbs.

In ``logici`` the 12-bit immediate is sign-extended, so that above bit 15 it is
all zeros or all ones, and there a & imm is a times the sign bit: only the two
low bytes go through the table, and 48 bits of a need no bytes. a's low limb is
a[0] + 2^8 a[1] + 2^16 upper, ``upper`` range checked: unique again. The ROM's
x0 and x1 fix imm and the sign: x1 = (2^32 - 1) sign gives a bit, and
x0 - sign (2^32 - 2^16) = imm[0] + 2^8 imm[1] two bytes.

**How it is filled.** With the operands' bytes, those of their bitwise and, and
what was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import MASK16, ONES32, Chip, Frame, T, access, put, put_limbs, range16, total
from zisk_actors.chips.buses import AND8
from zisk_actors.chips.frames import OneHot, Step, WriteC
from zisk_actors.machine.events import SLOT_A, SLOT_B
from zisk_actors.machine.layout import REGISTER_BASE
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64

BYTE = np.uint64(0xFF)


class Operation(Frame[T]):
    """The result and which operation it is of."""

    c = Columns(2, "result, limbs")
    is_and = Column("1 for AND(I)")
    is_or = Column("1 for OR(I)")
    is_xor = Column("1 for XOR(I)")
    record = fields("c")

    def fill(self: Operation[U64], records: Any) -> None:
        """What was written; OneHot fills the flags."""
        put_limbs(self.c, records.c)


class LogicRow(OneHot[T], Step[T], WriteC[T], Operation[T]):
    """c = a op b."""

    rs1 = Column("register number")
    a = Columns(8, "value of rs1, bytes", bits=8)
    a_prev = Column("time of the previous access to rs1")
    rs2 = Column("register number")
    b = Columns(8, "value of rs2, bytes", bits=8)
    b_prev = Column("time of the previous access to rs2")
    both = Columns(8, "a & b, bytes", bits=8)
    flags: ClassVar = {"AND": "is_and", "OR": "is_or", "XOR": "is_xor"}
    record = fields("a", "a_prev", "b", "b_prev")

    def fill(self: LogicRow[U64], records: Any) -> None:
        """Both operands, in bytes."""
        put(self.rs1, records.rom.rs1)
        put(self.a_prev, records.a_prev)
        put(self.rs2, records.rom.rs2)
        put(self.b_prev, records.b_prev)
        _put_bytes(self.a, records.a)
        _put_bytes(self.b, records.b)
        _put_bytes(self.both, records.a & records.b)


class LogiciRow(OneHot[T], Step[T], WriteC[T], Operation[T]):
    """c = a op imm."""

    rs1 = Column("register number")
    a = Columns(2, "bytes 0 and 1 of rs1", bits=8)
    upper = Column("bits 16 to 31 of rs1", bits=16)
    high = Column("high limb of rs1", bits=32)
    a_prev = Column("time of the previous access to rs1")
    imm = Columns(2, "bytes 0 and 1 of the immediate", bits=8)
    sign = Column("1 if the immediate is negative: all its other bits")
    both = Columns(2, "a & imm, bytes 0 and 1", bits=8)
    flags: ClassVar = {"ANDI": "is_and", "ORI": "is_or", "XORI": "is_xor"}
    record = fields("a", "a_prev")

    def fill(self: LogiciRow[U64], records: Any) -> None:
        """The operand, its low bytes apart, and the ROM's immediate likewise."""
        a, imm = records.a, records.rom.x0
        put(self.rs1, records.rom.rs1)
        put(self.a_prev, records.a_prev)
        _put_bytes(self.a, a)
        put(self.upper, (a >> np.uint64(16)) & MASK16)
        put(self.high, a >> np.uint64(32))
        _put_bytes(self.imm, imm)
        put(self.sign, records.rom.x1 & np.uint64(1))
        _put_bytes(self.both, a & imm)


def bitwise(row: Any, total_of_operands: Expr, both: Expr) -> Expr:
    """p (a + b) + q (a & b)."""
    return (row.is_or + row.is_xor) * total_of_operands + (row.is_and - row.is_or - 2 * row.is_xor) * both  # type: ignore[no-any-return]


def _number(parts: Sequence[Expr]) -> Expr:
    return total(part * 2 ** (8 * i) for i, part in enumerate(parts))


def _limbs(parts: Sequence[Expr]) -> tuple[Expr, Expr]:
    return _number(parts[:4]), _number(parts[4:])


def _logic_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from row.one_hot()
    for i, (a, b, both) in enumerate(zip(_limbs(row.a), _limbs(row.b), _limbs(row.both), strict=True)):
        yield f"limb {i} of the result", row.c[i] - bitwise(row, a + b, both)


def _logic_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.step(rd=row.rd, rs1=row.rs1, rs2=row.rs2)
    yield from access(row.real, REGISTER_BASE + row.rs1, _limbs(row.a), _limbs(row.a), row.a_prev, row.ts + SLOT_A)
    yield from access(row.real, REGISTER_BASE + row.rs2, _limbs(row.b), _limbs(row.b), row.b_prev, row.ts + SLOT_B)
    yield from row.write_c(row.c)
    for a, b, both in zip(row.a, row.b, row.both, strict=True):
        yield send(AND8, a, b, both, times=row.real)


def _immediate(row: Any) -> tuple[Expr, Expr]:
    return _number(row.imm) + row.sign * (2**32 - 2**16), row.sign * ONES32


def _a_limbs(row: Any) -> tuple[Expr, Expr]:
    return _number(row.a) + 2**16 * row.upper, row.high


def _logici_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from row.one_hot()
    a, imm = _a_limbs(row), _immediate(row)
    both = _number(row.both) + 2**16 * row.upper * row.sign, row.high * row.sign
    for i in range(2):
        yield f"limb {i} of the result", row.c[i] - bitwise(row, a[i] + imm[i], both[i])


def _logici_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.step(rd=row.rd, rs1=row.rs1, x=(*_immediate(row), 0))
    yield from access(row.real, REGISTER_BASE + row.rs1, _a_limbs(row), _a_limbs(row), row.a_prev, row.ts + SLOT_A)
    yield from row.write_c(row.c)
    yield from range16(row.real, row.upper)
    for a, b, both in zip(row.a, row.imm, row.both, strict=True):
        yield send(AND8, a, b, both, times=row.real)


# --- filling ---------------------------------------------------------------


def _put_bytes(columns: Sequence[U64], values: U64) -> None:
    for i, column in enumerate(columns):
        put(column, (values >> np.uint64(8 * i)) & BYTE)


LOGIC = Chip(Air("logic", LogicRow, _logic_constraints, _logic_interactions, doc="bitwise and, or, xor"))
LOGICI = Chip(Air("logici", LogiciRow, _logici_constraints, _logici_interactions, doc="bitwise operations with an immediate"))
