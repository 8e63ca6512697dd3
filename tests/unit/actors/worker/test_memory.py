"""How much memory a worker may take."""

from __future__ import annotations

from pathlib import Path

from zisk_actors.actors.worker.memory import memory_of_machine


def test_the_machine_is_the_limit_where_there_is_no_other(tmp_path: Path) -> None:
    whole = memory_of_machine(())
    assert whole > 10**8
    for content in ("max\n", "9223372036854771712", "nonsense", "0"):
        (tmp_path / "limit").write_text(content)
        assert memory_of_machine((tmp_path / "limit", tmp_path / "none")) == whole


def test_a_control_group_is_the_limit_where_it_is_smaller(tmp_path: Path) -> None:
    (tmp_path / "limit").write_text("1000000\n")
    assert memory_of_machine((tmp_path / "limit",)) == 900_000
