"""The evaluators of the native verifier say what ``at_point`` says: their calls are run here, in Python."""

from __future__ import annotations

import re
from random import Random

import pytest

from tests.conformance.toy_airs import ALL
from zisk_actors.air.air import Air
from zisk_actors.air.emit_verifier import emit_evaluator
from zisk_actors.air.evaluate import Ext, PointValues, at_point, ext_add, ext_mul, ext_sub
from zisk_actors.air.expr import Part
from zisk_actors.chips import AIRS
from zisk_actors.stark.field import P

SEED = 20261125


class Values:
    """Random values for everything that an AIR may read."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._cells: dict[tuple[Part, int, int], Ext] = {}
        self.challenges = [self.element() for _ in range(9)]
        self.claim, self.first, self.last, self.gamma = (self.element() for _ in range(4))

    def element(self) -> Ext:
        a, b, c = (self._random.randrange(P) for _ in range(3))
        return a, b, c

    def cell(self, part: Part, column: int, rotation: int) -> Ext:
        return self._cells.setdefault((part, column, rotation), self.element())


def run(text: str, air: Air, values: Values, total: Ext) -> Ext:
    """What the emitted function makes of ``total``."""
    t: dict[int, Ext] = {}

    def place(argument: str) -> int:
        return int(argument.removeprefix("t + "))

    def value(argument: str) -> Ext:
        return (int(argument.removesuffix("ull"), 16), 0, 0) if argument.startswith("0x") else t[place(argument)]

    for line in text.splitlines():
        assigned = re.fullmatch(r"    t\[(\d+)\] = at\.(\w+)(?:\[(\d+)\])?;", line)
        if assigned:
            number, name, index = assigned.groups()
            t[int(number)] = values.challenges[int(index)] if name == "challenges" else getattr(values, name)
            continue
        called = re.match(r"    (\w+)\((.*?)\);", line)
        if not called or called[1] == "void":
            continue
        name, arguments = called[1], called[2].split(", ")
        match name:
            case "now":
                t[place(arguments[1])] = values.cell(Part[arguments[2]], int(arguments[3]), 0)
            case "next":
                part = Part[arguments[2]]
                t[place(arguments[1])] = values.cell(part, air.next_columns[part][int(arguments[3])], 1)
            case "aux_now":
                t[place(arguments[1])] = values.cell(Part.AUX, int(arguments[2]), 0)
            case "aux_next":
                t[place(arguments[1])] = values.cell(Part.AUX, air.next_columns[Part.AUX][int(arguments[2])], 1)
            case "constant":
                t[place(arguments[0])] = value(arguments[1])
            case "horner":
                total = ext_add(ext_mul(total, values.gamma), value(arguments[2]))
            case _:
                operation = {
                    **dict.fromkeys(("add", "add_word"), ext_add),
                    **dict.fromkeys(("subtract", "word_minus"), ext_sub),
                    **dict.fromkeys(("multiply", "scale"), ext_mul),
                }[name]
                t[place(arguments[0])] = operation(value(arguments[1]), value(arguments[2]))
    return total


@pytest.mark.parametrize("air", [*ALL, *AIRS], ids=lambda air: air.name)
def test_an_evaluator_is_the_sum_of_the_constraints(air: Air):
    values = Values(SEED)
    point = PointValues(values.cell, values.challenges, values.claim, values.first, values.last)
    expected = values.element()
    evaluator = emit_evaluator(air, "constraints")
    said = run(evaluator.text, air, values, expected)
    for each in reversed(at_point([expr for _, expr in air.all_constraints], point)):
        expected = ext_add(ext_mul(expected, values.gamma), each)
    assert said == expected, f"seed {SEED}"


@pytest.mark.parametrize("air", [*ALL, *AIRS], ids=lambda air: air.name)
def test_places_are_within_the_scratch(air: Air):
    evaluator = emit_evaluator(air, "constraints")
    places = [int(number) for number in re.findall(r"t(?: \+ |\[)(\d+)", evaluator.text)]
    assert max(places) < evaluator.scratch
    assert emit_evaluator(air, "constraints") == evaluator
