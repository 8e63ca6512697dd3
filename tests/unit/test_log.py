"""Logs: real JSON, whole ids, levels."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

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


@pytest.mark.parametrize(
    ("rust_log", "level", "targets", "unknown"),
    [
        ("debug", logging.DEBUG, {}, ()),
        ("WARN", logging.WARNING, {}, ()),
        ("", None, {}, ()),
        ("info,zisk_actors::store=trace", logging.INFO, {"zisk_actors.store": logging.DEBUG}, ()),
        ("zisk_actors.actors.workers.session", None, {"zisk_actors.actors.workers.session": logging.DEBUG}, ()),
        ("zisk_actors=error, zisk_actors.web=off", None, {"zisk_actors": logging.ERROR, "zisk_actors.web": logging.CRITICAL + 1}, ()),
        ("info,hyper=warn,loud,zisk_actors.nothing=info", logging.INFO, {}, ("hyper=warn", "loud", "zisk_actors.nothing=info")),
        ("zisk_actors=loud,[span]=info,zisk_actors.../x=info", None, {}, ("zisk_actors=loud", "[span]=info", "zisk_actors.../x=info")),
    ],
)
def test_rust_log(rust_log: str, level: int | None, targets: dict[str, int], unknown: tuple[str, ...]) -> None:
    assert log.parse_filter(rust_log) == (level, targets, unknown)


def test_a_target_has_a_level_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "compact", rust_log="warn,zisk_actors.cli=info,zisk_actors.cli.daemon=error")
    log.get().info("from a test")
    log.get().warning("a test warns")
    loud, quiet = {"__name__": "zisk_actors.cli.jobs", "log": log}, {"__name__": "zisk_actors.cli.daemon", "log": log}
    exec("log.get().info('from a command')", loud)
    exec("log.get().debug('detail of a command')", loud)
    exec("log.get().warning('a daemon warns')", quiet)
    lines = capsys.readouterr().err
    assert "a test warns" in lines
    assert "from a command" in lines
    assert "from a test" not in lines
    assert "detail of a command" not in lines
    assert "a daemon warns" not in lines


def test_parts_of_rust_log_that_mean_nothing_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "compact", rust_log="hyper=debug,info")
    assert "RUST_LOG has parts that mean nothing here parts=['hyper=debug']" in capsys.readouterr().err


def test_a_file_a_day_beside_standard_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    log.configure("info", "json", file_path="it.log")
    log.get().info("said", job="j")
    files = list((tmp_path / "logs").iterdir())
    assert len(files) == 1
    assert re.fullmatch(r"it\.log\.\d{4}-\d\d-\d\d", files[0].name)
    assert json.loads(files[0].read_text())["event"] == "said"
    assert "said" in capsys.readouterr().err
    with pytest.raises(OSError, match="directory"):
        log.configure("info", "json", file_path=str(files[0] / "below" / "it.log"))


@pytest.mark.parametrize("form", ["pretty", "compact", "json"])
def test_no_field_can_forge_a_line(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", form)
    log.get().warning("worker lost", reason="it left: x\n2026-01-01 info worker registered\r\x1b[2J\u2028")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert not {"\r", "\x1b", "\u2028"} & set(said.replace("\x1b[0m", ""))
    log.get().warning("worker lost", reason="\x1b]0;title\x07\u202eback\x9b2J")
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(capsys.readouterr().err) or form == "json"


def test_a_log_file_that_takes_nothing_is_said_once_and_what_it_lacks_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("info", "compact", file_path=str(tmp_path / "it.log"))
    write = log.DailyFile.write

    def full(self: log.DailyFile, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log.DailyFile, "write", full)
    for number in range(3):
        log.get().info(f"lost {number}")
    monkeypatch.setattr(log.DailyFile, "write", write)
    log.get().info("kept")
    said = capsys.readouterr().err
    assert said.count("cannot be written") == 1
    assert "it lacks 3 lines" in said
    [file] = tmp_path.iterdir()
    first, second = file.read_text().splitlines()
    assert first == "the log file could not be written: 3 lines are missing"
    assert second.endswith("kept")


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(28, "No space left on device")])
def test_a_log_that_cannot_be_written_ends_nothing(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, text: str) -> int:
            raise error

        def flush(self) -> None:
            raise error

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stderr", Full())
    log.configure("info", "compact")
    log.get().error("cannot write")
