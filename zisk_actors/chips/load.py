"""load (LD), loadw (LW, LWU), loadb (LB, LBU, LH, LHU): reads of RAM and read-only words.

The word that is accessed and alignment: operands.py. What the chips add:

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
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from zisk_actors.air.air import Air, Column, Constraint, Window
from zisk_actors.air.bus import Interaction, send
from zisk_actors.chips.base import MASK16, MASK32, Chip, Real, Step, WriteC, is_bit, put, range16, step, write_c
from zisk_actors.chips.buses import AND8
from zisk_actors.chips.operands import (
    ONES32,
    MemoryWord,
    Pointer,
    ReadOnly,
    access_word,
    byte,
    fill_c,
    fill_flags,
    fill_pointer,
    fill_real,
    fill_step,
    fill_word,
    grid,
    one_hot,
    op_of,
    read_pointer,
    sign16,
    total,
)
from zisk_actors.machine import isa, layout
from zisk_actors.machine.layout import READ_ONLY_BASE
from zisk_actors.stark.field import U64

T = TypeVar("T")

_LB, _DOWN, _ACROSS = grid("LB", "LH", "LBU", "LHU")


class LoadFrame(Step[T], Pointer[T], WriteC[T], MemoryWord[T], ReadOnly[T]):
    """What all loads have."""


class LoadRow(LoadFrame[T], Real[T]):
    """c = word."""


class LoadWRow(LoadFrame[T]):
    """c = a limb of the word, extended."""

    half = Column("bit 2 of the address: which limb")
    limb = Column("the limb")
    top = Column("its upper 16 bits (LWU: free, nothing reads it)", bits=16)
    sign = Column("its bit 31 for LW, 0 for LWU")
    is_lw = Column("1 for LW")
    is_lwu = Column("1 for LWU")


class LoadBRow(LoadFrame[T], Real[T]):
    """c = a byte or half word of the word, extended."""

    bit2 = Column("bit 2 of the address: which limb")
    bit1 = Column("bit 1 of the address: which half of it")
    bit0 = Column("bit 0 of the address: which byte of that; 0 for half words")
    other = Column("the half that is not selected", bits=16)
    byte = Column("the selected byte; for half words, the upper one", bits=8)
    rest = Column("the other byte of the selected half", bits=8)
    sign = Column("1 if the result is negative")
    low = Column("low limb of the result")
    half = Column("1 for LH, LHU")
    unsigned = Column("1 for LBU, LHU")


def _read(row: Any, real: Any, within: Any = 0) -> Iterator[Interaction]:
    yield from read_pointer(row, real)
    yield from access_word(row, real, within=within, space=row.read_only * READ_ONLY_BASE)


def _load_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield is_bit("real", row.real)
    yield is_bit("read_only", row.read_only)


def _load_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from step(row, row.real, isa.op("LD"), rd=row.rd, rs1=row.rs1, x=(row.offset, 0, 0))
    yield from _read(row, row.real)
    yield from write_c(row, row.real, row.word)


def _is_ram(addr: U64) -> Any:
    """Whether byte addresses are RAM's: a bool per row."""
    return (addr >= layout.RAM_START) & (addr < layout.RAM_END)


def _fill_frame(row: Any, records: Any) -> None:
    fill_step(row, records)
    fill_pointer(row, records)
    fill_c(row, records)
    fill_word(row, records)
    put(row.read_only, ~_is_ram(records.addr))


def _load_fill(row: Any, records: Any) -> None:
    _fill_frame(row, records)
    fill_real(row, records)


def _w_flags(row: Any) -> dict[str, Any]:
    return {"LW": row.is_lw, "LWU": row.is_lwu}


def _loadw_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from one_hot(_w_flags(row))
    yield is_bit("read_only", row.read_only)
    yield is_bit("half", row.half)
    yield "limb", row.limb - row.word[0] - row.half * (row.word[1] - row.word[0])
    yield "no sign if unsigned", row.is_lwu * row.sign


def _loadw_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    flags = _w_flags(row)
    real = total(flags.values())
    yield from step(row, real, op_of(flags), rd=row.rd, rs1=row.rs1, x=(row.offset, 0, 0))
    yield from _read(row, real, 4 * row.half)
    yield from write_c(row, real, (row.limb, row.sign * ONES32))
    yield from sign16(row.is_lw, row.limb, row.top, row.sign)


def _loadw_fill(row: Any, records: Any) -> None:
    _fill_frame(row, records)
    fill_flags(_w_flags(row), records)
    put(row.half, (records.addr >> np.uint64(2)) & np.uint64(1))
    limb = records.c & MASK32
    put(row.limb, limb)
    put(row.top, limb >> np.uint64(16))
    put(row.sign, records.c >> np.uint64(63))


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
    real = row.real
    op = real * _LB + row.half * _DOWN + row.unsigned * _ACROSS
    yield from step(row, real, op, rd=row.rd, rs1=row.rs1, x=(row.offset, 0, 0))
    yield from _read(row, real, 4 * row.bit2 + 2 * row.bit1 + row.bit0)
    yield from write_c(row, real, (row.low, row.sign * ONES32))
    yield from range16(real, row.other)
    yield send(AND8, row.byte, 128 * (real - row.unsigned), 128 * row.sign, times=real)
    yield byte(real, row.rest)


def _loadb_fill(row: Any, records: Any) -> None:
    _fill_frame(row, records)
    fill_real(row, records)
    op, addr = records.rom.op, records.addr
    is_half = (op == isa.op("LH")) | (op == isa.op("LHU"))
    put(row.half, is_half)
    put(row.unsigned, (op == isa.op("LBU")) | (op == isa.op("LHU")))
    for i, bit in enumerate((row.bit0, row.bit1, row.bit2)):
        put(bit, (addr >> np.uint64(i)) & np.uint64(1))
    half = (records.mem_old >> ((addr & np.uint64(6)) << np.uint64(3))) & MASK16
    put(row.other, (records.mem_old >> (((addr & np.uint64(6)) ^ np.uint64(2)) << np.uint64(3))) & MASK16)
    upper = ((addr & np.uint64(1)) | is_half) << np.uint64(3)
    put(row.byte, (half >> upper) & np.uint64(0xFF))
    put(row.rest, (half >> (upper ^ np.uint64(8))) & np.uint64(0xFF))
    put(row.sign, records.c >> np.uint64(63))
    put(row.low, records.c & MASK32)


LOAD = Chip(Air("load", LoadRow, _load_constraints, _load_interactions, doc="loads of 8 bytes"), _load_fill)
LOADW = Chip(Air("loadw", LoadWRow, _loadw_constraints, _loadw_interactions, doc="loads of 4 bytes"), _loadw_fill)
LOADB = Chip(Air("loadb", LoadBRow, _loadb_constraints, _loadb_interactions, doc="loads of 1 and 2 bytes"), _loadb_fill)
