"""The halt chip: the end of a run, and only a call of 93."""

from __future__ import annotations

import pytest

from tests.instruction_forgery import attempt, check_instructions, check_thoroughly
from tests.instruction_model import cases, cell
from zisk_actors.air.check import Table, said
from zisk_actors.chips.buses import EXEC, TOKEN
from zisk_actors.chips.halt import HALT
from zisk_actors.machine.layout import REGISTER_BASE


@pytest.mark.parametrize("seed", range(2))
def test_halt(seed: int) -> None:
    check_instructions(HALT, ["ECALL"], seed=seed)


@pytest.mark.slow
def test_halt_resists_changes_of_several_cells() -> None:
    check_thoroughly(HALT, ["ECALL"])


def test_register_17_is_93_in_the_token_itself() -> None:
    tested = cases(HALT, ["ECALL"], 3)
    calls = [
        tuple(values[1:3])
        for term in said(Table(HALT.air, tested.main))
        if term.bus is TOKEN
        for values in term.values.T.tolist()
        if values[0] == REGISTER_BASE + 17
    ]
    assert calls == [(93, 0)] * 6, "taken and put back, in each row"


def test_nothing_is_executed_after_it() -> None:
    tested = cases(HALT, ["ECALL"], 3)
    times = [int(t) for term in said(Table(HALT.air, tested.main)) if term.bus is EXEC for t in term.times]
    assert len(times) == 3
    assert all(t > 1 for t in times), "rows take from the bus, that is p - 1 times, and put nothing on it"


@pytest.mark.parametrize("column", ["code[0]", "code[1]"])
def test_the_exit_code_is_register_10(column: str) -> None:
    tested = cases(HALT, ["ECALL"], 3)
    assert not attempt(tested, 0, {column: cell(tested, 0, column) + 1}).accepted
