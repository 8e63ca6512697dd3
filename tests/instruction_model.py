"""Random executed instructions with a model of their own.

Rules. The model is written from the RISC-V manual and the bus rules of
chips/frames.py, on Python integers; it shares no code with the chips or the
emulator. ``Cases`` are independent rows (row i executes ROM row i), not a run:
what a run adds is that tokens match across rows.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as default
from functools import cached_property
from typing import Any

import numpy as np

from tests.chips_harness import (
    records_of,
    rom_of,
    witness,
)
from zisk_actors.chips.base import Chip
from zisk_actors.machine import isa
from zisk_actors.stark.field import U64, P

M32, M64 = 2**32 - 1, 2**64 - 1
TEXT = 0x80000000
RAM, RAM_END = 0xA0000000, 0xC0000000
INPUT = 0x40000000
REGISTER, READ_ONLY = 2**40, 2**35
EDGES = [0, 1, 2, 255, 256, 65535, 65536, 2**31 - 1, 2**31, M32, M32 + 1, M32 << 32, 2**63 - 1, 2**63, M64 - 1, M64, P - 1, P, P + 1]
IMMEDIATES = [0, 1, -1, 2, -2, 255, 256, -256, 2047, -2048, 1024, -1024]


def sext(value: int, bits: int) -> int:
    """The low ``bits`` of value, sign-extended to 64."""
    value &= 2**bits - 1
    return (value - (value >> (bits - 1) << bits)) & M64


def signed(value: int) -> int:
    """A 64-bit word as a signed integer."""
    return value - (value >> 63 << 64)


ALU = {
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "SLT": lambda a, b: int(signed(a) < signed(b)),
    "SLTU": lambda a, b: int(a < b),
    "ADDW": lambda a, b: sext(a + b, 32),
    "SUBW": lambda a, b: sext(a - b, 32),
    "AND": lambda a, b: a & b,
    "OR": lambda a, b: a | b,
    "XOR": lambda a, b: a ^ b,
}
ALU_IMMEDIATE = {"ADDI": "ADD", "SLTI": "SLT", "SLTIU": "SLTU", "ADDIW": "ADDW", "ANDI": "AND", "ORI": "OR", "XORI": "XOR"}
BRANCH = {
    "BEQ": lambda a, b: a == b,
    "BNE": lambda a, b: a != b,
    "BLT": lambda a, b: signed(a) < signed(b),
    "BGE": lambda a, b: signed(a) >= signed(b),
    "BLTU": lambda a, b: a < b,
    "BGEU": lambda a, b: a >= b,
}
LOAD = {"LD": (8, True), "LW": (4, True), "LWU": (4, False), "LH": (2, True), "LHU": (2, False), "LB": (1, True), "LBU": (1, False)}
STORE = {"SD": 8, "SW": 4, "SH": 2, "SB": 1}


@dataclass
class Cases:
    """Honest rows of one chip: ROM, records, and what each row says on the buses that are not lookups."""

    chip: Chip
    rom: Any
    records: Any
    rows: list[dict[str, int]]
    instructions: list[dict[str, int]]
    names: list[str]
    said: Counter[tuple[Any, ...]] = default(default_factory=Counter)

    @cached_property
    def main(self) -> U64:
        """The honest main matrix."""
        return witness(self.chip, self.records)


class _Builder:
    """Collects rows and what they say."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self.rng, self.count = rng, count
        self.rows: list[dict[str, int]] = []
        self.instructions: list[dict[str, int]] = []
        self.said: Counter[tuple[Any, ...]] = Counter()

    def choose(self, options: Sequence[int]) -> int:
        return options[int(self.rng.integers(len(options)))]

    def word(self) -> int:
        kind = int(self.rng.integers(4))
        random = int(self.rng.integers(2**64, dtype=np.uint64))
        if kind == 0:
            return self.choose(EDGES)
        if kind == 1:
            return (self.choose(EDGES) & M32) | ((self.choose(EDGES) & M32) << 32)
        return random if kind == 2 else random >> int(self.rng.integers(64))

    def immediate(self) -> int:
        return self.choose(IMMEDIATES) if self.rng.integers(2) else int(self.rng.integers(-2048, 2048))

    def operands(self) -> tuple[int, int]:
        a = self.word()
        related = [a, a, a, (a + 1) & M64, (a - 1) & M64, a ^ 1 << 32, a ^ 1, a ^ 1 << 63, (a + P) & M64, (a - P) & M64]
        return a, self.choose(related) if self.rng.integers(2) else self.word()

    def previous(self, time: int) -> int:
        gap = self.choose([1, 2, 2**16 - 1, 2**16, int(self.rng.integers(1, 2**16 + 1))])
        return max(time - gap, 0)

    def access(self, addr: int, old: int, new: int, time: int) -> int:
        prev = self.previous(time)
        self.said[("token", (addr, old & M32, old >> 32, prev))] -= 1
        self.said[("token", (addr, new & M32, new >> 32, time))] += 1
        return prev

    def add(self, name: str, a: int = 0, b: int = 0, imm: int = 0, target: int = 0, addr: int = 0, memory: int = 0, value: int = 0) -> None:
        """One executed instruction. ``value`` is the constant of CONST, ``target`` a ROM row, ``memory`` the word at ``addr``."""
        pc = len(self.rows)
        ts = 4 * (pc + 1 + int(self.rng.integers(2**30)))
        row = {"pc": pc, "ts": ts, "npc": pc + 1}
        instruction = {"op": isa.op(name), "address": TEXT + 4 * pc}
        registers = [int(r) for r in self.rng.integers(0, 32, size=2)]

        def read(which: str, value: int, register: int, slot: int) -> None:
            row[which] = value
            row[which + "_prev"] = self.access(REGISTER + register, value, value, ts + slot)

        def write(result: int) -> None:
            instruction["rd"] = int(self.rng.integers(1, 33))
            row["c"], row["old"] = result & M64, self.word()
            row["old_prev"] = self.access(REGISTER + instruction["rd"], row["old"], row["c"], ts + 3)

        if name != "CONST" and name != "ECALL":
            instruction["rs1"] = registers[0]
            read("a", a, registers[0], 0)
        if name in ALU or name in BRANCH or name in STORE:
            instruction["rs2"] = registers[1]
            read("b", b, registers[1], 1)

        if name == "CONST":
            instruction |= {"x0": value & M32, "x1": value >> 32, "x2": target}
            row["npc"] = target
            write(value)
        elif name in ALU:
            write(ALU[name](a, b))
        elif name in ALU_IMMEDIATE:
            instruction["x0"] = imm & M32
            instruction["x1"] = 0 if name == "ADDIW" else (imm & M64) >> 32
            write(ALU[ALU_IMMEDIATE[name]](a, imm & M64))
        elif name in BRANCH:
            instruction["x0"] = target
            row["npc"] = target if BRANCH[name](a, b) else pc + 1
        elif name == "JALR":
            instruction |= {"x0": imm % P, "x1": TEXT + 4 * pc + 4}
            row["npc"] = target
            assert (a + imm) & ~1 == TEXT + 4 * target
            write(TEXT + 4 * pc + 4)
        elif name == "ECALL":
            read("a", 93, 17, 0)
            read("b", b, 10, 1)
            self.said[("halt", (b & M32, b >> 32, ts))] += 1
        else:
            self._memory(name, row, instruction, addr, imm, memory)
            if name in LOAD:
                size, extend = LOAD[name]
                part = memory >> 8 * (addr % 8) & (2 ** (8 * size) - 1)
                write(sext(part, 8 * size) if extend else part)
        self.said[("exec", (pc, ts))] -= 1
        if name != "ECALL":
            self.said[("exec", (row["npc"], ts + 4))] += 1
        self.rows.append(row)
        self.instructions.append(instruction)

    def _memory(self, name: str, row: dict[str, int], instruction: dict[str, int], addr: int, imm: int, memory: int) -> None:
        assert row["a"] + imm == addr
        instruction["x0"] = imm % P
        new = memory
        if name in STORE:
            mask = (2 ** (8 * STORE[name]) - 1) << 8 * (addr % 8)
            new = memory & ~mask | row["b"] << 8 * (addr % 8) & mask
        space = 0 if RAM <= addr < RAM_END else READ_ONLY
        row |= {"addr": addr, "mem_old": memory, "mem_new": new}
        row["mem_prev"] = self.access(space + addr // 8, memory, new, row["ts"] + 2)

    def random(self, name: str) -> None:
        """One executed ``name`` with random operands, edge cases often."""
        a, b = self.operands()
        target = int(self.rng.integers(self.count))
        if name == "CONST":
            self.add(name, value=a, target=self.choose([target, 2**32]))
        elif name == "ECALL":
            self.add(name, b=b)
        elif name in BRANCH:
            self.add(name, a, b, target=self.choose([target, len(self.rows) + 1, 2**32]))
        elif name == "JALR":
            imm = self.immediate()
            self.add(name, TEXT + 4 * target - imm + int(self.rng.integers(2)), imm=imm, target=target)
        elif name in LOAD or name in STORE:
            size = LOAD[name][0] if name in LOAD else STORE[name]
            regions = [(RAM, RAM_END)] if name in STORE else [(RAM, RAM_END), (INPUT, TEXT), (TEXT, TEXT + 2**20)]
            start, end = regions[int(self.rng.integers(len(regions)))]
            offset = self.choose([start, end - 8, int(self.rng.integers(start, end))])
            addr = (offset & ~7) + size * int(self.rng.integers(8 // size))
            imm = self.immediate()
            self.add(name, addr - imm, b, imm=imm, addr=addr, memory=self.word())
        elif name in ALU_IMMEDIATE:
            imm = self.immediate()
            near = [imm & M64, (imm + 1) & M64, (imm - 1) & M64]
            self.add(name, self.choose(near) if self.rng.integers(4) == 0 else a, imm=imm)
        else:
            self.add(name, a, b)


def cases(chip: Chip, names: Sequence[str], count: int = 64, seed: int = 0, fixed: Sequence[dict[str, Any]] = ()) -> Cases:
    """``count`` rows: first the ``fixed`` ones (arguments of _Builder.add), then random ones of ``names`` in turn."""
    builder = _Builder(np.random.default_rng(seed), count)
    order = [case["name"] for case in fixed] + [name for name, _ in zip(itertools.cycle(names), range(count - len(fixed)), strict=False)]
    for case in fixed:
        builder.add(**case)
    for name in order[len(fixed) :]:
        builder.random(name)
    rom = rom_of(builder.instructions)
    said = Counter({key: times for key, times in builder.said.items() if times})
    return Cases(chip, rom, records_of(rom, builder.rows), builder.rows, builder.instructions, order, said)


def cell(tested: Cases, row: int, name: str) -> int:
    """The honest value of a cell."""
    return int(tested.main[tested.chip.air.main.column_names().index(name), row])
