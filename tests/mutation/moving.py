"""Loads and stores of another word than the address says, and half words where none may lie."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from tests.asm import DATA, assemble, exit_with
from tests.mutation.airs import Part
from tests.mutation.carrying import carried, taken
from tests.mutation.jobs import Lie, Tables, run
from tests.mutation.rows import Cells, Chip, Search
from zisk_actors.air.bus import Interaction
from zisk_actors.chips import AIRS, NUMBER
from zisk_actors.chips.buses import TOKEN
from zisk_actors.machine.isa import INSTRUCTIONS
from zisk_actors.machine.reference import Reference
from zisk_actors.machine.rom import Program, load_program

OTHER, WORD = 24, 64  # offsets in the data: a word of the image that nothing else touches, and the one that is accessed
VALUE, ELSEWHERE = 0x0909_0909_0909_0909, 0x0707_0707_0707_0707  # equal bytes: they can be cut in any order
ALIGNED = "half words are aligned"


def moves(part: Part) -> bool:
    """Whether the part is a constraint on the bits of an address."""
    bits = ("read_only is a bit", "half is a bit", "bit0 is a bit", "bit1 is a bit", "bit2 is a bit", ALIGNED)
    return part.bus is None and part.label in bits and str(part) != "loadb/constraint/half is a bit"


def moved(part: Part) -> Iterator[tuple[Tables | None, object]]:
    """Jobs in which one access is of another word, and how the honest run ends."""
    for instruction in (i for i in INSTRUCTIONS if i.chip == part.chip):
        size = {"d": 8, "w": 4, "h": 2, "b": 1}[instruction.name[1]]
        crooked = part.label == ALIGNED
        for within in range(1 if crooked else 0, 8, 2 if crooked else size):
            if crooked and size != 2:
                continue
            at = WORD + within
            line = f"{instruction.name} s0, {at}(s2)" if part.chip.startswith("store") else f"{instruction.name} t0, {at}(s2)"
            lines = ("la s2, data", "li s0, 0x07070707", line, "sd t0, 0(a1)", f"ld t0, {WORD}(s2)", "sd t0, 8(a1)", *exit_with(3))
            words = {OTHER: ELSEWHERE, WORD: VALUE}
            data = b"".join(struct.pack("<Q", words.get(offset, 0)) for offset in range(0, 128, 8))
            yield from _jobs(part, load_program(assemble(lines, data)), 4)


def _jobs(part: Part, program: Program, step: int) -> Iterator[tuple[Tables | None, object]]:
    crooked = part.label == ALIGNED
    honest = run(program, b"", {step: Lie(misaligned=True)} if crooked else {})
    assert honest is not None
    end = None if Reference(program).run().trap is not None else honest.end
    air = AIRS[NUMBER[part.chip]]
    chip = Chip(air, {})
    row = next(row for row in honest.rows(part.chip) if honest.cell(part.chip, row, "ts") == 4 * (step + 1))
    cells = honest.row(part.chip, row)
    take, put = (index for index, term in enumerate(air.bus_terms) if _is_memory(term))
    there = chip.terms[take].tuple(cells) if crooked else ((DATA + OTHER) // 8, ELSEWHERE % 2**32, ELSEWHERE >> 32, 0)
    start = list(cells)
    for name, value in zip(("word[0]", "word[1]", "mem_prev"), there[1:], strict=True):
        start[chip.column(name)] = value
    for name, value in (("byte", there[1] & 0xFF), ("rest", there[1] & 0xFF), ("other", there[1] & 0xFFFF), ("limb", there[1])):
        if name in chip.names:
            start[chip.column(name)] = value
    search = Search(chip, start, part, random.Random(1), 20_000, 10_000, {take: there})
    fixed = [chip.column(name) for name in chip.names if name in _FRAME]
    for count, found in enumerate(search.completed(fixed)):
        yield _closed(part, program, step, row, cells, found, chip, (take, put)), end
        if count == 4:
            break


_FRAME = {
    *("pc", "ts", "rs1", "base", "a_prev", "offset", "rd", "old[0]", "old[1]", "old_prev", "rs2", "b_prev"),
    *("word[0]", "word[1]", "mem_prev", "is_lw", "is_lwu", "is_sb", "is_sh", "real", "unsigned"),
}


def _is_memory(term: Interaction) -> bool:
    """Whether a token is a word's: its address is no register's."""
    return term.bus is TOKEN and "main" in repr(term.values[0]) and str(2**40) not in repr(term.values[0])


def _closed(
    part: Part, program: Program, step: int, row: int, before: Cells, after: Cells, chip: Chip, access: tuple[int, int]
) -> Tables | None:
    """The job that goes on from the forged row."""
    lies = {}
    for term in chip.terms:
        if term.bus is TOKEN and term.tuple(before) != term.tuple(after) and term.tuple(after)[3] % 4 == 3:
            _, low, high, _ = term.tuple(after)
            if max(low, high) >= 2**32:
                return None
            lies = {step: Lie(written=low + 2**32 * high, misaligned=part.label == ALIGNED)}
    job: Tables | None = run(program, b"", lies or {step: Lie(misaligned=part.label == ALIGNED)})
    take, put = (chip.terms[index] for index in access)
    if job is not None:
        job = taken(job, put.tuple(before), take.tuple(before), ((part.chip, row),))
    if job is not None:
        job = taken(job, take.tuple(after), put.tuple(after), ((part.chip, row),))
    return None if job is None else carried(job.with_cells(part.chip, row, after))
