"""jalr: the jump to an address in a register.

Provable is exactly: the base register's high limb is 0, and base + offset as
integers, with bit 0 cleared, is the byte address of a row of the ROM. Anything
else (a base of 2^32 or more, a sum below 0, an address between instructions or
outside the text) traps.

``odd`` is the bit that is cleared, the prover's choice, and only one choice
works: base + offset is an integer s in [-2048, 2^32 + 2047] or p - |s| in the
field, addresses on the PCMAP bus are even and below 2^32, so s - odd meets one
only if odd is the parity of s and s >= 0.

The link address is in the ROM. It is below 2^32, as all text is: its high limb
x2 is hard-wired to 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from zisk_actors.air.air import Air, Column, Constraint, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.chips.base import Chip, Real, Step, WriteC, is_bit, put, step, write_c
from zisk_actors.chips.buses import PCMAP
from zisk_actors.chips.operands import Pointer, fill_c, fill_pointer, fill_real, fill_step, read_pointer
from zisk_actors.machine import isa

T = TypeVar("T")


class JalrRow(Step[T], Pointer[T], WriteC[T], Real[T]):
    """rd = link, then the row at (base + offset) & ~1."""

    odd = Column("bit 0 of base + offset")
    link = Column("address of the following instruction, from the ROM", bits=32)
    npc = Column("next row")


def constraints(window: Window) -> Iterator[Constraint]:
    """The bits are bits."""
    yield is_bit("real", window.row.real)
    yield is_bit("odd", window.row.odd)


def interactions(window: Window) -> Iterator[Interaction]:
    """Control flow, the register accesses, the address map."""
    row = window.row
    yield from step(row, row.real, isa.op("JALR"), rd=row.rd, rs1=row.rs1, x=(row.offset, row.link, 0), npc=row.npc)
    yield from read_pointer(row, row.real)
    yield from write_c(row, row.real, (row.link, 0))
    yield send(PCMAP, row.base + row.offset - row.odd, row.npc, times=row.real)


def fill(row: Any, records: Any) -> None:
    """Columns from event records."""
    fill_step(row, records)
    fill_pointer(row, records)
    fill_c(row, records)
    fill_real(row, records)
    offset = records.rom.x0
    # A negative immediate is p - |imm|, and p is odd.
    put(row.odd, (records.a ^ offset ^ (offset >> np.uint64(63))) & np.uint64(1))
    put(row.link, records.rom.x1)
    put(row.npc, records.npc)


JALR = Chip(Air("jalr", JalrRow, constraints, interactions, doc="indirect jump"), fill)
