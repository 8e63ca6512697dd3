"""The emulator as a specification: plain Python integers, one instruction after the other, nothing clever.

Rules of this file:
* It runs ROM rows by op and decodes nothing: what a row means is said here once, in `_VALUE` and in `_step`.
* Cells are token addresses: registers and memory words are in one dictionary `value`, with the time of their last access in `last`.
* A record has everything that there is to note of a step; the native emulator writes what the chips take of it.
* Every access goes through `_access`, which writes the REFRESH records that keep time - prev - 1 below 2^16.
* An instruction that traps leaves no trace: no access, no record, no step.
* The native emulator (native/emulator/) must yield the same outcome and the same records; tests/conformance/test_emulators.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from zisk_actors.machine import layout
from zisk_actors.machine.events import (
    CONSOLE_LIMIT,
    FINAL_FIELDS,
    GAP,
    MAX_STEPS,
    REFRESH,
    REFRESH_GAP,
    SLOT_A,
    SLOT_B,
    SLOT_C,
    SLOT_MEMORY,
    Events,
    Run,
    Trap,
    TrapKind,
    time_of,
)
from zisk_actors.machine.isa import CHIP_OF_OP, CHIPS, OPERAND_OF_OP, Op, Operand
from zisk_actors.machine.layout import token_of_register, token_of_word
from zisk_actors.machine.records import Table
from zisk_actors.machine.rom import Program

_P: Final = 2**64 - 2**32 + 1
_M32: Final = 2**32 - 1
_M64: Final = 2**64 - 1


def signed(value: int, bits: int = 64) -> int:
    """The low `bits` of a value as a two's complement integer."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _divide(a: int, b: int) -> tuple[int, int]:
    """Quotient rounded towards zero and remainder, with RISC-V's results for b = 0; a / b that overflows wraps by itself."""
    if b == 0:
        return -1, a
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient, a - quotient * b


# Result of rd from the values of rs1 and rs2, or rs1 and the immediate. Results are taken mod 2^64.
_VALUE: Final[dict[Op, Callable[[int, int], int]]] = {
    Op.ADD: lambda a, b: a + b,
    Op.SUB: lambda a, b: a - b,
    Op.SLT: lambda a, b: int(signed(a) < signed(b)),
    Op.SLTU: lambda a, b: int(a < b),
    Op.ADDW: lambda a, b: signed(a + b, 32),
    Op.SUBW: lambda a, b: signed(a - b, 32),
    Op.AND: lambda a, b: a & b,
    Op.OR: lambda a, b: a | b,
    Op.XOR: lambda a, b: a ^ b,
    Op.SLL: lambda a, b: a << (b & 63),
    Op.SRL: lambda a, b: a >> (b & 63),
    Op.SRA: lambda a, b: signed(a) >> (b & 63),
    Op.SLLW: lambda a, b: signed(a << (b & 31), 32),
    Op.SRLW: lambda a, b: signed((a & _M32) >> (b & 31), 32),
    Op.SRAW: lambda a, b: signed(a, 32) >> (b & 31),
    Op.MUL: lambda a, b: a * b,
    Op.MULH: lambda a, b: (signed(a) * signed(b)) >> 64,
    Op.MULHSU: lambda a, b: (signed(a) * b) >> 64,
    Op.MULHU: lambda a, b: (a * b) >> 64,
    Op.MULW: lambda a, b: signed(a * b, 32),
    Op.DIV: lambda a, b: _divide(signed(a), signed(b))[0],
    Op.DIVU: lambda a, b: _divide(a, b)[0],
    Op.REM: lambda a, b: _divide(signed(a), signed(b))[1],
    Op.REMU: lambda a, b: _divide(a, b)[1],
    Op.DIVW: lambda a, b: signed(_divide(signed(a, 32), signed(b, 32))[0], 32),
    Op.DIVUW: lambda a, b: signed(_divide(a & _M32, b & _M32)[0], 32),
    Op.REMW: lambda a, b: signed(_divide(signed(a, 32), signed(b, 32))[1], 32),
    Op.REMUW: lambda a, b: signed(_divide(a & _M32, b & _M32)[1], 32),
}
# Immediate forms compute what their register forms do.
_IMMEDIATE_FORMS: Final[dict[Op, Op]] = {
    Op.ADDI: Op.ADD,
    Op.SLTI: Op.SLT,
    Op.SLTIU: Op.SLTU,
    Op.ADDIW: Op.ADDW,
    Op.ANDI: Op.AND,
    Op.ORI: Op.OR,
    Op.XORI: Op.XOR,
    Op.SLLI: Op.SLL,
    Op.SRLI: Op.SRL,
    Op.SRAI: Op.SRA,
    Op.SLLIW: Op.SLLW,
    Op.SRLIW: Op.SRLW,
    Op.SRAIW: Op.SRAW,
}
_TAKEN: Final[dict[Op, Callable[[int, int], bool]]] = {
    Op.BEQ: lambda a, b: a == b,
    Op.BNE: lambda a, b: a != b,
    Op.BLT: lambda a, b: signed(a) < signed(b),
    Op.BGE: lambda a, b: signed(a) >= signed(b),
    Op.BLTU: lambda a, b: a < b,
    Op.BGEU: lambda a, b: a >= b,
}
# Bytes of the access, and whether a load sign-extends.
_LOADS: Final = {
    Op.LD: (8, False),
    Op.LW: (4, True),
    Op.LWU: (4, False),
    Op.LB: (1, True),
    Op.LBU: (1, False),
    Op.LH: (2, True),
    Op.LHU: (2, False),
}
_STORES: Final = {Op.SD: 8, Op.SW: 4, Op.SB: 1, Op.SH: 2}


Record = dict[str, int | list[int]]
"""What is noted of one step, by the names of machine/events.py: everything, whoever takes it."""


class _TrapError(Exception):
    """Ends `_step` before it has done anything."""

    def __init__(self, kind: TrapKind, value: int = 0) -> None:
        self.kind, self.value = kind, value


class Reference:
    """One program with one input. `run` and `replay` may be called in any order and any number of times.

    `input_bytes` are the bytes of the input file, at most `layout.MAX_INPUT`.
    """

    def __init__(self, program: Program, input_bytes: bytes = b"") -> None:
        self.program = program
        rom = program.rom
        self._rows = list(zip(*(getattr(rom, name).tolist() for name in ("op", "rd", "rs1", "rs2", "x0", "x1", "x2")), strict=True))
        self._row_of = {address: row for row, address in enumerate(rom.address.tolist())}
        words = program.image.lo | program.image.hi << np.uint64(32)
        self._image: dict[int, int] = dict(zip(program.image.addr.tolist(), words.tolist(), strict=True))
        padded = input_bytes + bytes(-len(input_bytes) % layout.WORD)
        first = token_of_word(layout.INPUT_DATA)
        self._input = {first + i: int.from_bytes(padded[8 * i : 8 * i + 8], "little") for i in range(len(padded) // 8)}
        self._start()

    def _start(self) -> None:
        """The state before step 0."""
        self.pc = self.program.entry
        self.step = 0
        self.value = {token_of_register(r): layout.INITIAL_REGISTERS.get(r, 0) for r in range(layout.REGISTERS)}
        self.last = dict.fromkeys(self.value, 0)  # cells that were never accessed have no entry, but for registers
        self.console = bytearray()
        self.exit_code: int | None = None
        self.records: dict[str, list[Record]] = no_records()

    def run(self, max_steps: int = MAX_STEPS) -> Run:
        """The whole run from the start, to its halt, a trap or the limit of steps."""
        self._start()
        trap = None
        try:
            while self.exit_code is None:
                if self.step >= max_steps:
                    raise _TrapError(TrapKind.STEP_LIMIT, max_steps)
                self._step()
        except _TrapError as error:
            address = int(self.program.rom.address[self.pc])
            where, text = self.program.location(self.pc), self.program.disassemble(self.pc)
            trap = Trap(error.kind, address, where, text, error.value, self.program.compressed)
        counts = {name: len(self.records[name]) for name in CHIPS}
        words = [self._initial_or_now(token_of_word(layout.OUTPUT) + i) for i in range(layout.OUTPUT_WORDS)]
        output = np.array(words, dtype="<u8").view("<u4").astype(np.uint32)
        return Run(self.step, self.exit_code or 0, output, bytes(self.console), trap, counts)

    def replay(self, start: int, stop: int, final: bool = False) -> Events:
        """Records of the steps [start, stop), and the final records of the whole run if asked for. ValueError outside the run."""
        if not 0 <= start <= stop:
            raise ValueError(f"no interval: [{start}, {stop})")
        self._start()
        self._run_to(start)
        self.records = no_records()
        self._run_to(stop)
        records = {name: table_of(noted) for name, noted in self.records.items()}
        if not final:
            return Events(start, stop, records)
        while self.exit_code is None:
            self._step_of_a_run()
        touched = [(cell, self._initial(cell), self.value.get(cell, self._initial(cell)), ts) for cell, ts in sorted(self.last.items())]
        return Events(start, stop, records, np.array(touched, dtype=np.uint64).reshape(len(touched), len(FINAL_FIELDS)))

    def _run_to(self, step: int) -> None:
        while self.step < step:
            if self.exit_code is not None:
                raise ValueError(f"the run has only {self.step} steps")
            self._step_of_a_run()

    def _step_of_a_run(self) -> None:
        """A step of a run that is known to halt; ValueError if it traps."""
        try:
            self._step()
        except _TrapError as error:
            raise ValueError(f"the run traps after {self.step} steps ({error.kind.value}): it has no records to prove") from None

    def _initial(self, cell: int) -> int:
        """Value of a cell at time 0."""
        if cell >= layout.REGISTER_BASE:
            return layout.INITIAL_REGISTERS.get(cell - layout.REGISTER_BASE, 0)
        return self._image.get(cell, self._input.get(cell, 0))

    def _initial_or_now(self, cell: int) -> int:
        return self.value.get(cell, self._initial(cell))

    def _register(self, number: int) -> int:
        return self.value[token_of_register(number)]

    def _access(self, cell: int, time: int) -> int:
        """Mark an access and return the time of the one before it, brought near by REFRESH records if it is too long ago."""
        prev = self.last.get(cell, 0)
        if time - prev - 1 >= GAP:
            while prev < time - GAP:
                mid = min(prev + REFRESH_GAP, time - GAP)
                self.records[REFRESH].append({"addr": cell, "value": self._initial_or_now(cell), "prev": prev, "mid": mid})
                prev = mid
        self.last[cell] = time
        return prev

    def _write(self, register: int, value: int, time: int) -> Record:
        """Write rd; returns the record's fields about it."""
        cell = token_of_register(register)
        fields: Record = {"old": self.value[cell], "old_prev": self._access(cell, time), "c": value & _M64}
        self.value[cell] = value & _M64
        return fields

    def _step(self) -> None:
        """Execute one instruction. A trap is raised before anything has changed."""
        number, rd, rs1, rs2, x0, x1, x2 = self._rows[self.pc]
        op, ts, npc = Op(number), time_of(self.step), self.pc + 1
        if op is Op.TRAP:
            raise _TrapError(TrapKind.ILLEGAL_INSTRUCTION)
        if op is Op.ECALL:
            rs1, rs2 = layout.A7, layout.A0
            if self._register(rs1) != layout.EXIT_CALL:
                raise _TrapError(TrapKind.UNSUPPORTED_ECALL, self._register(rs1))
        a, b = self._register(rs1), self._register(rs2)
        record: Record = {}
        c: int | None = None  # what rd becomes
        address: int | None = None

        # 1. What happens, and whether it may. The operand says what x0, x1 and x2 are.
        match OPERAND_OF_OP[op]:
            case Operand.VALUE:
                c, npc = x0 | x1 << 32, x2
                if npc >= len(self._rows):
                    raise self._jump_trap()
            case Operand.LIMBS | Operand.LOW_LIMB:
                c = _VALUE[_IMMEDIATE_FORMS[op]](a, x0 | x1 << 32)
            case Operand.POWER | Operand.POWER32:
                c = _VALUE[_IMMEDIATE_FORMS[op]](a, x2)
            case Operand.TARGET:
                if _TAKEN[op](a, b):
                    npc = x0
                    if npc >= len(self._rows):
                        raise self._jump_trap()
            case Operand.LINK:
                c, npc = x1, self._jump(a, x0)
            case Operand.OFFSET:
                size = _LOADS[op][0] if op in _LOADS else _STORES[op]
                address = self._checked_address(a, x0, size, store=op in _STORES)
            case Operand.NONE:
                c = _VALUE[op](a, b) if op in _VALUE else None

        # 2. The accesses, in the order of their slots.
        if op is not Op.CONST:
            record |= {"a": a, "a_prev": self._access(token_of_register(rs1), ts + SLOT_A)}
        if op in _STORES or op in _TAKEN or op in _VALUE or op is Op.ECALL:
            record |= {"b": b, "b_prev": self._access(token_of_register(rs2), ts + SLOT_B)}
        if address is not None:
            cell, shift = token_of_word(address), 8 * (address % layout.WORD)
            word = self._initial_or_now(cell)
            record |= {"addr": address, "mem_old": word, "mem_prev": self._access(cell, ts + SLOT_MEMORY)}
            if op in _LOADS:
                size, extend = _LOADS[op]
                c = word >> shift & ((1 << 8 * size) - 1)
                c = signed(c, 8 * size) if extend else c
            else:
                mask = ((1 << 8 * _STORES[op]) - 1) << shift
                word = (word & ~mask) | (b << shift & mask)
                self.value[cell] = word
                if op is Op.SB and address == layout.CONSOLE and len(self.console) < CONSOLE_LIMIT:
                    self.console.append(b & 0xFF)
            record["mem_new"] = word
        if c is not None:
            record |= self._write(rd, c, ts + SLOT_C)

        # 3. The record, and on.
        if op is Op.ECALL:
            self.exit_code, npc = b, 0
        record |= {"pc": self.pc, "ts": ts, "npc": npc}
        self.records[CHIP_OF_OP[op]].append(record)
        self.step += 1
        self.pc = self.pc if self.exit_code is not None else npc

    def _jump_trap(self) -> _TrapError:
        """The trap of a jal or a taken branch whose target is no row; the target is read off the instruction word."""
        target = self.program.target(self.pc)
        return _TrapError(TrapKind.MISALIGNED_JUMP if target % 4 else TrapKind.OUTSIDE_CODE, target)

    def _jump(self, base: int, offset: int) -> int:
        """ROM row that a jalr goes to. A base of 2^32 or more traps even where the sum would wrap into the code."""
        target = base + signed_element(offset) & ~1
        row = self._row_of.get(target) if base <= _M32 else None
        if row is None:
            raise _TrapError(TrapKind.MISALIGNED_JUMP if target % 4 else TrapKind.OUTSIDE_CODE, target & _M64)
        return row

    def _checked_address(self, base: int, offset: int, size: int, *, store: bool) -> int:
        """Byte address of an access. A base of 2^32 or more traps even where the sum would wrap into the map."""
        address = base + signed_element(offset)
        if base > _M32 or not self._exists(address):
            raise _TrapError(TrapKind.OUTSIDE_MAP, address & _M64)
        if store and not layout.RAM_START <= address < layout.RAM_END:
            raise _TrapError(TrapKind.READ_ONLY, address)
        if address % size:
            raise _TrapError(TrapKind.MISALIGNED, address)
        return address

    def _exists(self, address: int) -> bool:
        """Whether a byte can be loaded."""
        if layout.RAM_START <= address < layout.RAM_END or layout.INPUT_START <= address < layout.INPUT_END:
            return True
        return address >= 0 and token_of_word(address) in self._image


def signed_element(element: int) -> int:
    """A field element that stands for a small signed integer."""
    return element - _P if element > _P // 2 else element


def no_records() -> dict[str, list[Record]]:
    """Of every kind that this machine notes."""
    return {name: [] for name in (*CHIPS, REFRESH)}


def table_of(noted: Sequence[Record]) -> Table:
    """Records of one kind as a structured array, with all fields that are noted of its steps, 64 bits each (arrays where they are)."""
    fields = [(name, "<u8", np.shape(value)) for name, value in (noted[0] if noted else {}).items()]
    return np.array([tuple(record[name] for name, *_ in fields) for record in noted], dtype=fields)
