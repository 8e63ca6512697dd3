"""Event records as a chip's fill reads them: one array per field, and the ROM fields of the executed instructions.

Rules: arrays are views of the replay's record table where they can be, gathered
on demand where they cannot; nothing is kept, so a fill costs no more memory
than the columns it writes.
"""

from __future__ import annotations

import numpy as np

from zisk_actors.machine.events import FIELDS
from zisk_actors.machine.rom import Rom
from zisk_actors.stark.field import U64


class WitnessError(Exception):
    """Records or tables that no run can have given: a bug of ours, not a mistake of the user's."""


class Executed:
    """The ROM fields at the rows that the records executed, each (n,)."""

    def __init__(self, rom: Rom, pc: U64) -> None:
        self._rom, self._pc = rom, pc

    op = property(lambda self: self._rom.op[self._pc])
    rd = property(lambda self: self._rom.rd[self._pc])
    rs1 = property(lambda self: self._rom.rs1[self._pc])
    rs2 = property(lambda self: self._rom.rs2[self._pc])
    x0 = property(lambda self: self._rom.x0[self._pc])
    x1 = property(lambda self: self._rom.x1[self._pc])
    x2 = property(lambda self: self._rom.x2[self._pc])


class Records:
    """n records of one chip. ``table`` is (n, len(FIELDS)) uint64."""

    pc: U64
    ts: U64
    a: U64
    a_prev: U64
    b: U64
    b_prev: U64
    old: U64
    old_prev: U64
    c: U64
    addr: U64
    mem_old: U64
    mem_prev: U64
    mem_new: U64
    npc: U64

    def __init__(self, table: U64, rom: Rom) -> None:
        if table.ndim != 2 or table.shape[1] != len(FIELDS):
            raise ValueError(f"records have {len(FIELDS)} fields, got shape {table.shape}")
        for column, name in enumerate(FIELDS):
            setattr(self, name, table[:, column])
        if len(table) and self.pc.max() >= len(rom.op):
            raise WitnessError(f"a record executes row {int(self.pc.max())}, the ROM has {len(rom.op)}")
        self.rom = Executed(rom, np.ascontiguousarray(self.pc).view(np.int64))

    def __len__(self) -> int:
        return len(self.pc)
