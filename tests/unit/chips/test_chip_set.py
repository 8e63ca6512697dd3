"""What the verifier is told of the chips, and the terms that it puts on the buses itself: word for word, so that nothing of it can go."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from zisk_actors import chips
from zisk_actors.chips import CHIP_SET, CHIPS
from zisk_actors.chips.buses import EXEC, HALT, PUBLIC
from zisk_actors.machine import isa
from zisk_actors.stark.chipset import Presence
from zisk_actors.stark.statement import Statement

KEY = cast("Any", SimpleNamespace(entry=17))


def test_how_often_each_table_occurs():
    expected = dict.fromkeys((chip.name for chip in CHIPS), Presence.OPTIONAL)
    expected |= dict.fromkeys(("rom", "table16"), Presence.EVERY_SHARE)
    expected |= dict.fromkeys(("registers", "image", "ram", "input"), Presence.SINGLETON)
    assert {chip.air.name: chip.presence for chip in CHIP_SET.chips} == expected


def test_how_many_rows_a_job_may_have():
    """Refresh rows go 2^32 forward in time, so that fewer of them may be (chips/refresh.py)."""
    assert {chip.air.name: chip.max_job_rows for chip in CHIP_SET.chips} == {chip.name: 2**40 for chip in CHIPS} | {"refresh": 2**30}


def test_the_statement_s_own_terms():
    outputs = tuple(range(1000, 1064))
    statement = Statement((1, 2, 3, 4), outputs, 0x1234_5678_9ABC_DEF0, 4 * 77)
    said = [(term.bus, term.values, term.times) for term in CHIP_SET.boundary(statement, KEY)]
    public = [(PUBLIC, (0xA0010000 // 8 + i, 1000 + 2 * i, 1001 + 2 * i), -1) for i in range(32)]
    assert said == [(EXEC, (17, 4), 1), (HALT, (0x9ABC_DEF0, 0x1234_5678, 308), -1), *public]


def test_two_chips_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A chip is found in its file: one more file has a chip that another one has."""
    (tmp_path / "twin.py").write_text(
        "from zisk_actors.chips.add import ADD\nfrom zisk_actors.chips.base import Chip\n\nTWIN = Chip(ADD.air)\n"
    )
    monkeypatch.setattr(chips, "__path__", [*chips.__path__, str(tmp_path)])
    try:
        with pytest.raises(ValueError, match="two chips are called add"):
            chips._filled_from_records()
    finally:
        sys.modules.pop("zisk_actors.chips.twin", None)


def test_the_order_of_the_chips_is_the_instruction_table_s_then_theirs_by_name():
    recorded = [chip.name for chip in chips.RECORDED]
    assert recorded[: len(isa.CHIPS)] == list(isa.CHIPS)
    assert recorded[len(isa.CHIPS) :] == sorted(recorded[len(isa.CHIPS) :]) == ["refresh"]
