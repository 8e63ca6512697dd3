"""Figures beside earlier ones: above 1 is faster now, in rates and in seconds alike; what cannot be compared is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zisk_actors.bench.earlier import differences, ratios, read_earlier
from zisk_actors.errors import UsageError


def test_a_ratio_above_one_is_faster_now() -> None:
    old = {"figures": [{"name": "hash", "rate": 2.0}, {"name": "gone", "rate": 1.0}, {"name": "still", "rate": 0.0}]}
    new = {"figures": [{"name": "hash", "rate": 3.0}, {"name": "new", "rate": 1.0}, {"name": "still", "rate": 1.0}]}
    assert ratios(old, new) == {"hash": 1.5}
    before = {"seconds": {"prove": 4.0, "setup": 0.0}, "cycles_per_second": 100.0}
    after = {"seconds": {"prove": 2.0, "setup": 1.0, "verify": 1.0}, "cycles_per_second": 150.0}
    assert ratios(before, after) == {"prove": 2.0, "speed": 1.5}


def test_what_was_not_alike_is_said() -> None:
    assert differences({"machine": "a", "threads": 2}, {"machine": "b", "threads": 2}) == ["machine: a then, b now"]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    with pytest.raises(UsageError, match="cannot be compared"):
        read_earlier(str(path), "zisk.bench/1")
    path.write_text("{")
    with pytest.raises(UsageError, match="cannot be compared"):
        read_earlier(str(path), "zisk.bench/1")
    path.write_text(json.dumps({"schema": "zisk.status/1"}))
    with pytest.raises(UsageError, match="no output of this command"):
        read_earlier(str(path), "zisk.bench/1")
    path.write_text(json.dumps({"schema": "zisk.bench/1", "cycles": 3}))
    assert read_earlier(str(path), "zisk.bench/1")["cycles"] == 3
