"""From events to the tables of a share.

Rules:
* Everything is a function of the program, the events and the share's index:
  the same share computed elsewhere gives the same matrices, word for word.
* Matrices leave in storage order. Chips that read the next row (ram, input) are
  filled in domain order and permuted; rows of all others lie in any order, and
  theirs is the order of execution from storage row 0 on.
* Lookup multiplicities are not written by chips. They are counted here, by
  evaluating the chips' own interactions over the filled tables: one definition
  of a lookup, however many chips use it.
* A value that is in no table is a bug of a fill or of the emulator; it raises
  ``WitnessError``, which names the chip, the row and the lookup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from zisk_actors import memory
from zisk_actors.air.air import Air
from zisk_actors.air.bus import Bus
from zisk_actors.air.evaluate import ColumnValues, over_columns
from zisk_actors.air.expr import Expr, Part
from zisk_actors.chips import AIRS, NUMBER, RECORDED, image, ram, registers, rom, table16
from zisk_actors.chips import input as input_words
from zisk_actors.chips.base import Chip
from zisk_actors.chips.buses import AND8, MSB16, PCMAP, POW32, POW64, PROGRAM, RANGE16
from zisk_actors.chips.heights import share_heights
from zisk_actors.chips.records import Records, WitnessError
from zisk_actors.chips.words import swap_order
from zisk_actors.machine.events import Events
from zisk_actors.machine.plan import MIN_LOG
from zisk_actors.machine.records import Table
from zisk_actors.machine.rom import Program
from zisk_actors.stark.field import U64

BLOCK = 1 << 14  # rows filled or evaluated together: their columns stay in the cache


@dataclass(frozen=True)
class Instance:
    """One table of a share: its AIR's id, log2 of its height, and its main matrix (width, height) in storage order."""

    air_id: int
    log_height: int
    main: U64


@dataclass(frozen=True)
class Lookup:
    """Where a lookup bus is counted: the providing chip, its multiplicity column, and the row as an expression of the tuple."""

    chip: str
    column: str
    key: Callable[[Sequence[Expr]], Expr]


LOOKUPS: dict[Bus, Lookup] = {
    RANGE16: Lookup("table16", "range16", lambda values: values[0]),
    MSB16: Lookup("table16", "msb16", lambda values: values[0]),
    AND8: Lookup("table16", "and8", lambda values: values[0] + 256 * values[1]),
    POW64: Lookup("table16", "pow64", lambda values: values[0]),
    POW32: Lookup("table16", "pow32", lambda values: values[0]),
    PROGRAM: Lookup("rom", "executed", lambda values: values[0]),
    PCMAP: Lookup("rom", "reached", lambda values: values[1]),
}


def height_for(count: int) -> int:
    """Height of a table of ``count`` rows that has one instance: a power of two, 2^5 at least."""
    return 1 << max(MIN_LOG, (count - 1).bit_length())


def image_values(program: Program) -> U64:
    """The words of the image, 64 bits each."""
    return program.image.lo | program.image.hi << np.uint64(32)


def fixed_columns(program: Program) -> dict[str, U64]:
    """The fixed columns by AIR name: (fixed width, height) in storage order, for exactly the AIRs that have some."""
    words = program.image
    return {
        "rom": rom.fixed_columns(program.rom, height_for(len(program.rom))),
        "table16": table16.fixed_columns(),
        "registers": registers.fixed_columns(),
        "image": image.fixed_columns(words.addr, image_values(program), words.read_only, height_for(len(words))),
    }


def assemble(program: Program, events: Events, final: U64 | None, share: int) -> list[Instance]:
    """The tables of share number ``share``, in canonical order: AIR id ascending, then larger heights first.

    ``events`` are the share's steps; ``final`` (n, 4) the cells that the whole run touched, needed by share 0 and
    only by it. Raises WitnessError on a bug, TooManyWords for a run that touches more memory than a table holds.
    """
    if (final is not None) != (share == 0):
        raise ValueError("the final state belongs to share 0, and to it alone")
    counts = Multiplicities(program)
    result = []
    for chip, main, used in _tables(program, events, final):
        counts.add(chip.air, main, used)
        result.append(_instance(chip.air, main))
    result += [_instance(AIRS[NUMBER[name]], main) for name, main in counts.tables().items()]
    return sorted(result, key=lambda instance: (instance.air_id, -instance.log_height))


def _instance(air: Air, main: U64) -> Instance:
    return Instance(NUMBER[air.name], main.shape[1].bit_length() - 1, main)


def _tables(program: Program, events: Events, final: U64 | None) -> Iterator[tuple[Chip, U64, int]]:
    """All tables but the two that count lookups: chip, main matrix in storage order, rows that may speak."""
    whole = _final_tables(program, final) if final is not None else []
    others = [(chip.air, main.shape[1].bit_length() - 1) for chip, main in whole]
    others += [(AIRS[NUMBER["rom"]], height_for(len(program.rom)).bit_length() - 1), (AIRS[NUMBER["table16"]], table16.LOG_HEIGHT)]
    heights = share_heights({chip.name: len(events.records[chip.name]) for chip in RECORDED}, others)
    for chip in RECORDED:
        yield from _filled(chip, events.records[chip.name], program, heights[chip.name])
    for chip, main in whole:
        yield chip, main, main.shape[1]


def _final_tables(program: Program, final: U64) -> list[tuple[Chip, U64]]:
    """The tables that only share 0 has: of what the run began and ended with."""
    words, values = program.image, image_values(program)
    writable = ~words.read_only
    return [
        (registers.REGISTERS, registers.trace(final)),
        (image.IMAGE, image.trace(words.addr, words.read_only, final, height_for(len(words)))),
        (ram.RAM, swap_order(ram.trace(words.addr[writable], values[writable], final))),
        (input_words.INPUT, swap_order(input_words.trace(final))),
    ]


def _filled(chip: Chip, table: Table, program: Program, heights: Sequence[int]) -> Iterator[tuple[Chip, U64, int]]:
    """The instances that hold the records of ``table``, of a run of the program."""
    assert chip.fill is not None, f"{chip.name} has records but no fill"
    start = 0
    for log_height in heights:
        stop = min(start + (1 << log_height), len(table))
        main = memory.zeros(chip.air.width, 1 << log_height)
        # Block by block: a fill reads its records column by column, and they should still be in the cache.
        for first in range(start, stop, BLOCK):
            records = table[first : min(first + BLOCK, stop)]
            row = chip.air.main(list(main[:, first - start :]))
            chip.fill(row, Records(records, program.rom))
        yield chip, main, stop - start
        start = stop


# --- counting lookups ------------------------------------------------------


@cache
def _lookups(air: Air) -> list[tuple[Bus, Expr, Expr]]:
    """Per lookup of an AIR: the bus, the looked-up row and how often, as expressions."""
    return [(term.bus, LOOKUPS[term.bus].key(term.values), term.times) for term in air.bus_terms if term.bus in LOOKUPS]


class Multiplicities:
    """The multiplicity columns of rom and table16 of one share."""

    def __init__(self, program: Program) -> None:
        heights = {"rom": height_for(len(program.rom)), "table16": 1 << table16.LOG_HEIGHT}
        self._size = {"rom": len(program.rom), "table16": 1 << table16.LOG_HEIGHT}
        self._main = {name: memory.zeros(AIRS[NUMBER[name]].width, height) for name, height in heights.items()}

    def tables(self) -> dict[str, U64]:
        """The main matrices by AIR name."""
        return self._main

    def add(self, air: Air, main: U64, used: int) -> None:
        """Count the lookups of the first ``used`` rows of a table (storage order)."""
        by_table: dict[str, list[tuple[Bus, Expr, Expr]]] = {}
        for lookup in _lookups(air):
            by_table.setdefault(LOOKUPS[lookup[0]].chip, []).append(lookup)
        for name, lookups in by_table.items():
            # Counting costs as much as the counted table is high: a large ROM is counted once, not per block.
            block = BLOCK if self._size[name] <= 4 * BLOCK else used
            for start in range(0, used, block):
                self._count(air, name, lookups, main[:, start : min(start + block, used)], start)

    def _count(self, air: Air, name: str, lookups: Sequence[tuple[Bus, Expr, Expr]], block: U64, start: int) -> None:
        values = over_columns([e for _, key, times in lookups for e in (key, times)], _cells(block))
        keys_of: dict[Bus, list[U64]] = {}
        for i, (bus, _, _) in enumerate(lookups):
            keys, times = values[2 * i], np.broadcast_to(values[2 * i + 1], values[2 * i].shape)
            spoken = times if times.all() else np.flatnonzero(times)
            if spoken is not times:
                keys, times = keys[spoken], times[spoken]
            if not len(keys):
                continue
            if times.max() > 1 or keys.max() >= self._size[name]:
                at = int(np.flatnonzero((times > 1) | (keys >= self._size[name]))[0])
                row = start + (at if len(times) == block.shape[1] else int(spoken[at]))
                raise WitnessError(f"{air.name} row {row}: looks up {bus.name} {int(keys[at])}, {int(times[at])} times ({i}th lookup)")
            keys_of.setdefault(bus, []).append(keys)
        layout = AIRS[NUMBER[name]].main.layout
        for bus, found in keys_of.items():
            counted = np.bincount((found[0] if len(found) == 1 else np.concatenate(found)).view(np.int64))
            self._main[name][layout[LOOKUPS[bus].column].start, : len(counted)] += counted.view(np.uint64)


def _cells(block: U64) -> ColumnValues:
    def cell(part: Part, column: int, rotation: int) -> U64:
        if part is not Part.MAIN or rotation:
            raise ValueError("a lookup reads cells of its own row only")
        cells: U64 = block[column]
        return cells

    return ColumnValues(cell)
