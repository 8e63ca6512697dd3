"""The trace checker finds what is wrong and names it, and finds nothing where nothing is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from zisk_actors.air.air import Air, Column, Constraint, Row, Window
from zisk_actors.air.bus import Bus, Interaction, receive, send
from zisk_actors.air.check import Table, Term, check
from zisk_actors.stark.field import U64, P

CHAIN = Bus("chain", 1, ("index", "value"), "test")
TABLE = Bus("table", 2, ("value",), "test")


class CountRow(Row):  # type: ignore[type-arg]
    index = Column("0, 1, 2, ...")
    value = Column("index squared")
    real = Column("1 on a used row")


class SquareRow(Row):  # type: ignore[type-arg]
    square = Column("a number that may be looked up")


class TimesRow(Row):  # type: ignore[type-arg]
    times = Column("multiplicity")


def constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield "value is the square", row.value - row.index * row.index * row.real
    yield "index starts at 0", window.first * row.index
    yield "index counts", (1 - window.last) * window.next.real * (window.next.index - row.index - 1)


def interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield receive(CHAIN, row.index, row.value, times=row.real)
    yield send(TABLE, row.value, times=row.real)


def nothing(window: Window) -> Iterator[Constraint]:
    yield from ()


def supply(window: Window) -> Iterator[Interaction]:
    yield receive(TABLE, window.fixed.square, times=window.row.times)


COUNT = Air("count", CountRow, constraints, interactions)
SQUARES = Air("squares", TimesRow, nothing, supply, fixed=SquareRow)


def tables(n: int = 5) -> tuple[Table, Table, list[Term]]:
    main = np.zeros((3, 8), dtype=np.uint64)
    main[0, :n] = np.arange(n)
    main[1, :n] = np.arange(n) ** 2
    main[2, :n] = 1
    times = np.zeros((1, 8), dtype=np.uint64)
    times[0, :n] = 1
    fixed: U64 = (np.arange(8, dtype=np.uint64) ** 2).reshape(1, 8)
    boundary = [Term(CHAIN, (i, i * i), 1) for i in range(n)]
    return Table(COUNT, main), Table(SQUARES, times, fixed), boundary


def test_an_honest_job_has_an_empty_report():
    count, squares, boundary = tables()
    report = check([count, squares], boundary)
    assert report.ok
    assert "all buses balance" in str(report)


def test_a_failing_constraint_is_named_with_its_row_and_cells():
    count, squares, boundary = tables()
    count.main[1, 3] = 10
    report = check([count, squares], boundary)
    (failure,) = report.failures
    assert (failure.air, failure.constraint, failure.rows) == ("count", "value is the square", (3,))
    assert failure.cells == {"index": 3, "value": 10, "real": 1}
    assert "row 3" in str(report)


def test_next_row_constraints_read_the_next_row_and_selectors_the_ends():
    count, squares, boundary = tables()
    count.main[0, :5] += np.uint64(1)
    count.main[1, :5] = count.main[0, :5] ** np.uint64(2)
    report = check([count, squares], boundary)
    assert {failure.constraint for failure in report.failures} == {"index starts at 0"}
    count.main[0, 2] = 7
    names = {(failure.constraint, failure.rows) for failure in check([count, squares], boundary).failures}
    assert ("index counts", (1, 2)) in names
    shown = next(f for f in check([count]).failures if f.constraint == "index counts")
    assert shown.cells["index'"] == 7


def test_missing_and_extra_tuples_are_named_with_who_said_them():
    count, squares, boundary = tables()
    squares.main[0, 4] = 3
    report = check([count, squares], [*boundary[:-1], Term(CHAIN, (9, 81), 2)])
    by_tuple = {(item.bus, item.values): item for item in report.imbalances}
    assert by_tuple[("table", (16,))].times == -2
    assert by_tuple[("chain", (4, 16))].times == -1
    assert by_tuple[("chain", (4, 16))].sources == (("count", 4, -1),)
    assert by_tuple[("chain", (9, 81))].times == 2
    assert by_tuple[("chain", (9, 81))].sources == (("boundary", 0, 2),)
    assert not report.failures
    assert not report.ok


def test_multiplicities_are_counted_modulo_p():
    count, squares, boundary = tables(2)
    squares.main[0, 1] = 0
    squares.main[0, 0] = P - 1
    report = check([count, squares], boundary)
    assert {(item.values, item.times) for item in report.imbalances if item.bus == "table"} == {((0,), 2), ((1,), 1)}
    # (P - 1) + (P - 1) + 2 = 0: large field elements cancel exactly.
    terms = [Term(CHAIN, (7, 7), P - 1), Term(CHAIN, (7, 7), P - 1), Term(CHAIN, (7, 7), 2)]
    assert check([], terms).ok


def test_a_report_lists_a_few_imbalances_and_counts_the_rest():
    report = check([], [Term(CHAIN, (i, i), 1) for i in range(100)], limit=3)
    assert len(report.imbalances) == 3
    assert report.imbalance_count == 100
    assert "97 more" in str(report)


def test_a_table_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="main columns"):
        Table(COUNT, np.zeros((2, 8), dtype=np.uint64))
    with pytest.raises(ValueError, match="power of two"):
        Table(COUNT, np.zeros((3, 6), dtype=np.uint64))
    with pytest.raises(ValueError, match="fixed"):
        Table(SQUARES, np.zeros((1, 8), dtype=np.uint64))
