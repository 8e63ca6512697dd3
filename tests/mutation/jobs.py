"""Whole jobs in which one thing is a lie, and the rest is as consistent as a prover can make it.

Rules. ``Liar`` is the reference emulator that is made to err at chosen steps; what follows from the error it computes honestly, so that
registers, memory, outputs and the claim agree with it. ``closed`` counts the lookups as a prover would: whatever a table holds can be
counted. ``judge`` asks the real checker about all tables of the real chip set with the real boundary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace

import numpy as np

from tests.chips_harness import witness
from tests.mutation.airs import Part, without
from zisk_actors.air.air import Air
from zisk_actors.air.bus import Bus
from zisk_actors.air.check import Report, Said, Table, Term, check, said
from zisk_actors.chips import AIRS, CHIP_SET, NUMBER, RECORDED, image, ram, registers, table16
from zisk_actors.chips import input as input_words
from zisk_actors.chips.buses import TOKEN
from zisk_actors.chips.records import Records
from zisk_actors.chips.witness import LOOKUPS, fixed_columns, height_for, image_values
from zisk_actors.chips.words import swap_order
from zisk_actors.machine.isa import CHIP_OF_OP, Op
from zisk_actors.machine.layout import REGISTER_BASE
from zisk_actors.machine.reference import Reference
from zisk_actors.machine.rom import Program, Rom
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.statement import Statement

ROW = ("op", "rd", "rs1", "rs2", "x0", "x1", "x2")


@dataclass(frozen=True)
class Lie:
    """What goes wrong at one step.

    ``cell`` and ``value``: the access of that cell at ``slot`` takes a token that it puts itself, of that value. ``lost``: the write at
    ``slot`` takes the token that it puts, so that nothing has changed for the others. ``written``, ``stored``, ``npc``: rd, the memory
    word, the next row become this. ``row``: another ROM row is executed. ``misaligned``: so may an access be.
    """

    cell: int | None = None
    value: int = 0
    slot: int = 0
    lost: bool = False
    written: int | None = None
    stored: int | None = None
    npc: int | None = None
    row: tuple[int, ...] | None = None
    misaligned: bool = False


class Liar(Reference):
    """The reference emulator, lying at some steps."""

    lies: Mapping[int, Lie]

    def __init__(self, program: Program, stdin: bytes, lies: Mapping[int, Lie]) -> None:
        self.lies, self._now = lies, Lie()
        self.replaced: dict[int, tuple[int, ...]] = {}
        super().__init__(program, stdin)

    def _step(self) -> None:
        lie = self._now = self.lies.get(self.step, Lie())
        pc, honest_row = self.pc, self._rows[self.pc]
        if lie.row is not None:
            self._rows[pc] = self.replaced[pc] = lie.row
        chip = CHIP_OF_OP[Op(self._rows[pc][0])]
        before = dict(self.value) if lie.cell is not None or lie.lost else {}
        if lie.cell is not None and not lie.lost:
            self.value[lie.cell] = lie.value
        try:
            super()._step()
        finally:
            self._rows[pc], self._now = honest_row, Lie()
        record = self.records[chip][-1]
        if lie.cell is not None and not lie.lost:
            if self.value.get(lie.cell) == lie.value and lie.cell in before:
                self.value[lie.cell] = before[lie.cell]
            elif self.value.get(lie.cell) == lie.value:
                del self.value[lie.cell]
        if lie.lost and lie.slot == 3:
            record["old"] = record["c"]
            self.value = before
        if lie.lost and lie.slot == 2:
            record["mem_old"] = record["mem_new"]
            self.value = before
        if lie.stored is not None:
            cell = next(c for c, ts in self.last.items() if ts == record["ts"] + 2)
            self.value[cell] = record["mem_new"] = lie.stored
        if lie.npc is not None:
            self.pc = record["npc"] = lie.npc

    def _access(self, cell: int, time: int) -> int:
        lie = self._now
        if (lie.cell == cell or lie.lost) and time % 4 == lie.slot:
            return time
        return super()._access(cell, time)

    def _checked_address(self, base: int, offset: int, size: int, *, store: bool) -> int:
        return super()._checked_address(base, offset, 1 if self._now.misaligned else size, store=store)

    def _write(self, register: int, value: int, time: int) -> dict[str, int]:
        return super()._write(register, value if self._now.written is None else self._now.written, time)

    def rom_as_run(self) -> Rom:
        """The program with the rows that were executed in the place of its own."""
        rom = {name: getattr(self.program.rom, name).copy() for name in (*ROW, "address")}
        for pc, row in self.replaced.items():
            for name, value in zip(ROW, row, strict=True):
                rom[name][pc] = value
        return Rom(**rom)


@dataclass(frozen=True, eq=False)
class Tables:
    """A job of one share: main matrices by chip in domain order, without the counts of lookups; what it claims, and how it ends.

    ``end`` holds the last value of every cell and the claim: it is a function of program and input, so another end is a false one.
    """

    program: Program
    main: dict[str, U64]
    statement: Statement
    end: tuple[object, ...]

    def with_cells(self, chip: str, row: int, cells: Mapping[str, int] | Sequence[int]) -> Tables:
        """Some cells of a row replaced by name, or all of them; values mod P."""
        names = AIRS[NUMBER[chip]].main.column_names()
        changed = self.main[chip].copy()
        for name, value in cells.items() if isinstance(cells, Mapping) else zip(names, cells, strict=True):
            changed[names.index(name), row] = value % P
        return replace(self, main={**self.main, chip: changed})

    def row(self, chip: str, row: int) -> list[int]:
        """The cells of a row."""
        return [int(value) for value in self.main[chip][:, row]]

    def cell(self, chip: str, row: int, name: str) -> int:
        """One cell."""
        return int(self.main[chip][AIRS[NUMBER[chip]].main.column_names().index(name), row])

    def rows(self, chip: str) -> range:
        """The used rows of an instruction chip."""
        return range(int(np.count_nonzero(self.main[chip][AIRS[NUMBER[chip]].main.column_names().index("ts")])))


def run(program: Program, stdin: bytes, lies: Mapping[int, Lie] | None = None, most: int = 10_000) -> Tables | None:
    """The tables of a run with these lies; None if it does not come to an end within ``most`` steps."""
    liar = Liar(program, stdin, lies or {})
    outcome = liar.run(most)
    if outcome.trap is not None:
        return None
    events = liar.replay(0, outcome.steps, final=True)
    assert events.final is not None
    final = np.ascontiguousarray(events.final)
    main: dict[str, U64] = {}
    rom = liar.rom_as_run()
    for chip in RECORDED:
        if len(events.records[chip.name]):
            main[chip.name] = witness(chip, Records(events.records[chip.name], rom))
    words = program.image
    writable = ~words.read_only
    main["registers"] = swap_order(registers.trace(final))
    main["image"] = swap_order(image.trace(words.addr, words.read_only, final, height_for(len(words))))
    main["ram"] = ram.trace(words.addr[writable], image_values(program)[writable], final)
    main["input"] = input_words.trace(final)
    statement = Statement((0, 0, 0, 0), tuple(outcome.output.tolist()), outcome.exit_code, outcome.final_ts)
    return Tables(program, main, statement, end_of(main, statement))


def end_of(main: Mapping[str, U64], statement: Statement) -> tuple[object, ...]:
    """The last value of every register and every word of RAM that is not what it was at the start, and the claim."""
    register_rows = tuple(map(tuple, main["registers"][:2].T.tolist()))
    row = AIRS[NUMBER["ram"]].main(list(main["ram"]))
    changed = (row.final[0] != row.initial[0]) | (row.final[1] != row.initial[1])
    words = zip(row.addr[changed].tolist(), row.final[0][changed].tolist(), row.final[1][changed].tolist(), strict=True)
    return register_rows, tuple(words), statement


@cache
def _fixed(program: Program) -> dict[str, U64]:
    return {name: swap_order(values) for name, values in fixed_columns(program).items()}


@cache
def _rows_of_table(name: str, program: Program | None) -> dict[Bus, dict[tuple[int, ...], int]]:
    """Per lookup bus of a table: the row (domain order) of each tuple that it provides. ``program``: None where it is the same for all."""
    air = AIRS[NUMBER[name]]
    fixed = swap_order(table16.fixed_columns()) if program is None else _fixed(program)[name]
    spoken = said(Table(air, np.ones((air.width, fixed.shape[1]), dtype=np.uint64), fixed))
    return {term.bus: dict(zip(map(tuple, term.values.T.tolist()), term.rows.tolist(), strict=True)) for term in spoken}


def closed(job: Tables, airs: Mapping[str, Air]) -> list[Table]:
    """All tables, with the lookups counted that the tables hold; ``airs``: those that are not the chip set's.

    Of table16 only the rows that are looked up: it has no constraint, and a row that counts 0 says nothing.
    """
    tables = open_tables(job, airs)
    spoken = [term for table in tables for term in said(table)]
    for name, program in (("rom", job.program), ("table16", None)):
        air = AIRS[NUMBER[name]]
        fixed, counts = _fixed(job.program)[name], dict[int, list[int]]()
        for bus, rows in _rows_of_table(name, program).items():
            column = air.main.layout[LOOKUPS[bus].column].start
            for term in spoken:
                if term.bus is bus:
                    for values, times in zip(map(tuple, term.values.T.tolist()), term.times.tolist(), strict=True):
                        if values in rows:
                            counts.setdefault(rows[values], [0] * air.width)[column] += times
        used = sorted(counts) if program is None else list(range(fixed.shape[1]))
        main = np.zeros((air.width, height_for(len(used))), dtype=np.uint64)
        for place, row in enumerate(used):
            main[:, place] = [times % P for times in counts.get(row, [0] * air.width)]
        held = np.zeros((air.fixed_width, main.shape[1]), dtype=np.uint64)
        held[:, : len(used)] = fixed[:, used]
        tables.append(Table(airs.get(name, air), main, held))
    return tables


def open_tables(job: Tables, airs: Mapping[str, Air] | None = None) -> list[Table]:
    """All tables but those that count lookups."""
    fixed = _fixed(job.program)
    return [Table((airs or {}).get(name, AIRS[NUMBER[name]]), main, fixed.get(name)) for name, main in job.main.items()]


def report(job: Tables, airs: Mapping[str, Air] | None = None) -> Report:
    """What is wrong with a job in the eyes of the chip set, or of one with other AIRs."""
    key = SimpleNamespace(entry=job.program.entry)
    boundary = [Term(term.bus, term.values, term.times) for term in CHIP_SET.boundary(job.statement, key)]  # type: ignore[arg-type]
    return check(closed(job, airs or {}), boundary)


def without_part(part: Part) -> dict[str, Air]:
    """The chip set's only other AIR if a part is left out."""
    return {part.chip: without(AIRS[NUMBER[part.chip]], part)}


def tokens(job: Tables) -> list[Said]:
    """All that is said about tokens."""
    return [term for table in open_tables(job) for term in said(table, [t for t in table.air.bus_terms if t.bus is TOKEN])]


def wide_tokens(job: Tables) -> list[tuple[int, ...]]:
    """Tokens whose limbs are no 32-bit numbers."""
    wide = [term.values[:, np.any(term.values[1:3] >= 2**32, axis=0)] for term in tokens(job)]
    return [tuple(values) for found in wide for values in found.T.tolist()]


def register_row(job: Tables, register: int) -> int:
    """The row of a register in the table of registers."""
    return int(np.flatnonzero(_fixed(job.program)["registers"][0] == REGISTER_BASE + register)[0])
