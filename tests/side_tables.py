"""What pins each cell of the tables that are not rows of instructions: input, ram, image, registers, rom, table16, refresh, halt.

Rules. A table is cut into kinds of rows. In each kind every cell is changed in many ways, one at a time, in a copy of the table, and what
notices is written down: constraints that fail, lookups that leave their table, buses on which the table then says something else (so that
the rest of the job would have to agree). A cell with a change that nothing notices is free, and has to be in the list with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.asm import assemble, exit_with
from tests.chips_harness import LOOKUPS, Copies, lookup_misses, mutations, refreshes_of, witness
from tests.instruction_model import cases
from zisk_actors.air.check import Table, failures, said, signed
from zisk_actors.chips import image, ram, registers, rom, table16
from zisk_actors.chips import input as input_words
from zisk_actors.chips.base import Chip
from zisk_actors.chips.halt import HALT
from zisk_actors.chips.image import IMAGE
from zisk_actors.chips.input import INPUT
from zisk_actors.chips.ram import RAM
from zisk_actors.chips.refresh import REFRESH
from zisk_actors.chips.registers import REGISTERS
from zisk_actors.chips.rom import ROM
from zisk_actors.chips.table16 import TABLE16
from zisk_actors.chips.words import INPUT_WORDS, OUTPUT_WORDS, RAM_WORDS
from zisk_actors.machine.layout import READ_ONLY_BASE, REGISTER_BASE
from zisk_actors.machine.rom import load_program
from zisk_actors.stark.field import U64


@dataclass(frozen=True)
class Sample:
    """A small honest table, and its rows by kind."""

    chip: Chip
    main: U64
    fixed: U64 | None
    kinds: Mapping[str, Sequence[int]]
    rom: Any = None  # that its rows look up


@dataclass(frozen=True)
class Seen:
    """What became of the changes of a column's cells in one kind of rows."""

    by: frozenset[str]  # names of constraints and buses that noticed some change
    free: bool  # nothing noticed some change


def seen(sample: Sample, kind: str, seed: int) -> dict[str, Seen]:
    """Change each cell of each row of ``kind``: by column."""
    rng = np.random.default_rng(seed)
    chip, main, fixed = sample.chip, sample.main, sample.fixed
    period, names = main.shape[1], chip.air.main.column_names()
    tried = [
        (row, column, value)
        for row in sample.kinds[kind]
        for column in range(len(names))
        for value in mutations(int(main[column, row]), rng)
    ]
    copies = 1 << (len(tried) - 1).bit_length()
    changed = np.tile(main, (1, copies))
    for i, (row, column, value) in enumerate(tried):
        changed[column, i * period + row] = value
    table = Copies(chip.air, changed, period, None if fixed is None else np.tile(fixed, (1, copies)))
    by: list[set[str]] = [set() for _ in range(copies)]
    for failure in failures(table):
        for row in failure.rows:
            by[row // period].add(failure.constraint)
    provides = chip in (ROM, TABLE16)
    if not provides:
        for row, message in lookup_misses(table, sample.rom):
            by[row // period].add(message.split()[0])
    honest, theirs = _said(Table(chip.air, main, fixed), provides, period)[0], _said(table, provides, period)
    for i in range(len(tried)):
        by[i] |= {bus for bus in honest.keys() | theirs[i].keys() if honest.get(bus) != theirs[i].get(bus)}
    found: dict[str, Seen] = {}
    for number, name in enumerate(names):
        mine = [by[i] for i, (_, column, _) in enumerate(tried) if column == number]
        found[name] = Seen(frozenset().union(*mine), any(not notices for notices in mine))
    return found


def _said(table: Table, provides: bool, period: int) -> list[dict[str, Counter[tuple[int, ...]]]]:
    """Per copy and bus, what is said net. A lookup is judged by its table, and only counted where the table itself ``provides`` it."""
    net: list[dict[str, Counter[tuple[int, ...]]]] = [{} for _ in range(table.height // period)]
    for term in said(table):
        if term.bus in LOOKUPS and not provides:
            continue
        for row, values, times in zip(term.rows.tolist(), term.values.T.tolist(), term.times.tolist(), strict=True):
            net[row // period].setdefault(term.bus.name, Counter())[tuple(values)] += signed(times)
    return [{bus: counter for bus, words in each.items() if (counter := Counter({k: v for k, v in words.items() if v}))} for each in net]


# --- the samples -------------------------------------------------------------


def samples() -> list[Sample]:
    """One small honest table of each chip."""
    return [_input(), _ram(), _image(), _registers(), _rom(), _table16(), _refresh(), _halt()]


def _input() -> Sample:
    first = INPUT_WORDS.first
    final = [[first, 0, 0, 6], [first + 1, 2**64 - 1, 2**64 - 1, 10], [first + 5, 7, 7, 0], [first + 70_000, 5, 5, 14]]
    main = input_words.trace(np.array(final, dtype=np.uint64))
    end = main.shape[1] - 1
    kinds = {"before": [0], "read": [1, 3], "not read": [2], "last used": [4], "padding": [5, end - 1], "last": [end]}
    return Sample(INPUT, main, None, kinds)


def _ram() -> Sample:
    free = 0xA003_0000 // 8
    addr, value = np.array([free, free + 1], dtype=np.uint64), np.array([2**40 + 7, 9], dtype=np.uint64)
    final = [[OUTPUT_WORDS.first, 0, 2**33 + 5, 17], [free, 2**40 + 7, 9, 22], [free + 5_000_000, 0, 2**50, 102]]
    main = ram.trace(addr, value, np.array(final, dtype=np.uint64))
    # The region's first word, 32 words of output, two of the image, one that was written, the region's last word.
    end = main.shape[1] - 1
    kinds = {"output": [1, 2, 32], "image": [33, 34], "other": [35], "last used": [36], "padding": [37, end - 1], "last": [end]}
    return Sample(RAM, main, None, {"first": [0], **kinds})


def _image() -> Sample:
    addr = np.array([RAM_WORDS.first + 4, READ_ONLY_BASE + 0x8000_0000 // 8, READ_ONLY_BASE + 0x8000_0008 // 8], dtype=np.uint64)
    value, read_only = np.array([2**40, 2**64 - 1, 3], dtype=np.uint64), np.array([False, True, True])
    main = image.trace(addr, read_only, np.array([[addr[1], value[1], value[1], 50]], dtype=np.uint64), 32)
    fixed = image.fixed_columns(addr, value, read_only, 32)
    return Sample(IMAGE, main, fixed, {"read-only": [1, 2], "writable": [0], "padding": [3, 31]})


def _registers() -> Sample:
    final = np.array([[REGISTER_BASE + 10, 0x4000_0000, 2**33, 77], [REGISTER_BASE + 32, 0, 5, 9]], dtype=np.uint64)
    kinds = {"register": [0, 1, 10, 31, 32], "padding": [33, 63]}
    return Sample(REGISTERS, registers.trace(final), registers.fixed_columns(), kinds)


def _rom() -> Sample:
    rows = load_program(assemble(exit_with(0))).rom
    kinds = {"instruction": range(len(rows)), "padding": [len(rows), 31]}
    return Sample(ROM, np.full((2, 32), 2, dtype=np.uint64), rom.fixed_columns(rows, 32), kinds)


def _table16() -> Sample:
    chosen = np.array([0, 1, 300, 2**15, 2**16 - 1, 77, 65, 2**15 + 1])
    main = np.full((TABLE16.air.width, len(chosen)), 2, dtype=np.uint64)
    return Sample(TABLE16, main, table16.fixed_columns()[:, chosen], {"value": range(len(chosen))})


def _refresh() -> Sample:
    records = [(REGISTER_BASE + 5, 2**63 + 2, 44, 44 + 2**20), (RAM_WORDS.first + 3, 7, 9, 10), (INPUT_WORDS.first, 1, 2, 2 + 2**32)]
    return Sample(REFRESH, witness(REFRESH, refreshes_of(records)), None, {"used": [0, 1, 2], "padding": [3, 31]})


def _halt() -> Sample:
    tested = cases(HALT, ["ECALL"], 2)
    return Sample(HALT, tested.main, None, {"used": [0, 1], "padding": [2, 31]}, tested.rom)
