"""How a row is filled by its frames, and what frames.py says of op numbers; its soundness is tested with the chips that use it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.chips_harness import records_of, rom_of
from tests.trace_job import EVERYTHING, WAITING, job_of
from zisk_actors.air.air import Column
from zisk_actors.air.expr import Expr, Part, cell
from zisk_actors.chips import CHIPS, RECORDED
from zisk_actors.chips.base import Chip, Frame, T, fill_row, put
from zisk_actors.chips.frames import Real, grid
from zisk_actors.chips.records import Records
from zisk_actors.machine import isa
from zisk_actors.stark.field import U64


def test_a_grid_is_one_number_and_two_steps() -> None:
    base, down, across = grid("LB", "LH", "LBU", "LHU")
    assert [base, base + down, base + across, base + down + across] == [isa.op(name) for name in ("LB", "LH", "LBU", "LHU")]


def test_other_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not a grid"):
        grid("LB", "LH", "LBU", "ECALL")


class Pair(Frame[T]):
    """A frame of one column."""

    pair = Column("rs1, twice")

    def fill(self: Pair[U64], records: Any) -> None:
        put(self.pair, 2 * records.a)


class PairRow(Pair[T], Real[T]):
    """A row of two frames, and a column that is filled from another frame's."""

    more = Column("one more than the pair")

    def fill(self: PairRow[U64], records: Any) -> None:
        put(self.more, self.pair[: len(records)] + np.uint64(1))  # type: ignore[index]


def test_each_class_of_a_row_fills_its_own_columns_and_the_row_s_own_come_last() -> None:
    records = records_of(rom_of([{"op": 2}]), [{"a": 5}, {"a": 7}])
    row = PairRow(list(np.zeros((PairRow.width, 4), dtype=np.uint64)))
    fill_row(row, records)
    assert {name: np.asarray(getattr(row, name)).tolist() for name in PairRow.columns} == {
        "real": [1, 1, 0, 0],
        "pair": [10, 14, 0, 0],
        "more": [11, 15, 0, 0],
    }


def test_a_row_without_a_frame_that_says_which_rows_are_used_is_refused() -> None:
    row: Pair[Expr] = Pair([cell(Part.MAIN, 0)])
    with pytest.raises(NotImplementedError, match="Pair has no frame that says which rows are used"):
        _ = row.real
    with pytest.raises(NotImplementedError, match="Pair has no frame that says what its operation is"):
        _ = row.op


class Spy:
    """Records that write down which fields are read."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.read: set[str] = set()

    def __len__(self) -> int:
        return len(self.records)

    def __getattr__(self, name: str) -> Any:
        if name != "rom":
            self.read.add(name)
        return getattr(self.records, name)


@pytest.mark.parametrize("chip", RECORDED, ids=lambda chip: chip.name)
def test_what_a_chip_reads_of_a_record_is_what_its_classes_declare(chip: Chip) -> None:
    """No less, and no more, for the emulator writes it: each class reads what it declares itself."""
    job = job_of((*WAITING, *EVERYTHING))
    records = Records(job.events[0].records[chip.name], job.program.rom)
    row = chip.air.main(list(np.zeros((chip.air.width, max(32, len(records))), dtype=np.uint64)))
    read: set[str] = set()
    for part in reversed(chip.air.main.__mro__):
        if "fill" in vars(part):
            spy = Spy(records)
            part.fill(row, spy)  # type: ignore[attr-defined]
            assert spy.read >= {field.name for field in vars(part).get("record", ())}, part.__name__
            read |= spy.read
    assert read == {field.name for field in chip.layout.fields}


def test_a_chip_without_fields_is_filled_by_the_witness_assembly() -> None:
    assert [chip.name for chip in CHIPS if chip.fill is None] == [chip.name for chip in CHIPS if chip not in RECORDED]
