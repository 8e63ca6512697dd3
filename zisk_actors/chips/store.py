"""store (SD), storew (SW), storeb (SB, SH): writes of RAM words.

**What it proves.** The 8, 4, 2 or 1 bytes at rs1 + offset become the lowest ones of rs2, and the rest of their word stays; the address
is aligned to them.

**Why it is sound.** There is no ``read_only`` column here: a store reaches RAM tokens only, and a
store to input or to the image outside RAM is a trap. The word that is accessed
and alignment: memory.py. What the chips add:

* SD writes rs2's limbs, bounded since they come from a token.
* SW replaces the limb that ``half`` selects by rs2's low limb and keeps the other.
* SB, SH: the selected limb of the old word is split as for loads (load.py), the low limb
  of rs2 into two bytes and the rest; ``change`` is what replacing the byte
  (or both bytes) adds to the limb, and ``change_high`` is that, if it is the high limb.
  All parts are bounded by lookups, so both splits are unique, and the new limb
  has the old one's untouched parts.

**How it is filled.** With the parts of the word that the record says was there, and of rs2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import MASK16, MASK32, Chip, Frame, T, access, is_bit, put, put_limbs, range16
from zisk_actors.chips.buses import AND8
from zisk_actors.chips.frames import OneHot, ReadB, Real, Step
from zisk_actors.chips.memory import ByteBits, LimbBit, MemoryWord, Pointer, halves
from zisk_actors.machine.events import SLOT_B
from zisk_actors.machine.layout import REGISTER_BASE
from zisk_actors.machine.records import fields
from zisk_actors.stark import field
from zisk_actors.stark.field import U64

BYTE = np.uint64(0xFF)


class StoreRow(Step[T], Pointer[T], ReadB[T], MemoryWord[T], Real[T]):
    """word becomes b."""

    operation = "SD"


class StoreWRow(LimbBit[T], StoreRow[T]):
    """A limb of the word becomes b's low limb."""

    new = Columns(2, "the word after the access, limbs")
    operation = "SW"
    record = fields("mem_new")

    def fill(self: StoreWRow[U64], records: Any) -> None:
        """The word as it became."""
        put_limbs(self.new, records.mem_new)


class BytesOfB(Frame[T]):
    """rs2 with its two lowest bytes apart, in the place of ReadB."""

    rs2 = Column("register number")
    b = Columns(2, "bytes 0 and 1 of rs2", bits=8)
    b_upper = Column("bits 16 to 31 of rs2", bits=16)
    b_high = Column("high limb of rs2")
    b_prev = Column("time of the previous access to rs2")
    record = fields("b", "b_prev")

    def read_b(self: BytesOfB[Expr]) -> Iterator[Interaction]:
        """rs2 is read at slot 1."""
        b = self.b[0] + 2**8 * self.b[1] + 2**16 * self.b_upper, self.b_high
        return access(self.real, REGISTER_BASE + self.rs2, b, b, self.b_prev, self.ts + SLOT_B)

    def fill(self: BytesOfB[U64], records: Any) -> None:
        """The parts of rs2."""
        put(self.rs2, records.rom.rs2)
        put(self.b[0], records.b & BYTE)
        put(self.b[1], (records.b >> np.uint64(8)) & BYTE)
        put(self.b_upper, (records.b >> np.uint64(16)) & MASK16)
        put(self.b_high, records.b >> np.uint64(32))
        put(self.b_prev, records.b_prev)


class StoreBRow(OneHot[T], ByteBits[T], BytesOfB[T], Step[T], Pointer[T], MemoryWord[T]):
    """A byte or half word of the word becomes b's lowest."""

    other = Column("the half of the old limb that is not selected", bits=16)
    byte = Column("the selected byte of the old half; for half words, the lower one", bits=8)
    rest = Column("the other byte of the old half", bits=8)
    old_both = Column("byte & rest: what their lookup gives", bits=8)
    new_both = Column("b[0] & b[1]: what their lookup gives", bits=8)
    change = Column("new limb minus old limb")
    change_high = Column("the same if it is the high limb, else 0")
    is_sb = Column("1 for SB")
    is_sh = Column("1 for SH")
    flags: ClassVar = {"SB": "is_sb", "SH": "is_sh"}
    record = fields("b", "addr", "mem_old", "mem_new")

    def fill(self: StoreBRow[U64], records: Any) -> None:
        """The parts of the old limb, and what changed."""
        addr, b, eight = records.addr, records.b, np.uint64(8)
        half, other = halves(records)
        put(self.other, other)
        upper = (addr & np.uint64(1)) << np.uint64(3)
        put(self.byte, (half >> upper) & BYTE)
        put(self.rest, (half >> (upper ^ eight)) & BYTE)
        put(self.old_both, half & (half >> eight) & BYTE)
        put(self.new_both, b & (b >> eight) & BYTE)
        in_high = (addr >> np.uint64(2)) & np.uint64(1)
        shift = in_high << np.uint64(5)
        change = field.sub((records.mem_new >> shift) & MASK32, (records.mem_old >> shift) & MASK32)
        put(self.change, change)
        put(self.change_high, change * in_high)


def _store_constraints(window: Window) -> Iterator[Constraint]:
    yield is_bit("real", window.row.real)


def _store_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.step(rs1=row.rs1, rs2=row.rs2, x=(row.offset, 0, 0))
    yield from row.read_pointer()
    yield from row.read_b()
    yield from row.access_word(new=row.b)


def _storew_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield is_bit("real", row.real)
    yield is_bit("half", row.half)
    yield "low limb", row.new[0] - row.b[0] - row.half * (row.word[0] - row.b[0])
    yield "high limb", row.new[1] - row.word[1] - row.half * (row.b[0] - row.word[1])


def _storew_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.step(rs1=row.rs1, rs2=row.rs2, x=(row.offset, 0, 0))
    yield from row.read_pointer()
    yield from row.read_b()
    yield from row.access_word(within=row.within, new=row.new)


def _storeb_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from row.one_hot()
    for name in ("bit2", "bit1", "bit0"):
        yield is_bit(name, getattr(row, name))
    yield "half words are aligned", row.is_sh * row.bit0
    place0, place1 = 1 + 255 * row.bit0, 1 + 65535 * row.bit1  # weights of the selected byte and half
    half = row.byte * place0 + row.rest * (257 - place0)
    limb = half * place1 + row.other * (65537 - place1)
    yield "limb", limb - row.word[0] - row.bit2 * (row.word[1] - row.word[0])
    half_change = (row.b[0] - row.byte) * place0 + row.is_sh * 256 * (row.b[1] - row.rest)
    yield "change", row.change - half_change * place1
    yield "change of the high limb", row.change_high - row.bit2 * row.change


def _storeb_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    new = (row.word[0] + row.change - row.change_high, row.word[1] + row.change_high)
    yield from row.step(rs1=row.rs1, rs2=row.rs2, x=(row.offset, 0, 0))
    yield from row.read_pointer()
    yield from row.read_b()
    yield from row.access_word(within=row.within, new=new)
    yield from range16(row.real, row.other, row.b_upper)
    yield send(AND8, row.byte, row.rest, row.old_both, times=row.real)
    yield send(AND8, *row.b, row.new_both, times=row.real)


STORE = Chip(Air("store", StoreRow, _store_constraints, _store_interactions, doc="stores of 8 bytes"))
STOREW = Chip(Air("storew", StoreWRow, _storew_constraints, _storew_interactions, doc="stores of 4 bytes"))
STOREB = Chip(Air("storeb", StoreBRow, _storeb_constraints, _storeb_interactions, doc="stores of 1 and 2 bytes"))
