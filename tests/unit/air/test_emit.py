"""The walk to C++: what it hands over as uniforms, how it cuts functions, and that its text depends on nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

import pytest

from tests.conformance.toy_airs import ALL, PLAIN, SINGLE, WIDE
from zisk_actors.air import emit as emit_module
from zisk_actors.air.air import Air, Columns, Constraint, Row, Window
from zisk_actors.air.bus import Bus, Interaction, send
from zisk_actors.air.emit import (
    MAX_OPERATIONS,
    emit,
    emit_source,
    emit_table,
    fraction_terms,
    gamma_powers,
    reads_selectors,
    uniform_values,
)
from zisk_actors.air.evaluate import Ext, ext_mul
from zisk_actors.air.expr import Expr, Kind, topological
from zisk_actors.chips import AIRS

T = TypeVar("T")


def names_read(header: str, what: str) -> set[int]:
    return {int(number) for number in re.findall(rf"at\.{what}\((\d+)\)", header)}


@pytest.mark.parametrize("air", [*ALL, *AIRS], ids=lambda air: air.name)
def test_uniforms_are_numbered_without_gaps(air: Air):
    emitted = emit(air)
    constraints, fractions = emitted.header.split(f"{emitted.identifier}_fractions_0", 1) if air.aux_width else (emitted.header, "")
    read = names_read(constraints, "words") | names_read(constraints, "uniform")
    assert read == set(range(len(air.all_constraints) + len(emitted.constraint_uniforms)))
    read = names_read(fractions, "words") | names_read(fractions, "uniform")
    assert read == set(range(len(emitted.fraction_uniforms)))


@pytest.mark.parametrize("air", [*ALL, *AIRS], ids=lambda air: air.name)
def test_uniforms_read_no_row(air: Air):
    emitted = emit(air)
    for uniform in (*emitted.constraint_uniforms, *emitted.fraction_uniforms):
        assert uniform.is_extension
        assert all(expr.kind not in (Kind.CELL, Kind.SELECTOR) for expr in topological([uniform]))


def test_the_same_air_gives_the_same_text():
    assert emit(WIDE).header == emit(WIDE).header
    assert emit(WIDE).digest == emit(WIDE).digest
    assert len({emit(air).digest for air in (*ALL, *AIRS)}) == len(ALL) + len(AIRS)


def test_code_written_differently_has_another_digest(monkeypatch: pytest.MonkeyPatch):
    before = emit(WIDE).digest
    monkeypatch.setattr(emit_module, "MAX_OPERATIONS", 3)
    assert emit(WIDE).digest != before


def functions(header: str) -> dict[str, str]:
    """Name and body of each emitted function."""
    return dict(re.findall(r"ZK_EMITTED void (\w+)\(.*?\) \{\n(.*?)\n\}", header, re.DOTALL))


@pytest.mark.parametrize("limit", [1, 20, MAX_OPERATIONS])
def test_functions_are_cut_between_constraints(monkeypatch: pytest.MonkeyPatch, limit: int):
    monkeypatch.setattr(emit_module, "MAX_OPERATIONS", limit)
    bodies = functions(emit(WIDE).header)
    parts = [body for name, body in bodies.items() if re.fullmatch(r"toy_wide_constraints_\d+", name)]
    assert sum(body.count("accumulate(") for body in parts) == len(WIDE.all_constraints)
    assert len(parts) == len(WIDE.all_constraints) if limit == 1 else len(parts) < len(WIDE.all_constraints)
    assert bodies["toy_wide_constraints"].count("toy_wide_constraints_") == len(parts)


@pytest.mark.parametrize("air", AIRS, ids=lambda air: air.name)
def test_no_function_is_long(air: Air):
    for body in functions(emit(air).header).values():
        assert body.count("const auto") < 2 * MAX_OPERATIONS


def test_an_air_without_buses_has_an_empty_fraction_function():
    emitted = emit(PLAIN)
    assert emitted.fraction_uniforms == []
    assert "result[" not in emitted.header


def test_a_lone_interaction_keeps_its_base_numerator():
    ((numerator, denominator),) = fraction_terms(SINGLE)
    assert not numerator.is_extension
    assert denominator.is_extension
    assert "result[0] = {Fp3<F>{" in emit(SINGLE).header


def test_selectors_are_found():
    assert reads_selectors(WIDE)
    assert not reads_selectors(PLAIN)


def test_too_many_pairs_are_refused():
    bus = Bus("many", 30, ("value",), "one word")

    class ManyRow(Row[T]):
        word = Columns(1, "a word")

    def no_constraints(window: Window) -> Iterator[Constraint]:
        yield from ()

    def many(window: Window) -> Iterator[Interaction]:
        for number in range(2 * emit_module.MAX_PAIRS + 1):
            yield send(bus, window.row.word[0] + number)

    with pytest.raises(ValueError):
        emit(Air("toy_many", ManyRow, no_constraints, many))


def test_powers_of_gamma():
    gamma: Ext = (3, 5, 7)
    assert gamma_powers(gamma, 3) == [(1, 0, 0), gamma, ext_mul(gamma, gamma)]
    assert gamma_powers(gamma, 0) == []


def test_uniform_values_are_those_of_the_walk():
    alpha: Ext = (11, 0, 5)
    challenges: list[Ext] = [alpha, *[(power, 1, 0) for power in range(8)]]
    uniforms: list[Expr] = emit(SINGLE).fraction_uniforms
    values = uniform_values(uniforms, challenges, (0, 0, 0))
    assert values[0] == (11 + 21, 0, 5)  # alpha + the bus's number


def test_source_and_table_name_every_set():
    emitted = [emit(air) for air in (PLAIN, SINGLE)]
    assert "ZK_JOIN(zk_air_toy_plain_, ZK_ISA)" in emit_source(emitted[0])
    table = emit_table(emitted, ["scalar", "avx512"])
    assert "&zk_air_toy_single_scalar, nullptr, &zk_air_toy_single_avx512}" in table
    assert "zk_air_count = 2" in table
    assert "&zk_air_toy_single_scalar, nullptr, nullptr}" in emit_table(emitted, ["scalar"])
    assert "zk_air_count = 0" in emit_table([], ["scalar"])
