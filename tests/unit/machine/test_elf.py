"""The loader on good files, and on files made to break it: whatever happens, it is an ElfError of the right class."""

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.asm import CODE, DATA, assemble, elf, exit_with
from tests.trace_job import run_of
from zisk_actors.errors import ZiskError
from zisk_actors.machine import elf as loader
from zisk_actors.machine.emulator import Emulator
from zisk_actors.machine.events import TrapKind
from zisk_actors.machine.layout import IDENTITY, OUTPUT, token_of_word
from zisk_actors.machine.reference import Reference
from zisk_actors.machine.rom import load_program

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
    assert [s.address for s in loader.load(below_code(b"")).segments] == [CODE]
    assert [s.address for s in loader.load(below_code(bytes(100))).segments] == [CODE]


def below_code(hidden: bytes, *, zeros: int = 0, flags: int = 4, phoff: int = 64) -> bytes:
    """A file whose first segment begins at offset 0 and address CODE - 0x1000: headers, the bytes ``hidden``, ``zeros`` more in memory."""
    data = bytearray(elf([(CODE - 0x1000, hidden, len(hidden), flags), (CODE, TEXT, 4, 5)], CODE))
    size = HEADERS + len(hidden)
    struct.pack_into("<Q", data, 64 + 8, 0)
    struct.pack_into("<QQ", data, 64 + 32, size, size + zeros)
    if phoff != 64:
        struct.pack_into("<Q", data, 32, phoff)
        data += bytes(phoff - len(data)) + data[64:HEADERS]
        data[64:HEADERS] = bytes(2 * 56)
    return bytes(data)


HEADERS = 64 + 2 * 56


@pytest.mark.parametrize("flags", range(8))
def test_bytes_behind_the_headers_are_not_dropped(flags: int):
    """Whatever the flags say: the machine has the input there, so the guest would read what a prover likes."""
    for hidden, at in ((b"x", 0), (bytes(99) + b"\x01", 99), (b"\x80" + bytes(99), 0)):
        with pytest.raises(loader.ElfOutsideMap) as caught:
            loader.load(below_code(hidden, flags=flags))
        assert f"segment 0 at {CODE - 0x1000:#x} has a byte at {CODE - 0x1000 + HEADERS + at:#x}" in caught.value.message
        assert "linker script" in caught.value.hint


def test_bytes_before_program_headers_that_stand_elsewhere_are_not_dropped():
    """The headers may be anywhere in the file; what is no header is still no header."""
    assert loader.load(below_code(bytes(20), phoff=0x800)).entry == CODE
    with pytest.raises(loader.ElfOutsideMap, match=f"byte at {CODE - 0x1000 + HEADERS:#x}"):
        loader.load(below_code(b"secret", phoff=0x800))


def test_zeros_in_memory_below_the_code_are_not_dropped():
    """A .bss there would be the input."""
    with pytest.raises(loader.ElfOutsideMap, match="zeros in memory"):
        loader.load(below_code(b"", zeros=1))
    with pytest.raises(loader.ElfOutsideMap, match="zeros in memory"):
        loader.load(below_code(b"", zeros=0x2000))


def test_bytes_in_front_of_the_code_in_its_own_segment_are_not_dropped():
    body = bytes(0x1000 - 64 - 56 - 1) + b"!" + TEXT
    data = bytearray(elf([(CODE, body, 0, 5)], CODE))
    struct.pack_into("<QQQQQ", data, 64 + 8, 0, CODE - 0x1000, 0, 0x1004, 0x1004)
    with pytest.raises(loader.ElfOutsideMap, match=f"byte at {CODE - 1:#x}"):
        loader.load(bytes(data))


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
    "bytes in the file but no memory": (patched(FIRST + 40, bytes(8)), loader.ElfMalformed),
    "number of program headers elsewhere": (patched(56, b"\xff\xff"), loader.ElfTooLarge),
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
    "segment from code into nothing": (segments_of((0x88000000 - 8, bytes(16), 16, 4)), loader.ElfOutsideMap),
    "zeros from code into nothing": (segments_of((0x88000000 - 8, b"", 16, 4)), loader.ElfOutsideMap),
    "segment from nothing into RAM": (segments_of((0xA0000000 - 8, bytes(16), 16, 6)), loader.ElfOutsideMap),
    "segment from the input into code": (segments_of((0x80000000 - 8, bytes(8), 8, 4)), loader.ElfOutsideMap),
    "segment from the input up to code": (elf([(CODE - 8, bytes(8) + TEXT, 12, 5)], CODE), loader.ElfOutsideMap),
    "segment at the start of the input": (segments_of((0x40000000, bytes(8), 8, 4)), loader.ElfOutsideMap),
    "segment at the end of the input": (segments_of((0x7FFFFFF8, b"abc", 3, 4)), loader.ElfOutsideMap),
    "segment over everything": (segments_of((0x40000000, b"abc", 0x80000000, 4)), loader.ElfOutsideMap),
    "segment at the return address": (segments_of((0x1000, TEXT, 4, 5)), loader.ElfOutsideMap),
    "segment between code and RAM": (segments_of((0x90000000, b"abc", 3, 4)), loader.ElfOutsideMap),
    "segment behind RAM": (segments_of((0xC0000000, b"abc", 3, 6)), loader.ElfOutsideMap),
    "headers too far below the code": (segments_of((CODE - 0x10001, b"", 8, 4)), loader.ElfOutsideMap),
    "huge bss": (segments_of((DATA, b"", 2**40, 6)), loader.ElfOutsideMap),
    "code in RAM": (segments_of((DATA, TEXT, 4, 7)), loader.ElfOutsideMap),
    "overlap": (segments_of((CODE + 3, b"abc", 3, 4)), loader.ElfOverlap),
    "overlap of zeros": (segments_of((DATA, b"abc", 100, 6), (DATA + 99, b"x", 1, 6)), loader.ElfOverlap),
    "one inside the other": (segments_of((DATA, b"abc", 100, 6), (DATA + 50, b"x", 1, 6)), loader.ElfOverlap),
    "the same twice": (segments_of((CODE, TEXT, 4, 5)), loader.ElfOverlap),
    "entry in data": (elf([(CODE, TEXT, 4, 5), (DATA, TEXT, 4, 6)], DATA), loader.ElfBadEntry),
    "entry at the end": (elf([(CODE, TEXT, 4, 5)], CODE + 4), loader.ElfBadEntry),
    "misaligned entry": (elf([(CODE, TEXT, 4, 5)], CODE + 2), loader.ElfBadEntry),
    "nothing loaded": (patched(FIRST, b"\x04"), loader.ElfBadEntry),
}


def with_section(kind: int, flags: int, address: int, offset: int, size: int) -> bytes:
    """Code, data at DATA (4 bytes in the file, 104 in memory), and one section header that says so much."""
    data = elf([(CODE, TEXT, 4, 5), (DATA, b"data", 104, 6)], CODE)
    header = data[:40] + struct.pack("<Q", len(data)) + data[48:60] + struct.pack("<H", 1) + data[62:]
    return header + struct.pack("<IIQQQQIIQQ", 0, kind, flags, address, offset, size, 0, 0, 1, 0)


PROGBITS, NOBITS, ALLOC, TLS = 1, 8, 2, 0x400
AT_CODE, AT_DATA = 64 + 2 * 56, 64 + 2 * 56 + 4  # in the file
SECTIONS = {
    "code": ((PROGBITS, ALLOC, CODE, AT_CODE, 4), None),
    "data": ((PROGBITS, ALLOC, DATA, AT_DATA, 4), None),
    "some of it": ((PROGBITS, ALLOC, DATA + 1, AT_DATA + 1, 2), None),
    "bss": ((NOBITS, ALLOC, DATA + 4, AT_DATA + 4, 100), None),
    "a stack that no segment has": ((NOBITS, ALLOC, 0xA8000000, 0, 0x1000), None),
    "thread-local zeros": ((NOBITS, ALLOC | TLS, CODE + 4, 0, 8), None),
    "empty": ((PROGBITS, ALLOC, 0, 0, 0), None),
    "no memory": ((PROGBITS, 0, 0x40000000, 0, 64), None),
    "in no segment": ((PROGBITS, ALLOC, 0x80100000, AT_CODE, 4), loader.ElfOutsideMap),
    "in the input": ((PROGBITS, ALLOC, 0x7FFFF100, AT_CODE, 4), loader.ElfOutsideMap),
    "zeros in the input": ((NOBITS, ALLOC, 0x7FFFF100, AT_CODE, 4), loader.ElfOutsideMap),
    "zeros behind the code": ((NOBITS, ALLOC, CODE + 4, 0, 8), loader.ElfOutsideMap),
    "zeros past RAM": ((NOBITS, ALLOC, 0xC0000000 - 8, 0, 16), loader.ElfOutsideMap),
    "longer than its segment": ((PROGBITS, ALLOC, CODE, AT_CODE, 5), loader.ElfOutsideMap),
    "bytes where the segment has zeros": ((PROGBITS, ALLOC, DATA, AT_DATA, 5), loader.ElfOutsideMap),
    "other bytes than its segment's": ((PROGBITS, ALLOC, DATA, AT_DATA - 1, 4), loader.ElfMalformed),
}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_that_belongs_into_memory_is_what_its_segment_loads(name: str):
    section, expected = SECTIONS[name]
    if expected is None:
        assert loader.load(with_section(*section)).entry == CODE
        return
    with pytest.raises(loader.ElfError) as caught:
        loader.load(with_section(*section))
    assert type(caught.value) is expected


def test_empty_segments_say_nothing_wherever_they_lie():
    for address in (0, 0x1000, 0x40000000, CODE, DATA, 0xC0000000, 2**64 - 1):
        assert [s.address for s in loader.load(segments_of((address, b"", 0, 7))).segments] == [CODE]


def test_segments_that_touch_may_share_a_word():
    program = load_program(segments_of((CODE + 4, b"abc", 3, 4), (CODE + 7, b"d", 1, 4)))
    assert (program.image.lo[1], program.image.hi[1]) == (0x73, int.from_bytes(b"abcd", "little"))


def test_zeros_behind_a_segment_s_bytes_are_words_of_the_program():
    """memsz > filesz: outside RAM the zeros are part of the image; in RAM every word is zero without it."""
    program = load_program(segments_of((0x80001000, b"\x05", 24, 4), (DATA, b"\x07", 24, 6)))
    words = dict(zip(program.image.addr.tolist(), program.image.lo.tolist(), strict=True))
    assert {addr: value for addr, value in words.items() if addr not in (token_of_word(CODE), token_of_word(IDENTITY))} == {
        token_of_word(0x80001000): 5,
        token_of_word(0x80001008): 0,
        token_of_word(0x80001010): 0,
        token_of_word(DATA): 7,
    }


@pytest.mark.parametrize("flags", [6, 7])
def test_data_beside_code_can_be_read_and_not_written(flags: int):
    """What a linker makes of code and data without a script of ours: one segment, or two, writable where no memory is."""
    lines = ["li a1, 0x80001000", "ld a0, 0(a1)", "sd a0, 0(a1)", *exit_with(0)]
    code = loader.load(assemble(lines)).segments[0].data
    file = elf([(CODE, code, len(code), flags | 1), (0x80001000, b"\x05", 24, flags)], CODE)
    assert [(s.writable, s.in_ram) for s in loader.load(file).segments] == [(True, False), (True, False)]
    for machine in (Reference(load_program(file)), Emulator(load_program(file))):
        trap = machine.run().trap
        assert trap is not None
        assert (trap.kind, trap.value) == (TrapKind.READ_ONLY, 0x80001000)
        assert "linker script" in trap.hint


def test_initial_data_in_the_output_is_output():
    """It is memory like any other: what nobody overwrites is public as it was loaded."""
    code = assemble(["li a1, 0xa0010000", "lw a2, 4(a1)", "sw a2, 16(a1)", *exit_with(0)])
    text = loader.load(code).segments[0].data
    file = elf([(CODE, text, len(text), 5), (OUTPUT, struct.pack("<3I", 1, 22, 333), 12, 6)], CODE)
    job = run_of(file, b"")
    assert job.run.output[:6].tolist() == [1, 22, 333, 0, 22, 0]
    assert Emulator(job.program, b"").run(100).output.tolist() == job.run.output.tolist()
    report = job.check()
    assert report.ok, str(report)


@pytest.mark.parametrize("offset", range(1, 8))
def test_the_entry_is_aligned(offset: int):
    file = elf([(CODE, TEXT * 4, 16, 5)], CODE + offset)
    if offset == 4:
        assert load_program(file).entry == 4
    else:
        with pytest.raises(loader.ElfBadEntry):
            loader.load(file)


def test_every_guest_of_the_suite_loads_whole(guests: Path):
    """And its sections are checked: a compiler's files have some that belong into memory."""
    for path in sorted(guests.glob("*.elf")):
        data = path.read_bytes()
        program = loader.load(data)
        shoff, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
        flags = [struct.unpack_from("<Q", data, shoff + 64 * i + 8)[0] for i in range(count)]
        assert sum(flag & ALLOC != 0 for flag in flags) >= len(program.segments)


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
