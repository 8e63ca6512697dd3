"""From a program's image to its ROM: the decoded instructions by row, and the initial memory words.

Rules of this file:
* A row's index is the program counter inside proofs. Rows ascend by byte address: first the three synthetic rows at 0x1000 that a
  return from the entry point reaches (exit with code 0), then every 4-byte word of every executable segment. Behind each run of code
  that is not directly followed by other code there is one guard row, so that running off the end traps instead of going elsewhere.
* What (x0, x1, x2) hold is said by the instruction's `isa.Operand`. A row that traps (no instruction of this machine) has op 0, all else 0.
* A jump target that is no row is `NO_ROW`.
* Everything here is part of the verifying key: the same ELF gives the same arrays everywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from zisk_actors.machine import elf, isa
from zisk_actors.machine.elf import ElfTooLarge, Segment, Symbols
from zisk_actors.machine.isa import I64, INSTRUCTIONS, U32, U64, Format, Op, Operand
from zisk_actors.machine.layout import IDENTITY, MARCHID, RAM_START, READ_ONLY_BASE, RETURN_ADDRESS, SINK, WORD

NO_ROW: Final = 2**32
MAX_ROWS: Final = 2**22  # of the ROM, and words of the image: the largest table that can be proven
RETURN_CODE: Final = (0x00000513, 0x05D00893, 0x00000073)  # addi a0, x0, 0; addi a7, x0, 93; ecall

_P = 2**64 - 2**32 + 1
_MASK32 = np.int64(0xFFFFFFFF)


@dataclass(frozen=True, eq=False)
class Rom:
    """One array per field, all uint64 of length n; index = pc. Op 0 rows trap."""

    op: U64
    rd: U64
    rs1: U64
    rs2: U64
    x0: U64
    x1: U64
    x2: U64
    address: U64

    def __len__(self) -> int:
        return len(self.op)


@dataclass(frozen=True, eq=False)
class Image:
    """Loaded memory words, ascending by token address: `lo` and `hi` are 32-bit limbs (uint64), `read_only` is bool. All (n,)."""

    addr: U64
    lo: U64
    hi: U64
    read_only: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.addr)


@dataclass(frozen=True, eq=False)
class Program:
    """A program as the machine runs it. `words`: the instruction word of each ROM row, uint32 (0 on guard rows)."""

    rom: Rom
    image: Image
    entry: int  # ROM row
    words: U32
    symbols: Symbols
    elf_sha256: str  # hexadecimal
    compressed: bool = False  # the ELF says that it may hold 16-bit instructions, which this machine does not run

    def row_of(self, address: int) -> int | None:
        """ROM row of a byte address, None if there is none."""
        if not 0 <= address < 2**64:
            return None
        row = int(np.searchsorted(self.rom.address, np.uint64(address)))
        return row if row < len(self.rom) and int(self.rom.address[row]) == address else None

    def disassemble(self, row: int) -> str:
        """The instruction of a row as assembly text."""
        address = int(self.rom.address[row])
        if self.rom.op[row] == Op.TRAP and self.words[row] == 0 and self.row_of(address + 4) is None:
            return "end of code"
        return isa.disassemble(int(self.words[row]), address)

    def target(self, row: int) -> int:
        """Byte address that the branch or jal of a row jumps to, whether there is code or not."""
        word = self.words[row : row + 1]
        form = INSTRUCTIONS[int(isa.decode(word)[0])].format
        return (int(self.rom.address[row]) + int(isa.immediate(word, form)[0])) % 2**64

    def location(self, row: int) -> str:
        """`function+offset` of a row, "" where the ELF names none."""
        address = int(self.rom.address[row])
        return "return from the entry point" if address < RETURN_ADDRESS + 16 else self.symbols.locate(address)


def load_program(data: bytes) -> Program:
    """The program of an ELF file. Raises `ElfError`."""
    loaded = elf.load(data)
    addresses, values = _image_words(loaded.segments)
    code = _code_ranges(loaded.segments)
    words, address = _code_words(code, addresses, values)
    rom = build_rom(words, address)
    entry = int(np.searchsorted(address, np.uint64(loaded.entry)))
    return Program(rom, _image(addresses, values), entry, words, loaded.symbols, hashlib.sha256(data).hexdigest(), loaded.compressed)


def _image_words(segments: tuple[Segment, ...]) -> tuple[U64, U64]:
    """Byte addresses (multiples of 8, ascending) and 64-bit values of all loaded words and of the machine's own, by which it is
    recognised; bytes that nobody loads are 0.

    In RAM only what the file holds counts: the rest is zero anyway.
    """
    sizes = [len(s.data) if s.address >= RAM_START else s.size for s in segments]
    if sum(sizes) // WORD + 2 * len(sizes) > MAX_ROWS:
        raise ElfTooLarge(f"the program loads {sum(sizes)} bytes; at most {MAX_ROWS * WORD} can be proven")
    addresses, values = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    for segment, size in zip(segments, sizes, strict=True):
        if size == 0:
            continue
        before = segment.address % WORD
        count = (before + size + WORD - 1) // WORD
        piece = np.zeros(count * WORD, np.uint8)
        piece[before : before + len(segment.data)] = np.frombuffer(segment.data, np.uint8)
        values.append(piece.view("<u8").astype(np.uint64))
        addresses.append(np.arange(count, dtype=np.uint64) * np.uint64(WORD) + np.uint64(segment.address - before))
    address, value = np.concatenate(addresses), np.concatenate(values)
    # Neighbours may share a word: each has zeros where the other has bytes.
    unique, first = np.unique(address, return_index=True)
    words = np.bitwise_or.reduceat(value, first) if len(value) else value
    # A program that has something of its own there does not look for the machine's word.
    place = int(np.searchsorted(unique, np.uint64(IDENTITY)))
    if place < len(unique) and unique[place] == IDENTITY:
        return unique, words
    return np.insert(unique, place, np.uint64(IDENTITY)), np.insert(words, place, np.uint64(MARCHID))


def _image(addresses: U64, values: U64) -> Image:
    """The image by token address."""
    read_only = addresses < np.uint64(RAM_START)
    token = addresses // np.uint64(WORD) + np.where(read_only, np.uint64(READ_ONLY_BASE), np.uint64(0))
    order = np.argsort(token)
    low, high = values & np.uint64(_MASK32), values >> np.uint64(32)
    return Image(token[order], low[order], high[order], read_only[order])


def _code_ranges(segments: tuple[Segment, ...]) -> list[tuple[int, int]]:
    """Byte ranges of code at multiples of 4, ascending, those that touch joined."""
    ranges: list[tuple[int, int]] = []
    for segment in segments:
        start, end = -(-segment.address // 4) * 4, -(-segment.end // 4) * 4
        if not segment.executable or start >= end:
            continue
        if ranges and start <= ranges[-1][1]:
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((start, end))
    return ranges


def _code_words(code: list[tuple[int, int]], addresses: U64, values: U64) -> tuple[U32, U64]:
    """Words and byte addresses of all ROM rows, guards included."""
    rows = sum((end - start) // 4 + 1 for start, end in code) + len(RETURN_CODE)
    if rows > MAX_ROWS:
        raise ElfTooLarge(f"the program has {rows} words of code; at most {MAX_ROWS} can be proven")
    words = [np.array(RETURN_CODE, np.uint32)]
    starts = [(RETURN_ADDRESS, len(RETURN_CODE))]
    for start, end in code:
        first = int(np.searchsorted(addresses, np.uint64(start - start % WORD)))
        count = (end - start) // 4
        span = values[first : first + count // 2 + 1].astype("<u8").view("<u4").astype(np.uint32)
        words += [span[start % WORD // 4 :][:count], np.zeros(1, np.uint32)]
        starts.append((start, count + 1))
    address = [np.uint64(start) + np.uint64(4) * np.arange(count, dtype=np.uint64) for start, count in starts]
    return np.concatenate(words), np.concatenate(address)


def build_rom(words: U32, address: U64) -> Rom:
    """Decode instruction words at ascending byte addresses into ROM rows."""
    op, rd, rs1, rs2, x0, x1, x2 = np.zeros((7, len(words)), np.uint64)
    rom = Rom(op, rd, rs1, rs2, x0, x1, x2, address)
    kinds = isa.decode(words)
    for kind in np.unique(kinds):
        if kind >= 0:
            _encode(rom, words, INSTRUCTIONS[kind], np.flatnonzero(kinds == kind))
    return rom


def _encode(rom: Rom, words: U32, instruction: isa.Instruction, rows: npt.NDArray[np.intp]) -> None:
    """Fill the fields of all rows that hold one instruction."""
    word, form = words[rows], instruction.format
    imm = isa.immediate(word, form)
    here = rom.address[rows].astype(np.int64)
    rom.op[rows] = int(instruction.op)
    if instruction.writes_rd:
        rd = isa.field(word, 7, 5) if form.writes else 0
        rom.rd[rows] = np.where(rd == 0, SINK, rd).astype(np.uint64)
    if form.reads_one:
        rom.rs1[rows] = isa.field(word, 15, 5).astype(np.uint64)
    if form.reads_two:
        rom.rs2[rows] = isa.field(word, 20, 5).astype(np.uint64)

    match instruction.operand:
        case Operand.NONE:
            pass
        case Operand.VALUE:
            _put_limbs(rom, rows, instruction.value(here, imm))
            rom.x2[rows] = _rows_at(rom.address, here + imm) if form is Format.J else rows.astype(np.uint64) + np.uint64(1)
        case Operand.LIMBS:
            _put_limbs(rom, rows, imm)
        case Operand.LOW_LIMB:
            rom.x0[rows] = (imm & _MASK32).astype(np.uint64)
        case Operand.POWER | Operand.POWER32:
            _put_limbs(rom, rows, (np.uint64(1) << imm.astype(np.uint64)).view(np.int64))
            rom.x2[rows] = imm.astype(np.uint64)
        case Operand.TARGET:
            rom.x0[rows] = _rows_at(rom.address, here + imm)
        case Operand.OFFSET | Operand.LINK:
            rom.x0[rows] = _element(imm)
            if instruction.operand is Operand.LINK:
                rom.x1[rows] = (here + 4).astype(np.uint64)


def _put_limbs(rom: Rom, rows: npt.NDArray[np.intp], value: I64) -> None:
    """x0, x1 = 32-bit limbs of the two's complement value."""
    rom.x0[rows] = (value & _MASK32).astype(np.uint64)
    rom.x1[rows] = ((value >> np.int64(32)) & _MASK32).astype(np.uint64)


def _element(value: I64) -> U64:
    """Small signed integers as field elements: p - |v| for a negative v."""
    return np.where(value < 0, value.astype(np.uint64) + np.uint64(_P), value.astype(np.uint64))


def _rows_at(address: U64, target: I64) -> U64:
    """ROM rows of byte addresses, `NO_ROW` where there is none."""
    wanted = target.astype(np.uint64)
    row = np.minimum(np.searchsorted(address, wanted), len(address) - 1)
    return np.where(address[row] == wanted, row.astype(np.uint64), np.uint64(NO_ROW))
