"""Evaluating expressions: over numpy columns, and at one extension point.

Rules: a walk of ``expr.fold`` and nothing else. ``over_columns`` is what the
reference prover, trace checking and multiplicity counting use; ``at_point`` is
what the verifier uses at zeta, on Python integers because a point is a scalar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zisk_actors.air.expr import Expr, Kind, Part, fold
from zisk_actors.stark import field
from zisk_actors.stark.field import U64, P

# An extension element as Python integers: c0 + c1 x + c2 x^2.
Ext = tuple[int, int, int]


def ext_add(a: Ext, b: Ext) -> Ext:
    """a + b."""
    return ((a[0] + b[0]) % P, (a[1] + b[1]) % P, (a[2] + b[2]) % P)


def ext_sub(a: Ext, b: Ext) -> Ext:
    """a - b."""
    return ((a[0] - b[0]) % P, (a[1] - b[1]) % P, (a[2] - b[2]) % P)


def ext_mul(a: Ext, b: Ext) -> Ext:
    """a * b in F[x]/(x^3 - x - 1)."""
    c3 = a[1] * b[2] + a[2] * b[1]
    c4 = a[2] * b[2]
    return (
        (a[0] * b[0] + c3) % P,
        (a[0] * b[1] + a[1] * b[0] + c3 + c4) % P,
        (a[0] * b[2] + a[2] * b[0] + a[1] * b[1] + c4) % P,
    )


@dataclass(frozen=True)
class PointValues:
    """The leaves at a point: per part, this row's and the next row's openings (by column), and the rest."""

    cell: Callable[[Part, int, int], Ext]
    challenges: Sequence[Ext]  # alpha, beta, beta^2, ...
    claim: Ext  # claimed sum / height
    first: Ext  # selector of the first row at the point
    last: Ext


def at_point(roots: Sequence[Expr], values: PointValues) -> list[Ext]:
    """The values of ``roots`` at one extension point."""

    def visit(expr: Expr, operands: list[Ext]) -> Ext:
        match expr.kind:
            case Kind.ADD:
                return ext_add(operands[0], operands[1])
            case Kind.SUB:
                return ext_sub(operands[0], operands[1])
            case Kind.MUL:
                return ext_mul(operands[0], operands[1])
            case Kind.CONST:
                return (expr.args[0], 0, 0)
            case Kind.CELL:
                return values.cell(*expr.args)
            case Kind.CHALLENGE:
                index: int = expr.args[0]
                return values.challenges[index]
            case Kind.CLAIM:
                return values.claim
            case Kind.SELECTOR:
                return values.first if expr.args[0] == "first" else values.last

    return fold(roots, visit)


@dataclass(frozen=True)
class ColumnValues:
    """The leaves as columns of equal height n.

    ``cell`` gives (n,) uint64 for base parts and (n, 3) for AUX; challenges and
    claim are (3,) uint64; selectors (n,) uint64. Only what the roots read is asked for.
    """

    cell: Callable[[Part, int, int], U64]
    challenges: U64 | None = None  # (CHALLENGE_COUNT, 3)
    claim: U64 | None = None
    first: U64 | None = None
    last: U64 | None = None


def over_columns(roots: Sequence[Expr], values: ColumnValues) -> list[U64]:
    """The values of ``roots`` on every row.

    A root of the base field gives shape (n,) (or () for a constant), one of the extension (n, 3) (or (3,)).
    """

    def need(value: U64 | None, what: str) -> U64:
        if value is None:
            raise ValueError(f"the expression reads {what}, which was not given")
        return value

    def lift(expr: Expr, value: U64) -> U64:
        return value if expr.is_extension else field.ext(value)

    def visit(expr: Expr, operands: list[U64]) -> U64:
        match expr.kind:
            case Kind.CONST:
                return np.uint64(expr.args[0])  # type: ignore[return-value]  # a 0-d operand broadcasts
            case Kind.CELL:
                return values.cell(*expr.args)
            case Kind.CHALLENGE:
                drawn: U64 = need(values.challenges, "challenges")[expr.args[0]]
                return drawn
            case Kind.CLAIM:
                return need(values.claim, "the claim")
            case Kind.SELECTOR:
                return need(values.first if expr.args[0] == "first" else values.last, f"selector {expr.args[0]}")
        a, b = operands
        left, right = expr.children
        if not expr.is_extension:
            return {Kind.ADD: field.add, Kind.SUB: field.sub, Kind.MUL: field.mul}[expr.kind](a, b)
        if expr.kind is Kind.MUL:
            if not left.is_extension:
                return field.ext_scale(b, a)
            if not right.is_extension:
                return field.ext_scale(a, b)
            return field.ext_mul(a, b)
        return {Kind.ADD: field.add, Kind.SUB: field.sub}[expr.kind](lift(left, a), lift(right, b))

    return fold(roots, visit)
