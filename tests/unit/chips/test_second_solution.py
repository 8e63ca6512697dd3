"""No row of an instruction has a second solution: the same inputs, another output. And the search would find one."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pytest

from tests.chips_harness import column, violations, witness
from tests.chips_semantics import SEMANTICS, operand_pairs, register_records
from tests.instruction_model import cases
from tests.second_solution import search
from zisk_actors.chips import OP_CHIPS
from zisk_actors.chips.base import Chip
from zisk_actors.machine.isa import CHIP_OF_OP, Op
from zisk_actors.stark.field import U64

BY_NAME = {chip.name: chip for chip in OP_CHIPS}
NAMES = {chip.name: [op.name for op in Op if CHIP_OF_OP[op] == chip.name] for chip in OP_CHIPS}
EACH = pytest.mark.parametrize("chip", OP_CHIPS, ids=lambda chip: chip.name)


def rows_of(chip: Chip, names: Sequence[str], count: int, seed: int) -> tuple[U64, object]:
    """The main matrix of ``count`` honest rows, the operations in turn, and the ROM."""
    if names[0] not in SEMANTICS:
        tested = cases(chip, names, count, seed)
        return tested.main, tested.rom
    rng = np.random.default_rng(seed)
    pairs = operand_pairs(200, seed)
    chosen = []
    for i in range(count):
        name = names[i % len(names)]
        a, b = pairs[int(rng.integers(len(pairs)))]
        chosen.append((name, a, b % (32 if name.endswith("W") else 64) if name.endswith(("I", "IW")) else b))
    rom, records = register_records(chosen)
    return witness(chip, records), rom


def assert_one_solution(chip: Chip, count: int, seed: int) -> None:
    main, _ = rows_of(chip, NAMES[chip.name], count, seed)
    for row in range(count):
        outcome = search(chip, [int(value) for value in main[:, row]], count)
        where = f"{chip.name}, row {row} (seed {seed})"
        assert not outcome.others, f"{where}: other outputs: {outcome.others[:2]}"
        assert not outcome.stuck, f"{where}: undecided: {outcome.stuck[:2]}"
        assert outcome.honest, f"{where}: the search misses the honest solution"


@EACH
def test_a_row_has_one_solution(chip: Chip):
    assert_one_solution(chip, min(len(NAMES[chip.name]), 4), zlib.crc32(chip.name.encode()))


@pytest.mark.slow
@EACH
@pytest.mark.parametrize("seed", range(4))
def test_many_rows_have_one_solution(chip: Chip, seed: int):
    assert_one_solution(chip, 24 if chip.name in ("mul", "div") else 100, seed)


# What is left out, and an operation with a row that then has another output.
HOLES = [
    ("add", "ADD", "range16"),
    ("sub", "SUB", "borrow of the low limb is a bit"),
    ("sub", "SLTU", "borrow of the high limb is a bit"),
    ("sub", "SLT", "msb16"),
    ("slti", "SLTI", "msb16"),
    ("addw", "ADDW", "msb16"),
    ("logic", "XOR", "and8"),
    ("loadb", "LB", "and8"),
    ("loadw", "LW", "msb16"),
    ("storeb", "SB", "and8"),
    ("mul", "MULH", "msb16"),
    ("mul", "MULHU", "borrow is a bit"),
    ("shift", "SLL", "pow64"),
    ("shiftw", "SRAW", "fill-in is ones above the value"),
    ("div", "DIV", "a remainder of the other sign is 0"),
    ("branchlt", "BLT", "msb16"),
    ("jalr", "JALR", "pcmap"),
]


@pytest.mark.parametrize(("name", "operation", "hole"), HOLES)
def test_the_search_finds_what_a_hole_allows(name: str, operation: str, hole: str):
    chip = BY_NAME[name]
    main, rom = rows_of(chip, [operation], 12, 1)
    for row in range(12):
        outcome = search(chip, [int(value) for value in main[:, row]], 12, [hole])
        for cells in outcome.others:
            forged = main.copy()
            for each, value in cells.items():
                forged[column(chip, each), row] = value
            found = {message.split(": ", 1)[1].split(" does not hold")[0] for message in violations(chip, forged, rom)}
            assert found == {hole}, f"row {row}: refused by {found}"
            return
    raise AssertionError("nothing found: the search is weaker than a prover")
