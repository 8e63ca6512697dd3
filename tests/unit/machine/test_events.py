"""The values that a run yields: their views, and the words a trap is reported with."""

import pickle

import numpy as np

from zisk_actors.chips import LAYOUTS
from zisk_actors.errors import JobFailed
from zisk_actors.machine.events import Events, Trap, TrapKind, time_of
from zisk_actors.machine.isa import CHIPS


def test_records_are_counted_by_chip():
    records = {name: np.zeros(0, LAYOUTS[0].dtype) for name in CHIPS} | {"add": np.zeros(2, LAYOUTS[1].dtype)}
    assert Events(0, 2, records).counts() == dict.fromkeys(CHIPS, 0) | {"add": 2}


def test_the_time_of_a_step():
    assert [time_of(0), time_of(1)] == [4, 8]


def test_a_trap_is_one_line_and_survives_a_process():
    for kind in TrapKind:
        trap = Trap(kind, 0x80000010, "main+0x4", "ld a0, 0(a1)", 0x1234)
        error = trap.error()
        assert isinstance(error, JobFailed)
        assert "\n" not in error.message
        assert "`ld a0, 0(a1)` at 0x80000010 (main+0x4)" in error.message
        copy = pickle.loads(pickle.dumps(error))
        assert (copy.message, copy.hint, copy.trap) == (error.message, error.hint, trap)


def test_a_compressed_program_is_told_so_where_it_matters():
    assert "compressed" in Trap(TrapKind.MISALIGNED_JUMP, 0, "", "ret", 2, compressed=True).hint
    assert "compressed" not in Trap(TrapKind.MISALIGNED, 0, "", "ld", 2, compressed=True).hint
    assert Trap(TrapKind.OUTSIDE_MAP, 0, "", "sd", 2).hint == ""
