"""Every instruction at its edges, on both emulators, against models written from the manual in unbounded integers.

The models here share nothing with machine/reference.py: they say what the result is, by arithmetic on mathematical integers.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable, Iterable
from fractions import Fraction

import numpy as np
import pytest

from tests.asm import DATA, RODATA, assemble, exit_with
from zisk_actors.machine.emulator import Emulator
from zisk_actors.machine.events import Run, TrapKind
from zisk_actors.machine.reference import Reference
from zisk_actors.machine.rom import load_program

ENGINES = {"reference": Reference, "native": Emulator}

EDGES = [0, 1, 2, 3, 31, 32, 33, 63, 64, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 2**31, 2**64 - 2, 2**64 - 1]
RANDOM = [int(v) for v in np.random.default_rng(7).integers(0, 2**64, 3, dtype=np.uint64)]
VALUES = EDGES + RANDOM
IMMEDIATES = [0, 1, 2, 5, 2047, -1, -2, -2048]


def s(value: int, bits: int = 64) -> int:
    value %= 2**bits
    return value if value < 2 ** (bits - 1) else value - 2**bits


def u(value: int, bits: int = 64) -> int:
    return value % 2**bits


def quotient(a: int, b: int) -> int:
    if b == 0:
        return -1
    exact = Fraction(a, b)
    return math.floor(exact) if exact >= 0 else math.ceil(exact)


def remainder(a: int, b: int) -> int:
    return a if b == 0 else a - quotient(a, b) * b


MODELS: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "slt": lambda a, b: 1 if s(a) < s(b) else 0,
    "sltu": lambda a, b: 1 if u(a) < u(b) else 0,
    "and": lambda a, b: u(a) & u(b),
    "or": lambda a, b: u(a) | u(b),
    "xor": lambda a, b: u(a) ^ u(b),
    "sll": lambda a, b: a * 2 ** (b % 64),
    "srl": lambda a, b: u(a) // 2 ** (b % 64),
    "sra": lambda a, b: s(a) // 2 ** (b % 64),
    "addw": lambda a, b: s(a + b, 32),
    "subw": lambda a, b: s(a - b, 32),
    "sllw": lambda a, b: s(a * 2 ** (b % 32), 32),
    "srlw": lambda a, b: s(u(a, 32) // 2 ** (b % 32), 32),
    "sraw": lambda a, b: s(a, 32) // 2 ** (b % 32),
    "mul": lambda a, b: a * b,
    "mulh": lambda a, b: (s(a) * s(b)) // 2**64,
    "mulhsu": lambda a, b: (s(a) * u(b)) // 2**64,
    "mulhu": lambda a, b: (u(a) * u(b)) // 2**64,
    "mulw": lambda a, b: s(a * b, 32),
    "div": lambda a, b: quotient(s(a), s(b)),
    "divu": lambda a, b: quotient(u(a), u(b)),
    "rem": lambda a, b: remainder(s(a), s(b)),
    "remu": lambda a, b: remainder(u(a), u(b)),
    "divw": lambda a, b: s(quotient(s(a, 32), s(b, 32)), 32),
    "divuw": lambda a, b: s(quotient(u(a, 32), u(b, 32)), 32),
    "remw": lambda a, b: s(remainder(s(a, 32), s(b, 32)), 32),
    "remuw": lambda a, b: s(remainder(u(a, 32), u(b, 32)), 32),
}
IMMEDIATE_MODELS = {
    name: MODELS[name.replace("i", "", 1) if name != "sltiu" else "sltu"]
    for name in ("addi", "slti", "sltiu", "andi", "ori", "xori", "addiw")
}
SHIFT_MODELS = {name: MODELS[name.replace("i", "", 1)] for name in ("slli", "srli", "slliw", "srliw")} | {
    "srai": MODELS["sra"],
    "sraiw": MODELS["sraw"],
}
BRANCHES: dict[str, Callable[[int, int], bool]] = {
    "beq": lambda a, b: a == b,
    "bne": lambda a, b: a != b,
    "blt": lambda a, b: s(a) < s(b),
    "bge": lambda a, b: s(a) >= s(b),
    "bltu": lambda a, b: a < b,
    "bgeu": lambda a, b: a >= b,
}


def words_after(engine: str, lines: list[str], data: bytes = b"", rodata: bytes = b"") -> tuple[Run, dict[int, int]]:
    """The run, and the final value of every touched cell by token address."""
    machine = ENGINES[engine](load_program(assemble([*lines, *exit_with(0)], data, rodata)))
    run = machine.run()
    assert run.trap is None, run.trap
    final = machine.replay(run.steps, run.steps, True).final
    assert final is not None
    return run, dict(zip(final[:, 0].tolist(), final[:, 2].tolist(), strict=True))


def results(engine: str, body: list[str], pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Run `body` (a1, a2 -> a0) on every pair and collect a0."""
    pairs = list(pairs)
    data = b"".join(struct.pack("<QQ", u(a), u(b)) for a, b in pairs)
    lines = ["la s0, rodata", "la s1, data", f"li s2, {len(pairs)}", "next:", "ld a1, 0(s0)", "ld a2, 8(s0)", *body]
    lines += ["sd a0, 0(s1)", "addi s0, s0, 16", "addi s1, s1, 8", "addi s2, s2, -1", "bne s2, zero, next"]
    _, final = words_after(engine, lines, rodata=data)
    return [final[DATA // 8 + i] for i in range(len(pairs))]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_register_forms(engine: str, name: str):
    pairs = list(itertools.product(VALUES, VALUES))
    for (a, b), c in zip(pairs, results(engine, [f"{name} a0, a1, a2"], pairs), strict=True):
        assert c == u(MODELS[name](a, b)), (name, a, b)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [*IMMEDIATE_MODELS, *SHIFT_MODELS])
def test_immediate_forms(engine: str, name: str):
    shifts = [0, 1, 15, 31] + ([] if name.endswith("w") else [32, 33, 63])
    model = (IMMEDIATE_MODELS | SHIFT_MODELS)[name]
    for immediate in shifts if name in SHIFT_MODELS else IMMEDIATES:
        got = results(engine, [f"{name} a0, a1, {immediate}"], [(a, 0) for a in VALUES])
        assert got == [u(model(a, immediate)) for a in VALUES], (name, immediate)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_register_as_both_operands_and_result(engine: str):
    got = results(engine, ["mv a0, a1", "add a0, a0, a0", "sub a2, a0, a0", "add a0, a0, a2"], [(a, 0) for a in VALUES])
    assert got == [u(2 * a) for a in VALUES]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", BRANCHES)
@pytest.mark.parametrize("backwards", [False, True])
def test_branches(engine: str, name: str, backwards: bool):
    body = ["li a0, 0", f"{name} a1, a2, over", "j join", "over: li a0, 1", "join:"]
    if backwards:
        body = ["li a0, 0", "j test", "over: li a0, 1", "j join", f"test: {name} a1, a2, over", "join:"]
    pairs = list(itertools.product(VALUES, VALUES))
    assert results(engine, body, pairs) == [int(BRANCHES[name](a, b)) for a, b in pairs]


@pytest.mark.parametrize("engine", ENGINES)
def test_constants(engine: str):
    lines = [
        "lui s2, 0x80000",
        "lui s3, 0x7ffff",
        "start: auipc s4, 0",
        "auipc s5, 0xfffff",
        "csrr_marchid s6",
        "fence",
        "fence.i",
        "lui zero, 1",
    ]
    _, final = words_after(engine, lines)
    registers = [final[2**40 + i] for i in range(33)]
    assert registers[18:23] == [2**64 - 2**31, 0x7FFFF000, 0x80000008, 0x8000000C - 0x1000, 0xFFFEEEE]
    assert registers[0] == 0
    assert registers[32] == 0x1000


@pytest.mark.parametrize("engine", ENGINES)
def test_jumps_and_links(engine: str):
    lines = [
        "jal s2, ahead",  # forward
        "back: jal s3, on",
        "ahead: j back",  # backward
        "on: auipc t0, 0",
        "addi t0, t0, 20",
        "jalr t0, -3(t0)",  # an odd sum: bit 0 is cleared; the link goes into the base register
        "li s4, 1",  # skipped
        "jal zero, end",
        "end:",
    ]
    _, final = words_after(engine, lines)
    assert (final[2**40 + 18], final[2**40 + 19]) == (0x80000004, 0x80000008)
    assert final[2**40 + 5] == 0x80000018
    assert final[2**40 + 20] == 0


LOADS = {"ld": (8, False), "lw": (4, True), "lwu": (4, False), "lh": (2, True), "lhu": (2, False), "lb": (1, True), "lbu": (1, False)}
STORES = {"sd": 8, "sw": 4, "sh": 2, "sb": 1}
MEMORY = bytes([0x80, 0x7F, 0xFF, 0x00, 0x01, 0xFE, 0x81, 0x92, 0x7F, 0x80, 0x00, 0xFF, 0xFE, 0x01, 0x12, 0x71])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("region", ["data", "rodata"])
def test_loads(engine: str, name: str, region: str):
    size, extend = LOADS[name]
    offsets = range(0, len(MEMORY), size)
    lines = [f"la s0, {region}+8", "la s1, data+64"]
    for i, offset in enumerate(offsets):
        lines += [f"{name} a0, {offset - 8}(s0)", f"sd a0, {8 * i}(s1)"]
    _, final = words_after(engine, lines, MEMORY, MEMORY)
    for i, offset in enumerate(offsets):
        raw = int.from_bytes(MEMORY[offset : offset + size], "little")
        assert final[DATA // 8 + 8 + i] == u(s(raw, 8 * size) if extend else raw), offset


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", STORES)
def test_stores(engine: str, name: str):
    size, value = STORES[name], 0x8182838485868788
    for offset in range(0, len(MEMORY), size):
        _, final = words_after(engine, ["la s0, data+8", f"li a1, {value}", f"{name} a1, {offset - 8}(s0)"], MEMORY)
        expected = bytearray(MEMORY)
        expected[offset : offset + size] = value.to_bytes(8, "little")[:size]
        word = offset // 8
        assert final[DATA // 8 + word] == int.from_bytes(expected[8 * word : 8 * word + 8], "little")
        assert DATA // 8 + (1 - word) not in final  # the other word was not touched


@pytest.mark.parametrize("engine", ENGINES)
def test_a_load_into_x0_is_a_load(engine: str):
    _, final = words_after(engine, ["la s0, rodata", "ld zero, 0(s0)", "add a0, zero, zero"], rodata=MEMORY)
    assert final[2**35 + RODATA // 8] == int.from_bytes(MEMORY[:8], "little")
    assert (final[2**40], final[2**40 + 10]) == (0, 0)


TRAPS: dict[str, tuple[list[str | int], TrapKind, int, int]] = {
    # name: lines, kind, index of the trapping instruction, value
    "zero word": ([0], TrapKind.ILLEGAL_INSTRUCTION, 0, 0),
    "ebreak": (["nop", 0x00100073], TrapKind.ILLEGAL_INSTRUCTION, 1, 0),
    "unimp": ([0xC0001073], TrapKind.ILLEGAL_INSTRUCTION, 0, 0),
    "end of code": (["nop"], TrapKind.ILLEGAL_INSTRUCTION, 1, 0),
    "other call": (["li a7, 94", "ecall"], TrapKind.UNSUPPORTED_ECALL, 1, 94),
    "huge call": (["li a7, -1", "ecall"], TrapKind.UNSUPPORTED_ECALL, 1, 2**64 - 1),
    "jal outside": (["jal ra, 4096"], TrapKind.OUTSIDE_CODE, 0, 0x80001000),
    "jal misaligned": (["jal ra, 6"], TrapKind.MISALIGNED_JUMP, 0, 0x80000006),
    "branch outside": (["beq a0, a0, -4"], TrapKind.OUTSIDE_CODE, 0, 0x7FFFFFFC),
    "branch misaligned": (["bne a0, zero, 2"], TrapKind.MISALIGNED_JUMP, 0, 0x80000002),
    "jalr to zero": (["jalr ra, 0(zero)"], TrapKind.OUTSIDE_CODE, 0, 0),
    "jalr below zero": (["jalr ra, -8(zero)"], TrapKind.OUTSIDE_CODE, 0, 2**64 - 8),
    "jalr misaligned": (["la t0, data", "auipc t0, 0", "jalr ra, 2(t0)"], TrapKind.MISALIGNED_JUMP, 3, 0x8000000A),
    "jalr past 2^32": (
        ["auipc t0, 0", "li t1, 1", "slli t1, t1, 32", "add t0, t0, t1", "jalr ra, 0(t0)"],
        TrapKind.OUTSIDE_CODE,
        4,
        0x180000000,
    ),
    "load at zero": (["ld a0, 0(zero)"], TrapKind.OUTSIDE_MAP, 0, 0),
    "load below zero": (["ld a0, -8(zero)"], TrapKind.OUTSIDE_MAP, 0, 2**64 - 8),
    "load between": (["lui a0, 0x90000", "slli a0, a0, 32", "srli a0, a0, 32", "lb a1, 0(a0)"], TrapKind.OUTSIDE_MAP, 3, 0x90000000),
    "load of code's neighbour": (["auipc a0, 0", "ld a1, 0(a0)", "ld a1, 8(a0)", "lbu a1, 16(a0)"], TrapKind.OUTSIDE_MAP, 3, 0x80000010),
    "load past RAM": (["lui a0, 0xc0", "slli a0, a0, 12", "lbu a1, -1(a0)", "lbu a1, 0(a0)"], TrapKind.OUTSIDE_MAP, 3, 0xC0000000),
    "load before RAM": (["lui a0, 0xa0", "slli a0, a0, 12", "lbu a1, 0(a0)", "lbu a1, -1(a0)"], TrapKind.OUTSIDE_MAP, 3, 0x9FFFFFFF),
    "load before the input": (["lui a0, 0x40000", "lbu a1, 0(a0)", "lbu a1, -1(a0)"], TrapKind.OUTSIDE_MAP, 2, 0x3FFFFFFF),
    "load past 2^32": (
        ["lui a0, 0x40000", "li t1, 1", "slli t1, t1, 32", "add a0, a0, t1", "ld a1, 0(a0)"],
        TrapKind.OUTSIDE_MAP,
        4,
        0x140000000,
    ),
    "misaligned ld": (["lui a0, 0x40000", "ld a1, 4(a0)"], TrapKind.MISALIGNED, 1, 0x40000004),
    "misaligned lw": (["lui a0, 0x40000", "lw a1, 2(a0)"], TrapKind.MISALIGNED, 1, 0x40000002),
    "misaligned lh": (["lui a0, 0x40000", "lhu a1, 7(a0)"], TrapKind.MISALIGNED, 1, 0x40000007),
    "misaligned sd": (["la a0, data", "sd a1, 1(a0)"], TrapKind.MISALIGNED, 2, DATA + 1),
    "misaligned sh": (["la a0, data", "sh a1, 3(a0)"], TrapKind.MISALIGNED, 2, DATA + 3),
    "store to code": (["auipc a0, 0", "sd a1, 0(a0)"], TrapKind.READ_ONLY, 1, 0x80000000),
    "store to input": (["lui a0, 0x40000", "sb a1, 9(a0)"], TrapKind.READ_ONLY, 1, 0x40000009),
    "misaligned store to input": (["lui a0, 0x40000", "sd a1, 9(a0)"], TrapKind.READ_ONLY, 1, 0x40000009),
    "store nowhere": (["sd a1, 0(zero)"], TrapKind.OUTSIDE_MAP, 0, 0),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", TRAPS)
def test_traps(engine: str, name: str):
    lines, kind, index, value = TRAPS[name]
    run = ENGINES[engine](load_program(assemble(["start:", *lines]))).run()
    assert run.trap is not None
    assert (run.trap.kind, run.trap.pc, run.trap.value) == (kind, 0x80000000 + 4 * index, value)
    assert run.trap.symbol == (f"start+{4 * index:#x}" if index else "start") or name == "end of code"
    assert run.steps == index
    assert run.exit_code == 0
    assert run.trap.instruction in str(run.trap.error())


@pytest.mark.parametrize("engine", ENGINES)
def test_returning_from_the_entry_point_exits_with_zero(engine: str):
    run = ENGINES[engine](load_program(assemble(["li a0, 7", "ret"]))).run()
    assert (run.trap, run.exit_code, run.steps) == (None, 0, 5)


@pytest.mark.parametrize("engine", ENGINES)
def test_initial_registers_input_output_console_and_exit_code(engine: str):
    lines = ["ld t0, 0(a0)", "ld t1, 8(a0)", "ld t2, 16(a0)", "ld t3, 24(a0)", "sd t1, 0(a1)", "sw t2, 252(a1)", "add t0, t0, t3"]
    lines += ["li t4, 0xa0000200", "li t5, 72", "sb t5, 0(t4)", "li t5, 0x169", "sb t5, 0(t4)", "sw t5, 0(t4)", "sb t5, 1(t4)"]
    lines += ["sd t0, 8(a1)", "li a0, 0x123456789abcdef0", "li a7, 93", "ecall"]
    run = ENGINES[engine](load_program(assemble(lines)), b"abcdefghijk").run()
    assert run.trap is None
    assert run.console == b"Hi"
    assert run.exit_code == 0x123456789ABCDEF0
    assert run.output.dtype == np.uint32
    assert run.output.tolist() == [0x64636261, 0x68676665] + [0] * 61 + [0x6B6A69]
    assert run.final_ts == 4 * run.steps
    assert sum(run.counts.values()) == run.steps
    assert run.counts["halt"] == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_the_limit_of_steps(engine: str):
    program = load_program(assemble(["nop", "nop", *exit_with(0)]))
    machine = ENGINES[engine](program)
    assert machine.run(5).trap is None
    stopped = machine.run(4)
    assert stopped.trap is not None
    assert (stopped.trap.kind, stopped.steps, stopped.trap.value, stopped.trap.instruction) == (TrapKind.STEP_LIMIT, 4, 4, "ecall")
    assert machine.run().steps == 5
    assert machine.run(0).steps == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_the_machine_is_recognised_by_a_word_of_memory(engine: str):
    """CSR 0xF12 lies at 0xa0008000 + 8 * 0xF12; it is a word of RAM like any other."""
    lines = ["li s0, 0xa000f890", "ld s1, 0(s0)", "csrr_marchid s2", "sub s3, s1, s2", "sd zero, 0(s0)", "ld s4, 0(s0)"]
    _, final = words_after(engine, lines)
    assert [final[2**40 + i] for i in (9, 19, 20)] == [0xFFFEEEE, 0, 0]


# What a guest's runtime may do at its end, or before it: each is decided, and docs/protocol.md says so.
ENDS = {
    "ebreak": ([0x00100073], TrapKind.ILLEGAL_INSTRUCTION, "ebreak"),
    "unimp, a write to cycle": ([0xC0001073], TrapKind.ILLEGAL_INSTRUCTION, "unimp"),
    "a write to marchid": ([0xF1251073], TrapKind.ILLEGAL_INSTRUCTION, "csrrw 0xf12 (Zicsr)"),
    "a read of another identity": ([0xF1102573], TrapKind.ILLEGAL_INSTRUCTION, "csrrs 0xf11 (Zicsr)"),
    "a read of the clock": ([0xC0002573], TrapKind.ILLEGAL_INSTRUCTION, "rdcycle (Zicntr)"),
    "a foreign system call": (["li a7, 64", "ecall"], TrapKind.UNSUPPORTED_ECALL, "ecall"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ENDS)
def test_what_ends_a_run_without_a_proof(engine: str, name: str):
    lines, kind, instruction = ENDS[name]
    trap = ENGINES[engine](load_program(assemble([*lines, *exit_with(0)]))).run().trap
    assert trap is not None
    assert (trap.kind, trap.instruction) == (kind, instruction)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_that_exits_with_a_code_has_an_end_like_any_other(engine: str):
    run = ENGINES[engine](load_program(assemble(exit_with(8080)))).run()
    assert (run.trap, run.exit_code) == (None, 8080)


def test_traps_say_what_to_do():
    run = Reference(load_program(assemble([0]))).run()
    assert run.trap is not None
    assert str(run.trap) == "the guest executes what is no instruction of this machine: `unimp (zero word)` at 0x80000000"
    assert "rv64im" in run.trap.hint
