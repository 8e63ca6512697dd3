"""The frames of instruction rows: step, operation, register reads and write, immediate.

A frame (base.py) is a class: columns that belong together, what they say on the buses, what they take of a step's record, and how they
are filled. A chip's row class lists its frames and adds what is the chip's own. One row is one executed instruction, so the soundness
of control flow and of the register accesses is argued once, here:

* EXEC: a row takes (pc, ts) off the bus and puts (npc, ts + 4) on it.
* PROGRAM: the row's instruction is looked up in the ROM, all fields. Columns whose description says "from the ROM" are fixed by that
  lookup. The ROM is part of the verifying key, so their bounds hold by construction and are not proved again.
* TOKEN: each access of a cell is `access` of base.py. Every value ever put in a token is two 32-bit limbs. A chip that puts a *new*
  value there must prove its limbs bounded (usually through 16-bit chunks).
* Unused rows are all zero: ``real``, a bit, multiplies every interaction. Chips of one operation have it as a column, those of several
  as the sum of their flags, of which at most one is set.

Slots within a step: rs1 at ts, rs2 at ts + 1, memory at ts + 2, rd at ts + 3.

Columns come in the order of the reversed list of frames (air.Row), and both it and the order of bus terms are part of every key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from zisk_actors.air.air import Column, Columns, Constraint
from zisk_actors.air.bus import Interaction, receive, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import Frame, T, access, is_bit, put, put_limbs, total
from zisk_actors.chips.buses import EXEC, PROGRAM
from zisk_actors.machine import isa
from zisk_actors.machine.events import SLOT_A, SLOT_B, SLOT_C
from zisk_actors.machine.layout import REGISTER_BASE
from zisk_actors.machine.records import Field, fields
from zisk_actors.stark.field import U64

# --- the step and its operation --------------------------------------------


class Step(Frame[T]):
    """An executed instruction."""

    pc = Column("ROM row of the instruction")
    ts = Column("time of the step, 4 * (step + 1)")
    record = fields(Field("pc", "u4"), "ts")

    def step(
        self: Step[Expr],
        *,
        rd: Expr | int = 0,
        rs1: Expr | int = 0,
        rs2: Expr | int = 0,
        x: Sequence[Expr | int] = (0, 0, 0),
        npc: Expr | None = None,
    ) -> Iterator[Interaction]:
        """Control flow and ROM lookup of one row; ``npc`` is pc + 1 unless given."""
        yield receive(EXEC, self.pc, self.ts, times=self.real)
        yield send(EXEC, self.pc + 1 if npc is None else npc, self.ts + 4, times=self.real)
        yield send(PROGRAM, self.pc, self.op, rd, rs1, rs2, *x, times=self.real)

    def fill(self: Step[U64], records: Any) -> None:
        """Where and when."""
        put(self.pc, records.pc)
        put(self.ts, records.ts)


class Real(Frame[T]):
    """For chips of one operation, and those that choose theirs in another way than by one flag each."""

    real = Column("1 on a used row, 0 on padding")
    operation: ClassVar[str] = ""

    @property
    def op(self) -> Any:
        """The chip's only operation."""
        return isa.op(self.operation)

    def fill(self: Real[U64], records: Any) -> None:
        """As many used rows as records."""
        self.real[: len(records)] = 1


class OneHot(Frame[T]):
    """For chips of several operations: one flag each, at most one of them set. ``flags`` names their columns by mnemonic."""

    flags: ClassVar[Mapping[str, str]] = {}

    def by_op(self) -> dict[str, Any]:
        """The flags by mnemonic."""
        return {name: getattr(self, column) for name, column in self.flags.items()}

    @property
    def real(self) -> Any:
        """The sum of the flags."""
        return total(self.by_op().values())

    @property
    def op(self) -> Any:
        """The op number that the flags stand for."""
        return total(flag * isa.op(name) for name, flag in self.by_op().items())

    def one_hot(self) -> Iterator[Constraint]:
        """Each flag is a bit, and at most one is set."""
        for name, flag in self.by_op().items():
            yield is_bit(f"flag of {name}", flag)
        yield is_bit("sum of flags", total(self.by_op().values()))

    def fill(self: OneHot[U64], records: Any) -> None:
        """The flag of each record's operation."""
        op = records.rom.op
        for name, flag in self.by_op().items():
            put(flag, op == isa.op(name))


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


# --- registers and the immediate -------------------------------------------


class ReadA(Frame[T]):
    """rs1."""

    rs1 = Column("register number")
    a = Columns(2, "value of rs1, 32-bit limbs (bounded: they come from a token)")
    a_prev = Column("time of the previous access to rs1")
    record = fields("a", "a_prev")

    def read_a(self: ReadA[Expr]) -> Iterator[Interaction]:
        """rs1 is read at slot 0."""
        a = self.a
        return access(self.real, REGISTER_BASE + self.rs1, a, a, self.a_prev, self.ts + SLOT_A)

    def fill(self: ReadA[U64], records: Any) -> None:
        """The read."""
        put(self.rs1, records.rom.rs1)
        put_limbs(self.a, records.a)
        put(self.a_prev, records.a_prev)


class ReadB(Frame[T]):
    """rs2."""

    rs2 = Column("register number")
    b = Columns(2, "value of rs2, 32-bit limbs (bounded: they come from a token)")
    b_prev = Column("time of the previous access to rs2")
    record = fields("b", "b_prev")

    def read_b(self: ReadB[Expr]) -> Iterator[Interaction]:
        """rs2 is read at slot 1."""
        b = self.b
        return access(self.real, REGISTER_BASE + self.rs2, b, b, self.b_prev, self.ts + SLOT_B)

    def fill(self: ReadB[U64], records: Any) -> None:
        """The read."""
        put(self.rs2, records.rom.rs2)
        put_limbs(self.b, records.b)
        put(self.b_prev, records.b_prev)


class WriteC(Frame[T]):
    """rd; the new value is the chip's business."""

    rd = Column("register number")
    old = Columns(2, "previous value of rd, limbs")
    old_prev = Column("time of the previous access to rd")
    record = fields("old", "old_prev")

    def write_c(self: WriteC[Expr], new: Sequence[Expr | int]) -> Iterator[Interaction]:
        """rd is written at slot 3; ``new`` must be two bounded limbs."""
        old = self.old
        return access(self.real, REGISTER_BASE + self.rd, old, new, self.old_prev, self.ts + SLOT_C)

    def fill(self: WriteC[U64], records: Any) -> None:
        """What the register held, and since when."""
        put(self.rd, records.rom.rd)
        put_limbs(self.old, records.old)
        put(self.old_prev, records.old_prev)


class Immediate(Frame[T]):
    """A 64-bit immediate in place of rs2."""

    imm = Columns(2, "sign-extended immediate, 32-bit limbs, from the ROM", bits=32)

    def fill(self: Immediate[U64], records: Any) -> None:
        """The ROM's limbs."""
        put(self.imm[0], records.rom.x0)
        put(self.imm[1], records.rom.x1)
