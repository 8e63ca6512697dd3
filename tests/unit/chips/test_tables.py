"""The small chips: refresh, registers, image, rom, table16."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.chips_harness import check_chip, forge, refreshes_of, stateful, uncaught, uncaught_in_table, violations, witness
from tests.trace_job import EVERYTHING, job_of
from zisk_actors.air.check import Table, said
from zisk_actors.air.expr import Kind, Part, topological
from zisk_actors.chips import AIRS, CHIP_SET, CHIPS, NUMBER, image, registers, rom, table16
from zisk_actors.chips.buses import AND8, BUSES, MSB16, PCMAP, POW32, POW64, PROGRAM, RANGE16
from zisk_actors.chips.image import IMAGE
from zisk_actors.chips.refresh import REFRESH
from zisk_actors.chips.registers import REGISTERS
from zisk_actors.chips.rom import ROM
from zisk_actors.chips.table16 import TABLE16
from zisk_actors.chips.words import INPUT_WORDS, RAM_WORDS
from zisk_actors.machine.isa import Op
from zisk_actors.machine.layout import READ_ONLY_BASE, REGISTER_BASE
from zisk_actors.stark import params, rules
from zisk_actors.stark.errors import WrongMemoryMap
from zisk_actors.stark.field import P
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.statement import InstanceShape

U = np.uint64
REFRESHED = ((REGISTER_BASE + 5, 2**63 + 2, 44, 44 + 2**20), (RAM_WORDS.first + 3, 7, 9, 10), (INPUT_WORDS.first, 1, 2, 2 + 2**32))
REFRESHES = refreshes_of(REFRESHED)


# --- the set ---------------------------------------------------------------


def test_every_air_is_named_once_and_small_enough_to_prove():
    assert len({air.name for air in AIRS}) == len(AIRS) == len(NUMBER)
    for number, chip in enumerate(CHIPS):
        assert NUMBER[chip.name] == number
        assert chip.air.degree == 3, "the bus constraints alone have degree 3, and nothing more is allowed"
        assert chip.air.bus_terms
    assert len({air.digest for air in AIRS}) == len(AIRS)
    assert [chip.air for chip in CHIP_SET.chips] == list(AIRS)


def test_a_key_for_another_machine_s_memory_is_refused():
    """The real chip set carries the memory map: a key whose map differs in one address is not ours."""
    expected = ((0x4000_0000, 0x8000_0000), (0x8000_0000, 0x8800_0000), (0xA000_0000, 0xC000_0000))
    assert CHIP_SET.memory == expected
    fixed = tuple(InstanceShape(number, 6) for number, air in enumerate(AIRS) if air.fixed_width)
    vk = VerifyingKey(params.TEST.number, CHIP_SET.digest, (0, 0, 0, 0), fixed, 0, expected)
    rules.check_key(CHIP_SET, vk)
    for region, (start, end) in enumerate(expected):
        for other in ((start + 8, end), (start, end - 8)):
            with pytest.raises(WrongMemoryMap):
                rules.check_key(CHIP_SET, msgspec.structs.replace(vk, memory=(*expected[:region], other, *expected[region + 1 :])))


def test_only_tables_of_words_read_the_next_row():
    reading = {air.name for air in AIRS for part, columns in air.next_columns.items() if part.value != "aux" and columns}
    assert reading == {"ram", "input"}


def test_every_bus_has_somebody_on_it():
    used = {term.bus for air in AIRS for term in air.bus_terms}
    assert used == set(BUSES)


def test_every_column_said_to_be_bounded_is_in_a_lookup():
    """A ``bits`` of at most 16 is a promise: the column must stand in a lookup of a 16-bit table (or be fixed by the ROM's tuple)."""
    for air in AIRS:
        looked_up = {
            node.args[1]
            for term in air.bus_terms
            if term.bus in (RANGE16, MSB16, AND8, POW64, POW32, PROGRAM)
            for node in topological(term.values)
            if node.kind is Kind.CELL and node.args[0] is Part.MAIN
        }
        for name, item in air.main.columns.items():
            if item.bits is not None and item.bits <= 16:
                cells = air.main.layout[name]
                assert set(range(cells.start, cells.stop)) <= looked_up, f"{air.name}: nothing bounds {name}"


# --- refresh ---------------------------------------------------------------


def test_refresh_generated():
    check_chip(REFRESH, REFRESHES)
    assert not uncaught(REFRESH, witness(REFRESH, REFRESHES), range(3), None, 5)


def test_a_refresh_moves_time_forward_only():
    """mid = prev (the token again) and mid < prev both need a gap that is no chunk."""
    main = witness(REFRESH, REFRESHES)
    for back in (1, 2, 5, 2**16, 2**32):
        gap = -back % P
        for low in (gap % 2**16, 0, 2**16 - 1):
            cells = {"gap[0]": low, "gap[1]": (gap - low) * pow(2**16, -1, P)}
            assert any("range16" in message for message in violations(REFRESH, forge(REFRESH, main, 0, cells)))


def test_a_refresh_keeps_the_value():
    said_by = stateful(REFRESH, witness(REFRESH, refreshes_of(REFRESHED[:1])))
    addr, value, prev, mid = REFRESHED[0]
    limbs = (value % 2**32, value >> 32)
    assert said_by == {("token", (addr, *limbs, prev)): -1, ("token", (addr, *limbs, mid)): 1}


# --- registers -------------------------------------------------------------


def test_registers_start_as_the_abi_says_and_end_as_the_run_left_them():
    final = np.array([[REGISTER_BASE + 10, 0x4000_0000, 2**33, 77], [REGISTER_BASE + 32, 0, 5, 9], [12, 0, 1, 3]], dtype=np.uint64)
    said_by = stateful(REGISTERS, registers.trace(final), registers.fixed_columns())
    initial = {1: 0x1000, 10: 0x4000_0000, 11: 0xA001_0000}
    last = {10: (2**33, 77), 32: (5, 9)}
    expected = {}
    for register in range(33):
        start = initial.get(register, 0)
        end, ts = last.get(register, (start, 0))
        if (end, ts) != (start, 0):
            expected[("token", (REGISTER_BASE + register, start % 2**32, start >> 32, 0))] = 1
            expected[("token", (REGISTER_BASE + register, end % 2**32, end >> 32, ts))] = -1
    assert said_by == expected


def test_a_register_s_end_cannot_be_changed_and_padding_rows_are_silent():
    main, fixed = registers.trace(np.zeros((0, 4), dtype=np.uint64)), registers.fixed_columns()
    assert not uncaught_in_table(REGISTERS, main, range(33), fixed)
    assert set(uncaught_in_table(REGISTERS, main, [33, 63], fixed)) == {"final[0]", "final[1]", "ts"}


# --- image -----------------------------------------------------------------

WORDS = np.array(
    [RAM_WORDS.first + 4, RAM_WORDS.first + 5, READ_ONLY_BASE + 0x8000_0000 // 8, READ_ONLY_BASE + 0x8800_0000 // 8], dtype=np.uint64
)
VALUES = np.array([2**40, 1, 2**64 - 1, 3], dtype=np.uint64)
READ_ONLY = np.array([False, False, True, True])


def test_the_image_offers_writable_words_and_keeps_the_others():
    fixed = image.fixed_columns(WORDS, VALUES, READ_ONLY, 32)
    final = np.array([[WORDS[3], 3, 3, 50], [WORDS[0], 2**40, 9, 60], [READ_ONLY_BASE, 0, 0, 4]], dtype=np.uint64)
    said_by = stateful(IMAGE, image.trace(WORDS, READ_ONLY, final, 32), fixed)
    assert said_by == {
        ("image", (int(WORDS[0]), 0, 2**8)): 1,
        ("image", (int(WORDS[1]), 1, 0)): 1,
        ("token", (int(WORDS[3]), 3, 0, 0)): 1,
        ("token", (int(WORDS[3]), 3, 0, 50)): -1,
    }
    main = image.trace(WORDS, READ_ONLY, final, 32)
    assert not uncaught_in_table(IMAGE, main, [2, 3], fixed)
    # Writable words have no time, and padding says nothing.
    assert set(uncaught_in_table(IMAGE, main, [0, 1, 4, 31], fixed)) == {"ts"}


def test_an_empty_image_is_silent():
    none = np.zeros(0, dtype=np.uint64)
    fixed = image.fixed_columns(none, none, none.astype(bool), 32)
    assert stateful(IMAGE, image.trace(none, none.astype(bool), np.zeros((0, 4), dtype=np.uint64), 32), fixed) == {}


@pytest.mark.parametrize(
    ("addr", "read_only"),
    [
        (RAM_WORDS.first - 1, False),
        (RAM_WORDS.last + 1, False),
        (READ_ONLY_BASE + RAM_WORDS.first, True),
        (INPUT_WORDS.first, True),
        (INPUT_WORDS.last, True),
        (RAM_WORDS.first, True),
        (READ_ONLY_BASE + 2**29, True),
        (READ_ONLY_BASE + 2**28, False),
    ],
)
def test_an_image_word_in_the_wrong_region_is_refused(addr: int, read_only: bool):
    with pytest.raises(ValueError, match="region"):
        image.fixed_columns(np.array([addr], dtype=np.uint64), np.array([5], dtype=np.uint64), np.array([read_only]), 32)


def test_an_image_word_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        image.fixed_columns(WORDS[[0, 0]], VALUES[:2], READ_ONLY[:2], 32)


# --- rom and table16 -------------------------------------------------------


def test_the_rom_provides_its_rows_and_padding_provides_nothing():
    program = job_of(EVERYTHING).program
    height = 1 << (len(program.rom) - 1).bit_length()
    fixed = rom.fixed_columns(program.rom, height)
    main = np.full((2, height), 7, dtype=np.uint64)
    main[1] = 5
    terms = {term.bus: term for term in said(Table(ROM.air, main, fixed))}
    for bus, times in ((PROGRAM, 7), (PCMAP, 5)):
        assert terms[bus].values.shape[1] == len(program.rom) < height
        assert set(terms[bus].times.tolist()) == {P - times}
    fields = (program.rom.op, program.rom.rd, program.rom.rs1, program.rom.rs2, program.rom.x0, program.rom.x1, program.rom.x2)
    assert np.array_equal(terms[PROGRAM].values[1:], np.stack(fields))
    assert np.array_equal(terms[PROGRAM].values[0], np.arange(len(program.rom)))
    assert np.array_equal(terms[PCMAP].values, np.stack([program.rom.address, np.arange(len(program.rom), dtype=np.uint64)]))


def test_no_chip_looks_up_a_row_that_traps():
    """The op in every PROGRAM lookup is a sum of flags times op numbers, each at least 1; here: on every row of a run."""
    job = job_of(EVERYTHING)
    for table in job.tables():
        if table.air.name != "rom":
            for term in said(table):
                assert term.bus is not PROGRAM or np.all(term.values[1] != Op.TRAP)


def test_table16_holds_exactly_its_five_tables():
    main = np.ones((5, 2**16), dtype=np.uint64)
    terms = {term.bus: term for term in said(Table(TABLE16.air, main, table16.fixed_columns()))}
    assert set(terms) == {RANGE16, MSB16, AND8, POW64, POW32}
    for v in (0, 1, 63, 64, 255, 256, 2**15 - 1, 2**15, 2**16 - 1, 0xABCD):
        row = {bus: tuple(term.values[:, v].tolist()) for bus, term in terms.items()}
        power = 2 ** (v % 64)
        assert row == {
            RANGE16: (v,),
            MSB16: (v, v >> 15),
            AND8: (v % 256, v // 256, v % 256 & v // 256),
            POW64: (v, power % 2**32, power >> 32),
            POW32: (v, 2 ** (v % 32)),
        }
    assert np.array_equal(terms[RANGE16].values[0], np.arange(2**16))
    assert np.array_equal(terms[AND8].values[2], terms[AND8].values[0] & terms[AND8].values[1])


def test_fixed_tables_cannot_be_written_to_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        table16.fixed_columns()[0, 0] = 1
