"""halt: the ecall that ends the run.

**What it proves.** Register 17 is 93, and the run ends here, with register 10 as its exit code, all 64 bits.

**Why it is sound.** The row takes (pc, ts) off the EXEC bus and puts nothing back: the path of the run
ends here, and the verifier, who takes exactly one (code, ts) off the HALT bus,
sees that it ends once. The value of register 17's token is hard-wired,
so any other call is unprovable.

**How it is filled.** With the two reads of the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction, receive, send
from zisk_actors.chips import buses
from zisk_actors.chips.base import Chip, T, access, is_bit, put, put_limbs
from zisk_actors.chips.buses import EXEC, PROGRAM
from zisk_actors.chips.frames import Real, Step
from zisk_actors.machine import layout
from zisk_actors.machine.events import SLOT_A, SLOT_B
from zisk_actors.machine.layout import REGISTER_BASE
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64


class HaltRow(Step[T], Real[T]):
    """The last row of a run."""

    a_prev = Column("time of the previous access to register 17")
    code = Columns(2, "exit code, limbs (bounded: they come from a token)")
    b_prev = Column("time of the previous access to register 10")
    operation = "ECALL"
    record = fields("a_prev", "b", "b_prev")

    def fill(self: HaltRow[U64], records: Any) -> None:
        """The two reads."""
        put(self.a_prev, records.a_prev)
        put_limbs(self.code, records.b)
        put(self.b_prev, records.b_prev)


def constraints(window: Window) -> Iterator[Constraint]:
    """The row's own bit."""
    yield is_bit("real", window.row.real)


def interactions(window: Window) -> Iterator[Interaction]:
    """The end of control flow, and the two reads."""
    row = window.row
    call = (layout.EXIT_CALL, 0)
    yield receive(EXEC, row.pc, row.ts, times=row.real)
    yield send(PROGRAM, row.pc, row.op, 0, 0, 0, 0, 0, 0, times=row.real)
    yield from access(row.real, REGISTER_BASE + layout.A7, call, call, row.a_prev, row.ts + SLOT_A)
    yield from access(row.real, REGISTER_BASE + layout.A0, row.code, row.code, row.b_prev, row.ts + SLOT_B)
    yield send(buses.HALT, *row.code, row.ts, times=row.real)


HALT = Chip(Air("halt", HaltRow, constraints, interactions, doc="the exit call"))
