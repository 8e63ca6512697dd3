"""store (SD), storew (SW), storeb (SB, SH): writes of RAM words.

There is no ``read_only`` column here: a store reaches RAM tokens only, and a
store to input or to the image outside RAM is a trap. The word that is accessed
and alignment: operands.py. What the chips add:

* SD writes rs2's limbs, bounded since they come from a token.
* SW replaces the limb that ``half`` selects by rs2's low limb and keeps the other.
* SB, SH: the selected limb of the old word is split as for loads (load.py), the low limb
  of rs2 into two bytes and the rest; ``change`` is what replacing the byte
  (or both bytes) adds to the limb, and ``change_high`` is that, if it is the high limb.
  All parts are bounded by lookups, so both splits are unique, and the new limb
  has the old one's untouched parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import MASK16, MASK32, Chip, ReadB, Real, Step, access, is_bit, put, put_limbs, range16, read_b, step
from zisk_actors.chips.buses import AND8
from zisk_actors.chips.operands import (
    MemoryWord,
    Pointer,
    access_word,
    fill_b,
    fill_flags,
    fill_pointer,
    fill_real,
    fill_step,
    fill_word,
    one_hot,
    op_of,
    read_pointer,
    total,
)
from zisk_actors.machine import isa
from zisk_actors.machine.events import SLOT_B
from zisk_actors.machine.layout import REGISTER_BASE
from zisk_actors.stark import field

T = TypeVar("T")


class StoreRow(Step[T], Pointer[T], ReadB[T], MemoryWord[T], Real[T]):
    """word becomes b."""


class StoreWRow(StoreRow[T]):
    """A limb of the word becomes b's low limb."""

    half = Column("bit 2 of the address: which limb")
    new = Columns(2, "the word after the access, limbs")


class StoreBRow(Step[T], Pointer[T], MemoryWord[T]):
    """A byte or half word of the word becomes b's lowest."""

    rs2 = Column("register number")
    b = Columns(2, "bytes 0 and 1 of rs2", bits=8)
    b_upper = Column("bits 16 to 31 of rs2", bits=16)
    b_high = Column("high limb of rs2")
    b_prev = Column("time of the previous access to rs2")
    bit2 = Column("bit 2 of the address: which limb")
    bit1 = Column("bit 1 of the address: which half of it")
    bit0 = Column("bit 0 of the address: which byte of that; 0 for half words")
    other = Column("the half of the old limb that is not selected", bits=16)
    byte = Column("the selected byte of the old half; for half words, the lower one", bits=8)
    rest = Column("the other byte of the old half", bits=8)
    old_both = Column("byte & rest: what their lookup gives", bits=8)
    new_both = Column("b[0] & b[1]: what their lookup gives", bits=8)
    change = Column("new limb minus old limb")
    change_high = Column("the same if it is the high limb, else 0")
    is_sb = Column("1 for SB")
    is_sh = Column("1 for SH")


def _store_constraints(window: Window) -> Iterator[Constraint]:
    yield is_bit("real", window.row.real)


def _store_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from step(row, row.real, isa.op("SD"), rs1=row.rs1, rs2=row.rs2, x=(row.offset, 0, 0))
    yield from read_pointer(row, row.real)
    yield from read_b(row, row.real)
    yield from access_word(row, row.real, new=row.b)


def _store_fill(row: Any, records: Any) -> None:
    fill_step(row, records)
    fill_pointer(row, records)
    fill_b(row, records)
    fill_word(row, records)
    fill_real(row, records)


def _storew_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield is_bit("real", row.real)
    yield is_bit("half", row.half)
    yield "low limb", row.new[0] - row.b[0] - row.half * (row.word[0] - row.b[0])
    yield "high limb", row.new[1] - row.word[1] - row.half * (row.b[0] - row.word[1])


def _storew_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from step(row, row.real, isa.op("SW"), rs1=row.rs1, rs2=row.rs2, x=(row.offset, 0, 0))
    yield from read_pointer(row, row.real)
    yield from read_b(row, row.real)
    yield from access_word(row, row.real, within=4 * row.half, new=row.new)


def _storew_fill(row: Any, records: Any) -> None:
    _store_fill(row, records)
    put(row.half, (records.addr >> np.uint64(2)) & np.uint64(1))
    put_limbs(row.new, records.mem_new)


def _b_flags(row: Any) -> dict[str, Any]:
    return {"SB": row.is_sb, "SH": row.is_sh}


def _storeb_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from one_hot(_b_flags(row))
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


def _storeb_b(row: Any) -> tuple[Expr, Expr]:
    return row.b[0] + 2**8 * row.b[1] + 2**16 * row.b_upper, row.b_high


def _storeb_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    flags = _b_flags(row)
    real = total(flags.values())
    b = _storeb_b(row)
    new = (row.word[0] + row.change - row.change_high, row.word[1] + row.change_high)
    yield from step(row, real, op_of(flags), rs1=row.rs1, rs2=row.rs2, x=(row.offset, 0, 0))
    yield from read_pointer(row, real)
    yield from access(real, REGISTER_BASE + row.rs2, b, b, row.b_prev, row.ts + SLOT_B)
    yield from access_word(row, real, within=4 * row.bit2 + 2 * row.bit1 + row.bit0, new=new)
    yield from range16(real, row.other, row.b_upper)
    yield send(AND8, row.byte, row.rest, row.old_both, times=real)
    yield send(AND8, *row.b, row.new_both, times=real)


def _storeb_fill(row: Any, records: Any) -> None:
    fill_step(row, records)
    fill_pointer(row, records)
    fill_word(row, records)
    fill_flags(_b_flags(row), records)
    addr, b, old, new = records.addr, records.b, records.mem_old, records.mem_new
    byte_mask, eight = np.uint64(0xFF), np.uint64(8)
    put(row.rs2, records.rom.rs2)
    put(row.b[0], b & byte_mask)
    put(row.b[1], (b >> eight) & byte_mask)
    put(row.b_upper, (b >> np.uint64(16)) & MASK16)
    put(row.b_high, b >> np.uint64(32))
    put(row.b_prev, records.b_prev)
    put(row.new_both, b & (b >> eight) & byte_mask)
    for i, bit in enumerate((row.bit0, row.bit1, row.bit2)):
        put(bit, (addr >> np.uint64(i)) & np.uint64(1))
    half = (old >> ((addr & np.uint64(6)) << np.uint64(3))) & MASK16
    put(row.other, (old >> (((addr & np.uint64(6)) ^ np.uint64(2)) << np.uint64(3))) & MASK16)
    upper = (addr & np.uint64(1)) << np.uint64(3)
    put(row.byte, (half >> upper) & byte_mask)
    put(row.rest, (half >> (upper ^ eight)) & byte_mask)
    put(row.old_both, half & (half >> eight) & byte_mask)
    in_high = (addr >> np.uint64(2)) & np.uint64(1)
    shift = in_high << np.uint64(5)
    change = field.sub((new >> shift) & MASK32, (old >> shift) & MASK32)
    put(row.change, change)
    put(row.change_high, change * in_high)


STORE = Chip(Air("store", StoreRow, _store_constraints, _store_interactions, doc="stores of 8 bytes"), _store_fill)
STOREW = Chip(Air("storew", StoreWRow, _storew_constraints, _storew_interactions, doc="stores of 4 bytes"), _storew_fill)
STOREB = Chip(Air("storeb", StoreBRow, _storeb_constraints, _storeb_interactions, doc="stores of 1 and 2 bytes"), _storeb_fill)
