"""load (LD), loadw (LW, LWU), loadb (LB, LBU, LH, LHU): reads of RAM and read-only words.

**What it proves.** rd becomes the 8, 4, 2 or 1 bytes at rs1 + offset, extended as the operation says; the address is aligned to them.

**Why it is sound.** The word that is accessed and alignment: memory.py. What the chips add:

* LD writes what it read: two bounded limbs.
* LW takes the limb that ``half`` selects (a bit of the address, so no choice is
  left), and for LW its sign by the unique split top, rest. For LWU ``sign`` is 0.
* The byte chip splits the selected limb: into the half word that bit 1 of the address
  selects and the ``other`` one, and the selected half into a byte and ``rest``.
  Both bytes and the other half are bounded by lookups, so

      limb = selected half and other half in the order of bit 1,
      half = byte and rest in the order of bit 0 (half words: byte is the upper one)

  is the one decomposition of a number below 2^32. The sign comes from the byte's
  own lookup: byte & 128 for signed operations, byte & 0 for unsigned ones.

**How it is filled.** With the parts of the word that the record says was there, and of what was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from zisk_actors.air.air import Air, Column, Constraint, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import MASK32, ONES32, Chip, T, byte, is_bit, put, range16, sign16
from zisk_actors.chips.buses import AND8
from zisk_actors.chips.frames import OneHot, Real, Step, WriteC, grid
from zisk_actors.chips.memory import ByteBits, LimbBit, MemoryWord, Pointer, ReadOnly, halves
from zisk_actors.machine import isa
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64

_LB, _DOWN, _ACROSS = grid("LB", "LH", "LBU", "LHU")


class LoadFrame(Step[T], Pointer[T], WriteC[T], MemoryWord[T], ReadOnly[T]):
    """What all loads have."""

    def load(self, within: Any = 0) -> Iterator[Interaction]:
        """Control flow, and the reads of the base and of the word."""
        row: Any = self
        yield from row.step(rd=row.rd, rs1=row.rs1, x=(row.offset, 0, 0))
        yield from row.read_pointer()
        yield from row.access_word(within=within, space=row.space)


class LoadRow(LoadFrame[T], Real[T]):
    """c = word."""

    operation = "LD"


class LoadWRow(OneHot[T], LimbBit[T], LoadFrame[T]):
    """c = a limb of the word, extended."""

    limb = Column("the limb")
    top = Column("its upper 16 bits (LWU: free, nothing reads it)", bits=16)
    sign = Column("its bit 31 for LW, 0 for LWU")
    is_lw = Column("1 for LW")
    is_lwu = Column("1 for LWU")
    flags: ClassVar = {"LW": "is_lw", "LWU": "is_lwu"}
    record = fields("c")

    def fill(self: LoadWRow[U64], records: Any) -> None:
        """The parts of what was written."""
        limb = records.c & MASK32
        put(self.limb, limb)
        put(self.top, limb >> np.uint64(16))
        put(self.sign, records.c >> np.uint64(63))


class LoadBRow(ByteBits[T], LoadFrame[T], Real[T]):
    """c = a byte or half word of the word, extended."""

    other = Column("the half that is not selected", bits=16)
    byte = Column("the selected byte; for half words, the upper one", bits=8)
    rest = Column("the other byte of the selected half", bits=8)
    sign = Column("1 if the result is negative")
    low = Column("low limb of the result")
    half = Column("1 for LH, LHU")
    unsigned = Column("1 for LBU, LHU")
    record = fields("addr", "mem_old", "c")

    @property
    def op(self: LoadBRow[Expr]) -> Any:
        """Two bits choose among four operations."""
        return self.real * _LB + self.half * _DOWN + self.unsigned * _ACROSS

    def fill(self: LoadBRow[U64], records: Any) -> None:
        """The operation's bits, and the parts of the word and of what was written."""
        op = records.rom.op
        is_half = (op == isa.op("LH")) | (op == isa.op("LHU"))
        put(self.half, is_half)
        put(self.unsigned, (op == isa.op("LBU")) | (op == isa.op("LHU")))
        half, other = halves(records)
        put(self.other, other)
        upper = ((records.addr & np.uint64(1)) | is_half) << np.uint64(3)
        put(self.byte, (half >> upper) & np.uint64(0xFF))
        put(self.rest, (half >> (upper ^ np.uint64(8))) & np.uint64(0xFF))
        put(self.sign, records.c >> np.uint64(63))
        put(self.low, records.c & MASK32)


def _load_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield is_bit("real", row.real)
    yield is_bit("read_only", row.read_only)


def _load_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.load()
    yield from row.write_c(row.word)


def _loadw_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from row.one_hot()
    yield is_bit("read_only", row.read_only)
    yield is_bit("half", row.half)
    yield "limb", row.limb - row.word[0] - row.half * (row.word[1] - row.word[0])
    yield "no sign if unsigned", row.is_lwu * row.sign


def _loadw_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.load(row.within)
    yield from row.write_c((row.limb, row.sign * ONES32))
    yield from sign16(row.is_lw, row.limb, row.top, row.sign)


def _loadb_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    for name in ("real", "half", "unsigned", "read_only", "bit2", "bit1", "bit0"):
        yield is_bit(name, getattr(row, name))
    yield "half words are aligned", row.half * row.bit0
    upper = row.bit0 + row.half  # the selected byte is the upper one of its half: a bit
    half = row.byte * (1 + 255 * upper) + row.rest * (256 - 255 * upper)
    limb = half * (1 + 65535 * row.bit1) + row.other * (65536 - 65535 * row.bit1)
    yield "limb", limb - row.word[0] - row.bit2 * (row.word[1] - row.word[0])
    extension = row.sign * (2**32 - 2**8 - row.half * (2**16 - 2**8))
    yield "low limb of the result", row.low - row.byte - row.half * (255 * row.byte + row.rest) - extension


def _loadb_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.load(row.within)
    yield from row.write_c((row.low, row.sign * ONES32))
    yield from range16(row.real, row.other)
    yield send(AND8, row.byte, 128 * (row.real - row.unsigned), 128 * row.sign, times=row.real)
    yield byte(row.real, row.rest)


LOAD = Chip(Air("load", LoadRow, _load_constraints, _load_interactions, doc="loads of 8 bytes"))
LOADW = Chip(Air("loadw", LoadWRow, _loadw_constraints, _loadw_interactions, doc="loads of 4 bytes"))
LOADB = Chip(Air("loadb", LoadBRow, _loadb_constraints, _loadb_interactions, doc="loads of 1 and 2 bytes"))
