"""The instruction set: RV64IM and `csrr rd, marchid`, one table row an instruction.

Rules of this file:
* `INSTRUCTIONS` is the only place that says which instructions exist, how they are encoded, which op they have in the ROM and which
  chip proves them. ROM, emulators, chips and the tests' assembler derive from it.
* An op is a number >= 1 that belongs to exactly one chip; 0 (`TRAP`) is the op of a row that can be executed by nobody. Ops are
  numbered in table order and are part of every verifying key: new ones go to the end.
* Instructions whose effect is known when the ROM is built (lui, auipc, jal, fence, csrr marchid) share the op CONST.

Encodings: The RISC-V Instruction Set Manual, volume I, chapters "RV32/64G instruction set listings".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

U32: TypeAlias = npt.NDArray[np.uint32]
U64: TypeAlias = npt.NDArray[np.uint64]
I64: TypeAlias = npt.NDArray[np.int64]

MARCHID: Final = 0xFFFEEEE  # value of CSR 0xF12, by which a guest recognises the zkVM


class Format(Enum):
    """How the operands lie in the word."""

    R = "rd, rs1, rs2"
    I = "rd, rs1, imm[11:0]"  # noqa: E741  (the manual's own letter)
    LOAD = "rd, imm[11:0](rs1)"
    S = "rs2, imm[11:0](rs1)"
    B = "rs1, rs2, imm[12:1]"
    U = "rd, imm[31:12]"
    J = "rd, imm[20:1]"
    SHIFT = "rd, rs1, shamt"
    RD = "rd"
    NONE = ""


class Op(IntEnum):
    """The number of an operation in the PROG bus tuple."""

    TRAP = 0
    CONST = 1
    ADD = 2
    ADDI = 3
    SUB = 4
    SLT = 5
    SLTU = 6
    SLTI = 7
    SLTIU = 8
    ADDW = 9
    SUBW = 10
    ADDIW = 11
    AND = 12
    OR = 13
    XOR = 14
    ANDI = 15
    ORI = 16
    XORI = 17
    SLL = 18
    SRL = 19
    SRA = 20
    SLLI = 21
    SRLI = 22
    SRAI = 23
    SLLW = 24
    SRLW = 25
    SRAW = 26
    SLLIW = 27
    SRLIW = 28
    SRAIW = 29
    BEQ = 30
    BNE = 31
    BLT = 32
    BGE = 33
    BLTU = 34
    BGEU = 35
    JALR = 36
    LD = 37
    LW = 38
    LWU = 39
    LB = 40
    LBU = 41
    LH = 42
    LHU = 43
    SD = 44
    SW = 45
    SB = 46
    SH = 47
    MUL = 48
    MULH = 49
    MULHSU = 50
    MULHU = 51
    MULW = 52
    DIV = 53
    DIVU = 54
    REM = 55
    REMU = 56
    DIVW = 57
    DIVUW = 58
    REMW = 59
    REMUW = 60
    ECALL = 61


def op(name: str) -> int:
    """The number of an operation by its upper-case name; KeyError if there is none."""
    return int(Op[name])


@dataclass(frozen=True)
class Instruction:
    """One instruction: a word w is this instruction when `w & mask == match`."""

    name: str
    mask: int
    match: int
    format: Format
    op: Op
    chip: str


_R, _I, _SH5, _SH6, _F3, _OP, _ALL = 0xFE00707F, 0x0000707F, 0xFE00707F, 0xFC00707F, 0x0000707F, 0x0000007F, 0xFFFFFFFF

INSTRUCTIONS: Final[tuple[Instruction, ...]] = (
    Instruction("lui", _OP, 0x00000037, Format.U, Op.CONST, "const"),
    Instruction("auipc", _OP, 0x00000017, Format.U, Op.CONST, "const"),
    Instruction("jal", _OP, 0x0000006F, Format.J, Op.CONST, "const"),
    Instruction("fence", _F3, 0x0000000F, Format.NONE, Op.CONST, "const"),
    Instruction("csrr_marchid", 0xFFFFF07F, 0xF1202073, Format.RD, Op.CONST, "const"),
    Instruction("add", _R, 0x00000033, Format.R, Op.ADD, "add"),
    Instruction("addi", _I, 0x00000013, Format.I, Op.ADDI, "addi"),
    Instruction("sub", _R, 0x40000033, Format.R, Op.SUB, "sub"),
    Instruction("slt", _R, 0x00002033, Format.R, Op.SLT, "sub"),
    Instruction("sltu", _R, 0x00003033, Format.R, Op.SLTU, "sub"),
    Instruction("slti", _I, 0x00002013, Format.I, Op.SLTI, "slti"),
    Instruction("sltiu", _I, 0x00003013, Format.I, Op.SLTIU, "slti"),
    Instruction("addw", _R, 0x0000003B, Format.R, Op.ADDW, "addw"),
    Instruction("subw", _R, 0x4000003B, Format.R, Op.SUBW, "addw"),
    Instruction("addiw", _I, 0x0000001B, Format.I, Op.ADDIW, "addiw"),
    Instruction("and", _R, 0x00007033, Format.R, Op.AND, "logic"),
    Instruction("or", _R, 0x00006033, Format.R, Op.OR, "logic"),
    Instruction("xor", _R, 0x00004033, Format.R, Op.XOR, "logic"),
    Instruction("andi", _I, 0x00007013, Format.I, Op.ANDI, "logici"),
    Instruction("ori", _I, 0x00006013, Format.I, Op.ORI, "logici"),
    Instruction("xori", _I, 0x00004013, Format.I, Op.XORI, "logici"),
    Instruction("sll", _R, 0x00001033, Format.R, Op.SLL, "shift"),
    Instruction("srl", _R, 0x00005033, Format.R, Op.SRL, "shift"),
    Instruction("sra", _R, 0x40005033, Format.R, Op.SRA, "shift"),
    Instruction("slli", _SH6, 0x00001013, Format.SHIFT, Op.SLLI, "shifti"),
    Instruction("srli", _SH6, 0x00005013, Format.SHIFT, Op.SRLI, "shifti"),
    Instruction("srai", _SH6, 0x40005013, Format.SHIFT, Op.SRAI, "shifti"),
    Instruction("sllw", _R, 0x0000103B, Format.R, Op.SLLW, "shiftw"),
    Instruction("srlw", _R, 0x0000503B, Format.R, Op.SRLW, "shiftw"),
    Instruction("sraw", _R, 0x4000503B, Format.R, Op.SRAW, "shiftw"),
    Instruction("slliw", _SH5, 0x0000101B, Format.SHIFT, Op.SLLIW, "shiftiw"),
    Instruction("srliw", _SH5, 0x0000501B, Format.SHIFT, Op.SRLIW, "shiftiw"),
    Instruction("sraiw", _SH5, 0x4000501B, Format.SHIFT, Op.SRAIW, "shiftiw"),
    Instruction("beq", _F3, 0x00000063, Format.B, Op.BEQ, "brancheq"),
    Instruction("bne", _F3, 0x00001063, Format.B, Op.BNE, "brancheq"),
    Instruction("blt", _F3, 0x00004063, Format.B, Op.BLT, "branchlt"),
    Instruction("bge", _F3, 0x00005063, Format.B, Op.BGE, "branchlt"),
    Instruction("bltu", _F3, 0x00006063, Format.B, Op.BLTU, "branchlt"),
    Instruction("bgeu", _F3, 0x00007063, Format.B, Op.BGEU, "branchlt"),
    Instruction("jalr", _F3, 0x00000067, Format.LOAD, Op.JALR, "jalr"),
    Instruction("ld", _F3, 0x00003003, Format.LOAD, Op.LD, "load"),
    Instruction("lw", _F3, 0x00002003, Format.LOAD, Op.LW, "loadw"),
    Instruction("lwu", _F3, 0x00006003, Format.LOAD, Op.LWU, "loadw"),
    Instruction("lb", _F3, 0x00000003, Format.LOAD, Op.LB, "loadb"),
    Instruction("lbu", _F3, 0x00004003, Format.LOAD, Op.LBU, "loadb"),
    Instruction("lh", _F3, 0x00001003, Format.LOAD, Op.LH, "loadb"),
    Instruction("lhu", _F3, 0x00005003, Format.LOAD, Op.LHU, "loadb"),
    Instruction("sd", _F3, 0x00003023, Format.S, Op.SD, "store"),
    Instruction("sw", _F3, 0x00002023, Format.S, Op.SW, "storew"),
    Instruction("sb", _F3, 0x00000023, Format.S, Op.SB, "storeb"),
    Instruction("sh", _F3, 0x00001023, Format.S, Op.SH, "storeb"),
    Instruction("mul", _R, 0x02000033, Format.R, Op.MUL, "mul"),
    Instruction("mulh", _R, 0x02001033, Format.R, Op.MULH, "mul"),
    Instruction("mulhsu", _R, 0x02002033, Format.R, Op.MULHSU, "mul"),
    Instruction("mulhu", _R, 0x02003033, Format.R, Op.MULHU, "mul"),
    Instruction("mulw", _R, 0x0200003B, Format.R, Op.MULW, "mul"),
    Instruction("div", _R, 0x02004033, Format.R, Op.DIV, "div"),
    Instruction("divu", _R, 0x02005033, Format.R, Op.DIVU, "div"),
    Instruction("rem", _R, 0x02006033, Format.R, Op.REM, "div"),
    Instruction("remu", _R, 0x02007033, Format.R, Op.REMU, "div"),
    Instruction("divw", _R, 0x0200403B, Format.R, Op.DIVW, "div"),
    Instruction("divuw", _R, 0x0200503B, Format.R, Op.DIVUW, "div"),
    Instruction("remw", _R, 0x0200603B, Format.R, Op.REMW, "div"),
    Instruction("remuw", _R, 0x0200703B, Format.R, Op.REMUW, "div"),
    Instruction("ecall", _ALL, 0x00000073, Format.NONE, Op.ECALL, "halt"),
)

# Words that are defined to end a run; they decode to no instruction and have a name in messages only.
TRAPPING: Final = {0x00100073: "ebreak", 0xC0001073: "unimp", 0x00000000: "unimp (zero word)"}

BY_NAME: Final = {instruction.name: instruction for instruction in INSTRUCTIONS}

# The op chips in table order; the keys of event records.
CHIPS: Final[tuple[str, ...]] = tuple(dict.fromkeys(instruction.chip for instruction in INSTRUCTIONS))

# Chip of each op; ops are dense, CHIP_OF_OP[0] belongs to no chip.
CHIP_OF_OP: Final[tuple[str, ...]] = ("", *{i.op: i.chip for i in INSTRUCTIONS}.values())

OPS_OF_CHIP: Final[dict[str, tuple[Op, ...]]] = {chip: tuple(dict.fromkeys(i.op for i in INSTRUCTIONS if i.chip == chip)) for chip in CHIPS}

REGISTER_NAMES: Final = (
    *("zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5"),
    *("a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"),
)


def decode(words: U32) -> npt.NDArray[np.int16]:
    """Index into `INSTRUCTIONS` of each word (n,), -1 where it is none of them."""
    found = np.full(words.shape, -1, dtype=np.int16)
    masked: dict[int, U32] = {}
    for index, instruction in enumerate(INSTRUCTIONS):
        if instruction.mask not in masked:
            masked[instruction.mask] = words & np.uint32(instruction.mask)
        found[masked[instruction.mask] == np.uint32(instruction.match)] = index
    return found


def field(words: U32, low: int, width: int) -> I64:
    """`width` bits of each word from bit `low` on, as a non-negative int64."""
    return ((words >> np.uint32(low)) & np.uint32((1 << width) - 1)).astype(np.int64)


def _signed(values: I64, width: int) -> I64:
    """Sign-extend `width`-bit values."""
    return (values ^ (1 << (width - 1))) - (1 << (width - 1))


def immediate(words: U32, form: Format) -> I64:
    """The immediate of words of one format, sign-extended (shift amounts: 6 bits, unsigned); zeros where the format has none."""
    match form:
        case Format.I | Format.LOAD:
            return _signed(field(words, 20, 12), 12)
        case Format.S:
            return _signed(field(words, 25, 7) << 5 | field(words, 7, 5), 12)
        case Format.B:
            bits = field(words, 31, 1) << 12 | field(words, 7, 1) << 11 | field(words, 25, 6) << 5 | field(words, 8, 4) << 1
            return _signed(bits, 13)
        case Format.U:
            return _signed(field(words, 12, 20) << 12, 32)
        case Format.J:
            bits = field(words, 31, 1) << 20 | field(words, 12, 8) << 12 | field(words, 20, 1) << 11 | field(words, 21, 10) << 1
            return _signed(bits, 21)
        case Format.SHIFT:
            return field(words, 20, 6)
        case Format.R | Format.RD | Format.NONE:
            return np.zeros(words.shape, dtype=np.int64)


def disassemble(word: int, address: int) -> str:
    """One word at a byte address as assembly text, branch targets as absolute addresses."""
    words = np.array([word], dtype=np.uint32)
    index = int(decode(words)[0])
    if index < 0:
        return TRAPPING.get(word, f".word {word:#010x}")
    instruction = INSTRUCTIONS[index]
    form = instruction.format
    rd, rs1, rs2 = (REGISTER_NAMES[(word >> shift) & 31] for shift in (7, 15, 20))
    imm = int(immediate(words, form)[0])
    match form:
        case Format.R:
            operands = f"{rd}, {rs1}, {rs2}"
        case Format.I | Format.SHIFT:
            operands = f"{rd}, {rs1}, {imm}"
        case Format.LOAD:
            operands = f"{rd}, {imm}({rs1})"
        case Format.S:
            operands = f"{rs2}, {imm}({rs1})"
        case Format.B:
            operands = f"{rs1}, {rs2}, {address + imm:#x}"
        case Format.U:
            operands = f"{rd}, {(imm >> 12) & 0xFFFFF:#x}"
        case Format.J:
            operands = f"{rd}, {address + imm:#x}"
        case Format.RD:
            operands = rd
        case Format.NONE:
            operands = ""
    return f"{instruction.name} {operands}".rstrip()
