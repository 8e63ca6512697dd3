"""What shifts, products and quotients must be: Python integers, written from the ISA manual and from nothing else here.

``register_records`` turns (mnemonic, a, b) into records with plausible times, as one program's run would have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np

from tests.chips_harness import records_of, rom_of
from zisk_actors.chips.records import Records
from zisk_actors.machine import isa

M64, M32 = 2**64 - 1, 2**32 - 1


def signed(value: int, bits: int) -> int:
    """The low ``bits`` bits as a two's complement number."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def sext(value: int) -> int:
    """The low 32 bits, sign extended to 64."""
    return signed(value, 32) & M64


def quotient(x: int, y: int) -> int:
    """Truncated towards zero; -1 by zero."""
    if y == 0:
        return -1
    magnitude = abs(x) // abs(y)
    return magnitude if (x < 0) == (y < 0) else -magnitude


def remainder(x: int, y: int) -> int:
    """With the sign of x; x by zero."""
    return x if y == 0 else x - y * quotient(x, y)


SEMANTICS: dict[str, Callable[[int, int], int]] = {
    "SLL": lambda a, b: a << (b & 63),
    "SRL": lambda a, b: a >> (b & 63),
    "SRA": lambda a, b: signed(a, 64) >> (b & 63),
    "SLLW": lambda a, b: sext(a << (b & 31)),
    "SRLW": lambda a, b: sext((a & M32) >> (b & 31)),
    "SRAW": lambda a, b: sext(signed(a, 32) >> (b & 31)),
    "MUL": lambda a, b: a * b,
    "MULH": lambda a, b: signed(a, 64) * signed(b, 64) >> 64,
    "MULHSU": lambda a, b: signed(a, 64) * b >> 64,
    "MULHU": lambda a, b: a * b >> 64,
    "MULW": lambda a, b: sext(a * b),
    "DIV": lambda a, b: quotient(signed(a, 64), signed(b, 64)),
    "DIVU": lambda a, b: quotient(a, b),
    "REM": lambda a, b: remainder(signed(a, 64), signed(b, 64)),
    "REMU": lambda a, b: remainder(a, b),
    "DIVW": lambda a, b: sext(quotient(signed(a, 32), signed(b, 32))),
    "DIVUW": lambda a, b: sext(quotient(a & M32, b & M32)),
    "REMW": lambda a, b: sext(remainder(signed(a, 32), signed(b, 32))),
    "REMUW": lambda a, b: sext(remainder(a & M32, b & M32)),
}
for _name in ("SLL", "SRL", "SRA"):
    SEMANTICS[f"{_name}I"] = SEMANTICS[_name]
    SEMANTICS[f"{_name}IW"] = SEMANTICS[f"{_name}W"]


def result(name: str, a: int, b: int) -> int:
    """What ``name`` writes, 64 bits."""
    return SEMANTICS[name](a, b) & M64


def register_records(cases: Iterable[tuple[str, int, int]]) -> tuple[Any, Records]:
    """A ROM with one row per case, and the record of each: rd = x5, rs1 = x6, rs2 = x7 or a shift amount ``b``."""
    instructions: list[dict[str, int]] = []
    rows: list[dict[str, int]] = []
    for pc, (name, a, b) in enumerate(cases):
        ts = 4 * (pc + 1) + 2**17
        instruction = {"op": isa.op(name), "rd": 5, "rs1": 6}
        record = {"pc": pc, "ts": ts, "a": a, "a_prev": ts - 4, "old": (a * 3 + 1) & M64, "old_prev": ts - 1, "npc": pc + 1}
        record["c"] = result(name, a, b)
        if name.endswith(("I", "IW")):
            word = name.endswith("W")
            power = 1 << (b & (31 if word else 63))
            instruction |= {"x0": power & M32, "x1": power >> 32, "x2": b}
        else:
            instruction["rs2"] = 7
            record |= {"b": b, "b_prev": ts - 2**16 + 1}
        instructions.append(instruction)
        rows.append(record)
    rom = rom_of(instructions)
    return rom, records_of(rom, rows)


EDGES = (0, 1, 2, 2**16, 2**31 - 1, 2**31, M32, 2**32, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2**32, M64 - 1, M64)


def operand_pairs(count: int, seed: int) -> list[tuple[int, int]]:
    """All pairs of edges, then ``count`` random pairs of random bit lengths."""
    rng = np.random.default_rng(seed)

    def some() -> int:
        value = int(rng.integers(2**64, dtype=np.uint64)) >> int(rng.integers(64))
        return -value & M64 if rng.integers(2) else value

    return list(product(EDGES, EDGES)) + [(some(), some()) for _ in range(count)]
