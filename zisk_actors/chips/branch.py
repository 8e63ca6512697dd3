"""brancheq (BEQ, BNE) and branchlt (BLT, BGE, BLTU, BGEU): conditional branches.

**What it proves.** The next row is pc + 1 + taken (target - pc - 1), the target from the ROM, and ``taken`` is what the
operation says of the two registers.

**Why it is sound.** *Equality* is of two limbs at once. Packing them into one field element would
alias (0 and p are equal there), and one inverse of one difference per limb costs
two columns. Instead: N = d0^2 - 7 d1^2 with d_i = a_i - b_i. 7 generates the
field's multiplicative group, so it is no square, and N = 0 only if both d_i
are 0 (else 7 = (d0/d1)^2). Then

    N inverse = 1 - equal,     equal N = 0

leave nothing to choose: N = 0 makes ``equal`` 1 by the first, N != 0 makes it 0
by the second. This does not even need the limbs to be bounded; that equal field
elements are equal limbs does. *Order* is compare.py's.

**How it is filled.** The next row is the record's; inverses are taken of a whole
column at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from zisk_actors.air.air import Air, Column, Constraint, Window
from zisk_actors.air.bus import Interaction
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import MASK32, Chip, Frame, T, is_bit, put
from zisk_actors.chips.compare import Difference, SignB, less_than
from zisk_actors.chips.frames import OneHot, ReadA, ReadB, Real, Step, grid
from zisk_actors.machine import isa
from zisk_actors.machine.records import Field, fields
from zisk_actors.stark import field
from zisk_actors.stark.field import U64, P

NON_RESIDUE = field.GENERATOR  # a generator is never a square
_BLT, _DOWN, _ACROSS = grid("BLT", "BGE", "BLTU", "BGEU")


class Branch(Frame[T]):
    """Where to go on."""

    target = Column("row if taken, from the ROM")
    npc = Column("next row")
    record = fields(Field("npc", "u4"))

    def branch(self) -> Iterator[Interaction]:
        """Control flow, and both reads."""
        row: Any = self
        yield from row.step(rs1=row.rs1, rs2=row.rs2, x=(row.target, 0, 0), npc=row.npc)
        yield from row.read_a()
        yield from row.read_b()

    def goes_on(self, real: Expr, taken: Expr) -> Constraint:
        """The next row is the target if the branch is taken, else the following one."""
        row: Any = self
        return "next row", row.npc - row.pc - real - taken * (row.target - row.pc - 1)

    def fill(self: Branch[U64], records: Any) -> None:
        """The ROM's target, and where the run went."""
        put(self.target, records.rom.x0)
        put(self.npc, records.npc)


class BranchEqRow(OneHot[T], Step[T], ReadA[T], ReadB[T], Branch[T]):
    """Branch on a == b."""

    equal = Column("1 if a == b")
    inverse = Column("1 / N, 0 if N = 0")
    is_beq = Column("1 for BEQ")
    is_bne = Column("1 for BNE")
    flags: ClassVar = {"BEQ": "is_beq", "BNE": "is_bne"}
    record = fields("a", "b")

    def fill(self: BranchEqRow[U64], records: Any) -> None:
        """Whether the operands are equal, and the norm's inverse."""
        a, b = records.a, records.b
        put(self.equal, a == b)
        low, high = field.sub(a & MASK32, b & MASK32), field.sub(a >> np.uint64(32), b >> np.uint64(32))
        norm = field.sub(field.mul(low, low), field.mul(field.mul(high, high), np.uint64(NON_RESIDUE)))
        put(self.inverse, inverses(norm))


class BranchLtRow(Step[T], ReadA[T], ReadB[T], Branch[T], Difference[T], SignB[T], Real[T]):
    """Branch on a < b."""

    taken = Column("1 if the branch is taken")
    unsigned = Column("1 for BLTU, BGEU")
    negated = Column("1 for BGE, BGEU")
    record = fields("a", "b")

    @property
    def op(self: BranchLtRow[Expr]) -> Any:
        """Two bits choose among four operations."""
        return self.real * _BLT + self.negated * _DOWN + self.unsigned * _ACROSS

    def fill(self: BranchLtRow[U64], records: Any) -> None:
        """The operation's bits, and what they say of the operands."""
        op = records.rom.op
        signed = (op == isa.op("BLT")) | (op == isa.op("BGE"))
        negated = (op == isa.op("BGE")) | (op == isa.op("BGEU"))
        put(self.unsigned, ~signed)
        put(self.negated, negated)
        put(self.taken, less_than(records.a, records.b, signed) ^ negated)


def _eq_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from row.one_hot()
    real = row.is_beq + row.is_bne
    low, high = row.a[0] - row.b[0], row.a[1] - row.b[1]
    norm = low * low - NON_RESIDUE * high * high
    yield "unequal if the norm has an inverse", norm * row.inverse - (real - row.equal)
    yield "equal only if the norm is zero", row.equal * norm
    yield row.goes_on(real, row.is_beq * row.equal + row.is_bne * (1 - row.equal))


def _eq_interactions(window: Window) -> Iterator[Interaction]:
    return window.row.branch()  # type: ignore[no-any-return]


def _lt_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield is_bit("real", row.real)
    yield is_bit("unsigned", row.unsigned)
    yield is_bit("negated", row.negated)
    yield from row.is_difference(row.b)
    _, borrow = row.borrows(row.b)
    less = borrow + (row.real - row.unsigned) * (row.a_sign - row.b_sign)
    yield "taken", row.taken - less - row.negated * (1 - 2 * less)
    yield row.goes_on(row.real, row.taken)


def _lt_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield from row.branch()
    yield from row.difference_lookups()
    yield from row.sign_b_lookups()


# --- filling ---------------------------------------------------------------


def inverses(values: U64) -> U64:
    """1 / values, element by element, and 0 for 0; shape (n,), canonical.

    A tree of products, one inversion at its root, and a tree of inverses back
    down (Montgomery's trick, by halves so that numpy can do it).
    """
    if len(values) == 0:
        return values.copy()
    zero = values == 0
    levels = [np.where(zero, np.uint64(1), values)]
    while len(levels[-1]) > 1:
        level = levels[-1]
        if len(level) % 2:
            level = levels[-1] = np.append(level, np.uint64(1))
        levels.append(field.mul(level[0::2], level[1::2]))
    result = np.array([pow(int(levels[-1][0]), -1, P)], dtype=np.uint64)
    for level in reversed(levels[:-1]):
        below = np.empty_like(level)
        below[0::2] = field.mul(result[: len(level) // 2], level[1::2])
        below[1::2] = field.mul(result[: len(level) // 2], level[0::2])
        result = below
    return np.where(zero, np.uint64(0), result[: len(values)])


BRANCHEQ = Chip(Air("brancheq", BranchEqRow, _eq_constraints, _eq_interactions, doc="branches on equality"))
BRANCHLT = Chip(Air("branchlt", BranchLtRow, _lt_constraints, _lt_interactions, doc="branches on order"))
