"""Random guest programs that always halt: for comparing what two implementations make of the same run.

Rules of this file: a program is a function of its seed. Code jumps about at random between blocks until its fuel is used up; loads go to
RAM, constants and input, stores to RAM; every instruction of the machine occurs.
"""

from __future__ import annotations

import struct

import numpy as np

from tests.asm import assemble, exit_with
from zisk_actors.machine.isa import INSTRUCTIONS, Format

SCRATCH = ("zero", "ra", "sp", "tp", "t0", "t1", "t2", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s4", "s5", "s6", "t3", "t4", "t5")
WIDTH = {"d": 8, "w": 4, "h": 2, "b": 1}
EDGES = (0, 1, -1, 31, 32, 63, 2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**32, 2**63 - 1, -(2**63))
_BODY = tuple(i for i in INSTRUCTIONS if i.format in (Format.R, Format.I, Format.SHIFT, Format.LOAD, Format.S, Format.U, Format.RD))
_BRANCHES = tuple(i.name for i in INSTRUCTIONS if i.format is Format.B)


def random_program(seed: int, *, fuel: int = 60, blocks: int = 12, length: int = 8) -> tuple[bytes, bytes]:
    """An ELF and an input. It executes about `fuel` blocks of `length` instructions."""
    rng = np.random.default_rng(seed)

    def pick(*choices: str) -> str:
        return choices[rng.integers(len(choices))]

    def body() -> list[str]:
        chosen = _BODY[rng.integers(len(_BODY))]
        name, rd, rs1, rs2 = chosen.name, pick(*SCRATCH), pick(*SCRATCH), pick(*SCRATCH)
        match chosen.format:
            case Format.R:
                return [f"{name} {rd}, {rs1}, {rs2}"]
            case Format.I:
                return [f"{name} {rd}, {rs1}, {rng.integers(-2048, 2048)}"]
            case Format.SHIFT:
                return [f"{name} {rd}, {rs1}, {rng.integers(32 if name.endswith('w') else 64)}"]
            case Format.U:
                return [f"{name} {rd}, {rng.integers(2**20)}"]
            case Format.RD:
                return [f"{name} {rd}", "fence"]
            case _ if name == "jalr":
                label = f"here{rng.integers(2**60)}"
                return [f"la t6, {label}", f"jalr {rd}, {rng.integers(2)}(t6)", "addi t5, t5, 1", f"{label}:"]
        size = WIDTH[name.rstrip("u")[-1]]
        offset = rng.integers(-2048 // size, 2048 // size) * size
        if chosen.format is Format.S:
            return [f"{name} {rs2}, {offset}(s0)"]
        return [f"{name} {rd}, {offset}({pick('s0', 's0', 's1', 's2')})"]

    lines = ["la s0, data+2048", "li s1, 0x40000800", "la s2, rodata+2048", f"li s3, {fuel}"]
    for register in SCRATCH[1:]:
        value = EDGES[rng.integers(len(EDGES))] if rng.integers(2) else int(rng.integers(-(2**63), 2**63))
        lines.append(f"li {register}, {value}")
    # Words that only the beginning and the end of the run touch: in a long run they are left alone for long.
    rare = [f"{pick('ld', 'lw', 'lb')} {pick(*SCRATCH)}, {8 * offset}({pick('s0', 's1', 's2')})" for offset in rng.integers(-256, 256, 12)]
    lines += rare
    for block in range(blocks):
        lines.append(f"block{block}:")
        for _ in range(length):
            lines += body()
        lines += ["addi s3, s3, -1", "bne s3, zero, 8", "jal zero, end"]
        lines.append(f"{pick(*_BRANCHES)} {pick(*SCRATCH)}, {pick(*SCRATCH)}, block{rng.integers(blocks)}")
    lines += ["jal gp, block0", "end:", *rare, *exit_with(int(rng.integers(256)))]

    def noise(count: int) -> bytes:
        return struct.pack(f"<{count}Q", *rng.integers(0, 2**64, count, dtype=np.uint64).tolist())

    return assemble(lines, noise(512), noise(512)), noise(300) + b"odd"
