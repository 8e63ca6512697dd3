"""Small AIRs that between them use everything the expression language has: for comparing evaluators, not for proving."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from zisk_actors.air.air import Air, Column, Columns, Constraint, Row, Window
from zisk_actors.air.bus import Bus, Interaction, receive, send

T = TypeVar("T")

ONE = Bus("one", 21, ("value",), "one word")
THREE = Bus("three", 22, ("a", "b", "c"), "three words")
EIGHT = Bus("eight", 23, tuple("abcdefgh"), "eight words")


class WideRow(Row[T]):
    """Four words and a flag."""

    word = Columns(4, "words")
    flag = Column("a flag")


class WideFixed(Row[T]):
    """Two fixed columns."""

    constant = Columns(2, "constants")


def _wide_constraints(window: Window) -> Iterator[Constraint]:
    row, following, fixed = window.row, window.next, window.fixed
    yield "product", row.word[0] * row.word[1] * row.word[2] - fixed.constant[0]
    yield "step", following.word[3] - row.word[3] - 2**16 * row.flag + 2**32 * row.word[0]
    yield "bit", row.flag * (1 - row.flag)
    yield "first", window.first * (row.word[0] - 5)
    yield "last", window.last * (row.word[1] - following.word[0]) * 3
    yield "shifts", row.word[0] * pow(2, -32, 2**64 - 2**32 + 1) - 2 * row.word[1] + 7 - fixed.constant[1] * row.word[2]


def _wide_interactions(window: Window) -> Iterator[Interaction]:
    row, following, fixed = window.row, window.next, window.fixed
    yield send(ONE, row.word[0], times=row.flag)
    yield receive(THREE, row.word[1], fixed.constant[0], 3, times=row.flag * row.word[2])
    yield send(EIGHT, *row.word, *fixed.constant, row.flag, 0, times=2)
    yield receive(ONE, row.word[0] + 5 * row.word[1])
    yield send(ONE, following.word[2] + 1, times=fixed.constant[1])


# Fixed columns, selectors, the next row, five interactions (the last one alone).
WIDE = Air("toy_wide", WideRow, _wide_constraints, _wide_interactions, WideFixed)


class PlainRow(Row[T]):
    """Two words."""

    left = Column("a word")
    right = Column("a word")


def _plain_constraints(window: Window) -> Iterator[Constraint]:
    yield "square", window.row.left * window.row.left - window.row.right


def _no_interactions(window: Window) -> Iterator[Interaction]:
    yield from ()


def _pair(window: Window) -> Iterator[Interaction]:
    yield send(ONE, window.row.left)
    yield receive(ONE, window.row.right, times=window.row.left)


def _single(window: Window) -> Iterator[Interaction]:
    yield send(ONE, window.row.left, times=window.row.right)


# No buses at all; one pair; one lone interaction.
PLAIN = Air("toy_plain", PlainRow, _plain_constraints, _no_interactions)
PAIR = Air("toy_pair", PlainRow, _plain_constraints, _pair)
SINGLE = Air("toy_single", PlainRow, _plain_constraints, _single)

ALL = (WIDE, PLAIN, PAIR, SINGLE)
