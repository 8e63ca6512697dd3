"""Rows of one chip that execute an instruction of another.

Three flags of which one may be anything give an op number that is none of theirs: with two set and the third -1, the op before the first
or behind the last. Where the instruction of that op has the fields that the chip looks up, the chip executes it, in its own way.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tests.asm import assemble
from tests.mutation.airs import Part
from tests.mutation.carrying import carried
from tests.mutation.jobs import Lie, Tables, register_row, run
from tests.mutation.rows import Chip, Search
from zisk_actors.chips import AIRS, NUMBER
from zisk_actors.machine.rom import load_program
from zisk_actors.stark.field import P


@dataclass(frozen=True)
class Elsewhere:
    """``line``, whose rs2 is zero if it has one, is executed by a row with these flags, on this value of s0.

    ``cells`` are more cells of the row; the others are found. ``falls_through``: the branch is not taken.
    """

    line: str
    chip: str
    flags: Mapping[str, int]
    value: int = 0x8000_0001_0000_0007
    cells: Mapping[str, int] | None = None
    falls_through: bool = False
    stored: bool = True  # else the result is no 64-bit number, and stays in its register


def _cut(limb: int) -> tuple[int, int]:
    """full and cut with 2^32 limb = full (1 - 2^32) + cut (2^32 - 2) modulo P, for a limb above 2^31."""
    return 2**33 - 2 * limb - 1, 2**32 - limb


_LOW, _HIGH = 0x9000_0001, 0xA000_0005
_CUTS = [(i, *_cut(limb)) for i, limb in enumerate((_LOW, _HIGH))]
_CELLS = {f"full[{2 * i + j}]": full >> 16 * j & 0xFFFF for i, full, _ in _CUTS for j in range(2)}
_CELLS |= {f"cut[{2 * i + j}]": cut >> 16 * j & 0xFFFF for i, _, cut in _CUTS for j in range(2)}

MINUS = P - 1
FRAME = {"pc", "ts", "rs1", "a_prev", "rd", "old[0]", "old[1]", "old_prev"}
ELSEWHERE = {
    "sub/constraint/flag of SUB is a bit": Elsewhere(
        "slti t0, s0, 0", "slti", {"is_sub": MINUS, "is_slt": 1, "is_sltu": 1}, cells={"a_top": 0x8000, "a_sign": 1}, stored=False
    ),
    "sub/constraint/flag of SLTU is a bit": Elsewhere(
        "addi t0, s0, 0", "addi", {"is_sub": 1, "is_slt": 1, "is_sltu": MINUS}, cells={"a_top": 0x8000, "a_sign": 1}
    ),
    "logic/constraint/flag of AND is a bit": Elsewhere("andi t0, s0, 0", "logici", {"is_and": MINUS, "is_or": 1, "is_xor": 1}, 7),
    "logic/constraint/flag of XOR is a bit": Elsewhere("addiw t0, s0, 0", "addiw", {"is_and": 1, "is_or": 1, "is_xor": MINUS}),
    "logici/constraint/flag of ANDI is a bit": Elsewhere("sll t0, s0, zero", "shift", {"is_and": MINUS, "is_or": 1, "is_xor": 1}, 7),
    "logici/constraint/flag of XORI is a bit": Elsewhere("xor t0, s0, zero", "logic", {"is_and": 1, "is_or": 1, "is_xor": MINUS}),
    "shifti/constraint/flag of SLLI is a bit": Elsewhere(
        "sllw t0, s0, zero",
        "shiftw",
        {"left": MINUS, "logical": 1, "arithmetic": 1},
        _LOW + 2**32 * _HIGH,
        {**_CELLS, "factor": -(2**32), "top": _HIGH >> 16, "sign": 1},
        stored=False,
    ),
    "shifti/constraint/flag of SRAI is a bit": Elsewhere("sra t0, s0, zero", "shift", {"left": 1, "logical": 1, "arithmetic": MINUS}),
    "shiftiw/constraint/flag of SLLIW is a bit": Elsewhere(
        "beq s0, zero, l", "brancheq", {"left": MINUS, "logical": 1, "arithmetic": 1}, 0, falls_through=True
    ),
    "shiftiw/constraint/flag of SRAIW is a bit": Elsewhere(
        "sraw t0, s0, zero", "shiftw", {"left": 1, "logical": 1, "arithmetic": MINUS}, 7
    ),
}


def elsewhere(part: Part) -> tuple[Tables | None, object]:
    """The job in which the chip of ``part`` executes the instruction, and how the honest run ends."""
    case = ELSEWHERE[str(part)]
    between = ("addi t0, t0, 1", "l:") if case.falls_through else ()
    lines = (
        "li a0, 3",
        "li a7, 93",
        "la s2, data",
        "ld s0, 0(s2)",
        case.line,
        *between,
        *(("sd t0, 0(a1)",) if case.stored else ()),
        "ecall",
    )
    program = load_program(assemble(lines, struct.pack("<Q", case.value)))
    honest = run(program, b"")
    assert honest is not None
    step = next(k for k in range(5, 9) if _row_at(honest, case.chip, k) is not None)
    job = run(program, b"", {step: Lie(npc=_pc(honest, case.chip, step) + 1)}) if case.falls_through else honest
    assert job is not None
    row = _row_at(job, case.chip, step)
    assert row is not None
    names, theirs = AIRS[NUMBER[part.chip]].main.column_names(), AIRS[NUMBER[case.chip]].main.column_names()
    was = dict(zip(theirs, job.row(case.chip, row), strict=True))
    given = {name: was[name] for name in names if name in FRAME and name in was}
    given |= _operand(part.chip, case.value) | dict(case.flags) | {name: value % P for name, value in (case.cells or {}).items()}
    given |= {"power": was["target"], "rd": 0, "old_prev": was["b_prev"]} if case.falls_through else {}
    given |= {"b_prev": job.cell("registers", register_row(job, 0), "ts")} if "rs2" in names and "rs2" not in theirs else {}
    given |= {"b[0]": 0, "b[1]": 0} if "b[0]" in names else {}
    found = _completed(part, names, given, program.rom.address.tolist())
    if found is None:
        return None, honest.end
    main = {**job.main, part.chip: np.zeros((len(names), 64), dtype=np.uint64)}
    job = replace(job, main=main).with_cells(case.chip, row, [0] * len(theirs)).with_cells(part.chip, 0, found)
    return carried(_zero_register(job, part.chip, case.chip, names, theirs, was)), honest.end


def _row_at(job: Tables, chip: str, step: int) -> int | None:
    """The row of a chip that executes a step."""
    if chip not in job.main:
        return None
    found = [row for row in job.rows(chip) if job.cell(chip, row, "ts") == 4 * (step + 1)]
    return found[0] if found else None


def _pc(job: Tables, chip: str, step: int) -> int:
    row = _row_at(job, chip, step)
    assert row is not None
    return job.cell(chip, row, "pc")


def _operand(chip: str, value: int) -> dict[str, int]:
    """rs1's value in the cells of a chip."""
    if chip == "logic":
        return {f"a[{i}]": value >> 8 * i & 0xFF for i in range(8)}
    if chip == "logici":
        return {"a[0]": value & 0xFF, "a[1]": value >> 8 & 0xFF, "upper": value >> 16 & 0xFFFF, "high": value >> 32}
    return {"a[0]": value % 2**32, "a[1]": value >> 32}


def _completed(part: Part, names: list[str], given: Mapping[str, int], addresses: list[int]) -> list[int] | None:
    """All cells of the row."""
    chip = Chip(AIRS[NUMBER[part.chip]], {address: pc for pc, address in enumerate(addresses)})
    search = Search(chip, [given.get(name, 0) for name in names], part, random.Random(1), 100_000, 50_000)
    return next(search.completed(names.index(name) for name in given), None)


def _zero_register(job: Tables, chip: str, other: str, names: list[str], theirs: list[str], was: Mapping[str, int]) -> Tables:
    """Register zero is read where the chip reads it, and not where only the other would."""
    row, time = register_row(job, 0), was["ts"] + 1
    if other == "brancheq":
        return job.with_cells("registers", row, {"ts": time + 2})
    if "rs2" in names and "rs2" not in theirs:
        return job.with_cells("registers", row, {"ts": time})
    if "rs2" in theirs and "rs2" not in names:
        return job.with_cells("registers", row, {"ts": was["b_prev"]})
    return job
