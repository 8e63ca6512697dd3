"""The expression DAG: eight kinds of node and one interpreter, ``fold``.

Rules: nodes are hash-consed (structurally equal expressions are the same
object), so identity is equality and every walk visits a shared subexpression
once. Constants are canonical field elements. Nothing here knows about chips,
buses or backends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, TypeVar

from zisk_actors.stark.field import P

V = TypeVar("V")


class Kind(Enum):
    """What a node is."""

    CONST = "const"  # args: (value,)
    CELL = "cell"  # args: (part, column, rotation)
    CHALLENGE = "challenge"  # args: (index,): 0 is alpha, i >= 1 is beta**i
    CLAIM = "claim"  # args: (): the claimed bus sum of the instance divided by its height
    SELECTOR = "selector"  # args: ("first" | "last",): 1 on that row, 0 on all others
    ADD = "add"  # args: (left, right)
    SUB = "sub"
    MUL = "mul"


class Part(Enum):
    """Which committed matrix a cell belongs to."""

    FIXED = "fixed"  # preprocessed, base field
    MAIN = "main"  # the trace, base field
    AUX = "aux"  # LogUp columns, extension field; the column number counts extension columns


class Expr:
    """A polynomial in the cells of one row and the next. Build with + - * and ints."""

    __slots__ = ("args", "degree", "is_extension", "kind")

    kind: Kind
    args: tuple[Any, ...]
    degree: int  # in units of the trace length; selectors count 1
    is_extension: bool

    def __new__(cls, kind: Kind, *args: Any) -> Expr:
        key = (kind, *args)
        known = _INTERNED.get(key)
        if known is not None:
            return known
        self = super().__new__(cls)
        self.kind, self.args = kind, args
        children = self.children
        if kind is Kind.MUL:
            self.degree = children[0].degree + children[1].degree
        elif children:
            self.degree = max(children[0].degree, children[1].degree)
        else:
            self.degree = 1 if kind in (Kind.CELL, Kind.SELECTOR) else 0
        self.is_extension = (
            kind in (Kind.CHALLENGE, Kind.CLAIM)
            or (kind is Kind.CELL and args[0] is Part.AUX)
            or any(child.is_extension for child in children)
        )
        _INTERNED[key] = self
        return self

    @property
    def children(self) -> tuple[Expr, ...]:
        """The operands of an operation; empty for a leaf."""
        return self.args if self.kind in (Kind.ADD, Kind.SUB, Kind.MUL) else ()

    def __add__(self, other: Expr | int) -> Expr:
        other = as_expr(other)
        if is_const(self, 0):
            return other
        if is_const(other, 0):
            return self
        if self.kind is Kind.CONST and other.kind is Kind.CONST:
            return const(self.args[0] + other.args[0])
        return Expr(Kind.ADD, self, other)

    def __radd__(self, other: int) -> Expr:
        return as_expr(other) + self

    def __sub__(self, other: Expr | int) -> Expr:
        other = as_expr(other)
        if is_const(other, 0):
            return self
        if self.kind is Kind.CONST and other.kind is Kind.CONST:
            return const(self.args[0] - other.args[0])
        return Expr(Kind.SUB, self, other)

    def __rsub__(self, other: int) -> Expr:
        return as_expr(other) - self

    def __mul__(self, other: Expr | int) -> Expr:
        other = as_expr(other)
        if is_const(self, 0) or is_const(other, 0):
            return const(0)
        if is_const(self, 1):
            return other
        if is_const(other, 1):
            return self
        if self.kind is Kind.CONST and other.kind is Kind.CONST:
            return const(self.args[0] * other.args[0])
        return Expr(Kind.MUL, self, other)

    def __rmul__(self, other: int) -> Expr:
        return as_expr(other) * self

    def __neg__(self) -> Expr:
        return const(0) - self

    def __repr__(self) -> str:
        match self.kind:
            case Kind.CONST:
                value: int = self.args[0]
                return str(value if value < P // 2 else value - P)
            case Kind.CELL:
                part, column, rotation = self.args
                return f"{part.value}[{column}]{chr(39) * rotation}"
            case Kind.CHALLENGE | Kind.SELECTOR:
                return f"{self.kind.value}({self.args[0]})"
            case Kind.CLAIM:
                return "claim"
            case _:
                sign = {Kind.ADD: "+", Kind.SUB: "-", Kind.MUL: "*"}[self.kind]
                return f"({self.args[0]!r} {sign} {self.args[1]!r})"


_INTERNED: dict[tuple[Any, ...], Expr] = {}


def const(value: int) -> Expr:
    """The constant ``value`` mod P."""
    return Expr(Kind.CONST, value % P)


def as_expr(value: Expr | int) -> Expr:
    """An int becomes a constant; an expression stays itself."""
    return value if isinstance(value, Expr) else const(value)


def is_const(expr: Expr, value: int) -> bool:
    """Whether ``expr`` is that very constant."""
    return expr.kind is Kind.CONST and expr.args[0] == value % P


def cell(part: Part, column: int, rotation: int = 0) -> Expr:
    """The cell of ``column`` on this row (rotation 0) or the next one (1, cyclic)."""
    if rotation not in (0, 1):
        raise ValueError(f"rotation {rotation}: only this row and the next can be read")
    return Expr(Kind.CELL, part, column, rotation)


def challenge(index: int) -> Expr:
    """LogUp challenge: alpha for 0, beta**index otherwise."""
    return Expr(Kind.CHALLENGE, index)


CLAIM = Expr(Kind.CLAIM)
FIRST = Expr(Kind.SELECTOR, "first")
LAST = Expr(Kind.SELECTOR, "last")


def topological(roots: Iterable[Expr]) -> list[Expr]:
    """Every node below ``roots`` once, operands before their users, in a fixed order."""
    order: list[Expr] = []
    seen: set[Expr] = set()
    for root in roots:
        stack: list[tuple[Expr, bool]] = [(root, False)]
        while stack:
            expr, ready = stack.pop()
            if ready:
                order.append(expr)
            elif expr not in seen:
                seen.add(expr)
                stack.append((expr, True))
                stack.extend((child, False) for child in reversed(expr.children))
    return order


def fold(roots: Sequence[Expr], visit: Callable[[Expr, list[V]], V]) -> list[V]:
    """The only interpreter: ``visit(node, values of its operands)`` once per node, results of the roots."""
    value: dict[Expr, V] = {}
    for expr in topological(roots):
        value[expr] = visit(expr, [value[child] for child in expr.children])
    return [value[root] for root in roots]
