"""The guest programs on both emulators: what they output, and how they trap, is what their sources say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.guest_models import Case, record, short_cases
from zisk_actors.machine.emulator import Emulator
from zisk_actors.machine.events import MAX_STEPS, Run, TrapKind
from zisk_actors.machine.reference import Reference
from zisk_actors.machine.rom import load_program

MACHINES = pytest.mark.parametrize("machine", [Reference, Emulator], ids=["reference", "native"])


def run(machine: Any, guests: Path, name: str, stdin: bytes) -> Run:
    outcome: Run = machine(load_program((guests / f"{name}.elf").read_bytes()), stdin).run(MAX_STEPS)
    return outcome


@MACHINES
@pytest.mark.parametrize("case", short_cases(), ids=str)
def test_outputs_are_those_of_the_model(machine: Any, guests: Path, case: Case):
    outcome = run(machine, guests, case.guest, case.stdin)
    assert outcome.trap is None
    assert outcome.exit_code == case.exit_code
    assert [int(word) for word in outcome.output] == case.words


@MACHINES
@pytest.mark.parametrize(
    ("way", "kind", "symbol"),
    [
        (1, TrapKind.ILLEGAL_INSTRUCTION, "illegal_instruction"),
        (2, TrapKind.OUTSIDE_MAP, "load_outside"),
        (3, TrapKind.READ_ONLY, "store_to_constant"),
        (4, TrapKind.MISALIGNED, "misaligned_load"),
        (5, TrapKind.ILLEGAL_INSTRUCTION, "breakpoint"),
        (6, TrapKind.UNSUPPORTED_ECALL, "unknown_call"),
        (7, TrapKind.OUTSIDE_CODE, "jump_outside"),
        (8, TrapKind.MISALIGNED, "misaligned_store"),
        (9, TrapKind.OUTSIDE_MAP, "load_wrapped"),
        (10, TrapKind.READ_ONLY, "store_to_input"),
    ],
)
def test_traps_say_where_and_why(machine: Any, guests: Path, way: int, kind: TrapKind, symbol: str):
    outcome = run(machine, guests, "trap", record(bytes([way])))
    assert outcome.trap is not None
    assert outcome.trap.kind is kind
    assert symbol in outcome.trap.symbol
    assert outcome.console == b"before the trap\n"


@pytest.mark.parametrize("wanted", [0, 100_000, 1_000_000])
def test_the_benchmark_guest_runs_as_long_as_asked(guests: Path, wanted: int):
    outcome = run(Emulator, guests, "cycles", record(wanted.to_bytes(8, "little")))
    assert outcome.exit_code == 0
    assert wanted <= outcome.steps <= wanted * 1.01 + 12_000
