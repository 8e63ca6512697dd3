"""Generated tests for chips: what every chip must satisfy, given some valid event records.

Rules. A *witness* here is one instance's main matrix in domain order. Two
questions are asked of it, and nothing else decides whether a prover could use it:

* ``violations``: does a constraint fail, or does a lookup leave its table?
* ``stateful``: what does it say, net, on the buses that are not lookups (EXEC,
  TOKEN, HALT, IMAGE, PUBLIC)? A witness that says something else than the
  honest one has changed the claim, and the rest of the job would have to agree.

``check_chip`` mutates every cell of every row: a mutation must violate or
change what is said, or its column must be in ``free`` with a reason. A column
in ``free`` that turns out never to be free is an error too.

A forged-witness test builds a wrong row on purpose (``forge``) and asserts that
``violations`` names the constraint that stops it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from zisk_actors.air.air import Air
from zisk_actors.air.check import Table, failures, said, signed
from zisk_actors.air.evaluate import ColumnValues
from zisk_actors.air.expr import Part
from zisk_actors.chips import RECORDED
from zisk_actors.chips.base import Chip
from zisk_actors.chips.buses import AND8, MSB16, PCMAP, POW32, POW64, PROGRAM, RANGE16
from zisk_actors.chips.records import Records
from zisk_actors.stark.field import U64, P

# All fields that some chip takes of a record.
FIELDS = tuple(dict.fromkeys(field.name for chip in RECORDED for field in chip.layout.fields))
ROM_FIELDS = ("op", "rd", "rs1", "rs2", "x0", "x1", "x2", "address")
LOOKUPS = (RANGE16, MSB16, AND8, POW64, POW32, PROGRAM, PCMAP)


def rom_of(instructions: Sequence[Mapping[str, int]]) -> Any:
    """A ROM of these rows: dicts of ROM fields, 0 where left out; ``address`` defaults to 4 * row."""
    columns = {name: [dict(row).get(name, 0) for row in instructions] for name in ROM_FIELDS}
    columns["address"] = [dict(row).get("address", 4 * i) for i, row in enumerate(instructions)]
    return SimpleNamespace(**{name: np.array([v % P for v in values], dtype=np.uint64) for name, values in columns.items()})


def records_of(rom: Any, rows: Sequence[Mapping[str, int]]) -> Records:
    """Records from dicts of event fields (0 where left out), as an emulator would emit them."""
    table = np.array([tuple(row.get(name, 0) for name in FIELDS) for row in rows], dtype=[(name, "<u8") for name in FIELDS])
    return Records(table, rom)


def refreshes_of(rows: Sequence[tuple[int, int, int, int]]) -> Records:
    """Records of refreshes: token address, value, prev, mid."""
    return records_of(rom_of([{}]), [dict(zip(("addr", "value", "prev", "mid"), row, strict=True)) for row in rows])


def witness(chip: Chip, records: Any, log_height: int | None = None) -> U64:
    """The main matrix that ``chip.fill`` makes of ``records`` (anything with a length); the least height that fits, 2^5 at least."""
    if log_height is None:
        log_height = max(5, (len(records) - 1).bit_length())
    main = np.zeros((chip.air.width, 1 << log_height), dtype=np.uint64)
    assert chip.fill is not None
    chip.fill(chip.air.main(list(main)), records)
    assert np.all(main < P), f"{chip.name}: fill writes words that are not canonical"
    return main


def _rows_of(table: Table, bus: Any) -> Iterable[tuple[int, tuple[int, ...]]]:
    for term in said(table):
        if term.bus is bus:
            for row, values in zip(term.rows, term.values.T, strict=True):
                yield int(row), tuple(int(v) for v in values)


def lookup_misses(table: Table, rom: Any = None) -> list[tuple[int, str]]:
    """(row, message) for each tuple looked up that its table does not hold."""
    misses: list[tuple[int, str]] = []
    program: set[tuple[int, ...]] = set()
    pcmap: set[tuple[int, ...]] = set()
    if rom is not None:
        fields = [getattr(rom, name).tolist() for name in ROM_FIELDS]
        program = {(pc, *row[:7]) for pc, row in enumerate(zip(*fields, strict=True))}
        pcmap = {(address, pc) for pc, address in enumerate(fields[7])}
    for term in said(table):
        if term.bus not in LOOKUPS:
            continue
        v = term.values
        small = v[0] < 2**16
        index = np.where(small, v[0], 0)
        one = np.uint64(1)
        if term.bus is RANGE16:
            good = small
        elif term.bus is MSB16:
            good = small & (v[1] == index >> np.uint64(15))
        elif term.bus is AND8:
            good = (v[0] < 256) & (v[1] < 256) & (v[2] == (v[0] & v[1]))
        elif term.bus is POW64:
            power = one << (index & np.uint64(63))
            good = small & (v[1] == (power & np.uint64(2**32 - 1))) & (v[2] == power >> np.uint64(32))
        elif term.bus is POW32:
            good = small & (v[1] == one << (index & np.uint64(31)))
        else:
            held = program if term.bus is PROGRAM else pcmap
            good = np.array([tuple(row) in held for row in v.T.tolist()], dtype=bool)
        bad = np.flatnonzero(~good)
        misses += [(int(term.rows[i]), f"{term.bus.name} does not hold {tuple(v[:, i].tolist())}") for i in bad]
    return misses


def violations(chip: Chip, main: U64, rom: Any = None, fixed: U64 | None = None) -> list[str]:
    """Everything that stops ``main`` on its own: failing constraints and lookups out of their table."""
    table = Table(chip.air, main, fixed)
    found = [f"row {failure.rows[0]}: {failure.constraint}" for failure in failures(table)]
    return found + [f"row {row}: {message}" for row, message in lookup_misses(table, rom)]


def stateful(chip: Chip, main: U64, fixed: U64 | None = None) -> Counter[tuple[Any, ...]]:
    """The net multiset that ``main`` puts on the buses that are not lookups: (bus, values) -> times."""
    net: Counter[tuple[Any, ...]] = Counter()
    for term in said(Table(chip.air, main, fixed)):
        if term.bus not in LOOKUPS:
            for values, times in zip(term.values.T.tolist(), term.times.tolist(), strict=True):
                net[(term.bus.name, tuple(values))] += signed(times)
    return Counter({key: times for key, times in net.items() if times % P})


def column(chip: Chip, name: str) -> int:
    """The number of a column by its name: ``rs1``, ``c[2]``."""
    return chip.air.main.column_names().index(name)


def forge(chip: Chip, main: U64, row: int, cells: Mapping[str, int]) -> U64:
    """A copy of ``main`` with the named cells of ``row`` replaced (values taken mod P)."""
    forged = main.copy()
    for name, value in cells.items():
        forged[column(chip, name), row] = value % P
    return forged


def mutations(value: int, rng: np.random.Generator) -> list[int]:
    """Other values for a cell: neighbours, edges, aliases, noise."""
    candidates = [value + 1, value - 1, 0, 1, 2, P - 1, P - value, value + 2**16, value - 2**16, value + 2**32, value - 2**32]
    candidates += [value ^ 1, value ^ 0x8000, value ^ 0x80000000, 2**16 - 1, 2**32 - 1, 2**32 - value, value * 2]
    candidates += [int(rng.integers(2**16)), int(rng.integers(2**32)), int(rng.integers(P, dtype=np.uint64))]
    return sorted({candidate % P for candidate in candidates} - {value})


def assert_satisfied(chip: Chip, main: U64, rom: Any = None, fixed: U64 | None = None) -> None:
    """An honest witness violates nothing."""
    found = violations(chip, main, rom, fixed)
    assert not found, f"{chip.name}: an honest witness fails:\n" + "\n".join(found[:20])


def assert_padding_silent(chip: Chip) -> None:
    """Rows of zeros satisfy every constraint and say nothing on any bus."""
    main = np.zeros((chip.air.width, 32), dtype=np.uint64)
    table = Table(chip.air, main)
    assert not failures(table), f"{chip.name}: padding fails: {failures(table)[0]}"
    for term in said(table):
        assert not term.times.size, f"{chip.name}: padding speaks on {term.bus.name}"


def uncaught(chip: Chip, main: U64, rows: Iterable[int], rom: Any, seed: int) -> dict[str, list[tuple[int, int, int]]]:
    """Single-cell mutations of ``main`` that nothing notices: column name -> [(row, honest, mutated)].

    For chips without next-row constraints: each mutated row becomes a row of one big table, beside its honest twin.
    """
    assert not any(chip.air.next_columns[part] for part in (list(chip.air.next_columns)[:2])), "reads the next row"
    rng = np.random.default_rng(seed)
    tried = [(row, col, value) for row in rows for col in range(chip.air.width) for value in mutations(int(main[col, row]), rng)]
    honest = main[:, [row for row, _, _ in tried]]
    mutated = honest.copy()
    for i, (_, col, value) in enumerate(tried):
        mutated[col, i] = value
    # Whatever one question catches, the next one is not asked.
    left = list(range(len(tried)))
    table = _rows(chip, mutated)
    caught = {row for failure in failures(table) for row in failure.rows}
    left = [i for i in left if i not in caught]
    table = _rows(chip, mutated[:, left])
    caught = {row for row, _ in lookup_misses(table, rom)}
    left = [i for place, i in enumerate(left) if place not in caught]
    before, after = _said_by_row(_rows(chip, honest[:, left]), len(left)), _said_by_row(_rows(chip, mutated[:, left]), len(left))
    names = chip.air.main.column_names()
    result: dict[str, list[tuple[int, int, int]]] = {}
    for place, i in enumerate(left):
        row, col, value = tried[i]
        if before[place] == after[place]:
            result.setdefault(names[col], []).append((row, int(main[col, row]), value))
    return result


def _rows(chip: Chip, rows: U64) -> Table:
    """A table of these rows and padding."""
    height = 1 << max(5, (rows.shape[1] - 1).bit_length())
    return Table(chip.air, np.pad(rows, ((0, 0), (0, height - rows.shape[1]))))


class Copies(Table):
    """Many copies of a table side by side, each with its own first, last and next rows."""

    def __init__(self, air: Air, main: U64, period: int, fixed: U64 | None = None) -> None:
        super().__init__(air, main, fixed)
        object.__setattr__(self, "period", period)

    def values(self) -> ColumnValues:
        """As for one table, but the next row wraps within a copy."""
        period: int = self.period  # type: ignore[attr-defined]

        def read(part: Part, column: int, rotation: int) -> U64:
            values = (self.main if part is Part.MAIN else self.fixed)[column]  # type: ignore[index]
            return np.roll(values.reshape(-1, period), -rotation, axis=1).ravel() if rotation else values

        place = np.arange(self.height) % period
        return ColumnValues(read, first=(place == 0).astype(np.uint64), last=(place == period - 1).astype(np.uint64))


def uncaught_in_table(
    chip: Chip, main: U64, rows: Iterable[int], fixed: U64 | None = None, seed: int = 0
) -> dict[str, list[tuple[int, int, int]]]:
    """As ``uncaught``, for chips that read the next row or have fixed columns: each mutation in a copy of the whole table."""
    rng = np.random.default_rng(seed)
    period = main.shape[1]
    tried = [(row, col, value) for row in rows for col in range(chip.air.width) for value in mutations(int(main[col, row]), rng)]
    copies = 1 << (len(tried) - 1).bit_length()
    honest = np.tile(main, (1, copies))
    mutated = honest.copy()
    for i, (row, col, value) in enumerate(tried):
        mutated[col, i * period + row] = value
    wide = None if fixed is None else np.tile(fixed, (1, copies))
    table = Copies(chip.air, mutated, period, wide)
    caught = {row // period for failure in failures(table) for row in failure.rows}
    caught |= {row // period for row, _ in lookup_misses(table)}
    before = _said_by_row(Copies(chip.air, main, period, fixed), 1, period)[0]
    after = _said_by_row(table, len(tried), period)
    names = chip.air.main.column_names()
    result: dict[str, list[tuple[int, int, int]]] = {}
    for i, (row, col, value) in enumerate(tried):
        if i not in caught and before == after[i]:
            result.setdefault(names[col], []).append((row, int(main[col, row]), value))
    return result


def _said_by_row(table: Table, count: int, period: int = 1) -> list[Counter[tuple[Any, ...]]]:
    """The net multiset on buses that are not lookups, per block of ``period`` rows, of the first ``count`` blocks."""
    nets: list[Counter[tuple[Any, ...]]] = [Counter() for _ in range(count)]
    for term in said(table):
        if term.bus in LOOKUPS:
            continue
        for row, values, times in zip(term.rows.tolist(), term.values.T.tolist(), term.times.tolist(), strict=True):
            if row // period < count:
                nets[row // period][(term.bus.name, tuple(values))] += signed(times)
    return [Counter({key: times for key, times in net.items() if times}) for net in nets]


def check_chip(chip: Chip, records: Any, rom: Any = None, free: Mapping[str, str] | None = None, seed: int = 0) -> None:
    """The generated tests on honest ``records``: satisfied, padding silent, every single-cell change caught or free with a reason.

    ``free`` maps a column name to the reason why (some) changes of it change nothing. The first 24 rows are mutated.
    """
    free = free or {}
    main = witness(chip, records)
    assert_satisfied(chip, main, rom)
    assert_padding_silent(chip)
    loose = uncaught(chip, main, range(min(len(records), 24)), rom, seed)
    unknown = {name: cases[:3] for name, cases in loose.items() if name not in free}
    assert not unknown, f"{chip.name} (seed {seed}): uncaught changes (row, honest, mutated): {unknown}"
    stale = set(free) - set(loose)
    assert not stale, f"{chip.name}: listed as free but always caught: {sorted(stale)}"
