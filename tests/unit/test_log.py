"""Logs: real JSON, whole ids, levels."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from zisk_actors import log


@pytest.fixture(autouse=True)
def reset() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_json_is_json_with_all_fields(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    log.get(worker="w-1").info("worker registered", job="01234567-89ab-4def-8123-456789abcdef")
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "worker registered"
    assert line["worker"] == "w-1"
    assert line["job"] == "01234567-89ab-4def-8123-456789abcdef"
    assert line["level"] == "info"


def test_compact_is_one_line_to_search(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "compact")
    log.get().warning("phase timeout", phase="prove", limit_seconds=600)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "warning phase timeout phase=prove limit_seconds=600" in line


@pytest.mark.parametrize(
    ("level", "rust_log", "seen"), [("info", "", False), ("debug", "", True), ("info", "debug", True), ("debug", "error", False)]
)
def test_levels(level: str, rust_log: str, seen: bool, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level, "pretty", rust_log=rust_log)
    log.get().debug("detail")
    assert ("detail" in capsys.readouterr().err) is seen
