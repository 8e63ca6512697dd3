"""An AIR as a value: named columns, constraints, interactions.

Rules: everything that can be derived is derived (widths, degrees, which columns
are read at the next row, the digest), never declared. A row class holds anything:
symbols while constraints are built, numpy columns while a trace is filled.

    class AddRow(Row[T]):
        a = Columns(2, "left operand, 32-bit limbs")
        real = Column("1 on a used row")
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from zisk_actors.air.bus import Interaction, balance, pairs
from zisk_actors.air.expr import FIRST, LAST, Expr, Kind, Part, cell, topological

T = TypeVar("T")
MAX_DEGREE = 3


class Column:
    """One column of a row class. ``bits`` documents a bound that the AIR must enforce."""

    width = 1

    def __init__(self, doc: str, *, bits: int | None = None) -> None:
        self.doc, self.bits = doc, bits
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, row: Row[T], owner: type | None = None) -> T:
        only: T = row.cells[row.layout[self.name].start]
        return only


class Columns:
    """``width`` adjacent columns of a row class, read as a tuple."""

    def __init__(self, width: int, doc: str, *, bits: int | None = None) -> None:
        self.width, self.doc, self.bits = width, doc, bits
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, row: Row[T], owner: type | None = None) -> tuple[T, ...]:
        return tuple(row.cells[row.layout[self.name]])


class Row(Generic[T]):
    """Base of row classes: ``Row(cells)`` gives the cells their names.

    Columns come in the order of definition, those of base classes first, so
    a frame that several chips share is written once and inherited.
    """

    layout: ClassVar[dict[str, slice]] = {}
    columns: ClassVar[dict[str, Column | Columns]] = {}
    width: ClassVar[int] = 0

    def __init_subclass__(cls) -> None:
        columns: dict[str, Column | Columns] = {}
        for base in reversed(cls.__mro__):
            columns |= {name: item for name, item in vars(base).items() if isinstance(item, Column | Columns)}
        start = 0
        layout = {}
        for name, item in columns.items():
            layout[name] = slice(start, start + item.width)
            start += item.width
        cls.columns, cls.layout, cls.width = columns, layout, start

    def __init__(self, cells: Sequence[T]) -> None:
        if len(cells) != self.width:
            raise ValueError(f"{type(self).__name__} has {self.width} columns, got {len(cells)}")
        self.cells = cells

    @classmethod
    def column_names(cls) -> list[str]:
        """A name per column: ``pc``, ``a[0]``, ``a[1]``, ..."""
        names: list[str] = []
        for name, item in cls.columns.items():
            names += [name] if isinstance(item, Column) else [f"{name}[{i}]" for i in range(item.width)]
        return names


class NoColumns(Row[T]):
    """The row class of an AIR without fixed columns."""


@dataclass(frozen=True)
class Window:
    """What constraints may read: this row, the next one (cyclic), fixed columns, the first and last row's selectors.

    ``row``, ``next`` and ``fixed`` are instances of the AIR's row classes over
    expressions; they are typed Any because one signature serves every AIR.
    """

    row: Any
    next: Any
    fixed: Any
    first: Expr = FIRST
    last: Expr = LAST


Constraint = tuple[str, Expr]


@dataclass(frozen=True, eq=False)
class Air:
    """One table: ``constraints(window)`` yields (name, expression that is zero), ``interactions(window)`` its bus terms."""

    name: str
    main: type[Row[Any]]
    constraints: Callable[[Window], Iterator[Constraint]]
    interactions: Callable[[Window], Iterator[Interaction]]
    fixed: type[Row[Any]] = NoColumns
    doc: str = ""
    _window: Window = field(init=False, repr=False)

    def __post_init__(self) -> None:
        def symbols(row: type[Row[Any]], part: Part, rotation: int) -> Row[Expr]:
            return row([cell(part, column, rotation) for column in range(row.width)])

        window = Window(
            row=symbols(self.main, Part.MAIN, 0),
            next=symbols(self.main, Part.MAIN, 1),
            fixed=symbols(self.fixed, Part.FIXED, 0),
        )
        object.__setattr__(self, "_window", window)
        for name, expr in self.all_constraints:
            if expr.degree > MAX_DEGREE:
                raise ValueError(f"{self.name}: constraint {name!r} has degree {expr.degree}, more than {MAX_DEGREE}")

    @cached_property
    def bus_terms(self) -> tuple[Interaction, ...]:
        """The interactions, in order."""
        return tuple(self.interactions(self._window))

    @cached_property
    def own_constraints(self) -> tuple[Constraint, ...]:
        """The chip's own constraints (base field)."""
        return tuple(self.constraints(self._window))

    @cached_property
    def all_constraints(self) -> tuple[Constraint, ...]:
        """Own constraints, then those of the buses; the order in which gamma powers are given out."""
        return (*self.own_constraints, *balance(self.bus_terms))

    @property
    def width(self) -> int:
        """Main columns."""
        return self.main.width

    @property
    def fixed_width(self) -> int:
        """Fixed columns."""
        return self.fixed.width

    @cached_property
    def aux_width(self) -> int:
        """Extension columns of stage 2 (each is three base columns)."""
        return len(pairs(self.bus_terms))

    @cached_property
    def degree(self) -> int:
        """Largest constraint degree."""
        return max((expr.degree for _, expr in self.all_constraints), default=0)

    @cached_property
    def next_columns(self) -> dict[Part, tuple[int, ...]]:
        """Per part, the columns read at the next row: those opened at zeta * w as well."""
        found: dict[Part, set[int]] = {part: set() for part in Part}
        for expr in topological(expr for _, expr in self.all_constraints):
            if expr.kind is Kind.CELL and expr.args[2] == 1:
                found[expr.args[0]].add(expr.args[1])
        return {part: tuple(sorted(columns)) for part, columns in found.items()}

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of everything the verifier depends on: names do not count, the DAG does."""
        h = hashlib.sha256()
        roots = [expr for _, expr in self.all_constraints]
        h.update(repr((self.name, self.width, self.fixed_width, self.aux_width)).encode())
        number: dict[Expr, int] = {}
        for expr in topological(roots):
            args = [number[a] if isinstance(a, Expr) else str(a) for a in expr.args]
            h.update(repr((expr.kind.value, args)).encode())
            number[expr] = len(number)
        h.update(repr([number[root] for root in roots]).encode())
        return h.digest()

    def __repr__(self) -> str:
        return f"Air({self.name})"
