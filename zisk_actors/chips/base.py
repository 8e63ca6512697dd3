"""What every chip is made of: the Chip value, and the frames that instruction rows share.

Rules. One row is one executed instruction. Column classes below are mixed into
a chip's row class, and each comes with the function that yields its
interactions, so the soundness of control flow and of the token argument is
argued once, here:

* EXEC: a row takes (pc, ts) off the bus and puts (npc, ts + 4) on it.
* PROGRAM: the row's instruction is looked up in the ROM, all fields.
* TOKEN: an access takes (addr, old value, prev) and puts (addr, new value, time)
  with time - prev - 1 in [0, 2^16): strictly later, and never twice the same token.
* Every value ever put in a token is two 32-bit limbs; a chip that puts a *new*
  value there must prove its limbs bounded (usually through 16-bit chunks).
* Unused rows are all zero: ``real`` (a bit) multiplies every interaction.

Slots within a step: rs1 at ts, rs2 at ts + 1, memory at ts + 2, rd at ts + 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Row
from zisk_actors.air.bus import Interaction, receive, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.buses import EXEC, PROGRAM, RANGE16, TOKEN
from zisk_actors.machine.events import SLOT_A, SLOT_B, SLOT_C
from zisk_actors.machine.layout import REGISTER_BASE
from zisk_actors.stark import chipset
from zisk_actors.stark.chipset import Presence
from zisk_actors.stark.field import U64

T = TypeVar("T")

MASK16, MASK32 = np.uint64(0xFFFF), np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, eq=False)
class Chip:
    """An AIR with the way its trace is filled and how often it may occur.

    ``fill(row, records)`` writes the first n entries of the zeroed columns
    ``row`` (Row over uint64 arrays of one height N >= n) from n event records.
    It is None for chips whose columns the witness assembly computes itself.
    ``max_job_rows`` bounds the sum of its heights over a job.
    """

    air: Air
    fill: Callable[[Any, Any], None] | None = None
    presence: Presence = Presence.OPTIONAL
    max_job_rows: int = 2**40

    @property
    def name(self) -> str:
        """The AIR's name; also the key of its event records."""
        return self.air.name

    @property
    def rules(self) -> chipset.Chip:
        """What the verifier must know of it."""
        return chipset.Chip(self.air, self.presence, max_job_rows=self.max_job_rows)


class Step(Row[T]):
    """An executed instruction."""

    pc = Column("ROM row of the instruction")
    ts = Column("time of the step, 4 * (step + 1)")


class Real(Row[T]):
    """For chips of one operation; chips of several use one flag per operation instead."""

    real = Column("1 on a used row, 0 on padding")


class ReadA(Row[T]):
    """rs1."""

    rs1 = Column("register number")
    a = Columns(2, "value of rs1, 32-bit limbs (bounded: they come from a token)")
    a_prev = Column("time of the previous access to rs1")


class ReadB(Row[T]):
    """rs2."""

    rs2 = Column("register number")
    b = Columns(2, "value of rs2, 32-bit limbs (bounded: they come from a token)")
    b_prev = Column("time of the previous access to rs2")


class WriteC(Row[T]):
    """rd; the new value is the chip's business."""

    rd = Column("register number")
    old = Columns(2, "previous value of rd, limbs")
    old_prev = Column("time of the previous access to rd")


def is_bit(name: str, value: Expr) -> Constraint:
    """value is 0 or 1."""
    return f"{name} is a bit", value * (1 - value)


def step(
    row: Any,
    real: Expr,
    op: Expr | int,
    *,
    rd: Expr | int = 0,
    rs1: Expr | int = 0,
    rs2: Expr | int = 0,
    x: Sequence[Expr | int] = (0, 0, 0),
    npc: Expr | None = None,
) -> Iterator[Interaction]:
    """Control flow and ROM lookup of one row; ``npc`` is pc + 1 unless given."""
    yield receive(EXEC, row.pc, row.ts, times=real)
    yield send(EXEC, row.pc + 1 if npc is None else npc, row.ts + 4, times=real)
    yield send(PROGRAM, row.pc, op, rd, rs1, rs2, *x, times=real)


def access(
    real: Expr, addr: Expr | int, old: Sequence[Expr | int], new: Sequence[Expr | int], prev: Expr, time: Expr
) -> Iterator[Interaction]:
    """One access to a cell: ``old`` limbs since ``prev`` become ``new`` at ``time``."""
    yield receive(TOKEN, addr, *old, prev, times=real)
    yield send(TOKEN, addr, *new, time, times=real)
    yield send(RANGE16, time - prev - 1, times=real)


def read_a(row: Any, real: Expr, limbs: Sequence[Expr | int] | None = None) -> Iterator[Interaction]:
    """rs1 is read at slot 0; ``limbs`` replaces the row's own (for a hard-wired high limb)."""
    value = row.a if limbs is None else limbs
    return access(real, REGISTER_BASE + row.rs1, value, value, row.a_prev, row.ts + SLOT_A)


def read_b(row: Any, real: Expr) -> Iterator[Interaction]:
    """rs2 is read at slot 1."""
    return access(real, REGISTER_BASE + row.rs2, row.b, row.b, row.b_prev, row.ts + SLOT_B)


def write_c(row: Any, real: Expr, new: Sequence[Expr | int]) -> Iterator[Interaction]:
    """rd is written at slot 3; ``new`` must be two bounded limbs."""
    return access(real, REGISTER_BASE + row.rd, row.old, new, row.old_prev, row.ts + SLOT_C)


def range16(real: Expr, *values: Expr) -> Iterator[Interaction]:
    """Each value is below 2^16."""
    for value in values:
        yield send(RANGE16, value, times=real)


def limbs_of(chunks: Sequence[Expr]) -> tuple[Expr, ...]:
    """Pairs of 16-bit chunks, least significant first, as 32-bit limbs."""
    return tuple(chunks[i] + 2**16 * chunks[i + 1] for i in range(0, len(chunks), 2))


# --- filling ---------------------------------------------------------------


def put(column: U64, values: Any) -> None:
    """Write ``values`` (n,) into the first n entries of ``column``."""
    column[: len(values)] = values


def put_limbs(columns: Sequence[U64], values: U64) -> None:
    """A 64-bit value in two 32-bit limbs."""
    put(columns[0], values & MASK32)
    put(columns[1], values >> np.uint64(32))


def put_chunks(columns: Sequence[U64], values: U64) -> None:
    """A value in 16-bit chunks, as many as there are columns."""
    for i, column in enumerate(columns):
        put(column, (values >> np.uint64(16 * i)) & MASK16)
