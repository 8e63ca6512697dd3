"""What is particular to the native emulator: its library, its limits, its life. What it computes: tests/conformance/test_emulators.py."""

import threading
from typing import Any

import numpy as np
import pytest

from tests.asm import assemble, exit_with
from zisk_actors import native
from zisk_actors.c_interface import Header
from zisk_actors.machine import emulator, layout
from zisk_actors.machine.emulator import Emulator, EmulatorFailed, InputTooLarge
from zisk_actors.machine.events import CONSOLE_LIMIT
from zisk_actors.machine.rom import load_program

LOOP = ["li s2, 300000", "loop: addi s2, s2, -1", "bne s2, zero, loop"]


def test_an_input_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(layout, "MAX_INPUT", 4)
    program = load_program(assemble(exit_with(0)))
    Emulator(program, b"1234")
    with pytest.raises(InputTooLarge):
        Emulator(program, b"12345")


def test_a_closed_emulator_says_so():
    with Emulator(load_program(assemble(exit_with(0)))) as machine:
        assert machine.run().steps == 3
    with pytest.raises(ValueError, match="closed"):
        machine.run(4)
    with pytest.raises(ValueError, match="closed"):
        machine.replay(0, 3)
    with pytest.raises(ValueError, match="closed"):
        machine.count(0, 3)
    machine.close()


def test_a_library_without_an_emulator_is_a_typed_error(monkeypatch: pytest.MonkeyPatch):
    without = native.Library(native.LIBRARY, Header(""))
    monkeypatch.setattr(native, "load", lambda: without)
    with pytest.raises(native.NativeUnavailable, match="it has no zk_emu_ops"):
        Emulator(load_program(assemble(exit_with(0))))


def test_a_library_of_another_version_is_a_typed_error(monkeypatch: pytest.MonkeyPatch):
    class Older:
        def __getattr__(self, name: str) -> Any:
            def function(*_: Any) -> str:
                return "TRAP CONST"

            return function

    monkeypatch.setattr(native, "load", Older)
    with pytest.raises(native.NativeUnavailable, match="version"):
        Emulator(load_program(assemble(exit_with(0))))


def test_a_program_that_was_tampered_with_is_refused():
    program = load_program(assemble(["add a0, a0, a0", *exit_with(0)]))
    for field, value in [("op", 99), ("rd", 33), ("rs1", 2**40), ("rd", 0)]:
        column = getattr(program.rom, field)
        before = int(column[3])
        column[3] = value
        with pytest.raises(EmulatorFailed):
            Emulator(program)
        column[3] = before
    program.image.addr[0] = 2**35
    with pytest.raises(EmulatorFailed):
        Emulator(program)


def test_what_is_kept_of_the_console_is_bounded():
    lines = ["li t0, 0xa0000200", f"li t1, {CONSOLE_LIMIT + 10}", "loop: sb t1, 0(t0)", "addi t1, t1, -1", "bne t1, zero, loop"]
    with Emulator(load_program(assemble([*lines, *exit_with(0)]))) as machine:
        assert len(machine.run().console) == CONSOLE_LIMIT


def test_a_run_in_slices_is_the_same_run(monkeypatch: pytest.MonkeyPatch):
    program = load_program(assemble([*LOOP, *exit_with(5)]))
    whole = Emulator(program).run()
    monkeypatch.setattr(emulator, "SLICE", 1000)
    machine = Emulator(program)
    sliced = machine.run()
    assert (sliced.steps, sliced.exit_code, sliced.counts) == (whole.steps, 5, whole.counts)
    machine.run(7)
    assert machine.run().steps == whole.steps


def test_a_replay_needs_no_run_before_it():
    program = load_program(assemble([*LOOP, *exit_with(5)]))
    events = Emulator(program).replay(300_000, 300_010)
    assert sum(events.counts().values()) - len(events.records["refresh"]) == 10
    ts = np.sort(np.concatenate([table["ts"] for chip, table in events.records.items() if chip != "refresh"]))
    assert ts.tolist() == [4 * (step + 1) for step in range(300_000, 300_010)]
    assert (events.records["addi"]["c"] == events.records["addi"]["a"] - np.uint64(1)).all()


def test_threads_may_share_an_emulator():
    program = load_program(assemble([*LOOP, *exit_with(5)]))
    machine, found = Emulator(program), []

    def replay(start: int) -> None:
        found.append((start, machine.replay(start, start + 100).records["addi"]["ts"][0]))

    threads = [threading.Thread(target=replay, args=(start,)) for start in range(0, 500_000, 50_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 10
    assert all(4 * (start + 1) <= ts <= 4 * (start + 4) for start, ts in found)
