"""The allow-list: what a line is, who may come in where, and what a bad file changes (nothing)."""

from __future__ import annotations

from pathlib import Path

import pytest

from zisk_actors.transport.allowlist import MAX_BYTES, AllowList, KeyFileError, is_key, parse_allow_list
from zisk_actors.transport.auth import new_keypair

KEY = new_keypair().public


def test_a_bad_line_is_named() -> None:
    assert parse_allow_list(f"# comment\n\n  # another\nclient {KEY} anna\n", "f") == {("client", KEY): "anna"}
    with pytest.raises(KeyFileError, match="f:1"):
        parse_allow_list(f"king {KEY} anna\n", "f")
    with pytest.raises(KeyFileError, match="f:2"):
        parse_allow_list("\nclient tooshort anna\n", "f")


def test_what_libzmq_does_not_take_is_no_key() -> None:
    for _ in range(50):
        keys = new_keypair()
        assert is_key(keys.public)
        assert is_key(keys.secret)
    assert is_key("%nSc0" + 35 * "0"), "2**32 - 1"
    assert not is_key("%nSc1" + 35 * "0"), "2**32"
    assert not is_key(35 * "0" + "#####")
    assert not is_key(39 * "0")
    assert not is_key(39 * "0" + "~")


def test_an_operator_comes_in_where_clients_do_and_counts_before_one(tmp_path: Path) -> None:
    allowed = AllowList(tmp_path / "allowed")
    allowed.add("operator", KEY, "anna")
    assert allowed.role_at("client", KEY) == "operator"
    assert allowed.role_at("worker", KEY) is None
    assert allowed.role_at("elsewhere", KEY) is None
    allowed.add("client", KEY, "anna")
    allowed.add("worker", KEY, "anna")
    assert allowed.role_at("client", KEY) == "operator"
    assert allowed.role_at("worker", KEY) == "worker"
    assert (allowed.count("client"), allowed.count("worker")) == (2, 1)


def test_a_change_counts_at_once_and_is_a_new_version(tmp_path: Path) -> None:
    path = tmp_path / "allowed"
    allowed = AllowList(path)
    allowed.load()
    assert allowed.role_at("client", KEY) is None
    assert (allowed.version, allowed.problem) == (0, "")
    path.write_text(f"client {KEY} M\u00fcller\n", encoding="utf-8")
    assert allowed.role_at("client", KEY) == "client"
    assert allowed.name_of("client", KEY) == "M\u00fcller"
    assert allowed.version == 1
    path.write_text(f"# the same\nclient {KEY} M\u00fcller\n", encoding="utf-8")
    allowed.refresh()
    assert allowed.version == 1, "nothing has changed for anybody"
    path.write_text("")
    assert allowed.role_at("client", KEY) is None
    assert allowed.version == 2


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"king and queen\n", b"#" * (MAX_BYTES + 1)])
def test_a_bad_file_changes_nothing_and_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "allowed"
    path.write_text(f"client {KEY} anna\n")
    allowed = AllowList(path)
    allowed.load()
    path.write_bytes(content)
    assert allowed.role_at("client", KEY) == "client"
    assert str(path) in allowed.problem
    assert allowed.version == 1
    with pytest.raises(KeyFileError, match="allowed"):
        AllowList(path).load()
    path.write_text(f"client {KEY} anna\n")
    allowed.refresh()
    assert allowed.problem == ""


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_list_that_others_can_write_changes_nothing(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "allowed"
    path.write_text(f"client {KEY} anna\n")
    path.chmod(0o644)
    allowed = AllowList(path)
    allowed.load()
    path.write_text(f"operator {KEY} anna\n")
    path.chmod(mode)
    assert allowed.role_at("client", KEY) == "client"
    assert f"others can write the allow-list (mode {mode:04o})" in allowed.problem
    with pytest.raises(KeyFileError, match="others can write"):
        AllowList(path).load()
    path.chmod(0o600)
    assert allowed.role_at("client", KEY) == "operator"


def test_a_file_that_is_gone_revokes_nobody(tmp_path: Path) -> None:
    path = tmp_path / "allowed"
    path.write_text(f"client {KEY} anna\n")
    allowed = AllowList(path)
    allowed.load()
    path.unlink()
    assert allowed.role_at("client", KEY) == "client"
    assert "is gone" in allowed.problem
