"""Event records as a chip's fill reads them: one array per field, and the ROM fields of the executed instructions.

Rules: arrays are views of the replay's record table where they can be, gathered
on demand where they cannot; what is gathered is kept for the block of records
that is being filled, and no longer.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from zisk_actors.machine.records import Table
from zisk_actors.machine.rom import Rom
from zisk_actors.stark.field import U64


class WitnessError(Exception):
    """Records or tables that no run can have given: a bug of ours, not a mistake of the user's."""


class Executed:
    """The ROM fields at the rows that the records executed, each (n,)."""

    def __init__(self, rom: Rom, pc: npt.NDArray[np.intp]) -> None:
        self._rom, self._pc = rom, pc

    op = cached_property(lambda self: self._rom.op[self._pc])
    rd = cached_property(lambda self: self._rom.rd[self._pc])
    rs1 = cached_property(lambda self: self._rom.rs1[self._pc])
    rs2 = cached_property(lambda self: self._rom.rs2[self._pc])
    x0 = cached_property(lambda self: self._rom.x0[self._pc])
    x1 = cached_property(lambda self: self._rom.x1[self._pc])
    x2 = cached_property(lambda self: self._rom.x2[self._pc])


class Records:
    """n records of one chip: each field of theirs is an attribute, an unsigned array (n,) or, for a field that is an array, (n, count)."""

    def __init__(self, table: Table, rom: Rom) -> None:
        self._table, self._rom = table, rom

    def __getattr__(self, name: str) -> U64:
        try:
            values: U64 = self._table[name]
        except ValueError:
            raise WitnessError(f"the records have no field {name}: {self._table.dtype.names}") from None
        return values

    def __len__(self) -> int:
        return len(self._table)

    @cached_property
    def rom(self) -> Executed:
        """The instructions that the records executed. WitnessError for a row that the ROM has not."""
        pc = np.ascontiguousarray(self.pc, np.intp)
        if len(pc) and pc.max() >= len(self._rom.op):
            raise WitnessError(f"a record executes row {int(pc.max())}, the ROM has {len(self._rom.op)}")
        return Executed(self._rom, pc)
