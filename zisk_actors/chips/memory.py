"""The frames of rows that load and store: the pointer, the memory word, and where in the word the access lies.

**Pointers.** A load or store reads its base register as the token (base, 0):
the high limb is hard-wired, so a base of 2^32 or more matches no token and the
instruction cannot be proved. ``offset`` is the immediate as a field element,
-2048 <= offset < 2048. With s = base + offset, an integer in [-2048, 2^32 + 2047],
and ``within`` the byte inside the aligned word (built from bits, 0 to 7), the
memory token's address is the linear expression (s - within) / 8, plus
READ_ONLY_BASE where the bit ``read_only`` is set. No wrong choice of the bits
reaches a token:

* RAM tokens are byte address / 8 < 2^29, read-only ones 2^35 + (less than 2^29),
  registers 2^40 + (at most 32): three disjoint sets, all below 2^41.
* if 8 does not divide s - within as an integer, division by 8 in the field
  gives (s - within + j p) / 8 with 1 <= j <= 7, which is beyond 2^60 (and so
  after adding 2^35): no token. Hence ``within`` is s mod 8, and where a chip
  leaves out a bit of it (a half word's bit 0, say), alignment is enforced.
* if 8 divides it, the quotient lies in [-256, 2^29 + 256): without ``read_only``
  that meets at most RAM tokens (a negative one is near p), with it at most
  read-only tokens (2^35 - 256 and the like exist nowhere). RAM and read-only
  words have different byte addresses, so at most one choice exists.

So what is provable is: the base's high limb is 0, 0 <= base + offset as
integers (no wrap), and the word there exists. Everything else is a trap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zisk_actors.air.air import Column, Columns
from zisk_actors.air.bus import Interaction
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import MASK16, Frame, T, access, put, put_limbs
from zisk_actors.machine import layout
from zisk_actors.machine.events import SLOT_A, SLOT_MEMORY
from zisk_actors.machine.layout import READ_ONLY_BASE, REGISTER_BASE
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64, P

INV_8 = pow(8, -1, P)


class Pointer(Frame[T]):
    """rs1 as the base of an address: its high limb is 0."""

    rs1 = Column("register number of the base")
    base = Column("low limb of rs1; the high one is hard-wired to 0", bits=32)
    a_prev = Column("time of the previous access to rs1")
    offset = Column("immediate as a field element, from the ROM")
    record = fields("a", "a_prev")

    def read_pointer(self: Pointer[Expr]) -> Iterator[Interaction]:
        """The base register is read at slot 0, with high limb 0."""
        return access(self.real, REGISTER_BASE + self.rs1, (self.base, 0), (self.base, 0), self.a_prev, self.ts + SLOT_A)

    def fill(self: Pointer[U64], records: Any) -> None:
        """The read, and the ROM's offset."""
        put(self.rs1, records.rom.rs1)
        put(self.base, records.a)
        put(self.a_prev, records.a_prev)
        put(self.offset, records.rom.x0)


class MemoryWord(Frame[T]):
    """The aligned 8-byte word that is accessed, of a row with a pointer."""

    word = Columns(2, "value of the word before the access, limbs (bounded: they come from a token)")
    mem_prev = Column("time of the previous access to the word")
    record = fields("mem_old", "mem_prev")

    def access_word(self, *, within: Expr | int = 0, new: Sequence[Expr] | None = None, space: Expr | int = 0) -> Iterator[Interaction]:
        """The word at (base + offset - within) / 8 + space is read (or becomes ``new``) at slot 2."""
        row: Any = self
        addr = (row.base + row.offset - within) * INV_8 + space
        return access(self.real, addr, row.word, row.word if new is None else new, row.mem_prev, self.ts + SLOT_MEMORY)

    def fill(self: MemoryWord[U64], records: Any) -> None:
        """The word as it was, and since when."""
        put_limbs(self.word, records.mem_old)
        put(self.mem_prev, records.mem_prev)


class ReadOnly(Frame[T]):
    """For loads: which address space the word is in."""

    read_only = Column("1 if the word is read-only (input, image outside RAM)")
    record = fields("addr")

    @property
    def space(self: ReadOnly[Expr]) -> Any:
        """What the space adds to a token address."""
        return self.read_only * READ_ONLY_BASE

    def fill(self: ReadOnly[U64], records: Any) -> None:
        """Whether the address is RAM's."""
        put(self.read_only, (records.addr < layout.RAM_START) | (records.addr >= layout.RAM_END))


class LimbBit(Frame[T]):
    """Which limb of the word, for an access of 4 bytes."""

    half = Column("bit 2 of the address: which limb")
    record = fields("addr")

    @property
    def within(self: LimbBit[Expr]) -> Any:
        """The byte inside the word."""
        return 4 * self.half

    def fill(self: LimbBit[U64], records: Any) -> None:
        """The address's bit."""
        put(self.half, (records.addr >> np.uint64(2)) & np.uint64(1))


class ByteBits(Frame[T]):
    """Which byte of the word, for an access of 1 or 2 bytes."""

    bit2 = Column("bit 2 of the address: which limb")
    bit1 = Column("bit 1 of the address: which half of it")
    bit0 = Column("bit 0 of the address: which byte of that; 0 for half words")
    record = fields("addr")

    @property
    def within(self: ByteBits[Expr]) -> Any:
        """The byte inside the word."""
        return 4 * self.bit2 + 2 * self.bit1 + self.bit0

    def fill(self: ByteBits[U64], records: Any) -> None:
        """The address's bits."""
        for i, bit in enumerate((self.bit0, self.bit1, self.bit2)):
            put(bit, (records.addr >> np.uint64(i)) & np.uint64(1))


def halves(records: Any) -> tuple[U64, U64]:
    """The 16 bits of the accessed word that the address selects, and the other 16 bits of their limb; (n,) each."""
    place = records.addr & np.uint64(6)
    selected, other = place << np.uint64(3), (place ^ np.uint64(2)) << np.uint64(3)
    return (records.mem_old >> selected) & MASK16, (records.mem_old >> other) & MASK16
