"""Whole runs, assembled: every constraint holds and every bus balances, in any cut; and nothing may be changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.chips_harness import rom_of
from tests.guest_models import Case, short_cases
from tests.trace_job import EVERYTHING, WAITING, Job, job_of, run_of
from zisk_actors.air.check import Term, imbalances, said, said_by_verifier
from zisk_actors.chips import AIRS, CHIPS, NUMBER, OP_CHIPS
from zisk_actors.chips.buses import EXEC, HALT, PUBLIC
from zisk_actors.chips.witness import Multiplicities, WitnessError, assemble, fixed_columns
from zisk_actors.chips.words import INPUT_WORDS, RAM_WORDS
from zisk_actors.machine import plan
from zisk_actors.machine.isa import CHIPS as CHIP_NAMES
from zisk_actors.machine.layout import REGISTER_BASE
from zisk_actors.machine.plan import instances
from zisk_actors.stark.chipset import Presence
from zisk_actors.stark.field import P


@pytest.mark.parametrize("shares", [1, 2, 3])
def test_a_run_of_every_instruction_balances(shares: int):
    job = job_of(EVERYTHING, shares)
    assert all(job.run.counts[name] for name in CHIP_NAMES), "the program misses an instruction"
    report = job.check()
    assert report.ok, str(report)


def test_refreshes_bridge_long_waits():
    job = job_of((*WAITING, *EVERYTHING), 2)
    assert sum(len(events.records["refresh"]) for events in job.events) > 3
    report = job.check()
    assert report.ok, str(report)


@pytest.mark.parametrize("case", {case.guest: case for case in short_cases()}.values(), ids=str)
def test_compiled_guests_balance(case: Case, guests: Path):
    """What a C compiler makes of the instruction set, cut in three."""
    job = run_of((guests / f"{case.guest}.elf").read_bytes(), case.stdin, 3)
    assert job.run.output.tolist() == case.words
    report = job.check()
    assert report.ok, str(report)


def test_instances_are_canonical_and_hold_their_presence_rule():
    job = job_of(EVERYTHING, 3)
    for share, tables in enumerate(job.instances()):
        keys = [(instance.air_id, -instance.log_height) for instance in tables]
        assert keys == sorted(keys)
        names = [CHIPS[instance.air_id].name for instance in tables]
        for chip in CHIPS:
            count = names.count(chip.name)
            if chip.presence is Presence.EVERY_SHARE:
                assert count == 1
            elif chip.presence is Presence.SINGLETON:
                assert count == (share == 0)
        for instance in tables:
            assert instance.main.shape == (AIRS[instance.air_id].width, 1 << instance.log_height)
            assert instance.main.dtype == np.uint64
            assert instance.main.flags.c_contiguous
            assert np.all(instance.main < P)


def test_the_same_share_gives_the_same_words():
    job = job_of(EVERYTHING, 2)
    for first, second in zip(job.instances()[1], job.instances()[1], strict=True):
        assert first.air_id == second.air_id
        assert np.array_equal(first.main, second.main)


def test_fixed_columns_are_those_of_the_airs_that_have_some():
    fixed = fixed_columns(job_of(EVERYTHING).program)
    assert set(fixed) == {air.name for air in AIRS if air.fixed_width}
    for name, values in fixed.items():
        assert values.shape[0] == AIRS[NUMBER[name]].fixed_width
        assert np.all(values < P)


def test_the_final_state_belongs_to_share_0():
    job = job_of(EVERYTHING, 2)
    with pytest.raises(ValueError, match="share 0"):
        assemble(job.program, job.events[0], None, 0)
    with pytest.raises(ValueError, match="share 0"):
        assemble(job.program, job.events[1], job.final, 1)


def test_many_records_fill_several_tables(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan, "WORTHWHILE", 1)
    job = job_of((*WAITING, *EVERYTHING))
    heights = [instance.log_height for instance in job.instances()[0] if instance.air_id == NUMBER["addi"]]
    count = job.run.counts["addi"]
    assert len(heights) > 1
    assert heights == instances(count, heights[0])
    assert job.check(job.tables(job.instances())).ok


def test_a_value_outside_its_table_is_named():
    job = job_of(EVERYTHING)
    chip = NUMBER["add"]
    main = next(instance.main for instance in job.instances()[0] if instance.air_id == chip).copy()
    column = AIRS[chip].main.column_names().index("c[1]")
    main[column, 3] = 2**16
    with pytest.raises(WitnessError, match=r"add row 3: .* range16 65536"):
        Multiplicities(job.program).add(AIRS[chip], main, 5)
    main[column, 3] = 0
    main[AIRS[chip].main.column_names().index("pc"), 2] = len(job.program.rom)
    with pytest.raises(WitnessError, match=r"add row 2: .* program"):
        Multiplicities(job.program).add(AIRS[chip], main, 5)
    main[AIRS[chip].main.column_names().index("pc"), 2] = 0
    main[AIRS[chip].main.column_names().index("real"), 4] = 2
    with pytest.raises(WitnessError, match=r"add row 4: .* 2 times"):
        Multiplicities(job.program).add(AIRS[chip], main, 5)


def caught(job: Job, honest: list[list[np.ndarray]]) -> bool:  # type: ignore[type-arg]
    """Whether a tampered job is refused, or was not changed by the tampering at all."""
    try:
        shares = job.instances()
    except (WitnessError, ValueError):
        return True
    mains = [[instance.main for instance in instances] for instances in shares]
    if all(np.array_equal(a, b) for x, y in zip(mains, honest, strict=True) for a, b in zip(x, y, strict=True)):
        return True
    return not job.check(job.tables(shares)).ok


def mutated(value: int, seed: int) -> int:
    """Another 64-bit value: near, far or in the high half."""
    return (value + [1, -1, 2**16, 2**32, 4][seed % 5]) % 2**64


@pytest.mark.parametrize("name", CHIP_NAMES)
def test_a_change_of_a_record_is_reported(name: str):
    """One field of one record of each chip (which one depends on the name), changed."""
    job = job_of(EVERYTHING, 2)
    honest = [[instance.main for instance in instances] for instances in job.instances()]
    rng = np.random.default_rng(len(name) + sum(name.encode()))
    share = 0 if len(job.events[0].records[name]) else 1
    records = job.events[share].records[name]
    fields = [field.name for field in OP_CHIPS[CHIP_NAMES.index(name)].layout.fields]
    for field in ("ts", fields[rng.integers(len(fields))], fields[rng.integers(len(fields))]):
        changed = records.copy()
        row = int(rng.integers(len(records)))
        changed[field][row] = mutated(int(changed[field][row]), int(rng.integers(5)))
        assert caught(job.with_records(share, name, changed), honest), f"{name} record {row}: {field} changed unnoticed"


@pytest.mark.slow
@pytest.mark.parametrize("name", CHIP_NAMES)
def test_every_change_of_a_record_is_reported(name: str):
    job = job_of(EVERYTHING, 2)
    honest = [[instance.main for instance in instances] for instances in job.instances()]
    share = 0 if len(job.events[0].records[name]) else 1
    records = job.events[share].records[name]
    for field in OP_CHIPS[CHIP_NAMES.index(name)].layout.fields:
        for seed in range(5):
            changed = records.copy()
            middle = len(records) // 2
            changed[field.name][middle] = mutated(int(changed[field.name][middle]), seed)
            assert caught(job.with_records(share, name, changed), honest), f"{name}: {field.name} changed unnoticed"


def test_a_missing_or_repeated_record_is_reported():
    job = job_of(EVERYTHING, 2)
    records = job.events[0].records["add"]
    assert not job.with_records(0, "add", records[1:]).check().ok
    assert not job.with_records(0, "add", np.concatenate([records, records[:1]])).check().ok


@pytest.mark.parametrize("field", ["addr", "value", "prev", "mid"])
def test_a_change_of_a_refresh_is_reported(field: str):
    job = job_of((*WAITING, *EVERYTHING))
    for step in (1, 2**16):
        changed = job.events[0].records["refresh"].copy()
        changed[field][1] += np.uint64(step)
        assert not job.with_records(0, "refresh", changed).check().ok
    assert not job.with_records(0, "refresh", job.events[0].records["refresh"][1:]).check().ok


def test_a_change_of_the_final_state_is_reported():
    job = job_of(EVERYTHING)
    honest = [[instance.main for instance in instances] for instances in job.instances()]
    addr = job.final[:, 0]
    kinds = (RAM_WORDS.holds(addr), INPUT_WORDS.holds(addr), addr >= REGISTER_BASE)
    read_only = ~(kinds[0] | kinds[1] | kinds[2])
    for row in (int(np.flatnonzero(kind)[1]) for kind in (*kinds, read_only)):
        for column in range(4):
            changed = job.final.copy()
            changed[row, column] += np.uint64(1)
            tampered = job.with_records(0, "final", changed)
            assert caught(tampered, honest), f"final row {row} column {column} changed unnoticed"


def test_other_outputs_codes_and_times_are_reported():
    job = job_of(EVERYTHING)
    spoken = [term for table in job.tables() for term in said(table) if term.bus in (EXEC, HALT, PUBLIC)]
    honest = job.boundary()
    assert imbalances([*spoken, *map(said_by_verifier, honest)]) == ([], 0)
    for i, term in enumerate(honest):
        others = [*spoken, *map(said_by_verifier, honest[:i] + honest[i + 1 :])]
        assert imbalances(others)[1] == 1, f"{term} is not missed"
        for j in range(len(term.values)):
            values = list(term.values)
            values[j] += 1
            found, count = imbalances([*others, said_by_verifier(Term(term.bus, tuple(values), term.times))])
            assert {item.bus for item in found} == {term.bus.name}
            assert count == 2


def test_op_chips_are_those_of_the_instruction_table():
    assert [chip.name for chip in OP_CHIPS] == list(CHIP_NAMES)
    assert all(chip.fill is not None for chip in OP_CHIPS)
    assert rom_of([{}]).op.tolist() == [0]
