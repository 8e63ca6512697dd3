"""What instruction rows are made of beyond the frames of base.py: immediates, pointers, memory words, flags.

Rules. Everything here is shared by at least two chips, so its soundness is
argued here once.

**Immediates** are columns that the ROM lookup fixes; the ROM is part of the
verifying key, so their bounds hold by construction and are not proved again.

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
from typing import Any, TypeVar

from zisk_actors.air.air import Column, Columns, Constraint, Row
from zisk_actors.air.bus import Interaction, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import access, is_bit, put, put_limbs, read_a
from zisk_actors.chips.buses import AND8, MSB16, RANGE16
from zisk_actors.machine import isa
from zisk_actors.machine.events import SLOT_MEMORY
from zisk_actors.stark.field import P

T = TypeVar("T")

ONES32 = 2**32 - 1
INV_8 = pow(8, -1, P)
INV_2_32 = pow(2, -32, P)


class Immediate(Row[T]):
    """A 64-bit immediate in place of rs2."""

    imm = Columns(2, "sign-extended immediate, 32-bit limbs, from the ROM", bits=32)


class Pointer(Row[T]):
    """rs1 as the base of an address: its high limb is 0."""

    rs1 = Column("register number of the base")
    base = Column("low limb of rs1; the high one is hard-wired to 0", bits=32)
    a_prev = Column("time of the previous access to rs1")
    offset = Column("immediate as a field element, from the ROM")


class MemoryWord(Row[T]):
    """The aligned 8-byte word that is accessed."""

    word = Columns(2, "value of the word before the access, limbs (bounded: they come from a token)")
    mem_prev = Column("time of the previous access to the word")


class ReadOnly(Row[T]):
    """For loads: which address space the word is in."""

    read_only = Column("1 if the word is read-only (input, image outside RAM)")


def read_pointer(row: Any, real: Expr) -> Iterator[Interaction]:
    """The base register is read at slot 0, with high limb 0."""
    return read_a(row, real, (row.base, 0))


def access_word(
    row: Any, real: Expr, *, within: Expr | int = 0, new: Sequence[Expr] | None = None, space: Expr | int = 0
) -> Iterator[Interaction]:
    """The word at (base + offset - within) / 8 + space is read (or becomes ``new``) at slot 2."""
    addr = (row.base + row.offset - within) * INV_8 + space
    return access(real, addr, row.word, row.word if new is None else new, row.mem_prev, row.ts + SLOT_MEMORY)


def one_hot(flags: dict[str, Expr]) -> Iterator[Constraint]:
    """Each flag is a bit, and at most one is set."""
    for name, flag in flags.items():
        yield is_bit(f"flag of {name}", flag)
    yield is_bit("sum of flags", total(flags.values()))


def total(terms: Any) -> Expr:
    """The sum of expressions."""
    result: Any = 0
    for term in terms:
        result = term + result
    return result  # type: ignore[no-any-return]


def op_of(flags: dict[str, Expr]) -> Expr:
    """The op number that the flags, keyed by mnemonic, stand for."""
    return total(flag * isa.op(name) for name, flag in flags.items())


def grid(name: str, row_step: str, column_step: str, corner: str) -> tuple[int, int, int]:
    """Op numbers of four operations in a 2 by 2 grid, as first number and two differences.

    With them two bits choose among four operations, at one column less than
    one flag each. Raises ValueError unless the instruction table numbers them so
    that corner - column_step = row_step - name.
    """
    base = isa.op(name)
    down, across = isa.op(row_step) - base, isa.op(column_step) - base
    if isa.op(corner) != base + down + across:
        raise ValueError(f"op numbers of {name}, {row_step}, {column_step}, {corner} are not a grid")
    return base, down, across


def sign16(real: Expr, limb: Expr, top: Expr, sign: Expr) -> Iterator[Interaction]:
    """``sign`` is bit 31 of ``limb``, whose upper half is ``top``.

    MSB16 bounds ``top``, RANGE16 the rest: the split of the limb is unique.
    """
    yield send(MSB16, top, sign, times=real)
    yield send(RANGE16, limb - 2**16 * top, times=real)


def byte(real: Expr, value: Expr) -> Interaction:
    """0 <= value < 2^8."""
    return send(AND8, value, 0, 0, times=real)


# --- filling ---------------------------------------------------------------


def fill_step(row: Any, records: Any) -> None:
    """The columns of Step."""
    put(row.pc, records.pc)
    put(row.ts, records.ts)


def fill_real(row: Any, records: Any) -> None:
    """The column of Real."""
    row.real[: len(records.pc)] = 1


def fill_flags(flags: dict[str, Any], records: Any) -> None:
    """One flag per operation."""
    op = records.rom.op
    for name, flag in flags.items():
        put(flag, op == isa.op(name))


def fill_a(row: Any, records: Any) -> None:
    """The columns of ReadA."""
    put(row.rs1, records.rom.rs1)
    put_limbs(row.a, records.a)
    put(row.a_prev, records.a_prev)


def fill_b(row: Any, records: Any) -> None:
    """The columns of ReadB."""
    put(row.rs2, records.rom.rs2)
    put_limbs(row.b, records.b)
    put(row.b_prev, records.b_prev)


def fill_c(row: Any, records: Any) -> None:
    """The columns of WriteC."""
    put(row.rd, records.rom.rd)
    put_limbs(row.old, records.old)
    put(row.old_prev, records.old_prev)


def fill_immediate(row: Any, records: Any) -> None:
    """The columns of Immediate."""
    put(row.imm[0], records.rom.x0)
    put(row.imm[1], records.rom.x1)


def fill_pointer(row: Any, records: Any) -> None:
    """The columns of Pointer."""
    put(row.rs1, records.rom.rs1)
    put(row.base, records.a)
    put(row.a_prev, records.a_prev)
    put(row.offset, records.rom.x0)


def fill_word(row: Any, records: Any) -> None:
    """The columns of MemoryWord."""
    put_limbs(row.word, records.mem_old)
    put(row.mem_prev, records.mem_prev)
