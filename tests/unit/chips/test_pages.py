"""The pages of docs/chips/ are those that the chips make, and an expression reads as it is computed."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from zisk_actors.air.expr import Expr, Kind, Part, cell, const
from zisk_actors.chips import AIRS, CHIPS, pages
from zisk_actors.chips.base import Chip
from zisk_actors.stark.field import P

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "chips"


def test_the_pages_are_up_to_date() -> None:
    made = pages.pages()
    assert {path.name for path in FOLDER.iterdir()} == set(made)
    for name, text in made.items():
        assert (FOLDER / name).read_text() == text, "run python -m zisk_actors.chips.pages"


AIR = AIRS[0]
A, B, C = (cell(Part.MAIN, column) for column in range(3))
NAMES = AIR.main.column_names()


def test_brackets_stand_where_they_are_needed() -> None:
    a, b, c = NAMES[:3]
    cases: list[tuple[Expr, str]] = [
        (A + B - C, f"{a} + {b} - {c}"),
        (A - (B - C), f"{a} - ({b} - {c})"),
        (A - (B + C), f"{a} - ({b} + {c})"),
        (A * (B + C), f"{a} * ({b} + {c})"),
        (A * B + C, f"{a} * {b} + {c}"),
        (-(A * B), f"-{a} * {b}"),
        (-(A + B), f"-({a} + {b})"),
        (A * const(-3), f"{a} * (-3)"),
        (A * const(pow(2, -32, P)) + 2**16, f"{a} * 2^-32 + 2^16"),
        (cell(Part.MAIN, 0, 1) - 2**32 + 1, f"{a}' - 2^32 + 1"),
    ]
    for expr, text in cases:
        assert pages.formula(expr, AIR) == text


@pytest.mark.parametrize("air", AIRS, ids=lambda air: air.name)
def test_a_formula_means_its_expression(air: object) -> None:
    """Read back as Python over random numbers, each constraint has the value of its DAG."""
    import random

    from zisk_actors.air.air import Air

    assert isinstance(air, Air)
    seed = 7
    rng = random.Random(seed)
    names = [
        *air.main.column_names(),
        *(f"{name}'" for name in air.main.column_names()),
        *(f"fixed.{name}" for name in air.fixed.column_names()),
        "first_row",
        "last_row",
    ]
    values = {name: rng.randrange(P) for name in names}
    ordered = sorted(names, key=len, reverse=True)

    def leaf(expr: Expr) -> int:
        match expr.kind:
            case Kind.CONST:
                return int(expr.args[0])
            case Kind.SELECTOR:
                return values[f"{expr.args[0]}_row"]
            case _:
                part, column, rotation = expr.args
                row = air.main if part is Part.MAIN else air.fixed
                return values[("" if part is Part.MAIN else "fixed.") + row.column_names()[column] + "'" * rotation]

    def value(expr: Expr) -> int:
        if not expr.children:
            return leaf(expr)
        left, right = (value(child) for child in expr.children)
        return {Kind.ADD: left + right, Kind.SUB: left - right, Kind.MUL: left * right}[expr.kind] % P

    def read(text: str) -> int:
        text = text.replace("2^-32", str(pow(2, -32, P))).replace("^", "**")
        for name, mark in zip(ordered, itertools.count(), strict=False):
            text = text.replace(name, f"\0{mark}\1")
        for name, mark in zip(ordered, itertools.count(), strict=False):
            text = text.replace(f"\0{mark}\1", f"({values[name]})")
        return int(eval(text)) % P

    for name, expr in air.own_constraints:
        assert read(pages.formula(expr, air)) == value(expr), (name, seed)


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.name)
def test_each_chip_says_what_it_proves_why_that_is_sound_and_how_it_is_filled(chip: Chip) -> None:
    text = pages.pages()[f"{chip.name}.md"]
    places = [text.index(f"\n**{heading}** ") for heading in ("What it proves.", "Why it is sound.", "How it is filled.")]
    assert places == sorted(places)
