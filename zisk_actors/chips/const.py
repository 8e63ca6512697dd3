"""const: instructions whose result stands in the ROM: lui, auipc, jal, fence, csrr of marchid.

The value written (x0, x1) and the row that follows (x2) are fixed by the ROM
lookup, so they are what the ROM builder says and nothing has to be proved of
them: the limbs are bounded there. A fence writes 0 to the sink register. A jal
to an address outside the ROM has a next row that exists in no ROM, so its run
cannot go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction
from zisk_actors.chips.base import Chip, Real, Step, WriteC, is_bit, put, step, write_c
from zisk_actors.chips.operands import fill_c, fill_real, fill_step
from zisk_actors.machine import isa

T = TypeVar("T")


class ConstRow(Step[T], WriteC[T], Real[T]):
    """rd = value, then row npc."""

    value = Columns(2, "result, limbs, from the ROM", bits=32)
    npc = Column("next row, from the ROM")


def constraints(window: Window) -> Iterator[Constraint]:
    """Nothing but the row's own bit: the ROM says the rest."""
    yield is_bit("real", window.row.real)


def interactions(window: Window) -> Iterator[Interaction]:
    """Control flow and the write."""
    row = window.row
    yield from step(row, row.real, isa.op("CONST"), rd=row.rd, x=(*row.value, row.npc), npc=row.npc)
    yield from write_c(row, row.real, row.value)


def fill(row: Any, records: Any) -> None:
    """Columns from event records."""
    fill_step(row, records)
    fill_c(row, records)
    fill_real(row, records)
    put(row.value[0], records.rom.x0)
    put(row.value[1], records.rom.x1)
    put(row.npc, records.rom.x2)


CONST = Chip(Air("const", ConstRow, constraints, interactions, doc="rd = a constant of the ROM, then a row of the ROM"), fill)
