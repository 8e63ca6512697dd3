"""The loader on good files, and on files made to break it: whatever happens, it is an ElfError of the right class."""

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.asm import CODE, DATA, assemble, elf, exit_with
from zisk_actors.errors import ZiskError
from zisk_actors.machine import elf as loader

TEXT = struct.pack("<I", 0x73)
GOOD = assemble(["start:", "la a0, data", "end:", *exit_with(0)], b"data", b"constants", bss=100)


def segments_of(*segments: tuple[int, bytes, int, int]) -> bytes:
    return elf([(CODE, TEXT, 4, 5), *segments], CODE)


def test_loads_segments_entry_and_symbols():
    program = loader.load(GOOD)
    assert program.entry == CODE
    assert [(s.address, s.size, s.executable) for s in program.segments] == [
        (CODE, 20, True),
        (0x80100000, 9, False),
        (DATA, 104, False),
    ]
    assert program.segments[2].data == b"data"
    assert program.symbols.locate(CODE) == "start"
    assert program.symbols.locate(CODE + 4) == "start+0x4"
    assert program.symbols.locate(CODE + 12) == "end+0x4"
    assert program.symbols.locate(CODE - 4) == ""
    assert program.symbols.find("end") == CODE + 8
    assert program.symbols.find("en") is None
    assert not program.compressed


def test_a_guest_of_the_real_toolchain_loads(guests: Path):
    program = loader.load((guests / "fibonacci.elf").read_bytes())
    main = program.symbols.find("main")
    assert main is not None
    assert program.symbols.locate(main + 8) == "main+0x8"


def test_float_and_compressed_flags_are_no_reason_to_refuse():
    assert loader.load(elf([(CODE, TEXT, 4, 5)], CODE, flags=0x5)).compressed
    assert not loader.load(elf([(CODE, TEXT, 4, 5)], CODE, flags=0x4)).compressed


def test_headers_below_the_code_are_left_out():
    # What a default linker script makes: the first segment begins at offset 0 of the file and holds nothing but headers.
    data = bytearray(elf([(CODE - 0x1000, b"", 0xE8, 4), (CODE, TEXT, 4, 5)], CODE))
    struct.pack_into("<Q", data, 64 + 8, 0)
    struct.pack_into("<Q", data, 64 + 32, 0xB0)
    assert [s.address for s in loader.load(bytes(data)).segments] == [CODE]


def test_headers_in_the_segment_of_the_code_are_cut_off():
    body = bytes(0x1000 - 64 - 56) + TEXT
    data = bytearray(elf([(CODE, body, 0, 5)], CODE))
    struct.pack_into("<QQQQQ", data, 64 + 8, 0, CODE - 0x1000, 0, 0x1004, 0x1004)
    (segment,) = loader.load(bytes(data)).segments
    assert (segment.address, segment.data, segment.size) == (CODE, TEXT, 4)


def test_code_below_the_code_region_is_refused():
    body = TEXT * 16
    data = bytearray(elf([(CODE, body, 0, 5)], CODE))
    struct.pack_into("<QQQQQ", data, 64 + 8, 0, CODE - 0x1000, 0, 64 + 56 + 64, 0x2000)
    with pytest.raises(loader.ElfOutsideMap):
        loader.load(bytes(data))


MACHINES = {62: "x86-64", 183: "AArch64", 40: "ARM", 4242: "4242"}


@pytest.mark.parametrize(("machine", "name"), MACHINES.items())
def test_another_machine_is_named(machine: int, name: str):
    with pytest.raises(loader.ElfWrongTarget, match=name):
        loader.load(elf([(CODE, TEXT, 4, 5)], CODE, machine=machine))


def patched(offset: int, content: bytes) -> bytes:
    return GOOD[:offset] + content + GOOD[offset + len(content) :]


FIRST, SECOND = 64, 64 + 56  # program headers
AT_TABLE = struct.unpack_from("<Q", GOOD, 40)[0] + 64  # section header of the symbol table
HOSTILE = {
    "empty": (b"", loader.NotAnElf),
    "text": (b"#!/bin/sh\n", loader.NotAnElf),
    "magic only": (GOOD[:4], loader.ElfTruncated),
    "32 bits": (patched(4, b"\x01"), loader.ElfWrongTarget),
    "big endian": (patched(5, b"\x02"), loader.ElfWrongTarget),
    "object file": (patched(16, b"\x01"), loader.ElfNotExecutable),
    "position independent": (patched(16, b"\x03"), loader.ElfDynamic),
    "core dump": (patched(16, b"\x04"), loader.ElfNotExecutable),
    "interpreter": (patched(SECOND, b"\x03"), loader.ElfDynamic),
    "dynamic section": (patched(SECOND, b"\x02"), loader.ElfDynamic),
    "no program headers": (patched(56, b"\0\0"), loader.ElfMalformed),
    "odd program headers": (patched(54, b"\x20"), loader.ElfMalformed),
    "program headers far away": (patched(32, b"\xff" * 8), loader.ElfTruncated),
    "segment far away": (patched(FIRST + 8, b"\xff" * 8), loader.ElfTruncated),
    "segment larger than the file": (patched(FIRST + 32, b"\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0"), loader.ElfTruncated),
    "more in the file than in memory": (patched(FIRST + 40, b"\x01" + bytes(7)), loader.ElfMalformed),
    "address wraps": (patched(FIRST + 16, b"\xf8" + b"\xff" * 7), loader.ElfOutsideMap),
    "odd section headers": (patched(58, b"\x41"), loader.ElfMalformed),
    "section headers far away": (patched(40, b"\xff" * 8), loader.ElfTruncated),
    "symbols far away": (patched(AT_TABLE + 24, b"\xff" * 8), loader.ElfTruncated),
    "odd symbols": (patched(AT_TABLE + 56, b"\x17"), loader.ElfMalformed),
    "half a symbol": (patched(AT_TABLE + 32, b"\x47"), loader.ElfMalformed),
    "names in no section": (patched(AT_TABLE + 40, b"\xff\xff"), loader.ElfMalformed),
    "names in the symbols": (patched(AT_TABLE + 40, b"\x01"), loader.ElfMalformed),
    "names far away": (patched(AT_TABLE + 64 + 32, b"\xff" * 8), loader.ElfTruncated),
    "no names": (patched(AT_TABLE + 64 + 32, bytes(8)), loader.ElfMalformed),
    "segment in the input": (segments_of((0x40000000, b"abc", 3, 4)), loader.ElfOutsideMap),
    "segment past RAM": (segments_of((0xC0000000 - 8, bytes(16), 16, 6)), loader.ElfOutsideMap),
    "huge bss": (segments_of((DATA, b"", 2**40, 6)), loader.ElfOutsideMap),
    "writable constants": (segments_of((0x80001000, b"abc", 3, 6)), loader.ElfOutsideMap),
    "code in RAM": (segments_of((DATA, TEXT, 4, 7)), loader.ElfOutsideMap),
    "overlap": (segments_of((CODE + 3, b"abc", 3, 4)), loader.ElfOverlap),
    "the same twice": (segments_of((CODE, TEXT, 4, 5)), loader.ElfOverlap),
    "entry in data": (elf([(CODE, TEXT, 4, 5), (DATA, TEXT, 4, 6)], DATA), loader.ElfBadEntry),
    "entry at the end": (elf([(CODE, TEXT, 4, 5)], CODE + 4), loader.ElfBadEntry),
    "misaligned entry": (elf([(CODE, TEXT, 4, 5)], CODE + 2), loader.ElfBadEntry),
    "nothing loaded": (patched(FIRST, b"\x04"), loader.ElfBadEntry),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_by_cause(name: str):
    data, expected = HOSTILE[name]
    with pytest.raises(loader.ElfError) as caught:
        loader.load(data)
    assert type(caught.value) is expected
    assert "\n" not in caught.value.message


def test_too_large_a_file_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loader, "MAX_FILE", len(GOOD) - 1)
    with pytest.raises(loader.ElfTooLarge):
        loader.load(GOOD)


def test_every_error_has_a_code_of_its_own():
    classes = [c for c in vars(loader).values() if isinstance(c, type) and issubclass(c, ZiskError) and c.__module__ == loader.__name__]
    assert len({c.code for c in classes}) == len(classes)
    assert all(c.exit_code == 2 for c in classes)


def test_truncation_at_every_byte_is_an_elf_error():
    for length in range(len(GOOD)):
        with pytest.raises(loader.ElfError):
            loader.load(GOOD[:length])


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_in_the_headers_never_escape(seed: int):
    rng = np.random.default_rng(seed)
    places = [*range(4, 64 + 3 * 56), *range(len(GOOD) - 3 * 64 - 80, len(GOOD))]
    for _ in range(300):
        data = bytearray(GOOD)
        for place in rng.choice(places, rng.integers(1, 5)):
            data[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))])
        try:
            program = loader.load(bytes(data))
        except loader.ElfError:
            continue
        program.symbols.locate(CODE + 4)


def test_a_symbol_cannot_write_to_the_terminal():
    program = loader.load(elf([(CODE, TEXT, 4, 5)], CODE, {"\x1b[31m" + "x" * 1000: CODE}))
    shown = program.symbols.locate(CODE)
    assert "\x1b" not in shown
    assert len(shown) <= loader.MAX_SYMBOL_NAME
