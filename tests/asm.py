"""A small assembler for tests: lines of text, or instruction words, to a minimal static ELF.

Rules of this file: encodings come from the instruction table (tests/unit/machine/test_isa.py holds that table against GNU as). Code is
at 0x80000000, entered at its first line; `data` at 0xa0030000 in RAM (label `data`), `rodata` at 0x80100000 (label `rodata`).

    assemble(["li a0, 7", "loop:", "addi a0, a0, -1", "bne a0, zero, loop", *exit_with(3)])
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from zisk_actors.machine.isa import BY_NAME, REGISTER_NAMES, Format

CODE, RODATA, DATA = 0x80000000, 0x80100000, 0xA0030000

_REGISTERS = {name: i for i, name in enumerate(REGISTER_NAMES)} | {f"x{i}": i for i in range(32)} | {"fp": 8}


def encode(name: str, *, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0) -> int:
    """The word of one instruction; operands that its format lacks are ignored. ValueError for an immediate that does not fit."""
    instruction = BY_NAME[name]
    low, high, step = {
        Format.I: (-2048, 2047, 1),
        Format.LOAD: (-2048, 2047, 1),
        Format.S: (-2048, 2047, 1),
        Format.B: (-4096, 4094, 2),
        Format.J: (-(2**20), 2**20 - 2, 2),
        Format.U: (0, 2**20 - 1, 1),
        Format.SHIFT: (0, 31 if name.endswith("w") else 63, 1),
    }.get(instruction.format, (imm, imm, 1))
    if not low <= imm <= high or imm % step:
        raise ValueError(f"{name}: immediate {imm} is not in [{low}, {high}] in steps of {step}")
    word, d, a, b = instruction.match, rd << 7, rs1 << 15, rs2 << 20
    match instruction.format:
        case Format.R:
            return word | d | a | b
        case Format.I | Format.LOAD:
            return word | d | a | (imm & 0xFFF) << 20
        case Format.SHIFT:
            return word | d | a | imm << 20
        case Format.S:
            return word | a | b | (imm >> 5 & 0x7F) << 25 | (imm & 31) << 7
        case Format.B:
            return word | a | b | (imm >> 12 & 1) << 31 | (imm >> 5 & 63) << 25 | (imm >> 1 & 15) << 8 | (imm >> 11 & 1) << 7
        case Format.U:
            return word | d | imm << 12
        case Format.J:
            return word | d | (imm >> 20 & 1) << 31 | (imm >> 1 & 0x3FF) << 21 | (imm >> 11 & 1) << 20 | (imm >> 12 & 0xFF) << 12
        case Format.RD:
            return word | d
        case Format.NONE:
            return word


def load_immediate(register: str, value: int) -> list[str]:
    """Instructions that put a 64-bit value, signed or unsigned, in a register."""
    value = (value + 2**63) % 2**64 - 2**63
    if -2048 <= value < 2048:
        return [f"addi {register}, zero, {value}"]
    low = (value & 0xFFF) - ((value & 0x800) << 1)
    if -(2**31) <= value < 2**31:
        upper = [f"lui {register}, {(value - low) >> 12 & 0xFFFFF}"]
        return [*upper, f"addiw {register}, {register}, {low}"] if low else upper
    rest = load_immediate(register, (value - low) >> 12)
    return [*rest, f"slli {register}, {register}, 12", *([f"addi {register}, {register}, {low}"] if low else [])]


def exit_with(code: int) -> list[str]:
    """Lines that halt with an exit code."""
    return [f"li a0, {code}", "li a7, 93", "ecall"]


def _expand(lines: Iterable[str | int]) -> Iterator[str | int]:
    """Pseudo-instructions as real ones; labels and words as they are."""
    for line in lines:
        if isinstance(line, int):
            yield line
            continue
        text = line.split("#")[0].strip()
        if ":" in text:
            label, text = text.split(":", 1)
            yield f"{label.strip()}:"
            text = text.strip()
        name, _, rest = text.partition(" ")
        operands = [operand.strip() for operand in rest.split(",")] if rest.strip() else []
        match name:
            case "":
                pass
            case "li":
                yield from load_immediate(operands[0], int(operands[1], 0))
            case "la":
                yield f"auipc {operands[0]}, %hi({operands[1]})"
                yield f"addi {operands[0]}, {operands[0]}, %lo({operands[1]})"
            case "mv":
                yield f"addi {operands[0]}, {operands[1]}, 0"
            case "nop":
                yield "addi zero, zero, 0"
            case "j":
                yield f"jal zero, {operands[0]}"
            case "ret":
                yield "jalr zero, 0(ra)"
            case _:
                yield text


def _value(text: str, labels: dict[str, int], here: int) -> int:
    """An operand that is no register: a number, label+offset, %hi(label), %lo(label) (the latter for the auipc one word before)."""
    if text.startswith("%hi("):
        return (_value(text[4:-1], labels, here) - here + 0x800) >> 12 & 0xFFFFF
    if text.startswith("%lo("):
        distance = _value(text[4:-1], labels, here) - (here - 4)
        return (distance & 0xFFF) - ((distance & 0x800) << 1)
    name, _, offset = text.partition("+")
    return labels[name] + int(offset or "0", 0) if name in labels else int(text, 0)


def _encode_line(text: str, labels: dict[str, int], here: int) -> int:
    """One real instruction. Branches and jumps take labels, or numbers as distances."""
    name, _, rest = text.partition(" ")
    form = BY_NAME[name].format
    operands = [operand.strip() for operand in rest.split(",")] if rest.strip() else []
    if form in (Format.LOAD, Format.S):
        offset, _, base = operands.pop().partition("(")
        operands += [base.rstrip(")").strip(), offset.strip() or "0"]

    def register(index: int) -> int:
        return _REGISTERS[operands[index]]

    def number(index: int) -> int:
        return _value(operands[index], labels, here)

    def distance(index: int) -> int:
        return number(index) - (here if operands[index].partition("+")[0] in labels else 0)

    match form:
        case Format.R:
            return encode(name, rd=register(0), rs1=register(1), rs2=register(2))
        case Format.I | Format.LOAD | Format.SHIFT:
            return encode(name, rd=register(0), rs1=register(1), imm=number(2))
        case Format.S:
            return encode(name, rs2=register(0), rs1=register(1), imm=number(2))
        case Format.B:
            return encode(name, rs1=register(0), rs2=register(1), imm=distance(2))
        case Format.U:
            return encode(name, rd=register(0), imm=number(1))
        case Format.J:
            return encode(name, rd=register(0), imm=distance(1))
        case Format.RD:
            return encode(name, rd=register(0))
        case Format.NONE:
            return encode(name)


def words_of(lines: Iterable[str | int]) -> tuple[list[int], dict[str, int]]:
    """Instruction words and the addresses of labels."""
    items: list[str | int] = []
    labels = {"data": DATA, "rodata": RODATA}
    for item in _expand(lines):
        if isinstance(item, str) and item.endswith(":"):
            labels[item[:-1]] = CODE + 4 * len(items)
        else:
            items.append(item)
    encoded = [item if isinstance(item, int) else _encode_line(item, labels, CODE + 4 * i) for i, item in enumerate(items)]
    return encoded, labels


def assemble(lines: Iterable[str | int], data: bytes = b"", rodata: bytes = b"", *, bss: int = 0) -> bytes:
    """An ELF file. `bss`: zero bytes behind `data`."""
    words, labels = words_of(lines)
    text = struct.pack(f"<{len(words)}I", *words)
    segments = [(CODE, text, len(text), 5), (RODATA, rodata, len(rodata), 4), (DATA, data, len(data) + bss, 6)]
    return elf([s for s in segments if s[2]], CODE, {k: v for k, v in labels.items() if CODE <= v < CODE + len(text)})


def elf(
    segments: Sequence[tuple[int, bytes, int, int]],
    entry: int,
    symbols: dict[str, int] | None = None,
    *,
    kind: int = 2,
    machine: int = 243,
    flags: int = 0,
) -> bytes:
    """An ELF file of segments (address, bytes, size in memory, flags R4 W2 X1) and function labels."""
    offset = 64 + 56 * len(segments)
    headers, body = [], b""
    for address, content, size, permissions in segments:
        headers.append(struct.pack("<IIQQQQQQ", 1, permissions, offset + len(body), address, address, len(content), size, 1))
        body += content
    names, table = b"\0", bytes(24)
    for name, value in (symbols or {}).items():
        table += struct.pack("<IBBHQQ", len(names), 0x12, 0, 1, value, 0)
        names += name.encode() + b"\0"
    at_table = offset + len(body)
    at_names = at_table + len(table)
    sections = bytes(64)
    sections += struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, at_table, len(table), 2, 1, 8, 24)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, at_names, len(names), 0, 0, 1, 0)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, entry, 64, at_names + len(names), flags, 64, 56, len(segments), 64, 3, 0)
    return header + b"".join(headers) + body + table + names + sections
