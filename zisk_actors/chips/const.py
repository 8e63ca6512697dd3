"""const: instructions whose result stands in the ROM: lui, auipc, jal, fence, csrr of marchid.

**What it proves.** rd = the row's constant, then the row's next row. A fence writes 0 to the sink register.

**Why it is sound.** The value written (x0, x1) and the row that follows (x2) are fixed by the ROM
lookup, so they are what the ROM builder says and nothing has to be proved of
them: the limbs are bounded there. A jal to an address outside the ROM has a
next row that exists in no ROM, so its run cannot go on.

**How it is filled.** From the ROM.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction
from zisk_actors.chips.base import Chip, T, is_bit, put
from zisk_actors.chips.frames import Real, Step, WriteC
from zisk_actors.stark.field import U64


class ConstRow(Step[T], WriteC[T], Real[T]):
    """rd = value, then row npc."""

    value = Columns(2, "result, limbs, from the ROM", bits=32)
    npc = Column("next row, from the ROM")
    operation = "CONST"

    def fill(self: ConstRow[U64], records: Any) -> None:
        """The ROM's fields."""
        put(self.value[0], records.rom.x0)
        put(self.value[1], records.rom.x1)
        put(self.npc, records.rom.x2)


def constraints(window: Window) -> Iterator[Constraint]:
    """Nothing but the row's own bit: the ROM says the rest."""
    yield is_bit("real", window.row.real)


def interactions(window: Window) -> Iterator[Interaction]:
    """Control flow and the write."""
    row = window.row
    yield from row.step(rd=row.rd, x=(*row.value, row.npc), npc=row.npc)
    yield from row.write_c(row.value)


CONST = Chip(Air("const", ConstRow, constraints, interactions, doc="rd = a constant of the ROM, then a row of the ROM"))
