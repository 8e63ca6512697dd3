"""Names of RISC-V instructions that this machine does not run, with the extension they belong to: for messages, and for nothing else.

Rules of this file:
* A program is told what it needs (`fadd.d (D)`), not that a word is wrong. What isa.py decodes is never asked here.
* A row says which bits of the word it looks at and what they are; the first row that fits gives the name. What fits none is no
  instruction that this file knows, and is said to be one.

Encodings: The RISC-V Instruction Set Manual, volume I and II, "instruction set listings" and the chapters of the extensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final


@dataclass(frozen=True)
class Foreign:
    """An instruction of another extension: a word w is this one when `w & mask == match`."""

    name: str
    extension: str
    mask: int
    match: int

    def __str__(self) -> str:
        return f"{self.name} ({self.extension})"


# Fields of a 32-bit word: opcode, funct3 (rm), funct7 and its parts, rs2.
_OPCODE, _F3, _F7, _F6, _F5, _FMT, _RS2 = 0x7F, 7 << 12, 0x7F << 25, 0x3F << 26, 0x1F << 27, 3 << 25, 0x1F << 20
_NOTHING: Final = "no RISC-V instruction"
_AMO, _LOAD_FP, _STORE_FP, _OP_FP, _SYSTEM, _OP, _OP32, _OP_IMM, _OP_IMM32 = 0x2F, 0x07, 0x27, 0x53, 0x73, 0x33, 0x3B, 0x13, 0x1B


def _atomics() -> Iterator[Foreign]:
    names = {0: "amoadd", 1: "amoswap", 2: "lr", 3: "sc", 4: "amoxor", 8: "amoor", 12: "amoand"}
    names |= {16: "amomin", 20: "amomax", 24: "amominu", 28: "amomaxu"}
    for funct5, name in names.items():
        for width, funct3 in (("w", 2), ("d", 3)):
            yield Foreign(f"{name}.{width}", "A", _F5 | _F3 | _OPCODE, funct5 << 27 | funct3 << 12 | _AMO)
    yield Foreign("amocas or another atomic", "Zacas, Zabha", _OPCODE, _AMO)


# By the format field: suffix of the mnemonic, extension.
_FORMATS: Final = {0: ("s", "F"), 1: ("d", "D"), 2: ("h", "Zfh"), 3: ("q", "Q")}


def _floats() -> Iterator[Foreign]:
    for funct3, (letter, extension) in {1: ("h", "Zfh"), 2: ("w", "F"), 3: ("d", "D"), 4: ("q", "Q")}.items():
        yield Foreign(f"fl{letter}", extension, _F3 | _OPCODE, funct3 << 12 | _LOAD_FP)
        yield Foreign(f"fs{letter}", extension, _F3 | _OPCODE, funct3 << 12 | _STORE_FP)
    for fmt, (letter, extension) in _FORMATS.items():
        for opcode, name in {0x43: "fmadd", 0x47: "fmsub", 0x4B: "fnmsub", 0x4F: "fnmadd"}.items():
            yield Foreign(f"{name}.{letter}", extension, _FMT | _OPCODE, fmt << 25 | opcode)
        base, top = _FMT | _OPCODE, fmt << 25 | _OP_FP
        for funct5, name in {0: "fadd", 1: "fsub", 2: "fmul", 3: "fdiv", 11: "fsqrt"}.items():
            yield Foreign(f"{name}.{letter}", extension, base | _F5, funct5 << 27 | top)
        by_rm = {4: ("fsgnj", "fsgnjn", "fsgnjx"), 5: ("fmin", "fmax", "fminm", "fmaxm"), 20: ("fle", "flt", "feq")}
        for funct5, names in by_rm.items():
            for rm, name in enumerate(names):
                yield Foreign(f"{name}.{letter}", extension, base | _F5 | _F3, funct5 << 27 | rm << 12 | top)
        for source, other in ((number, each) for number, (each, _) in _FORMATS.items() if number != fmt):
            yield Foreign(f"fcvt.{letter}.{other}", extension, base | _F5 | _RS2, 8 << 27 | source << 20 | top)
        for number, integer in enumerate(("w", "wu", "l", "lu")):
            yield Foreign(f"fcvt.{integer}.{letter}", extension, base | _F5 | _RS2, 24 << 27 | number << 20 | top)
            yield Foreign(f"fcvt.{letter}.{integer}", extension, base | _F5 | _RS2, 26 << 27 | number << 20 | top)
        plain = {"s": "w"}.get(letter, letter)
        yield Foreign(f"fmv.x.{plain}", extension, base | _F5 | _F3, 28 << 27 | top)
        yield Foreign(f"fclass.{letter}", extension, base | _F5 | _F3, 28 << 27 | 1 << 12 | top)
        yield Foreign(f"fmv.{plain}.x", extension, base | _F5 | _F3, 30 << 27 | top)


def _bits() -> Iterator[Foreign]:
    """The bit-manipulation extensions and Zicond: three registers, or a register and a constant."""

    def three(name: str, extension: str, opcode: int, funct7: int, funct3: int) -> Foreign:
        return Foreign(name, extension, _F7 | _F3 | _OPCODE, funct7 << 25 | funct3 << 12 | opcode)

    def shift(name: str, extension: str, opcode: int, funct6: int, funct3: int) -> Foreign:
        return Foreign(name, extension, _F6 | _F3 | _OPCODE, funct6 << 26 | funct3 << 12 | opcode)

    def one(name: str, extension: str, opcode: int, imm: int, funct3: int) -> Foreign:
        return Foreign(name, extension, 0xFFF << 20 | _F3 | _OPCODE, imm << 20 | funct3 << 12 | opcode)

    for k in (1, 2, 3):
        yield three(f"sh{k}add", "Zba", _OP, 0x10, 2 * k)
        yield three(f"sh{k}add.uw", "Zba", _OP32, 0x10, 2 * k)
    yield three("add.uw", "Zba", _OP32, 4, 0)
    yield shift("slli.uw", "Zba", _OP_IMM32, 2, 1)
    for funct7, funct3, name in ((0x20, 7, "andn"), (0x20, 6, "orn"), (0x20, 4, "xnor"), (0x30, 1, "rol"), (0x30, 5, "ror")):
        yield three(name, "Zbb", _OP, funct7, funct3)
    for funct3, name in ((4, "min"), (5, "minu"), (6, "max"), (7, "maxu")):
        yield three(name, "Zbb", _OP, 5, funct3)
    yield three("rolw", "Zbb", _OP32, 0x30, 1)
    yield three("rorw", "Zbb", _OP32, 0x30, 5)
    yield shift("rori", "Zbb", _OP_IMM, 0x18, 5)
    yield three("roriw", "Zbb", _OP_IMM32, 0x30, 5)
    for k, name in enumerate(("clz", "ctz", "cpop")):
        yield one(name, "Zbb", _OP_IMM, 0x600 + k, 1)
        yield one(f"{name}w", "Zbb", _OP_IMM32, 0x600 + k, 1)
    yield one("sext.b", "Zbb", _OP_IMM, 0x604, 1)
    yield one("sext.h", "Zbb", _OP_IMM, 0x605, 1)
    yield one("orc.b", "Zbb", _OP_IMM, 0x287, 5)
    yield one("rev8", "Zbb", _OP_IMM, 0x6B8, 5)
    yield Foreign("zext.h", "Zbb", _F7 | _RS2 | _F3 | _OPCODE, 4 << 25 | 4 << 12 | _OP32)
    for funct3, name in ((1, "clmul"), (2, "clmulr"), (3, "clmulh")):
        yield three(name, "Zbc", _OP, 5, funct3)
    for funct7, funct3, name in ((0x24, 1, "bclr"), (0x24, 5, "bext"), (0x34, 1, "binv"), (0x14, 1, "bset")):
        yield three(name, "Zbs", _OP, funct7, funct3)
        yield shift(f"{name}i", "Zbs", _OP_IMM, funct7 >> 1, funct3)
    yield three("czero.eqz", "Zicond", _OP, 7, 5)
    yield three("czero.nez", "Zicond", _OP, 7, 7)


def _system() -> Iterator[Foreign]:
    for number, name in {0xC00: "rdcycle", 0xC01: "rdtime", 0xC02: "rdinstret"}.items():
        yield Foreign(name, "Zicntr", 0xFFFFF << 12 | _OPCODE, number << 20 | 2 << 12 | _SYSTEM)
    for word, name in {0x30200073: "mret", 0x10200073: "sret", 0x10500073: "wfi"}.items():
        yield Foreign(name, "privileged", 0xFFFFFFFF, word)
    yield Foreign("sfence.vma", "privileged", _F7 | _F3 | _OPCODE, 9 << 25 | _SYSTEM)
    for funct3, name in {1: "csrrw", 2: "csrrs", 3: "csrrc", 5: "csrrwi", 6: "csrrsi", 7: "csrrci"}.items():
        yield Foreign(name, "Zicsr", _F3 | _OPCODE, funct3 << 12 | _SYSTEM)
    yield Foreign("a cache-block operation", "Zicbom, Zicboz", _F3 | _OPCODE, 2 << 12 | 0x0F)


def _vectors() -> Iterator[Foreign]:
    yield Foreign("a vector instruction", "V", _OPCODE, 0x57)
    for funct3 in (0, 5, 6, 7):
        yield Foreign("a vector load", "V", _F3 | _OPCODE, funct3 << 12 | _LOAD_FP)
        yield Foreign("a vector store", "V", _F3 | _OPCODE, funct3 << 12 | _STORE_FP)


# Of a 16-bit word, its two lowest bits and its three highest: name.
_COMPRESSED: Final = {
    0: ("c.addi4spn", "c.fld", "c.lw", "c.ld", "c.lbu", "c.fsd", "c.sw", "c.sd"),
    1: ("c.addi", "c.addiw", "c.li", "c.lui", "", "c.j", "c.beqz", "c.bnez"),
    2: ("c.slli", "c.fldsp", "c.lwsp", "c.ldsp", "", "c.fsdsp", "c.swsp", "c.sdsp"),
}


@cache
def _table() -> tuple[Foreign, ...]:
    return (*_atomics(), *_floats(), *_bits(), *_system(), *_vectors())


def extension_of(word: int) -> str:
    """The extension that a word needs, "" for what is no instruction that this file knows."""
    name = name_of(word)
    return "" if name.startswith(_NOTHING) else name[name.index("(") + 1 : -1]


@lru_cache(2**16)
def name_of(word: int) -> str:
    """What a 32-bit word of code that isa.py does not decode is, as `name (extension)`; "no RISC-V instruction" and the word else."""
    if word & 3 != 3:
        return _compressed(word & 0xFFFF)
    for foreign in _table():
        if word & foreign.mask == foreign.match:
            if foreign.extension == "Zicsr":
                return f"{foreign.name} {word >> 20:#x} ({foreign.extension})"
            return str(foreign)
    return f"{_NOTHING} ({word:#010x})"


def _compressed(half: int) -> str:
    """The name of a 16-bit word."""
    if half == 0:
        return f"{_NOTHING} (0x0000)"
    quadrant, funct3 = half & 3, half >> 13
    name = _COMPRESSED[quadrant][funct3]
    rd, rs2, upper = half >> 7 & 31, half >> 2 & 31, half >> 12 & 1
    if quadrant == 1 and funct3 == 0 and rd == 0:
        name = "c.nop"
    elif quadrant == 1 and funct3 == 3 and rd == 2:
        name = "c.addi16sp"
    elif quadrant == 1 and funct3 == 4:
        registers = ("c.subw", "c.addw", "", "") if upper else ("c.sub", "c.xor", "c.or", "c.and")
        name = ("c.srli", "c.srai", "c.andi", registers[half >> 5 & 3])[half >> 10 & 3]
    elif quadrant == 2 and funct3 == 4:
        if rs2:
            name = "c.add" if upper else "c.mv"
        else:
            name = ("c.jalr" if rd else "c.ebreak") if upper else ("c.jr" if rd else "")
    if not name:
        return f"{_NOTHING} ({half:#06x})"
    extension = {"c.fld": "C, D", "c.fsd": "C, D", "c.fldsp": "C, D", "c.fsdsp": "C, D", "c.lbu": "Zcb"}.get(name, "C")
    return f"{name} ({extension})"
