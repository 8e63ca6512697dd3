"""A whole run as tables: a program in assembly, executed by the reference emulator, cut into shares, assembled and checked.

``EVERYTHING`` executes each instruction of the machine at least once, reads input, constants and data, writes output,
and waits long enough between two accesses to need refreshes (the loop at its start).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from tests.asm import assemble as assemble_elf
from tests.asm import exit_with
from zisk_actors.air.check import Report, Table, Term, check
from zisk_actors.chips import CHIPS
from zisk_actors.chips.buses import EXEC, HALT, PUBLIC
from zisk_actors.chips.witness import Instance, assemble, fixed_columns
from zisk_actors.chips.words import OUTPUT_WORDS, swap_order
from zisk_actors.machine.events import Events, Run
from zisk_actors.machine.isa import BY_NAME, Format
from zisk_actors.machine.reference import Reference
from zisk_actors.machine.rom import Program, load_program
from zisk_actors.stark.field import U64

_R = [name for name, instruction in BY_NAME.items() if instruction.format is Format.R]
_I = [name for name, instruction in BY_NAME.items() if instruction.format is Format.I]
_SHIFTS = [("slli", 63), ("srli", 33), ("srai", 40), ("slliw", 31), ("srliw", 5), ("sraiw", 7), ("slli", 0), ("srai", 32)]

_LOADS = (("ld", 8), ("lw", 4), ("lwu", 12), ("lb", 3), ("lbu", 6), ("lh", 2), ("lhu", 14))
_MIX = ("add s6, s6, t0", "xor s6, s6, t1")  # what comes out stays in, up to the output

EVERYTHING: tuple[str, ...] = (
    *("li s0, 0x123456789abcdef1", "li s1, -12345", "la s2, data", "la s3, rodata", "mv s4, a0", "mv s5, a1", "li s6, 0"),
    *(line for name in _R for line in (f"{name} t0, s0, s1", f"{name} t1, s1, s0", f"{name} t2, t0, zero", *_MIX, "add s6, s6, t2")),
    *(line for name in _I for line in (f"{name} t0, s0, -77", f"{name} t1, s1, 2047", *_MIX)),
    *(line for name, by in _SHIFTS for line in (f"{name} t0, s0, {by}", f"{name} t1, s1, {by}", *_MIX)),
    *(line for name, at in _LOADS for line in (f"{name} t0, {at}(s2)", f"{name} t1, {at}(s3)", *_MIX, f"{name} t0, {at + 8}(s4)", *_MIX)),
    *("sd s6, 0(s5)", "sw s1, 12(s5)", "sh s0, 18(s5)", "sb s0, 31(s5)", "sd s0, 24(s2)", "sb s1, -1(s5)", "lb t0, -1(s5)"),
    *("beq s0, s1, end", "bne s0, s0, end", "blt s0, s1, end", "bge s1, s0, end", "bltu s1, s0, end", "bgeu s0, s1, end"),
    *("beq s0, s0, b1", "b1:", "bne s0, s1, b2", "nop", "b2:", "blt s1, s0, b3", "b3:", "bge s0, s1, b4", "b4:"),
    *("bltu s0, s1, b5", "b5:", "bgeu s1, s0, b6", "b6:", "fence", "fence.i", "csrr_marchid t0", "add zero, s0, s0", "lui t3, 0x80000"),
    *("jal ra, sub", "sd t0, 248(s5)", "end:", *exit_with(3), "sub:", "addi t0, t0, 1", "ret"),
)

DATA = bytes(range(1, 65))
RODATA = bytes(range(255, 191, -1))
INPUT = bytes(range(100, 164))

# Between the two accesses of s0 lie 4 * 16400 * 2 units of time.
WAITING: tuple[str, ...] = ("li t0, 8200", "loop:", "addi t0, t0, -1", "bne t0, zero, loop")


@dataclass(frozen=True)
class Job:
    """A run and the events of its shares. ``final``: the touched cells of the whole run."""

    program: Program
    run: Run
    events: tuple[Events, ...]
    final: U64

    def instances(self) -> list[list[Instance]]:
        """The tables of each share."""
        return [assemble(self.program, events, self.final if share == 0 else None, share) for share, events in enumerate(self.events)]

    def tables(self, shares: Sequence[Sequence[Instance]] | None = None) -> list[Table]:
        """All tables in domain order, ready to be checked."""
        fixed = {name: swap_order(values) for name, values in fixed_columns(self.program).items()}
        found = []
        for instances in self.instances() if shares is None else shares:
            for instance in instances:
                chip = CHIPS[instance.air_id]
                found.append(Table(chip.air, swap_order(instance.main), fixed.get(chip.name)))
        return found

    def boundary(self) -> list[Term]:
        """What the verifier itself puts on the buses for this run's claim."""
        output = self.run.output.tolist()
        terms = [Term(EXEC, (self.program.entry, 4), 1)]
        terms.append(Term(HALT, (self.run.exit_code % 2**32, self.run.exit_code >> 32, self.run.final_ts), -1))
        return terms + [Term(PUBLIC, (OUTPUT_WORDS.first + i, output[2 * i], output[2 * i + 1]), -1) for i in range(32)]

    def check(self, tables: Sequence[Table] | None = None) -> Report:
        """The report on the job's tables (or on others in their place)."""
        return check(self.tables() if tables is None else tables, self.boundary())

    def with_records(self, share: int, chip: str, records: Any) -> Job:
        """The job with one chip's records of one share replaced (``final`` is a name here, too)."""
        if chip == "final":
            return replace(self, final=records)
        old = self.events[share]
        new = replace(old, records={**old.records, chip: records})
        return replace(self, events=tuple(new if i == share else events for i, events in enumerate(self.events)))


@cache
def job_of(lines: tuple[str, ...], shares: int = 1) -> Job:
    """Run a program in assembly, with DATA, RODATA and INPUT, and cut its steps into equal shares."""
    return run_of(assemble_elf(lines, DATA, RODATA, bss=64), INPUT, shares)


def run_of(elf: bytes, stdin: bytes, shares: int = 1) -> Job:
    """Run a program and cut its steps into equal shares."""
    program = load_program(elf)
    machine = Reference(program, stdin)
    run = machine.run()
    assert run.trap is None, str(run.trap)
    cuts = [run.steps * i // shares for i in range(shares + 1)]
    last = machine.replay(cuts[-2], cuts[-1], final=True)
    events = [*(machine.replay(start, stop) for start, stop in pairwise(cuts[:-1])), last]
    assert last.final is not None
    return Job(program, run, tuple(events), np.ascontiguousarray(last.final))
