"""The ELF loader: from the bytes of a file to the segments, entry point and symbols of a static RV64 program.

Rules of this file:
* The file is hostile: every offset, size and index is checked before it is used, and nothing but an `ElfError` is ever raised.
* Loaded is what PT_LOAD headers say. Code and constants lie in [0x80000000, 0x88000000). That region can only be read: a segment there
  that says it is writable (a linker makes one of code and data side by side) is loaded, and a store to it ends the run.
* What the linker of a default script puts below 0x80000000 to hold the ELF's own headers is left out; the guest cannot see it.
* Nothing else is left out: what the file says is in memory is there when the program starts, or the file is refused. Below 0x80000000
  lies the input, so a program that looked for its bytes there would read what a prover likes.

Source: Tool Interface Standard ELF specification 1.2, ELF-64 object file format 1.5, RISC-V ELF psABI.
"""

from __future__ import annotations

import bisect
import itertools
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from zisk_actors.errors import UsageError
from zisk_actors.machine.isa import U32, U64
from zisk_actors.machine.layout import CODE_END, CODE_START, RAM_END, RAM_START

MAX_FILE: Final = 2**28  # bytes
MAX_SYMBOL_NAME: Final = 200  # bytes shown
MAX_HEADERS_BELOW_CODE: Final = 2**16  # bytes: the largest page that a linker aligns to
MAX_PROGRAM_HEADERS: Final = 1024  # linkers make about ten; 0xffff would mean that their number is elsewhere

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = np.dtype([("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")])

_ET = {0: "no type", 1: "a relocatable object (not linked)", 4: "a core dump"}
_ET_EXEC, _ET_DYN = 2, 3
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_PF_X, _PF_W = 1, 2
_SHT_SYMTAB, _SHT_STRTAB, _SHT_NOBITS = 2, 3, 8
_SHF_ALLOC, _SHF_EXECINSTR, _SHF_TLS = 2, 4, 0x400
_SHN_UNDEF, _SHN_LORESERVE = 0, 0xFF00
_STT_NOTYPE, _STT_FUNC = 0, 2
_EF_RVC = 1
_EM_RISCV = 243
_MACHINES = {
    3: "x86 (32-bit)",
    8: "MIPS",
    20: "PowerPC (32-bit)",
    21: "PowerPC",
    22: "s390x",
    40: "ARM (32-bit)",
    43: "SPARC",
    62: "x86-64",
    183: "AArch64",
    247: "eBPF",
    258: "LoongArch",
}
_BUILD_HINT = "build a static ELF for rv64im that is linked at 0x80000000"
_PLACE_HINT = "place every section at 0x80000000 or above with the linker script, as tests/guests/runtime/zisk.ld does"


class ElfError(UsageError):
    """The program file cannot be loaded."""

    code = "elf"


class NotAnElf(ElfError):
    """The file does not begin like an ELF file."""

    code = "elf-not-elf"


class ElfWrongTarget(ElfError):
    """An ELF for another class, byte order or machine."""

    code = "elf-wrong-target"


class ElfTruncated(ElfError):
    """Something that the file refers to lies past its end."""

    code = "elf-truncated"


class ElfMalformed(ElfError):
    """The headers contradict the format or each other."""

    code = "elf-malformed"


class ElfNotExecutable(ElfError):
    """An object file or a core dump."""

    code = "elf-not-executable"


class ElfDynamic(ElfError):
    """Position-independent or dynamically linked."""

    code = "elf-dynamic"


class ElfOutsideMap(ElfError):
    """A segment lies where the machine has no memory of its kind."""

    code = "elf-outside-map"


class ElfOverlap(ElfError):
    """Two segments claim the same byte."""

    code = "elf-overlap"


class ElfBadEntry(ElfError):
    """The entry point is not an instruction of the program."""

    code = "elf-bad-entry"


class ElfTooLarge(ElfError):
    """More than the machine's tables can hold."""

    code = "elf-too-large"


@dataclass(frozen=True)
class Segment:
    """A loaded piece: `data` at `address`, followed by zeros up to `size` bytes. `writable`: the file says so, wherever it lies."""

    address: int
    data: bytes
    size: int
    executable: bool
    writable: bool

    @property
    def end(self) -> int:
        """First address past it."""
        return self.address + self.size

    @property
    def in_ram(self) -> bool:
        """Whether it can be stored to."""
        return self.address >= RAM_START


@dataclass(frozen=True, eq=False)
class Symbols:
    """Code labels, ascending by `address`; names stay in the file's string table until asked for."""

    address: U64
    size: U64
    name: U32
    strings: bytes

    def locate(self, pc: int) -> str:
        """`function+0x1c` for a byte address; "" where no label covers it. Unprintable characters are replaced."""
        index = int(np.searchsorted(self.address, pc, side="right")) - 1
        if index < 0:
            return ""
        offset = pc - int(self.address[index])
        if self.size[index] and offset >= self.size[index]:
            return ""
        start = int(self.name[index])
        raw = self.strings[start : start + MAX_SYMBOL_NAME].split(b"\0", 1)[0]
        name = "".join(c if c.isprintable() else "?" for c in raw.decode("utf-8", "replace"))
        return f"{name}+{offset:#x}" if offset else name

    def find(self, name: str) -> int | None:
        """Address of the label of this name, None if there is none."""
        key = name.encode() + b"\0"
        for address, start in zip(self.address, self.name, strict=True):
            if self.strings.startswith(key, int(start)):
                return int(address)
        return None


@dataclass(frozen=True, eq=False)
class Elf:
    """What the machine needs of the file. Segments ascend by address and do not overlap. `code`: byte ranges that hold instructions."""

    entry: int
    segments: tuple[Segment, ...]
    code: tuple[tuple[int, int], ...]
    symbols: Symbols
    compressed: bool  # the file says that it may hold 16-bit instructions


_NO_SYMBOLS = Symbols(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.uint32), b"")


def load(data: bytes) -> Elf:
    """Parse and check a whole ELF file. Raises a subclass of `ElfError`."""
    if data[:4] != b"\x7fELF":
        raise NotAnElf("the program is not an ELF file" if data else "the program file is empty", hint=_BUILD_HINT)
    if len(data) > MAX_FILE:
        raise ElfTooLarge(f"the ELF file has {len(data)} bytes, more than {MAX_FILE}", hint="strip debug information")
    # Class and byte order come first: they say how the rest is to be read.
    if len(data) >= 6 and data[4] != 2:
        raise ElfWrongTarget("the ELF file is not of the 64-bit class", hint=_BUILD_HINT)
    if len(data) >= 6 and data[5] != 1:
        raise ElfWrongTarget("the ELF file is not little-endian", hint=_BUILD_HINT)
    header = _unpack(_HEADER, data, 0, "ELF header")
    _, kind, machine, _, entry, phoff, shoff, flags, _, phentsize, phnum, shentsize, shnum, _ = header
    if machine != _EM_RISCV:
        raise ElfWrongTarget(f"the ELF file is for {_MACHINES.get(machine, f'machine {machine}')}, not for RISC-V", hint=_BUILD_HINT)
    if kind == _ET_DYN:
        raise ElfDynamic("the ELF file is position-independent or a shared object", hint="link with -static -no-pie")
    if kind != _ET_EXEC:
        raise ElfNotExecutable(f"the ELF file is {_ET.get(kind, f'of type {kind}')}, not an executable", hint=_BUILD_HINT)
    segments, offsets = _segments(data, phoff, phentsize, phnum)
    sections = _sections(data, shoff, shentsize, shnum)
    _check_sections(sections, segments, offsets)
    code = [segment for segment in segments if segment.executable]
    if not any(segment.address <= entry < segment.end for segment in code):
        raise ElfBadEntry(f"the entry point {entry:#x} is in no executable segment")
    if entry % 4:
        raise ElfBadEntry(f"the entry point {entry:#x} is not a multiple of 4", hint="build without compressed instructions (rv64im)")
    executable = _SHF_ALLOC | _SHF_EXECINSTR
    named = [(address, address + size) for _, _, sflags, address, _, size, *_ in sections if sflags & executable == executable and size]
    ranges = sorted(named) or [(segment.address, segment.end) for segment in code]
    return Elf(entry, segments, tuple(ranges), _symbols(data, sections, code), bool(flags & _EF_RVC))


def _unpack(layout: struct.Struct, data: bytes, offset: int, what: str) -> tuple[int, ...]:
    _check_range(data, offset, layout.size, what)
    return layout.unpack_from(data, offset)


def _check_range(data: bytes, offset: int, size: int, what: str) -> None:
    if offset + size > len(data):
        raise ElfTruncated(f"the ELF file ends at byte {len(data)}, within its {what} (bytes {offset} to {offset + size})")


def _segments(data: bytes, phoff: int, phentsize: int, phnum: int) -> tuple[tuple[Segment, ...], list[int]]:
    """The loaded segments, ascending, checked against the map and each other; and where in the file each begins."""
    if phnum == 0:
        raise ElfMalformed("the ELF file has no program headers: nothing to load")
    if phnum > MAX_PROGRAM_HEADERS:
        raise ElfTooLarge(f"the ELF file has {phnum} program headers, more than {MAX_PROGRAM_HEADERS}", hint=_BUILD_HINT)
    if phentsize != _PROGRAM_HEADER.size:
        raise ElfMalformed(f"program headers of {phentsize} bytes instead of {_PROGRAM_HEADER.size}")
    _check_range(data, phoff, phnum * phentsize, "program headers")
    loaded = []
    for index in range(phnum):
        kind, flags, offset, address, _, filesz, memsz, _ = _PROGRAM_HEADER.unpack_from(data, phoff + index * phentsize)
        if kind in (_PT_DYNAMIC, _PT_INTERP):
            raise ElfDynamic("the ELF file is dynamically linked", hint="link with -static")
        if kind != _PT_LOAD:
            continue
        if filesz > memsz:
            raise ElfMalformed(f"segment {index} has {filesz} bytes in the file but only {memsz} in memory")
        if memsz == 0:
            continue
        _check_range(data, offset, filesz, f"segment {index}")
        if address < CODE_START and offset == 0 and CODE_START - address <= MAX_HEADERS_BELOW_CODE:
            below = CODE_START - address
            _check_headers(index, address, data[: min(below, filesz)], min(below, memsz), (phoff, phoff + phnum * phentsize))
            if memsz <= below:
                continue
            address, offset, filesz, memsz = CODE_START, below, max(filesz - below, 0), memsz - below
        _check_place(index, address, memsz, flags)
        loaded.append((Segment(address, data[offset : offset + filesz], memsz, bool(flags & _PF_X), bool(flags & _PF_W)), offset))
    loaded.sort(key=lambda pair: pair[0].address)
    for (low, _), (high, _) in itertools.pairwise(loaded):
        if high.address < low.end:
            raise ElfOverlap(f"the segments at {low.address:#x} and {high.address:#x} overlap", hint=_PLACE_HINT)
    return tuple(segment for segment, _ in loaded), [offset for _, offset in loaded]


def _check_headers(index: int, address: int, content: bytes, size: int, table: tuple[int, int]) -> None:
    """What is left out of a segment, `size` bytes at `address`, is all in the file (`content`): ELF header, program headers, zeros."""
    rest = bytearray(content)
    for start, end in ((0, _HEADER.size), table):
        rest[start:end] = bytes(len(rest[start:end]))
    if any(rest):
        at = len(rest) - len(rest.lstrip(b"\0"))
        raise ElfOutsideMap(
            f"segment {index} at {address:#x} has a byte at {address + at:#x} that is no ELF header and would be dropped: "
            f"a program has no memory below {CODE_START:#x}",
            hint=_PLACE_HINT + " (--build-id=none leaves out the linker's note)",
        )
    if size > len(content):
        start, end = address + len(content), address + size
        raise ElfOutsideMap(
            f"segment {index} has zeros in memory at [{start:#x}, {end:#x}); a program has no memory below {CODE_START:#x}",
            hint=_PLACE_HINT,
        )


def _check_place(index: int, address: int, size: int, flags: int) -> None:
    """A segment lies in RAM or in the code region; code lies in the code region."""
    place = f"segment {index} [{address:#x}, {address + size:#x})"
    if address >= RAM_START and address + size <= RAM_END:
        if flags & _PF_X:
            raise ElfOutsideMap(f"{place} is executable but in RAM; code must be at {CODE_START:#x}", hint=_BUILD_HINT)
    elif not (address >= CODE_START and address + size <= CODE_END):
        regions = f"code [{CODE_START:#x}, {CODE_END:#x}), RAM [{RAM_START:#x}, {RAM_END:#x})"
        raise ElfOutsideMap(f"{place} is outside the memory map: {regions}", hint=_BUILD_HINT)


def _sections(data: bytes, shoff: int, shentsize: int, shnum: int) -> list[tuple[int, ...]]:
    """The section headers, if there are any: name, kind, flags, address, offset, size, link, info, alignment, entry size."""
    if shoff == 0 or shnum == 0:
        return []
    if shentsize != _SECTION_HEADER.size:
        raise ElfMalformed(f"section headers of {shentsize} bytes instead of {_SECTION_HEADER.size}")
    _check_range(data, shoff, shnum * shentsize, "section headers")
    return [_SECTION_HEADER.unpack_from(data, shoff + index * shentsize) for index in range(shnum)]


def _check_sections(sections: list[tuple[int, ...]], segments: tuple[Segment, ...], offsets: list[int]) -> None:
    """What the sections say is in memory is what the segments load there."""
    starts = [segment.address for segment in segments]
    for index, (_, kind, flags, address, offset, size, *_) in enumerate(sections):
        empty = kind == _SHT_NOBITS and (flags & _SHF_TLS or (address >= RAM_START and address + size <= RAM_END))
        if not flags & _SHF_ALLOC or size == 0 or empty:
            continue
        place = bisect.bisect_right(starts, address) - 1
        where = f"section {index} [{address:#x}, {address + size:#x})"
        if place < 0 or address + size > (segments[place].end if kind == _SHT_NOBITS else starts[place] + len(segments[place].data)):
            raise ElfOutsideMap(f"{where} belongs into memory, but no segment loads it", hint=_PLACE_HINT)
        if kind != _SHT_NOBITS and address - starts[place] != offset - offsets[place]:
            raise ElfMalformed(f"{where} is at byte {offset} of the file, but its segment loads other bytes there")


def _symbols(data: bytes, sections: list[tuple[int, ...]], code: list[Segment]) -> Symbols:
    """Labels in executable segments, from the symbol table if there is one."""
    for _, kind, _, _, offset, size, link, _, _, entsize in sections:
        if kind != _SHT_SYMTAB:
            continue
        if entsize != _SYMBOL.itemsize or size % entsize:
            raise ElfMalformed(f"a symbol table of {size} bytes with entries of {entsize}")
        _check_range(data, offset, size, "symbol table")
        if link >= len(sections) or sections[link][1] != _SHT_STRTAB:
            raise ElfMalformed(f"the symbol table's names are said to be in section {link}, which is no string table")
        _check_range(data, sections[link][4], sections[link][5], "symbol names")
        strings = data[sections[link][4] : sections[link][4] + sections[link][5]]
        return _code_labels(np.frombuffer(data, _SYMBOL, size // entsize, offset), strings, code)
    return _NO_SYMBOLS


def _code_labels(table: np.ndarray[tuple[int], np.dtype[np.void]], strings: bytes, code: list[Segment]) -> Symbols:
    """Named functions and plain labels; at one address a function comes last, so that it is the one found."""
    if len(table) and int(table["name"].max()) >= len(strings):
        raise ElfMalformed("a symbol's name lies outside the string table")
    kind = table["info"] & 15
    wanted = (kind == _STT_FUNC) | (kind == _STT_NOTYPE)
    wanted &= (table["section"] != _SHN_UNDEF) & (table["section"] < _SHN_LORESERVE)
    inside = np.zeros(len(table), dtype=bool)
    for segment in code:
        inside |= (table["value"] >= segment.address) & (table["value"] < segment.end)
    # Mapping symbols ($x) and local labels (.L) name no place that a reader knows.
    first = np.frombuffer(strings, np.uint8)[table["name"]] if len(table) else np.zeros(0, np.uint8)
    chosen = table[wanted & inside & ~np.isin(first, [0, ord("$"), ord(".")])]
    chosen = chosen[np.lexsort((chosen["info"] & 15, chosen["value"]))]
    address, size, name = (np.ascontiguousarray(chosen[column]) for column in ("value", "size", "name"))
    return Symbols(address, size, name, strings)
