"""Shares and tables: exact properties, over all small cases and many random ones."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zisk_actors.machine import plan
from zisk_actors.machine.plan import WORTHWHILE, cut, instances, price


def test_a_cut_is_proportional():
    assert cut(100, [1, 1, 2]) == [(0, 25), (25, 50), (50, 100)]
    assert cut(10, [1]) == [(0, 10)]
    assert cut(7, [1, 1]) == [(0, 3), (3, 7)]


def test_no_share_is_empty_while_there_are_steps():
    assert cut(3, [1000, 1, 1]) == [(0, 1), (1, 2), (2, 3)]
    assert cut(3, [1, 1, 1000]) == [(0, 1), (1, 2), (2, 3)]
    assert cut(2, [1, 1, 1]) == [(0, 1), (1, 2), (2, 2)]
    assert cut(0, [1, 1]) == [(0, 0), (0, 0)]


@given(st.integers(0, 2**40), st.lists(st.integers(1, 2**30), min_size=1, max_size=50))
def test_every_cut_covers_the_run(steps: int, weights: list[int]):
    shares = cut(steps, weights)
    assert len(shares) == len(weights)
    assert [start for start, _ in shares] == [0, *(stop for _, stop in shares[:-1])]
    assert shares[-1][1] == steps
    assert all(start <= stop for start, stop in shares)
    if steps >= len(weights):
        assert all(start < stop for start, stop in shares)
    for (start, stop), weight in zip(shares, weights, strict=True):
        if steps >= len(weights) * sum(weights):
            assert abs((stop - start) - steps * weight / sum(weights)) <= len(weights)


@pytest.mark.parametrize(("steps", "weights"), [(-1, [1]), (1, []), (1, [0]), (1, [1, -1])])
def test_a_senseless_cut_is_refused(steps: int, weights: list[int]):
    with pytest.raises(ValueError, match="cannot cut"):
        cut(steps, weights)


@pytest.mark.parametrize(
    ("rows", "heights"),
    [
        (0, []),
        (1, [6]),
        (64, [6]),
        (65, [7]),
        (96, [7]),
        (129, [8]),
        (2**14 + 1, [15]),  # a second table saves too little
        (2**15 + 1, [15, 6]),
        (2**15 + 2**14, [15, 14]),
        (2**15 + 2**14 + 1, [16]),
        (2**20 + 1, [20, 6]),
        (2**22, [22]),
        (2**22 + 1, [22, 6]),
        (2**22 + 2**20 + 40, [22, 20, 6]),
        (2**23, [22, 22]),
        (2**23 + 100, [22, 22, 7]),
    ],
)
def test_tables(rows: int, heights: list[int]):
    assert instances(rows) == heights


@given(st.integers(1, 2**24), st.integers(6, 22))
def test_tables_hold_the_rows_with_little_waste(rows: int, bound: int):
    heights = instances(rows, bound)
    capacity = sum(1 << h for h in heights)
    assert capacity >= rows
    assert capacity - rows < max(WORTHWHILE, 64) + rows  # one table for all is never less than half full, but for the smallest
    assert heights == sorted(heights, reverse=True)
    assert all(6 <= h <= bound for h in heights)
    assert capacity - (1 << heights[-1]) < rows  # none is superfluous
    shorter = [h for h in heights if h < bound]
    for number in range(len(shorter) - 1):  # each further table saves what it costs
        assert (2 << shorter[number]) - sum(1 << h for h in shorter[number:]) >= WORTHWHILE * (len(shorter) - 1 - number)


def ways(rows: int, bound: int) -> Iterator[list[int]]:
    """All lists of heights up to 2^bound, largest first, that hold the rows with no table to spare."""
    if rows <= 0:
        yield []
        return
    for log in range(bound, -1, -1):
        for rest in ways(rows - (1 << log), log):
            yield [log, *rest]


@pytest.mark.parametrize("worthwhile", [1, 2, 5])
def test_no_other_tables_are_cheaper(worthwhile: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan, "WORTHWHILE", worthwhile)
    for bound in range(5):
        for rows in range(1, 24):
            heights = instances(rows, bound, 0)
            assert price(heights) == min(price(way) for way in ways(rows, bound)), (rows, bound, heights)


def test_other_bounds():
    assert instances(9, 3, 0) == [3, 0]
    assert instances(3, min_log=0) == [2]
    with pytest.raises(ValueError, match="cannot place"):
        instances(-1)
    with pytest.raises(ValueError, match="cannot place"):
        instances(1, 5)
