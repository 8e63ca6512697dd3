"""Checking traces against their AIRs: every failing constraint by row, every unbalanced bus by tuple.

Rules: exact and without challenges. Buses are counted as multisets of tuples of
field elements, multiplicities modulo P, so that what this calls balanced is what
LogUp accepts with overwhelming probability, and what it reports names the tuple.
Tables come in domain order (row i is the value at w^i), not in storage order.
Slow and obvious: for tests, and for the report of what is wrong with a witness.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from zisk_actors.air.air import Air
from zisk_actors.air.bus import Bus, Interaction
from zisk_actors.air.evaluate import ColumnValues, over_columns
from zisk_actors.air.expr import Expr, Kind, Part, topological
from zisk_actors.stark.field import U64, P


@dataclass(frozen=True)
class Table:
    """One instance: ``main`` (width, n) and ``fixed`` (fixed_width, n), canonical uint64, in domain order."""

    air: Air
    main: U64
    fixed: U64 | None = None

    def __post_init__(self) -> None:
        height = self.main.shape[1]
        if self.main.shape[0] != self.air.width:
            raise ValueError(f"{self.air.name}: {self.main.shape[0]} main columns, the AIR has {self.air.width}")
        if height == 0 or height & (height - 1):
            raise ValueError(f"{self.air.name}: height {height} is not a power of two")
        if self.air.fixed_width and (self.fixed is None or self.fixed.shape != (self.air.fixed_width, height)):
            raise ValueError(f"{self.air.name}: fixed columns must be ({self.air.fixed_width}, {height})")

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.main.shape[1])

    def values(self) -> ColumnValues:
        """The leaves of base-field expressions over this table."""

        def read(part: Part, column: int, rotation: int) -> U64:
            if part is Part.AUX:
                raise ValueError("check reads no stage-2 columns")
            matrix = self.main if part is Part.MAIN else self.fixed
            assert matrix is not None
            return matrix[column] if rotation == 0 else np.roll(matrix[column], -rotation)

        first = np.zeros(self.height, dtype=np.uint64)
        last = np.zeros(self.height, dtype=np.uint64)
        first[0] = last[-1] = 1
        return ColumnValues(read, first=first, last=last)

    def evaluate(self, roots: Sequence[Expr]) -> list[U64]:
        """The values of base-field expressions on every row, each (n,)."""
        return [np.broadcast_to(value, (self.height,)) for value in over_columns(roots, self.values())]


@dataclass(frozen=True)
class Term:
    """``times`` copies (negative: taken off) of a tuple that the verifier itself puts on a bus."""

    bus: Bus
    values: tuple[int, ...]
    times: int


@dataclass(frozen=True)
class Failure:
    """A constraint that is not zero on some rows. ``cells`` are the cells it reads, at the first of these rows."""

    table: int
    air: str
    constraint: str
    rows: tuple[int, ...]
    cells: dict[str, int]

    def __str__(self) -> str:
        more = f" and {len(self.rows) - 1} more" if len(self.rows) > 1 else ""
        cells = ", ".join(f"{name} = {value}" for name, value in self.cells.items())
        return f"{self.air} (table {self.table}) row {self.rows[0]}{more}: {self.constraint!r} fails with {cells}"


@dataclass(frozen=True)
class Imbalance:
    """A tuple whose multiplicities do not sum to zero: ``times`` > 0 is extra on the bus, < 0 is missing from it.

    ``sources`` says who put it there or took it off: (air, row, times), the verifier as ``boundary``.
    """

    bus: str
    values: tuple[int, ...]
    times: int
    sources: tuple[tuple[str, int, int], ...]

    def __str__(self) -> str:
        what = f"{self.times} extra" if self.times > 0 else f"{-self.times} missing"
        said = ", ".join(f"{air} row {row} ({times:+d})" for air, row, times in self.sources)
        return f"bus {self.bus}: {what} {self.values} from {said}"


@dataclass
class Report:
    """All that is wrong with a set of tables."""

    failures: list[Failure] = field(default_factory=list)
    imbalances: list[Imbalance] = field(default_factory=list)
    imbalance_count: int = 0  # imbalances found; the list holds only the first ones of each bus

    @property
    def ok(self) -> bool:
        """Whether every constraint holds and every bus balances."""
        return not self.failures and not self.imbalance_count

    def __str__(self) -> str:
        if self.ok:
            return "all constraints hold, all buses balance"
        lines = [str(failure) for failure in self.failures] + [str(item) for item in self.imbalances]
        hidden = self.imbalance_count - len(self.imbalances)
        return "\n".join(lines + ([f"... and {hidden} more unbalanced tuples"] if hidden else []))


def signed(value: int) -> int:
    """A field element as the integer of least magnitude."""
    return value if value <= P // 2 else value - P


def failures(table: Table, index: int = 0) -> list[Failure]:
    """The own constraints of ``table`` that fail, one entry each."""
    named = table.air.own_constraints
    found = []
    for (name, expr), value in zip(named, table.evaluate([expr for _, expr in named]), strict=True):
        rows = np.flatnonzero(value)
        if rows.size:
            cells = _cells(table, expr, int(rows[0]))
            found.append(Failure(index, table.air.name, name, tuple(int(row) for row in rows), cells))
    return found


def _cells(table: Table, expr: Expr, row: int) -> dict[str, int]:
    names = {Part.MAIN: table.air.main.column_names(), Part.FIXED: table.air.fixed.column_names()}
    found = {}
    for node in topological([expr]):
        if node.kind is Kind.CELL:
            part, column, rotation = node.args
            prefix = "fixed." if part is Part.FIXED else ""
            found[f"{prefix}{names[part][column]}{chr(39) * rotation}"] = int(table.values().cell(*node.args)[row])
    return found


@dataclass(frozen=True)
class Said:
    """The non-silent terms of one interaction: tuples (arity, k), multiplicities (k,), rows (k,)."""

    bus: Bus
    values: U64
    times: U64
    rows: U64
    air: str


def said(table: Table, interactions: Iterable[Interaction] | None = None) -> list[Said]:
    """What each interaction of ``table`` says, silent rows left out."""
    result = []
    for item in table.air.bus_terms if interactions is None else interactions:
        *values, times = table.evaluate([*item.values, item.times])
        rows = np.flatnonzero(times)
        result.append(Said(item.bus, np.stack([value[rows] for value in values]), times[rows], rows.astype(np.uint64), table.air.name))
    return result


def said_by_verifier(term: Term) -> Said:
    """A boundary term as something said."""
    values = np.array([[value % P] for value in term.values], dtype=np.uint64)
    return Said(term.bus, values, np.array([term.times % P], dtype=np.uint64), np.zeros(1, dtype=np.uint64), "boundary")


def imbalances(terms: Sequence[Said], limit: int = 10) -> tuple[list[Imbalance], int]:
    """Tuples that do not cancel over all ``terms``: the first ``limit`` of each bus, and how many there are."""
    found: list[Imbalance] = []
    count = 0
    for bus in dict.fromkeys(term.bus for term in terms):
        on_bus = [term for term in terms if term.bus is bus and term.times.size]
        if not on_bus:
            continue
        values = np.concatenate([term.values for term in on_bus], axis=1)
        times = np.concatenate([term.times for term in on_bus])
        order = np.lexsort(values[::-1])
        ordered = values[:, order]
        starts = np.flatnonzero(np.concatenate([[True], np.any(ordered[:, 1:] != ordered[:, :-1], axis=0)]))
        # Sums modulo P without overflow: halves are summed apart (fewer than 2^32 terms).
        low = np.add.reduceat(times[order] & np.uint64(0xFFFFFFFF), starts)
        high = np.add.reduceat(times[order] >> np.uint64(32), starts)
        sums = [(int(h) * 2**32 + int(x)) % P for h, x in zip(high, low, strict=True)]
        bad = [group for group, total in enumerate(sums) if total]
        count += len(bad)
        for group in bad[:limit]:
            key = ordered[:, starts[group]]
            sources = [
                (term.air, int(term.rows[i]), signed(int(term.times[i])))
                for term in on_bus
                for i in np.flatnonzero(np.all(term.values == key[:, None], axis=0))[:4]
            ]
            found.append(Imbalance(bus.name, tuple(int(v) for v in key), signed(sums[group]), tuple(sources[:8])))
    return found, count


def check(tables: Sequence[Table], boundary: Sequence[Term] = (), limit: int = 10) -> Report:
    """Everything wrong with ``tables``, given the verifier's own ``boundary`` terms. ``limit`` imbalances a bus are listed."""
    report = Report()
    terms: list[Said] = []
    for index, table in enumerate(tables):
        report.failures += failures(table, index)
        terms += said(table)
    terms += [said_by_verifier(term) for term in boundary]
    report.imbalances, report.imbalance_count = imbalances(terms, limit)
    return report
