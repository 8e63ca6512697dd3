"""brancheq (BEQ, BNE) and branchlt (BLT, BGE, BLTU, BGEU): conditional branches.

The next row is pc + 1 + taken (target - pc - 1), the target from the ROM.

**Equality** is of two limbs at once. Packing them into one field element would
alias (0 and p are equal there), and one inverse of one difference per limb costs
two columns. Instead: N = d0^2 - 7 d1^2 with d_i = a_i - b_i. 7 generates the
field's multiplicative group, so it is no square, and N = 0 only if both d_i
are 0 (else 7 = (d0/d1)^2). Then

    N inverse = 1 - equal,     equal N = 0

leave nothing to choose: N = 0 makes ``equal`` 1 by the first, N != 0 makes it 0
by the second. This does not even need the limbs to be bounded; that equal field
elements are equal limbs does.

**Order** is compare.py's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from zisk_actors.air.air import Air, Column, Constraint, Row, Window
from zisk_actors.air.bus import Interaction
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import MASK32, Chip, ReadA, ReadB, Real, Step, is_bit, put, read_a, read_b, step
from zisk_actors.chips.compare import (
    Difference,
    SignB,
    borrow_constraints,
    borrows,
    difference_lookups,
    fill_difference,
    fill_sign_b,
    less_than,
    sign_b_lookups,
)
from zisk_actors.chips.operands import fill_a, fill_b, fill_flags, fill_real, fill_step, grid, one_hot, op_of, total
from zisk_actors.machine import isa
from zisk_actors.stark import field
from zisk_actors.stark.field import U64, P

T = TypeVar("T")

NON_RESIDUE = field.GENERATOR  # a generator is never a square
_BLT, _DOWN, _ACROSS = grid("BLT", "BGE", "BLTU", "BGEU")


class Branch(Row[T]):
    """Where to go on."""

    target = Column("row if taken, from the ROM")
    npc = Column("next row")


class BranchEqRow(Step[T], ReadA[T], ReadB[T], Branch[T]):
    """Branch on a == b."""

    equal = Column("1 if a == b")
    inverse = Column("1 / N, 0 if N = 0")
    is_beq = Column("1 for BEQ")
    is_bne = Column("1 for BNE")


class BranchLtRow(Step[T], ReadA[T], ReadB[T], Branch[T], Difference[T], SignB[T], Real[T]):
    """Branch on a < b."""

    taken = Column("1 if the branch is taken")
    unsigned = Column("1 for BLTU, BGEU")
    negated = Column("1 for BGE, BGEU")


def _eq_flags(row: Any) -> dict[str, Any]:
    return {"BEQ": row.is_beq, "BNE": row.is_bne}


def _next_row(row: Any, real: Expr, taken: Expr) -> Constraint:
    return "next row", row.npc - row.pc - real - taken * (row.target - row.pc - 1)


def _eq_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from one_hot(_eq_flags(row))
    real = row.is_beq + row.is_bne
    low, high = row.a[0] - row.b[0], row.a[1] - row.b[1]
    norm = low * low - NON_RESIDUE * high * high
    yield "unequal if the norm has an inverse", norm * row.inverse - (real - row.equal)
    yield "equal only if the norm is zero", row.equal * norm
    yield _next_row(row, real, row.is_beq * row.equal + row.is_bne * (1 - row.equal))


def _eq_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    flags = _eq_flags(row)
    real = total(flags.values())
    yield from step(row, real, op_of(flags), rs1=row.rs1, rs2=row.rs2, x=(row.target, 0, 0), npc=row.npc)
    yield from read_a(row, real)
    yield from read_b(row, real)


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


def _eq_fill(row: Any, records: Any) -> None:
    fill_step(row, records)
    fill_a(row, records)
    fill_b(row, records)
    fill_flags(_eq_flags(row), records)
    put(row.target, records.rom.x0)
    put(row.npc, records.npc)
    a, b = records.a, records.b
    put(row.equal, a == b)
    low, high = field.sub(a & MASK32, b & MASK32), field.sub(a >> np.uint64(32), b >> np.uint64(32))
    norm = field.sub(field.mul(low, low), field.mul(field.mul(high, high), np.uint64(NON_RESIDUE)))
    put(row.inverse, inverses(norm))


def _lt_constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield is_bit("real", row.real)
    yield is_bit("unsigned", row.unsigned)
    yield is_bit("negated", row.negated)
    yield from borrow_constraints(row, row.a, row.b)
    _, borrow = borrows(row, row.a, row.b)
    less = borrow + (row.real - row.unsigned) * (row.a_sign - row.b_sign)
    yield "taken", row.taken - less - row.negated * (1 - 2 * less)
    yield _next_row(row, row.real, row.taken)


def _lt_interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    op = row.real * _BLT + row.negated * _DOWN + row.unsigned * _ACROSS
    yield from step(row, row.real, op, rs1=row.rs1, rs2=row.rs2, x=(row.target, 0, 0), npc=row.npc)
    yield from read_a(row, row.real)
    yield from read_b(row, row.real)
    yield from difference_lookups(row, row.real)
    yield from sign_b_lookups(row, row.real)


def _lt_fill(row: Any, records: Any) -> None:
    fill_step(row, records)
    fill_a(row, records)
    fill_b(row, records)
    fill_real(row, records)
    op = records.rom.op
    signed = (op == isa.op("BLT")) | (op == isa.op("BGE"))
    negated = (op == isa.op("BGE")) | (op == isa.op("BGEU"))
    put(row.unsigned, ~signed)
    put(row.negated, negated)
    put(row.target, records.rom.x0)
    put(row.npc, records.npc)
    fill_difference(row, records.a, records.b)
    fill_sign_b(row, records.b)
    put(row.taken, less_than(records.a, records.b, signed) ^ negated)


BRANCHEQ = Chip(Air("brancheq", BranchEqRow, _eq_constraints, _eq_interactions, doc="branches on equality"), _eq_fill)
BRANCHLT = Chip(Air("branchlt", BranchLtRow, _lt_constraints, _lt_interactions, doc="branches on order"), _lt_fill)
