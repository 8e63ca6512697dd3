"""`zisk key`: what is written, what is printed, what is refused."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from zisk_actors.cli.main import run
from zisk_actors.transport.allowlist import ROLES, parse_allow_list
from zisk_actors.transport.auth import read_keypair


@pytest.mark.parametrize("role", ROLES)
def test_a_new_key_is_printed_as_its_line_of_the_list(role: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w1.key"
    assert run(["key", "new", str(path), "--role", role, "--name", "Müller"]) == 0
    keys = read_keypair(path)
    said = capsys.readouterr()
    assert parse_allow_list(said.out, "stdout") == {(role, keys.public): "Müller"}
    assert "allow-list" in said.err
    assert keys.secret not in said.out + said.err
    assert run(["key", "show", str(path), "--role", role]) == 0
    assert capsys.readouterr().out == f"{role} {keys.public} w1\n"


def test_only_its_owner_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert run(["key", "new", str(tmp_path / "w.key"), "--role", "worker"]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "w.key").stat().st_mode) == 0o600


def test_its_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    assert run(["key", "new", str(tmp_path / "new" / "w.key"), "--role", "worker"]) == 0
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_key_of_a_coordinator_is_a_line_of_its_workers_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "coordinator.key"
    assert run(["key", "new", str(path), "--role", "coordinator"]) == 0
    assert capsys.readouterr().out == f'server_key = "{read_keypair(path).public}"\n'


def test_json_has_the_line_and_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w1.key"
    assert run(["key", "new", str(path), "--role", "worker", "--json"]) == 0
    keys = read_keypair(path)
    said = json.loads(capsys.readouterr().out)
    line = f"worker {keys.public} w1"
    assert said == {"schema": "zisk.key/1", "file": str(path), "role": "worker", "name": "w1", "public": keys.public, "line": line}


def test_a_key_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w1.key"
    path.write_text("precious")
    assert run(["key", "new", str(path), "--role", "worker"]) == 2
    assert "error[key-file]" in capsys.readouterr().err
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["", "two words", "#comment", "a\tb", "a\nworker", "x" * 101, "\x1b[31m"])
def test_a_name_that_would_break_the_list_is_refused_and_nothing_made(name: str, tmp_path: Path) -> None:
    assert run(["key", "new", str(tmp_path / "w1.key"), "--role", "worker", "--name", name]) == 2
    assert list(tmp_path.iterdir()) == []


def test_where_no_key_can_be_written_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert run(["key", "new", str(tmp_path / "file" / "w1.key"), "--role", "worker"]) == 2
    assert f"{tmp_path / 'file'}: " in capsys.readouterr().err
    assert run(["key", "show", str(tmp_path / "w1.key"), "--role", "worker"]) == 3


def test_a_key_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zisk_actors.transport.auth.os.fdopen", full)
    assert run(["key", "new", str(tmp_path / "w1.key"), "--role", "worker"]) == 2
    assert list(tmp_path.iterdir()) == []
