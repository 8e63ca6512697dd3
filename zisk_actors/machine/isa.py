"""The instruction set: RV64IM, `fence.i` and `csrr rd, marchid`, one table row an instruction.

Rules of this file:
* `INSTRUCTIONS` is the only place that says which instructions exist, how they are encoded, which op they have in the ROM, what their
  operands are there, and which chip proves them. ROM, both emulators, chips and the tests' assembler derive from it.
* An op is a number >= 1 that belongs to exactly one chip; 0 (`TRAP`) is the op of a row that can be executed by nobody. Ops are
  numbered in table order and are part of every verifying key: new ones go to the end.
* Instructions whose effect is known when the ROM is built (lui, auipc, jal, fences, csrr marchid) share the op CONST. A fence does
  nothing: there is one hart, and code cannot be stored to.

Encodings: The RISC-V Instruction Set Manual, volume I, chapters "RV32/64G instruction set listings".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from zisk_actors.machine import extensions
from zisk_actors.machine.layout import MARCHID

U32: TypeAlias = npt.NDArray[np.uint32]
U64: TypeAlias = npt.NDArray[np.uint64]
I64: TypeAlias = npt.NDArray[np.int64]


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

    @property
    def writes(self) -> bool:
        """Whether the word names a register that is written."""
        return self not in (Format.S, Format.B, Format.NONE)

    @property
    def reads_one(self) -> bool:
        """Whether it names a first register that is read."""
        return self in (Format.R, Format.I, Format.LOAD, Format.S, Format.B, Format.SHIFT)

    @property
    def reads_two(self) -> bool:
        """Whether it names a second one."""
        return self in (Format.R, Format.S, Format.B)


class Operand(Enum):
    """What the fields x0, x1, x2 of an op's ROM rows hold, beside the registers: limbs have 32 bits, the immediate is sign-extended."""

    NONE = "0, 0, 0"
    VALUE = "limbs of what is written to rd; the row that follows"
    LIMBS = "limbs of the immediate; 0"
    LOW_LIMB = "low limb of the immediate; 0, 0"
    POWER = "limbs of 2^(shift amount); the shift amount, below 64"
    POWER32 = "2^(shift amount); 0; the shift amount, below 32"
    TARGET = "row of the branch's target; 0, 0"
    OFFSET = "the immediate as a field element; 0, 0"
    LINK = "the immediate as a field element; address of the following instruction; 0"


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
    """One instruction: a word w is this instruction when `w & mask == match`.

    `value`, where the operand is one: what is written to rd, from byte addresses and immediates, both int64 (n,).
    """

    name: str
    mask: int
    match: int
    format: Format
    op: Op
    operand: Operand
    chip: str
    value: Callable[[I64, I64], I64] = lambda at, imm: imm

    @property
    def extension(self) -> str:
        """The part of the instruction set that it belongs to."""
        return {"fence.i": "Zifencei", "csrr_marchid": "Zicsr"}.get(self.name, "M" if self.chip in ("mul", "div") else "I")

    @property
    def writes_rd(self) -> bool:
        """Whether it writes a register: without one in its word, or with x0 there, the sink."""
        return self.format.writes or self.operand is Operand.VALUE


_R, _I, _SH5, _SH6, _F3, _OP, _ALL = 0xFE00707F, 0x0000707F, 0xFE00707F, 0xFC00707F, 0x0000707F, 0x0000007F, 0xFFFFFFFF

INSTRUCTIONS: Final[tuple[Instruction, ...]] = (
    Instruction("lui", _OP, 0x00000037, Format.U, Op.CONST, Operand.VALUE, "const"),
    Instruction("auipc", _OP, 0x00000017, Format.U, Op.CONST, Operand.VALUE, "const", lambda at, imm: at + imm),
    Instruction("jal", _OP, 0x0000006F, Format.J, Op.CONST, Operand.VALUE, "const", lambda at, imm: at + 4),
    Instruction("fence", _F3, 0x0000000F, Format.NONE, Op.CONST, Operand.VALUE, "const"),
    Instruction("fence.i", _F3, 0x0000100F, Format.NONE, Op.CONST, Operand.VALUE, "const"),
    Instruction("csrr_marchid", 0xFFFFF07F, 0xF1202073, Format.RD, Op.CONST, Operand.VALUE, "const", lambda at, imm: imm + MARCHID),
    Instruction("add", _R, 0x00000033, Format.R, Op.ADD, Operand.NONE, "add"),
    Instruction("addi", _I, 0x00000013, Format.I, Op.ADDI, Operand.LIMBS, "addi"),
    Instruction("sub", _R, 0x40000033, Format.R, Op.SUB, Operand.NONE, "sub"),
    Instruction("slt", _R, 0x00002033, Format.R, Op.SLT, Operand.NONE, "sub"),
    Instruction("sltu", _R, 0x00003033, Format.R, Op.SLTU, Operand.NONE, "sub"),
    Instruction("slti", _I, 0x00002013, Format.I, Op.SLTI, Operand.LIMBS, "slti"),
    Instruction("sltiu", _I, 0x00003013, Format.I, Op.SLTIU, Operand.LIMBS, "slti"),
    Instruction("addw", _R, 0x0000003B, Format.R, Op.ADDW, Operand.NONE, "addw"),
    Instruction("subw", _R, 0x4000003B, Format.R, Op.SUBW, Operand.NONE, "addw"),
    Instruction("addiw", _I, 0x0000001B, Format.I, Op.ADDIW, Operand.LOW_LIMB, "addiw"),
    Instruction("and", _R, 0x00007033, Format.R, Op.AND, Operand.NONE, "logic"),
    Instruction("or", _R, 0x00006033, Format.R, Op.OR, Operand.NONE, "logic"),
    Instruction("xor", _R, 0x00004033, Format.R, Op.XOR, Operand.NONE, "logic"),
    Instruction("andi", _I, 0x00007013, Format.I, Op.ANDI, Operand.LIMBS, "logici"),
    Instruction("ori", _I, 0x00006013, Format.I, Op.ORI, Operand.LIMBS, "logici"),
    Instruction("xori", _I, 0x00004013, Format.I, Op.XORI, Operand.LIMBS, "logici"),
    Instruction("sll", _R, 0x00001033, Format.R, Op.SLL, Operand.NONE, "shift"),
    Instruction("srl", _R, 0x00005033, Format.R, Op.SRL, Operand.NONE, "shift"),
    Instruction("sra", _R, 0x40005033, Format.R, Op.SRA, Operand.NONE, "shift"),
    Instruction("slli", _SH6, 0x00001013, Format.SHIFT, Op.SLLI, Operand.POWER, "shifti"),
    Instruction("srli", _SH6, 0x00005013, Format.SHIFT, Op.SRLI, Operand.POWER, "shifti"),
    Instruction("srai", _SH6, 0x40005013, Format.SHIFT, Op.SRAI, Operand.POWER, "shifti"),
    Instruction("sllw", _R, 0x0000103B, Format.R, Op.SLLW, Operand.NONE, "shiftw"),
    Instruction("srlw", _R, 0x0000503B, Format.R, Op.SRLW, Operand.NONE, "shiftw"),
    Instruction("sraw", _R, 0x4000503B, Format.R, Op.SRAW, Operand.NONE, "shiftw"),
    Instruction("slliw", _SH5, 0x0000101B, Format.SHIFT, Op.SLLIW, Operand.POWER32, "shiftiw"),
    Instruction("srliw", _SH5, 0x0000501B, Format.SHIFT, Op.SRLIW, Operand.POWER32, "shiftiw"),
    Instruction("sraiw", _SH5, 0x4000501B, Format.SHIFT, Op.SRAIW, Operand.POWER32, "shiftiw"),
    Instruction("beq", _F3, 0x00000063, Format.B, Op.BEQ, Operand.TARGET, "brancheq"),
    Instruction("bne", _F3, 0x00001063, Format.B, Op.BNE, Operand.TARGET, "brancheq"),
    Instruction("blt", _F3, 0x00004063, Format.B, Op.BLT, Operand.TARGET, "branchlt"),
    Instruction("bge", _F3, 0x00005063, Format.B, Op.BGE, Operand.TARGET, "branchlt"),
    Instruction("bltu", _F3, 0x00006063, Format.B, Op.BLTU, Operand.TARGET, "branchlt"),
    Instruction("bgeu", _F3, 0x00007063, Format.B, Op.BGEU, Operand.TARGET, "branchlt"),
    Instruction("jalr", _F3, 0x00000067, Format.LOAD, Op.JALR, Operand.LINK, "jalr"),
    Instruction("ld", _F3, 0x00003003, Format.LOAD, Op.LD, Operand.OFFSET, "load"),
    Instruction("lw", _F3, 0x00002003, Format.LOAD, Op.LW, Operand.OFFSET, "loadw"),
    Instruction("lwu", _F3, 0x00006003, Format.LOAD, Op.LWU, Operand.OFFSET, "loadw"),
    Instruction("lb", _F3, 0x00000003, Format.LOAD, Op.LB, Operand.OFFSET, "loadb"),
    Instruction("lbu", _F3, 0x00004003, Format.LOAD, Op.LBU, Operand.OFFSET, "loadb"),
    Instruction("lh", _F3, 0x00001003, Format.LOAD, Op.LH, Operand.OFFSET, "loadb"),
    Instruction("lhu", _F3, 0x00005003, Format.LOAD, Op.LHU, Operand.OFFSET, "loadb"),
    Instruction("sd", _F3, 0x00003023, Format.S, Op.SD, Operand.OFFSET, "store"),
    Instruction("sw", _F3, 0x00002023, Format.S, Op.SW, Operand.OFFSET, "storew"),
    Instruction("sb", _F3, 0x00000023, Format.S, Op.SB, Operand.OFFSET, "storeb"),
    Instruction("sh", _F3, 0x00001023, Format.S, Op.SH, Operand.OFFSET, "storeb"),
    Instruction("mul", _R, 0x02000033, Format.R, Op.MUL, Operand.NONE, "mul"),
    Instruction("mulh", _R, 0x02001033, Format.R, Op.MULH, Operand.NONE, "mul"),
    Instruction("mulhsu", _R, 0x02002033, Format.R, Op.MULHSU, Operand.NONE, "mul"),
    Instruction("mulhu", _R, 0x02003033, Format.R, Op.MULHU, Operand.NONE, "mul"),
    Instruction("mulw", _R, 0x0200003B, Format.R, Op.MULW, Operand.NONE, "mul"),
    Instruction("div", _R, 0x02004033, Format.R, Op.DIV, Operand.NONE, "div"),
    Instruction("divu", _R, 0x02005033, Format.R, Op.DIVU, Operand.NONE, "div"),
    Instruction("rem", _R, 0x02006033, Format.R, Op.REM, Operand.NONE, "div"),
    Instruction("remu", _R, 0x02007033, Format.R, Op.REMU, Operand.NONE, "div"),
    Instruction("divw", _R, 0x0200403B, Format.R, Op.DIVW, Operand.NONE, "div"),
    Instruction("divuw", _R, 0x0200503B, Format.R, Op.DIVUW, Operand.NONE, "div"),
    Instruction("remw", _R, 0x0200603B, Format.R, Op.REMW, Operand.NONE, "div"),
    Instruction("remuw", _R, 0x0200703B, Format.R, Op.REMUW, Operand.NONE, "div"),
    Instruction("ecall", _ALL, 0x00000073, Format.NONE, Op.ECALL, Operand.NONE, "halt"),
)

# Words that are defined to end a run; they decode to no instruction and have a name in messages only.
TRAPPING: Final = {0x00100073: "ebreak", 0xC0001073: "unimp", 0x00000000: "unimp (zero word)"}

BY_NAME: Final = {instruction.name: instruction for instruction in INSTRUCTIONS}

# The op chips in table order; the keys of event records.
CHIPS: Final[tuple[str, ...]] = tuple(dict.fromkeys(instruction.chip for instruction in INSTRUCTIONS))

# The first instruction of each op stands for all of them; op 0 (TRAP) is none's and belongs to no chip. Ops are dense.
_BY_OP: Final = {i.op: i for i in reversed(INSTRUCTIONS)}
CHIP_OF_OP: Final[tuple[str, ...]] = ("", *(_BY_OP[op].chip for op in list(Op)[1:]))
OPERAND_OF_OP: Final[tuple[Operand, ...]] = (Operand.NONE, *(_BY_OP[op].operand for op in list(Op)[1:]))
WRITES_RD: Final[tuple[bool, ...]] = (False, *(_BY_OP[op].writes_rd for op in list(Op)[1:]))

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
    """One word at a byte address as assembly text, branch targets as absolute addresses; what this machine does not run, by its name."""
    words = np.array([word], dtype=np.uint32)
    index = int(decode(words)[0])
    if index < 0:
        return TRAPPING.get(word) or extensions.name_of(word)
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
