"""registers: the first and the last token of each register.

**What it proves.** Each register has one initial value, which everybody knows, and one final value.

**Why it is sound.** The fixed columns hold the initial values, so they are part of every verifying
key. There is one row a register, hence one initial token; x0 is never written
(the ROM maps rd = x0 to the sink, register 32), so it reads as 0 forever. The
final value and time are the prover's: a final token is only taken off the bus
if the last access put it there.

**How it is filled.** With how the run left the registers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.air import Row as _Row
from zisk_actors.air.bus import Interaction, receive, send
from zisk_actors.chips.base import MASK32, Chip, T
from zisk_actors.chips.buses import TOKEN
from zisk_actors.machine.layout import INITIAL_REGISTERS, REGISTER_BASE
from zisk_actors.machine.layout import REGISTERS as REGISTERS_AND_SINK
from zisk_actors.stark.chipset import Presence
from zisk_actors.stark.field import U64

COUNT = REGISTERS_AND_SINK
LOG_HEIGHT = 6
INITIAL = INITIAL_REGISTERS  # all others start at 0


class RegistersFixed(_Row[T]):
    """Known to everybody."""

    addr = Column("token address")
    initial = Columns(2, "value at time 0, limbs")
    real = Column("1 on a register's row")


class RegistersRow(_Row[T]):
    """How the run left the register."""

    final = Columns(2, "value of the last access, limbs")
    ts = Column("time of the last access, 0 if there was none")


def _constraints(window: Window) -> Iterator[Constraint]:
    yield from ()


def _interactions(window: Window) -> Iterator[Interaction]:
    row, fixed = window.row, window.fixed
    yield send(TOKEN, fixed.addr, *fixed.initial, 0, times=fixed.real)
    yield receive(TOKEN, fixed.addr, *row.final, row.ts, times=fixed.real)


def fixed_columns() -> U64:
    """(fixed width, 2^LOG_HEIGHT)."""
    fixed = np.zeros((RegistersFixed.width, 1 << LOG_HEIGHT), dtype=np.uint64)
    fixed[0, :COUNT] = REGISTER_BASE + np.arange(COUNT, dtype=np.uint64)
    for register, value in INITIAL.items():
        fixed[1, register], fixed[2, register] = value & 0xFFFFFFFF, value >> 32
    fixed[3, :COUNT] = 1
    return fixed


def trace(final: U64) -> U64:
    """The main matrix, from touched cells ``final`` (n, 4): token address, initial value, final value, time."""
    main = np.zeros((RegistersRow.width, 1 << LOG_HEIGHT), dtype=np.uint64)
    for register, value in INITIAL.items():
        main[0, register], main[1, register] = value & 0xFFFFFFFF, value >> 32
    mine = final[(final[:, 0] >= REGISTER_BASE) & (final[:, 0] < REGISTER_BASE + COUNT)]
    index = (mine[:, 0] - np.uint64(REGISTER_BASE)).astype(np.intp)
    main[0, index] = mine[:, 2] & MASK32
    main[1, index] = mine[:, 2] >> np.uint64(32)
    main[2, index] = mine[:, 3]
    return main


REGISTERS = Chip(
    Air("registers", RegistersRow, _constraints, _interactions, RegistersFixed, doc="initial and final registers"),
    presence=Presence.SINGLETON,
)
