"""The native emulator does what the reference does; and the records of both are a run that a proof can show.

The second is checked without either emulator: records must form one path through the ROM, and every value read must be the one last
written, at the time it was written (the argument of the EXEC and TOKEN buses, as multisets of tuples).
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.asm import assemble, exit_with
from tests.random_program import random_program
from zisk_actors.chips import LAYOUTS
from zisk_actors.machine.emulator import Emulator
from zisk_actors.machine.events import GAP, REFRESH_GAP, Events, Run
from zisk_actors.machine.isa import CHIP_OF_OP, CHIPS
from zisk_actors.machine.layout import REGISTER_BASE, token_of_word
from zisk_actors.machine.reference import Reference
from zisk_actors.machine.rom import Program, load_program

READ_TWO = {"add", "sub", "addw", "logic", "shift", "shiftw", "brancheq", "branchlt", "store", "storew", "storeb", "mul", "div", "halt"}


def assert_same_run(left: Run, right: Run) -> None:
    assert (left.steps, left.exit_code, left.console, left.trap, left.counts) == (
        right.steps,
        right.exit_code,
        right.console,
        right.trap,
        right.counts,
    )
    np.testing.assert_array_equal(left.output, right.output)


def assert_same_events(left: Events, right: Events) -> None:
    assert (left.start, left.stop, left.counts()) == (right.start, right.stop, right.counts())
    for layout in LAYOUTS:
        for name in (field.name for field in layout.fields if len(left.records[layout.chip])):
            ours, theirs = left.records[layout.chip][name], right.records[layout.chip][name]
            np.testing.assert_array_equal(ours, theirs, err_msg=f"{layout.chip}: {name}")
    assert (left.final is None) == (right.final is None)
    if left.final is not None and right.final is not None:
        np.testing.assert_array_equal(left.final, right.final)


def assert_provable(program: Program, run: Run, events: Events) -> None:
    """The records of a whole run balance: one path from entry to halt, and every token consumed is one that was produced."""
    rom, final = program.rom, events.final
    assert final is not None
    path: dict[int, tuple[int, int]] = {}
    tokens: Counter[tuple[int, int, int]] = Counter()

    def access(cell: int, old: int, new: int, prev: int, time: int) -> None:
        assert 0 <= time - prev - 1 < GAP
        tokens[cell, old, prev] -= 1
        tokens[cell, new, time] += 1

    for chip in CHIPS:
        table = events.records[chip]
        assert table.flags.c_contiguous
        for values in table.tolist():
            r = dict(zip(table.dtype.names or (), values, strict=True))
            pc, ts = r["pc"], r["ts"]
            assert CHIP_OF_OP[int(rom.op[pc])] == chip
            assert ts not in path
            path[ts] = (pc, r["npc"])
            rd, rs1, rs2 = (REGISTER_BASE + int(getattr(rom, name)[pc]) for name in ("rd", "rs1", "rs2"))
            if chip == "halt":
                rs1, rs2 = REGISTER_BASE + 17, REGISTER_BASE + 10
            if chip != "const":
                access(rs1, r["a"], r["a"], r["a_prev"], ts)
            if chip in READ_TWO:
                access(rs2, r["b"], r["b"], r["b_prev"], ts + 1)
            if "addr" in r:
                assert (chip.startswith("store")) or r["mem_old"] == r["mem_new"]
                access(token_of_word(r["addr"]), r["mem_old"], r["mem_new"], r["mem_prev"], ts + 2)
            if rd != REGISTER_BASE:
                access(rd, r["old"], r["c"], r["old_prev"], ts + 3)
    for cell, value, prev, mid in events.records["refresh"].tolist():
        assert 0 <= mid - prev - 1 < REFRESH_GAP
        tokens[cell, value, prev] -= 1
        tokens[cell, value, mid] += 1
    for cell, initial, last, ts in final.tolist():
        tokens[cell, initial, 0] += 1
        tokens[cell, last, ts] -= 1
    assert not {token: times for token, times in tokens.items() if times}

    assert (np.diff(final[:, 0].astype(np.int64)) > 0).all()
    assert (final[-33:, 0] == REGISTER_BASE + np.arange(33, dtype=np.uint64)).all()
    pc = program.entry
    for step in range(run.steps):
        here, following = path[4 * (step + 1)]
        assert here == pc
        pc = following
    assert len(path) == run.steps


def concatenated(parts: list[Events]) -> Events:
    records = {layout.chip: np.concatenate([part.records[layout.chip] for part in parts]) for layout in LAYOUTS}
    return Events(parts[0].start, parts[-1].stop, records, parts[-1].final)


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed: int):
    data, content = random_program(seed)
    program = load_program(data)
    reference, native = Reference(program, content), Emulator(program, content)
    run = reference.run()
    assert run.trap is None
    assert_same_run(run, native.run())
    events = reference.replay(0, run.steps, True)
    assert_same_events(events, native.replay(0, run.steps, True))
    assert {chip: len(events.records[chip]) for chip in CHIPS} == run.counts
    assert_provable(program, run, events)


@pytest.mark.parametrize("seed", [100, 101])
def test_a_long_random_program_with_refreshes_in_any_cut(seed: int):
    data, content = random_program(seed, fuel=2500)
    program = load_program(data)
    reference, native = Reference(program, content), Emulator(program, content)
    run = native.run()
    whole = reference.replay(0, run.steps, True)
    assert len(whole.records["refresh"]) > 0
    assert_provable(program, run, whole)
    rng = np.random.default_rng(seed)
    bounds = [0, *sorted(int(b) for b in rng.integers(0, run.steps, 9)), run.steps]
    intervals = list(pairwise(bounds))
    parts = {start: native.replay(start, stop, stop == run.steps) for start, stop in rng.permutation(intervals).tolist() if start < stop}
    assert_same_events(whole, concatenated([parts[start] for start in sorted(parts)]))
    start, stop = bounds[3], bounds[4]
    assert_same_events(reference.replay(start, stop), native.replay(start, stop))
    assert native.count(start, stop) == native.replay(start, stop).counts()


@pytest.mark.parametrize("snapshot_bytes", [2**29, 0, 2**19])
def test_any_cut_of_a_run_over_many_snapshots(guests: Path, snapshot_bytes: int):
    """Also when snapshots are thinned out: with less room for them the records stay the same."""
    program = load_program((guests / "cycles.elf").read_bytes())
    content = (8).to_bytes(8, "little") + (2_500_000).to_bytes(8, "little")
    whole = Emulator(program, content)
    steps = whole.run().steps
    assert steps > 9 * 2**18
    rng = np.random.default_rng(3)
    with Emulator(program, content, snapshot_bytes=snapshot_bytes) as native:
        for start in [2**18, *rng.integers(0, steps - 3000, 6).tolist(), steps - 3000]:
            bounds = [start, start, start + 1, start + 1500, start + 3000]
            parts = [native.replay(a, b) for a, b in reversed(list(pairwise(bounds)))]
            assert_same_events(whole.replay(start, start + 3000), concatenated(parts[::-1]))
        assert_same_events(whole.replay(steps, steps, True), native.replay(steps, steps, True))


@pytest.mark.parametrize("name", ["fibonacci", "matrix", "quicksort", "sha256", "trap"])
def test_guests(guests: Path, name: str):
    program = load_program((guests / f"{name}.elf").read_bytes())
    for content in (b"", (1).to_bytes(8, "little") + b"\x05".ljust(8, b"\0")):
        reference, native = Reference(program, content), Emulator(program, content)
        run = reference.run(50_000)
        assert_same_run(run, native.run(50_000))
        assert_same_events(reference.replay(0, run.steps), native.replay(0, run.steps))


@pytest.mark.parametrize("way", range(12))
def test_ways_to_trap(guests: Path, way: int):
    program = load_program((guests / "trap.elf").read_bytes())
    content = (1).to_bytes(8, "little") + bytes([way]).ljust(8, b"\0")
    run = Reference(program, content).run()
    assert_same_run(run, Emulator(program, content).run())
    assert (run.trap is None) == (way in (0, 11))


@pytest.mark.parametrize("engine", [Reference, Emulator])
def test_what_was_not_run_cannot_be_replayed(engine: type[Reference | Emulator]):
    machine = engine(load_program(assemble(["nop", "nop", *exit_with(0)])))
    for start, stop in [(0, 6), (6, 7), (3, 2), (-1, 2)]:
        with pytest.raises(ValueError, match=r"step|interval"):
            machine.replay(start, stop)
    trapping = engine(load_program(assemble(["nop", 0])))
    assert trapping.replay(0, 1).counts()["addi"] == 1
    with pytest.raises(ValueError, match=r"trap|halt"):
        trapping.replay(0, 1, True)


@pytest.mark.slow
def test_a_cell_left_alone_for_2_to_the_32_ticks_needs_two_refreshes():
    program = load_program(
        assemble(["li s2, 7", "li t0, 0x24000000", "loop: addi t0, t0, -1", "bne t0, zero, loop", "mv s3, s2", *exit_with(0)])
    )
    with Emulator(program) as native:
        run = native.run(2**31)
        assert run.steps > 2**30 + 2**16
        events = native.replay(run.steps - 10, run.steps)
    cell, last, time = REGISTER_BASE + 18, 4 * 1 + 3, 4 * (run.steps - 4 + 1)
    refreshes = events.records["refresh"]
    assert refreshes[refreshes["addr"] == cell].tolist() == [
        (cell, 7, last, last + REFRESH_GAP),
        (cell, 7, last + REFRESH_GAP, time - GAP),
    ]
