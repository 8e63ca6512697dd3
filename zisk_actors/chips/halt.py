"""halt: the ecall that ends the run.

It takes (pc, ts) off the EXEC bus and puts nothing back: the path of the run
ends here, and the verifier, who takes exactly one (code, ts) off the HALT bus,
sees that it ends once. Register 17 must be 93 (the token's value is hard-wired),
so any other call is unprovable; the exit code is register 10, all 64 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction, receive, send
from zisk_actors.chips import buses
from zisk_actors.chips.base import Chip, Real, Step, access, is_bit, put, put_limbs
from zisk_actors.chips.buses import EXEC, PROGRAM
from zisk_actors.chips.operands import fill_real, fill_step
from zisk_actors.machine import isa, layout
from zisk_actors.machine.events import SLOT_A, SLOT_B
from zisk_actors.machine.layout import REGISTER_BASE

T = TypeVar("T")


class HaltRow(Step[T], Real[T]):
    """The last row of a run."""

    a_prev = Column("time of the previous access to register 17")
    code = Columns(2, "exit code, limbs (bounded: they come from a token)")
    b_prev = Column("time of the previous access to register 10")


def constraints(window: Window) -> Iterator[Constraint]:
    """The row's own bit."""
    yield is_bit("real", window.row.real)


def interactions(window: Window) -> Iterator[Interaction]:
    """The end of control flow, and the two reads."""
    row = window.row
    call = (layout.EXIT_CALL, 0)
    yield receive(EXEC, row.pc, row.ts, times=row.real)
    yield send(PROGRAM, row.pc, isa.op("ECALL"), 0, 0, 0, 0, 0, 0, times=row.real)
    yield from access(row.real, REGISTER_BASE + layout.A7, call, call, row.a_prev, row.ts + SLOT_A)
    yield from access(row.real, REGISTER_BASE + layout.A0, row.code, row.code, row.b_prev, row.ts + SLOT_B)
    yield send(buses.HALT, *row.code, row.ts, times=row.real)


def fill(row: Any, records: Any) -> None:
    """Columns from event records."""
    fill_step(row, records)
    fill_real(row, records)
    put(row.a_prev, records.a_prev)
    put_limbs(row.code, records.b)
    put(row.b_prev, records.b_prev)


HALT = Chip(Air("halt", HaltRow, constraints, interactions, doc="the exit call"), fill)
