"""A program for each instruction chip: each of its operations on operands of every kind, each result in the output.

Rules. Each case is executed twice, and only the first result is stored. Operands are loaded from a table in RAM (``data``), so that they
are no immediates. No result is read by anything but a store.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache

from tests.asm import assemble, exit_with
from zisk_actors.machine.isa import BY_NAME, INSTRUCTIONS, Format, Instruction
from zisk_actors.machine.rom import Program, load_program

M64 = 2**64 - 1
STDIN = bytes(range(200, 72, -1))
RODATA = bytes([7] * 64) + bytes(range(255, 191, -1))  # limbs of equal bytes can be cut in any order

PAIRS = (
    (0x123456789ABCDEF1, 0xFEDCBA9876543217),
    (5, 7),
    (2**63 + 12345, 3),
    (0x8000_0001_7FFF_FFFF, 0x0000_0005_8000_0004),
    (7, 0),
    (2**64 - 100, 7),
    (100, 2**64 - 7),
    (2**40 + 3, 2**33 + 1),
    (2**31 - 1, 2**31),
    (0xFFFF_0001, 0x3_0002),
    (2**64 - 2**32 + 1, 2**63 - 1),
    (3, 3),
    (0xFFFF_FFFC, 1),
    (0x1234_5679_0000_0009, 0x0000_0003_0000_0000),
    (21, 7),
    (0x0000_0009_0000_0005, 0xFFFF_0000),
    (0xFFFF_0000, 0x0000_0009_0000_0005),
    (0, M64),
    (2**64 - 2**32 + 1 + 0xC000_0000, 1),
    (5, 2**32),
    (2**64 - 21, 7),
    (5 * 2**32 + 20000, (2**32 - 1) * 2**32 + 100),
)
# More cases for a chip: instruction and number of the pair.
MORE = {
    "mul": (("mul", 15), ("mul", 16), ("mulhu", 15), ("mulhu", 16)),
    "div": (
        ("divu", 12),
        ("remu", 12),
        ("divu", 13),
        ("divu", 14),
        ("div", 14),
        ("div", 4),
        ("div", 17),
        ("divu", 18),
        ("divu", 19),
        ("rem", 20),
        ("remu", 0),
        ("remu", 14),
        ("divu", 21),
    ),
}
IMMEDIATES = (1, -1, 2047, -2048, 77, 0)
SHIFTS = (0, 1, 17, 31, 33, 63)


def lines_of(chip: str) -> Iterator[str]:
    """The program's lines, but for the exit."""
    instructions = [i for i in INSTRUCTIONS if i.chip == chip]
    yield from ("la s2, data", "mv s3, a1", "li t0, 0", "li t1, 0", "la s4, rodata")
    slot = 0
    rounds = -(-14 // len(instructions))
    for turn in range(min(max(rounds, 3), 12)):
        for index, instruction in enumerate(instructions):
            if slot < 16 + 8 * (chip != "div"):
                at = (turn + 5 * index) % 12
                yield from (f"ld s0, {16 * at}(s2)", f"ld s1, {16 * at + 8}(s2)")
                yield from _case(instruction, turn + index, 8 * slot)
                slot += 1
    for name, at in MORE.get(chip, ()):
        yield from (f"ld s0, {16 * at}(s2)", f"ld s1, {16 * at + 8}(s2)", *_case(BY_NAME[name], 0, 8 * slot))
        slot += 1


def _case(instruction: Instruction, number: int, at: int) -> Iterator[str]:
    """One instruction on s0 and s1, its result at ``at`` in the output."""
    name, label = instruction.name, f"l{at}"
    imm = IMMEDIATES[number % len(IMMEDIATES)]
    store, again = f"sd t0, {at}(s3)", "t1"
    match instruction.format:
        case Format.R:
            yield from (f"{name} t0, s0, s1", store, f"{name} {again}, s0, s1")
        case Format.I:
            yield from (f"{name} t0, s0, {imm}", store, f"{name} {again}, s0, {imm}")
        case Format.SHIFT:
            by = SHIFTS[number % len(SHIFTS)] % (32 if name.endswith("w") else 64)
            yield from (f"{name} t0, s0, {by}", store, f"{name} {again}, s0, {by}")
        case Format.B:
            yield from (f"{name} s0, s1, {label}", "addi t0, t0, 1", "addi t0, t0, 4", f"{label}:", "addi t0, t0, 2", store)
        case Format.LOAD if name == "jalr":
            yield from (f"jal s5, {label}", f"{label}:", "jalr t0, 8(s5)", "addi t0, t0, 1", store)
        case Format.LOAD:
            size = {"d": 8, "w": 4, "h": 2, "b": 1}[name[1]]
            base = ("s2", "s4", "a0")[number % 3]
            offset = 8 + size * (number * 5 % 13)
            yield from (f"{name} t0, {offset}({base})", store, f"{name} {again}, {offset}({base})")
        case Format.S:
            size = {"d": 8, "w": 4, "h": 2, "b": 1}[name[1]]
            within = size * (number % (8 // size))
            yield from (f"sd s1, {at}(s3)", f"{name} s0, {at + within}(s3)")
        case Format.U:
            yield from (f"{name} t0, {number + 5}", store, f"{name} {again}, {number + 5}")
        case Format.J:
            yield from (f"{name} t0, {label}", f"{label}:", store)
        case Format.RD:
            yield from (f"{name} t0", store)
        case Format.NONE if name == "fence":
            yield name


@cache
def program_of(chip: str) -> Program:
    """The program, loaded."""
    data = b"".join(struct.pack("<QQ", *pair) for pair in PAIRS)
    ends = ["li t0, 1", "sd t0, 232(s3)", "li a7, 93", "li a0, 5", "mv t1, t1", "li a0, 6", "sd a0, 240(s3)", *exit_with(3)]
    return load_program(assemble([*lines_of(chip), *ends], data, RODATA, bss=64))
