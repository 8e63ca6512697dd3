"""What the operating system refuses at a command's edge: named with the path and its words, and never called a bug of ours."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest

from zisk_actors.cli import output
from zisk_actors.cli.main import cli, run
from zisk_actors.client import local
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.wire.client_link import ErrorReply

FULL = Path("/dev/full")


def zisk(words: list[str], *, cwd: Path, redirect: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """A command line of a shell, with what stands behind it."""
    line = f'exec "{sys.executable}" -m zisk_actors {" ".join(words)} {redirect}'
    own = {"ZISK_HOME": str(cwd / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    found = {**os.environ, **own, **environment}
    for name in ("ZISK_URL", "ZISK_SERVER_KEY", "ZISK_KEY_FILE", "ZISK_DEBUG"):
        found.pop(name, None)
    return subprocess.run(["bash", "-c", line], cwd=cwd, env=found, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [["--help"], ["ps", "--json"], ["--version"], ["key", "new", "w.key", "--role", "worker"]], ids=" ".join)
def test_a_full_disk_behind_stdout(words: list[str], tmp_path: Path) -> None:
    for unbuffered in ("", "1"):
        said = zisk(words, cwd=tmp_path, redirect="> /dev/full", PYTHONUNBUFFERED=unbuffered)
        assert said.returncode == 2
        (tmp_path / "w.key").unlink(missing_ok=True)
        (line,) = said.stderr.splitlines()
        assert "cannot write to standard output: No space left on device" in line
        assert '"code": "system"' in line if "--json" in words else line.startswith("error[system]: ")


@pytest.mark.parametrize("words", [["--help"], ["ps", "--json"]], ids=" ".join)
def test_a_closed_stdout(words: list[str], tmp_path: Path) -> None:
    said = zisk(words, cwd=tmp_path, redirect=">&-")
    assert said.returncode == 2
    assert "cannot write to standard output: Bad file descriptor" in said.stderr


def test_who_prints_nothing_needs_no_stdout(tmp_path: Path) -> None:
    said = zisk(["ps"], cwd=tmp_path, redirect=">&-")
    assert (said.returncode, said.stderr) == (0, "no cluster is running\n")


def test_all_streams_closed(tmp_path: Path) -> None:
    assert zisk(["ps"], cwd=tmp_path, redirect="<&- >&- 2>&-").returncode == 0
    assert zisk(["key", "new", "w.key", "--role", "worker"], cwd=tmp_path, redirect="<&- >&- 2>&-").returncode == 2
    assert "secret" in (tmp_path / "w.key").read_text()


@pytest.mark.parametrize("words", [["up"], ["ps"], ["down"], ["status"]], ids=" ".join)
def test_a_home_that_cannot_be(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    said = zisk(words, cwd=tmp_path, ZISK_HOME=str(home))
    assert said.returncode == 2
    (line,) = [line for line in said.stderr.splitlines() if line.startswith("error[")]
    assert line.startswith(f"error[system]: {home}")
    assert line.endswith(": Not a directory")
    assert "ZISK_HOME" in said.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "/var/lib/x"), "error[system]: /var/lib/x: Permission denied"),
        (OSError(18, "Invalid cross-device link", "/a", None, "/b"), "error[system]: /a to /b: Invalid cross-device link"),
        (OSError(24, "Too many open files"), "error[system]: Too many open files"),
    ],
)
def test_it_has_the_path_and_the_systems_words(
    error: OSError, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def fail() -> None:
        raise error

    monkeypatch.setitem(cli.commands, "fail", fail)
    assert run(["fail"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == words


@pytest.mark.parametrize("command", [["prove"], ["program", "setup"], ["execute"]], ids=" ".join)
@pytest.mark.parametrize("name", ["nosuch.elf", "nosuch", "./nosuch"])
def test_a_program_that_is_not_there_starts_no_cluster(
    command: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(**_: object) -> None:
        raise AssertionError("a cluster was started")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZISK_HOME", str(tmp_path))
    monkeypatch.setattr(local, "embedded", start)
    assert run([*command, name]) == 3
    assert "error[not-found]: " in capsys.readouterr().err


def test_a_taken_port_ends_the_start_with_its_own_code(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = zisk(["up", "--api-port", str(taken.getsockname()[1])], cwd=tmp_path)
    assert said.returncode == 2
    assert "error[port-in-use]: " in said.stderr


@pytest.mark.parametrize(("name", "number", "code"), [("JOB_NOT_FOUND", 1001, "job-not-found"), ("WORKER_UNAVAILABLE", 2002, "no-units")])
def test_refusals_have_the_manuals_name_and_number(name: str, number: int, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    reply = ErrorReply(request=1, code=code, name=name, number=number, message="no", exit_code=3)
    output.report(ClusterRefused(reply), as_json=False)
    assert capsys.readouterr().err == f"error[{code}]: no ({name} {number})\n"
    output.report(ClusterRefused(reply), as_json=True)
    assert f'"name": "{name}", "number": {number}' in capsys.readouterr().err
    later = ErrorReply(request=1, code=code, name=name, number=number, message="no", exit_code=9, retry_after_seconds=5.0)
    output.report(ClusterRefused(later), as_json=False)
    assert capsys.readouterr().err == f"error[{code}]: no ({name} {number}; try again in 5 s)\n"


JOB = "01234567-89ab-4def-8123-456789abcdef"
HEADINGS = ("JOB", "KIND", "PROGRAM", "STATE", "DONE", "SUBMITTED")
ROW = (JOB, "prove", "fibonacci", "completed", "100 %", "2026-11-25 16:00:00")


@pytest.mark.parametrize(("columns", "shown"), [(160, JOB), (80, JOB[:13]), (40, JOB[:13])])
def test_a_narrow_terminal_shows_ids_that_can_be_used(
    columns: int, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.table(HEADINGS, [ROW, ROW])
    said = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert said.count(shown) == 2
    assert (JOB in said) == (shown == JOB)
    assert all(cell in " ".join(said.split()) for cell in ("prove", "fibonacci", "completed", "100 %"))
    assert max(map(len, said.splitlines())) <= columns


def test_a_pipe_has_whole_ids_whatever_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    output.table(HEADINGS, [ROW])
    assert capsys.readouterr().out == "\t".join(HEADINGS) + "\n" + "\t".join(ROW) + "\n"
