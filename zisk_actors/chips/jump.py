"""jalr: the jump to an address in a register.

**What it proves.** Exactly: the base register's high limb is 0, and base + offset as
integers, with bit 0 cleared, is the byte address of a row of the ROM; that row follows, and rd is the link address. Anything
else (a base of 2^32 or more, a sum below 0, an address between instructions or
outside the text) traps.

**Why it is sound.** ``odd`` is the bit that is cleared, the prover's choice, and only one choice
works: base + offset is an integer s in [-2048, 2^32 + 2047] or p - |s| in the
field, addresses on the PCMAP bus are even and below 2^32, so s - odd meets one
only if odd is the parity of s and s >= 0. The link address is in the ROM. It is
below 2^32, as all text is: its high limb x2 is hard-wired to 0.

**How it is filled.** The next row is the record's, the bit the sum's parity.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from zisk_actors.air.air import Air, Column, Constraint, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.chips.base import Chip, T, is_bit, put
from zisk_actors.chips.buses import PCMAP
from zisk_actors.chips.frames import Real, Step, WriteC
from zisk_actors.chips.memory import Pointer
from zisk_actors.machine.records import Field, fields
from zisk_actors.stark.field import U64


class JalrRow(Step[T], Pointer[T], WriteC[T], Real[T]):
    """rd = link, then the row at (base + offset) & ~1."""

    odd = Column("bit 0 of base + offset")
    link = Column("address of the following instruction, from the ROM", bits=32)
    npc = Column("next row")
    operation = "JALR"
    record = fields("a", Field("npc", "u4"))

    def fill(self: JalrRow[U64], records: Any) -> None:
        """Where the jump goes, and the link."""
        offset = records.rom.x0
        # A negative immediate is p - |imm|, and p is odd.
        put(self.odd, (records.a ^ offset ^ (offset >> np.uint64(63))) & np.uint64(1))
        put(self.link, records.rom.x1)
        put(self.npc, records.npc)


def constraints(window: Window) -> Iterator[Constraint]:
    """The bits are bits."""
    yield is_bit("real", window.row.real)
    yield is_bit("odd", window.row.odd)


def interactions(window: Window) -> Iterator[Interaction]:
    """Control flow, the register accesses, the address map."""
    row = window.row
    yield from row.step(rd=row.rd, rs1=row.rs1, x=(row.offset, row.link, 0), npc=row.npc)
    yield from row.read_pointer()
    yield from row.write_c((row.link, 0))
    yield send(PCMAP, row.base + row.offset - row.odd, row.npc, times=row.real)


JALR = Chip(Air("jalr", JalrRow, constraints, interactions, doc="indirect jump"))
