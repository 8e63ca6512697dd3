"""The adversary of the tables that are no instructions (refresh, ram, input), and of what counts rows in those that are.

Rules. Each lie is made by hand for one part, or for some that guard the same thing. ``LIES`` names them; ``lies_of`` gives those of a
part as (job, how the honest run ends). Two kinds recur: a cell that has two rows, so that a load finds a value that nobody stored; and a
pair of rows that count 1 and -1, which cancel but for one thing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from tests.asm import CODE, DATA, RODATA, assemble, elf, exit_with, words_of
from tests.mutation.carrying import carried
from tests.mutation.jobs import Lie, Tables, register_row, run
from tests.mutation.silent import sign_of_nothing
from zisk_actors.chips import AIRS, NUMBER
from zisk_actors.chips.words import INPUT_WORDS
from zisk_actors.machine.layout import A0, A7, EXIT_CALL, RAM_END, READ_ONLY_BASE, REGISTER_BASE
from zisk_actors.machine.rom import Program, load_program
from zisk_actors.stark.field import P

Row = dict[str, int]
STDIN = bytes(range(1, 65))
WORD, UNTOUCHED, POINTER = DATA + 64, DATA + 72, DATA
S0 = 8

LINES = (
    *("la s2, data", "la s4, rodata", "mv s3, a1", "li s1, 5", "mv s5, a0"),
    *("ld s0, 0(s2)", "sd s1, 0(s0)", "ld t0, 0(s0)", "sd t0, 0(s3)"),  # through a pointer to the first word of RAM
    *("sd s1, 64(s2)", "ld t0, 64(s2)", "sd t0, 8(s3)"),  # WORD: stored, loaded
    *("ld t0, 72(s2)", "sd t0, 16(s3)"),  # UNTOUCHED: loaded
    *("ld t0, 0(s4)", "sd t0, 24(s3)"),  # a constant
    *("ld t0, 16(s5)", "sd t0, 32(s3)", "ld t0, 16(s5)", "sd t0, 40(s3)"),  # a word of the input, twice
    *("ld t0, 0(s5)", "sd t0, 64(s3)"),  # the word before the input, which is 0
    "ld t5, 24(s5)",  # another, which goes nowhere
    *("li s0, 6", "sd s0, 48(s3)", "li s0, 9", "sd s0, 56(s3)"),
    *exit_with(3),
)


@cache
def program(pointer: int = 0xA0000000) -> Program:
    """LINES, with that address as the pointer."""
    return load_program(assemble(LINES, struct.pack("<Q", pointer) + bytes(56), bytes(range(9, 25)), bss=64))


@cache
def honest() -> Tables:
    """The run of LINES."""
    job = run(program(), STDIN)
    assert job is not None
    return job


def find(job: Tables, chip: str, **cells: int) -> int:
    """The first row with these cells."""
    names = AIRS[NUMBER[chip]].main.column_names()
    found = np.all([job.main[chip][names.index(name)] == value for name, value in cells.items()], axis=0)
    return int(np.flatnonzero(found)[0])


# --- tables of words ---------------------------------------------------------------


def words(job: Tables, chip: str) -> list[Row]:
    """The used rows of ram or input."""
    names = AIRS[NUMBER[chip]].main.column_names()
    rows = [dict(zip(names, column, strict=True)) for column in job.main[chip].T.tolist()]
    return [row for row in rows if row["real"]]


def with_words(job: Tables, chip: str, rows: Sequence[Row]) -> Tables:
    """The job with these rows in a table of words. A gap that a row does not have is the one to the next row."""
    names = AIRS[NUMBER[chip]].main.column_names()
    height = 1 << max(6, (len(rows) - 1).bit_length())
    main = np.zeros((len(names), height), dtype=np.uint64)
    main[names.index("addr")] = rows[-1]["addr"]
    for place, row in enumerate(rows):
        following = rows[place + 1]["addr"] if place + 1 < len(rows) else row["addr"] + 1
        gap = max(following - row["addr"] - 1, 0)
        for name, value in ({"gap[0]": gap % 2**16, "gap[1]": gap >> 16} | row).items():
            main[names.index(name), place] = value % P
    return replace(job, main={**job.main, chip: main})


def open_gaps(rows: list[Row]) -> list[Row]:
    """Rows whose gaps are to be computed."""
    return [{name: value for name, value in row.items() if not name.startswith("gap")} for row in rows]


def blank(chip: str, addr: int) -> Row:
    """A used row of a word that nothing touches."""
    return dict.fromkeys(AIRS[NUMBER[chip]].main.column_names(), 0) | {"real": 1, "addr": addr} | {"gap[0]": 0, "gap[1]": 0}


def hops(chip: str, start: int, end: int) -> list[Row]:
    """Rows on the way from one address to another, 2^32 apart."""
    return open_gaps([blank(chip, addr) for addr in range(start + 2**32, end, 2**32)])


Doubling = Callable[[Row, Row], list[Row]]


def grown(first: Row, second: Row) -> list[Row]:
    """The address does not grow."""
    return [first | {"gap[0]": 0, "gap[1]": 0}, second]


def back(low: int, high: int) -> Doubling:
    """The gap is -1, of these chunks."""
    return lambda first, second: [first | {"gap[0]": low, "gap[1]": high}, second]


def interrupted(first: Row, second: Row) -> list[Row]:
    """Between the two stands an unused row, of which the gap is not looked up."""
    unused = dict.fromkeys(first, 0) | {"addr": first["addr"], "gap[0]": -1, "gap[1]": 0}
    return [first | {"gap[0]": 0, "gap[1]": 0}, unused, second]


def doubled(chip: str, how: Doubling, *, minus: bool = False) -> Tables:
    """A cell with two rows: the last load of it finds what the second row starts with.

    ``minus``: the last row counts -1, and takes back the lookup of a gap that is none.
    """
    job = honest()
    token, slot = (WORD // 8, 8) if chip == "ram" else (INPUT_WORDS.first + 2, 40)
    rows = open_gaps(words(job, chip))
    place = next(i for i, row in enumerate(rows) if row["addr"] == token)
    stored = find(job, "store", offset=slot)
    load = find(job, "load", ts=job.cell("store", stored, "ts") - 4)
    second = blank(chip, token) | {"ts": rows[place]["ts"]}
    second.pop("gap[0]"), second.pop("gap[1]")
    if chip == "input":
        second["value[0]"] = 77
    first = rows[place] | {"ts": job.cell("load", load, "mem_prev")}
    rows[place : place + 1] = how(first, second)
    if minus:
        last = rows[-1]
        beyond = blank(chip, last["addr"] + 1)
        rows[-1:] = [beyond, last | {"real": -1, "gap[0]": -1, "gap[1]": 0}]
    value = 0 if chip == "ram" else 77
    job = with_words(job, chip, rows).with_cells("load", load, {"word[0]": value, "word[1]": 0, "mem_prev": 0})
    return carried(job)


def loaded(job: Tables, slot: int, value: int) -> Tables:
    """The job in which what is stored at ``slot`` was loaded as ``value`` from a word that nobody touched before."""
    stored = find(job, "store", offset=slot)
    load = find(job, "load", ts=job.cell("store", stored, "ts") - 4)
    return job.with_cells("load", load, {"word[0]": value, "word[1]": 0, "mem_prev": 0})


def beyond(chip: str) -> Tables:
    """The table goes on behind its region, to the word of a constant, which then starts with something else."""
    job = honest()
    constant = READ_ONLY_BASE + RODATA // 8
    rows = open_gaps(words(job, chip))
    place = find(
        job, "image", ts=job.cell("load", find(job, "load", ts=job.cell("store", find(job, "store", offset=24), "ts") - 4), "ts") + 2
    )
    row = blank(chip, constant) | {"ts": job.cell("image", place, "ts")}
    row |= {"value[0]": 77} if chip == "input" else {}
    rows += [*hops(chip, rows[-1]["addr"], constant), row]
    job = with_words(job, chip, rows).with_cells("image", place, {"ts": 0})
    return carried(loaded(job, 24, 77 if chip == "input" else 0))


def before_input() -> Tables:
    """The table of the input begins in RAM: a word of RAM has a row there, too."""
    job = honest()
    token = WORD // 8
    load = find(job, "load", ts=job.cell("store", find(job, "store", offset=8), "ts") - 4)
    memory = find(job, "ram", addr=token)
    row = blank("input", token) | {"ts": job.cell("ram", memory, "ts")}
    for name in ("gap[0]", "gap[1]"):
        row.pop(name)
    rows = open_gaps(words(job, "input"))
    job = with_words(job, "input", [row, *hops("input", token, rows[0]["addr"]), *rows])
    job = job.with_cells("ram", memory, {"ts": job.cell("load", load, "mem_prev")})
    return carried(loaded(job, 8, 0))


def before_ram() -> Tables:
    """The table of RAM begins below it: a store to where there is no memory."""
    outside = 0x90000000
    job = replace(honest(), program=program(outside))
    rows = open_gaps(words(job, "ram"))
    pointer = next(row for row in rows if row["addr"] == POINTER // 8)
    pointer["initial[0]"] = outside
    rows[0]["addr"] = outside // 8
    return carried(with_words(job, "ram", rows))


def started(limb: int) -> Tables:
    """A word that neither the program nor its image ever wrote starts with something."""
    job = honest()
    row = find(job, "ram", addr=UNTOUCHED // 8)
    return carried(job.with_cells("ram", row, {f"initial[{limb}]": 77}))


def said_before_the_input(chunk: int) -> Tables:
    """The word before the input is not 0."""
    job = honest()
    return carried(job.with_cells("input", find(job, "input", addr=INPUT_WORDS.first), {f"value[{chunk}]": 77}))


def taken_by_nobody() -> tuple[Tables, object]:
    """An unused row takes the image's word off the bus; the used one of that word, the last of RAM, starts at 0."""
    lines = ("lui s0, 0x60000", "slli s0, s0, 1", "ld t0, -8(s0)", "sd t0, 0(a1)", *exit_with(3))
    code = struct.pack(f"<{len(words_of(lines)[0])}I", *words_of(lines)[0])
    segments = [(CODE, code, len(code), 5), (RAM_END - 8, struct.pack("<Q", 7), 8, 6)]
    job = run(load_program(elf(segments, CODE)), b"")
    assert job is not None
    end, last = job.end, len(words(job, "ram")) - 1
    unused = last + 1
    if unused == job.main["ram"].shape[1]:
        job = with_words(job, "ram", [*words(job, "ram")])
    job = job.with_cells("ram", unused, {"is_image": 1, "initial[0]": 7, "initial[1]": 0})
    return carried(job.with_cells("ram", last, {"is_image": 0, "initial[0]": 0})), end


# --- time --------------------------------------------------------------------------


def into_the_past(cells: Callable[[int, int], Row]) -> Tables:
    """A register's later value is carried back to an earlier read. ``cells``: of the refresh row, from the two times."""
    job = honest()
    addr = REGISTER_BASE + S0
    early, late = (find(job, "store", offset=slot) for slot in (48, 56))
    write = find(job, "addi", rd=S0, old_prev=job.cell("store", early, "ts") + 1)
    begun = job.cell("store", early, "b_prev")
    token, goal = job.cell("store", late, "b_prev"), begun + 1
    main = np.zeros((AIRS[NUMBER["refresh"]].width, 64), dtype=np.uint64)
    job = replace(job, main={**job.main, "refresh": main})
    job = job.with_cells("refresh", 0, {"real": 1, "addr": addr, "value[0]": 9, "value[1]": 0, "prev": token} | cells(token, goal))
    job = job.with_cells("addi", write, {"old_prev": begun})
    job = job.with_cells("store", late, {"b_prev": job.cell("store", early, "ts") + 1})
    return carried(job.with_cells("store", early, {"b[0]": 9, "b_prev": goal}))


def wrapped(token: int, goal: int, chunk: int) -> Row:
    """A negative gap whose chunk number ``chunk`` is no chunk."""
    gap = goal - token - 1
    low = gap % 2**16 if chunk else gap
    return {"gap[0]": low, "gap[1]": (gap - low) // 2**16}


def reversed_row(token: int, goal: int) -> Row:
    """A row that counts -1 takes what it would put."""
    gap = token - goal - 1
    return {"real": -1, "prev": goal, "gap[0]": gap % 2**16, "gap[1]": gap >> 16}


# --- what counts rows --------------------------------------------------------------


def lookup_taken_back() -> Tables:
    """The exit code is read out of time: a row that counts -1 takes the lookup back, and one that counts 1 all else that it says."""
    lied = run(program(), STDIN, {honest().statement.steps - 1: Lie(REGISTER_BASE + A0, 77, 1)})
    assert lied is not None
    names = AIRS[NUMBER["halt"]].main.column_names()
    cells = dict(zip(names, lied.row("halt", 0), strict=True)) | {"code[0]": 3, "ts": lied.statement.final_ts + 400}
    row, time = register_row(lied, A0), cells["ts"] + 1
    job = lied.with_cells("halt", 1, cells | {"b_prev": lied.cell("registers", row, "ts")})
    return job.with_cells("halt", 2, cells | {"b_prev": time, "real": -1}).with_cells("registers", row, {"ts": time})


def store_there_and_back(chip: str) -> tuple[Tables, object]:
    """A store that counts 1 and one that counts -1, but for the old word."""
    lines = ("li s0, 5", "sd s0, 0(a1)", f"{'sd' if chip == 'store' else 'sw'} s0, 8(a1)", *exit_with(3))
    job = run(load_program(assemble(lines)), b"")
    assert job is not None
    end, rows = job.end, job.rows(chip)
    names = AIRS[NUMBER[chip]].main.column_names()
    word = find(job, "ram", addr=0xA0010000 // 8)
    copy = dict(zip(names, job.row(chip, rows[-1]), strict=True)) | {"base": 0xA0010000 - 8, "ts": job.statement.final_ts}
    copy |= {"word[0]": 5, "word[1]": 0, "mem_prev": job.cell("ram", word, "ts")}
    job = job.with_cells(chip, len(rows), copy).with_cells(chip, len(rows) + 1, copy | {"word[0]": 4, "real": -1})
    return carried(job, keep=((chip, len(rows)), (chip, len(rows) + 1))), end


def call_that_is_none() -> tuple[Tables | None, object]:
    """Another system call than exit, whose number is read out of time."""
    source = load_program(assemble(("li a0, 3", "li a7, 1", "ecall")))
    assert run(source, b"") is None, "the machine should refuse this call"
    return run(source, b"", {2: Lie(REGISTER_BASE + A7, EXIT_CALL, 0)}), None


# --- by part -----------------------------------------------------------------------

LIES: dict[str, Callable[[], Tables | tuple[Tables | None, object] | None]] = {
    "refresh/constraint/real is a bit": lambda: into_the_past(reversed_row),
    "refresh/range16/0": lambda: into_the_past(lambda token, goal: wrapped(token, goal, 0)),
    "refresh/range16/1": lambda: into_the_past(lambda token, goal: wrapped(token, goal, 1)),
    "ram/constraint/the first row is the region's first word": lambda: (before_ram(), None),
    "ram/constraint/the last row is the region's last word": lambda: beyond("ram"),
    "ram/constraint/the low limb starts at 0 without an image": lambda: started(0),
    "ram/constraint/the high limb starts at 0 without an image": lambda: started(1),
    "ram/constraint/image rows are used": taken_by_nobody,
    "input/constraint/the first row is the region's first word": before_input,
    "input/constraint/the word before the input has low limb 0": lambda: said_before_the_input(0),
    "input/constraint/the word before the input has high limb 0": lambda: said_before_the_input(2),
    "input/constraint/the last row is the region's last word": lambda: beyond("input"),
    "halt/constraint/real is a bit": lookup_taken_back,
    "store/constraint/real is a bit": lambda: store_there_and_back("store"),
    "storew/constraint/real is a bit": lambda: store_there_and_back("storew"),
    "halt/range16/0": call_that_is_none,
    "loadw/constraint/flag of LW is a bit": sign_of_nothing,
}
for _chip in ("ram", "input"):
    _first = 0 if _chip == "ram" else 4
    LIES |= {
        f"{_chip}/constraint/addresses grow by the gap, or stay on padding": lambda chip=_chip: doubled(chip, grown),
        f"{_chip}/constraint/used rows are a prefix": lambda chip=_chip: doubled(chip, interrupted),
        f"{_chip}/constraint/real is a bit": lambda chip=_chip: doubled(chip, back(-1, 0), minus=True),
        f"{_chip}/range16/{_first}": lambda chip=_chip: doubled(chip, back(-1, 0)),
        f"{_chip}/range16/{_first + 1}": lambda chip=_chip: doubled(chip, back(2**16 - 1, -1)),
    }


def chunk_of_input(chunk: int) -> Tables:
    """A word of the input is no 64-bit number."""
    job = honest()
    row = find(job, "input", addr=INPUT_WORDS.first + 3)
    return carried(job.with_cells("input", row, {f"value[{chunk}]": 2**32}))


for _chunk in range(4):
    LIES[f"input/range16/{_chunk}"] = lambda chunk=_chunk: chunk_of_input(chunk)


def lies_of(part: str) -> Iterator[tuple[Tables | None, object]]:
    """The lies made for a part, each with how the honest run ends (None: it traps)."""
    if part in LIES:
        lie = LIES[part]()
        yield lie if isinstance(lie, tuple) else (lie, honest().end)
