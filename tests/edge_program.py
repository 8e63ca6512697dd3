"""One program that executes every instruction of RV64IM on its edge cases and outputs a fold of all results.

Rules: results are folded as acc = 3 acc + result, so that no two errors cancel
by symmetry; sections end by storing the accumulator in an output word of their
own, so that a difference is near its cause.
"""

from __future__ import annotations

import struct

from tests.asm import assemble, exit_with

EDGES = [0, 1, 2, -1, -2, 31, 32, 63, 64, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32 - 1, 2**32, 2**63 - 1, -(2**63)]
REGISTER_OPS = (
    *("add", "sub", "slt", "sltu", "and", "or", "xor", "sll", "srl", "sra", "addw", "subw", "sllw", "srlw", "sraw"),
    *("mul", "mulh", "mulhsu", "mulhu", "mulw", "div", "divu", "rem", "remu", "divw", "divuw", "remw", "remuw"),
)
IMMEDIATE_OPS = ("addi", "slti", "sltiu", "andi", "ori", "xori", "addiw")
SHIFTS = {"slli": (0, 1, 31, 32, 63), "srli": (0, 1, 31, 32, 63), "srai": (0, 1, 31, 32, 63)}
SHIFTS_W = {"slliw": (0, 1, 31), "srliw": (0, 1, 31), "sraiw": (0, 1, 31)}
BRANCHES = ("beq", "bne", "blt", "bge", "bltu", "bgeu")
LOADS = {"lb": 1, "lbu": 1, "lh": 2, "lhu": 2, "lw": 4, "lwu": 4, "ld": 8}
STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}

FOLD = ["slli t6, s11, 1", "add s11, s11, t6", "add s11, s11, a2"]
OUTPUT = 0xA001_0000


class Sections:
    """Lines of the program, and how many output words it has written."""

    def __init__(self) -> None:
        self.lines: list[str | int] = []
        self.count = 0

    def end(self) -> None:
        """Store the accumulator in the next output word."""
        self.lines += [f"li t5, {OUTPUT + 8 * self.count}", "sd s11, 0(t5)"]
        self.count += 1


def over_pairs(name: str, body: list[str]) -> list[str]:
    """``body`` for every pair a0, a1 of edges: two nested loops, both jumping backwards."""
    n = 8 * len(EDGES)
    return [
        *("la s0, data", "mv s1, s0", f"addi s4, s0, {n}", f"{name}_outer:", "ld a0, 0(s1)", "mv s2, s0", f"{name}_inner:"),
        *("ld a1, 0(s2)", *body, "addi s2, s2, 8", f"bne s2, s4, {name}_inner"),
        *("addi s1, s1, 8", f"bltu s1, s4, {name}_outer"),
    ]


def over_edges(name: str, body: list[str]) -> list[str]:
    """``body`` for every edge in a0."""
    return [
        *("la s0, data", f"addi s4, s0, {8 * len(EDGES)}", f"{name}_loop:", "ld a0, 0(s0)"),
        *(*body, "addi s0, s0, 8", f"bne s0, s4, {name}_loop"),
    ]


def edge_program() -> bytes:
    """The ELF."""
    program = Sections()
    out = program.lines
    out += ["li s11, 1"]

    for name in REGISTER_OPS:
        out += over_pairs(name, [f"{name} a2, a0, a1", *FOLD])
    out += over_pairs("same", ["sub a2, a0, a0", *FOLD, "mul a2, a1, a1", *FOLD, "add a0, a0, a0", "xor a2, a0, a1", *FOLD])
    program.end()

    for name in IMMEDIATE_OPS:
        out += over_edges(name, [line for imm in (-2048, -1, 0, 1, 2047) for line in (f"{name} a2, a0, {imm}", *FOLD)])
    for name, amounts in {**SHIFTS, **SHIFTS_W}.items():
        out += over_edges(name, [line for amount in amounts for line in (f"{name} a2, a0, {amount}", *FOLD)])
    program.end()

    for name in BRANCHES:
        taken = f"{name}_taken"
        out += over_pairs(name, ["li a2, 5", f"{name} a0, a1, {taken}", "li a2, 9", f"{taken}:", *FOLD])
    program.end()

    # Loads of every width at every aligned offset, from RAM and from read-only memory; x0 as a destination takes nothing.
    for space in ("data", "rodata"):
        out += [f"la s0, {space}"]
        for name, size in LOADS.items():
            out += [line for at in range(0, 48, size) for line in (f"{name} a2, {at}(s0)", *FOLD)]
        out += ["lw zero, 0(s0)", "mv a2, zero", *FOLD]
    program.end()

    # Stores of every width at every aligned offset over a known word, which is read back whole.
    out += ["la s0, data+512", "la s1, data"]
    for name, size in STORES.items():
        for at in range(0, 8, size):
            out += ["ld a0, 80(s1)", "sd a0, 0(s0)", "ld a1, 120(s1)", f"{name} a1, {at}(s0)", "ld a2, 0(s0)", *FOLD]
    out += ["addi s0, s0, 2040", "sd s11, -2040(s0)", "ld a2, -2040(s0)", *FOLD]
    program.end()

    # Constants and jumps: link values, a jump backwards, a jump to an odd address (bit 0 is cleared), x0 as link.
    out += ["lui a2, 0xfffff", *FOLD, "lui a2, 0x7ffff", *FOLD, "auipc a2, 0x12345", *FOLD, "fence", "csrr_marchid a2", *FOLD]
    out += ["li s3, 3", "j ahead", "back:", "addi s3, s3, -1", "mv a2, s3", *FOLD, "ahead:", "bne s3, zero, back"]
    out += ["jal ra, one", "mv a2, ra", *FOLD, "la t0, two", "addi t0, t0, 1", "jalr a2, 0(t0)", "one:", "addi a2, ra, 0", *FOLD, "ret"]
    out += ["two:", *FOLD, "la t0, three", "jalr zero, 0(t0)", "three:", "add zero, s11, s11", "mv a2, zero", *FOLD]
    program.end()

    data = b"".join(struct.pack("<Q", edge % 2**64) for edge in EDGES)
    return assemble([*out, *exit_with(7)], data, rodata=data, bss=1024)
