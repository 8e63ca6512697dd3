"""rom: the decoded program, a fixed table of the verifying key.

**What it proves.** Which instruction stands at which row, and which row at which byte address.

**Why it is sound.** It provides PROGRAM and PCMAP: each row may be looked up any number of times, which
the two multiplicities count. On padding rows ``real`` is 0 and so is what they
provide, whatever the multiplicities say. A row that traps has op 0, which no
chip looks up.

**How it is filled.** The fixed columns from the program; the multiplicities are counted (witness.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Row, Window
from zisk_actors.air.bus import Interaction, receive
from zisk_actors.chips.base import Chip, T
from zisk_actors.chips.buses import PCMAP, PROGRAM
from zisk_actors.machine.rom import Rom as Rows
from zisk_actors.stark.chipset import Presence
from zisk_actors.stark.field import U64


class RomFixed(Row[T]):
    """An instruction."""

    pc = Column("row of the ROM")
    op = Column("operation; 0 for a row that traps")
    rd = Column("register written, or the sink")
    rs1 = Column("first register read")
    rs2 = Column("second register read")
    x = Columns(3, "immediate, target or link fields, by operation")
    address = Column("byte address")
    real = Column("1 on a row of the program")


class RomRow(Row[T]):
    """How often this share looks the row up."""

    executed = Column("times the instruction is executed")
    reached = Column("times its address is looked up as a jump target")


def _constraints(window: Window) -> Iterator[Constraint]:
    yield from ()


def _interactions(window: Window) -> Iterator[Interaction]:
    row, fixed = window.row, window.fixed
    fields = (fixed.pc, fixed.op, fixed.rd, fixed.rs1, fixed.rs2, *fixed.x)
    yield receive(PROGRAM, *fields, times=row.executed * fixed.real)
    yield receive(PCMAP, fixed.address, fixed.pc, times=row.reached * fixed.real)


def fixed_columns(rom: Rows, height: int) -> U64:
    """(fixed width, height): the ROM's rows, then padding."""
    n = len(rom)
    fixed = np.zeros((RomFixed.width, height), dtype=np.uint64)
    columns = (np.arange(n), rom.op, rom.rd, rom.rs1, rom.rs2, rom.x0, rom.x1, rom.x2, rom.address, np.ones(n))
    for column, values in zip(fixed, columns, strict=True):
        column[:n] = values
    return fixed


ROM = Chip(
    Air("rom", RomRow, _constraints, _interactions, RomFixed, doc="the decoded program"),
    presence=Presence.EVERY_SHARE,
)
