"""What a local cluster's file says, without starting one (tests/cluster starts them)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from zisk_actors.client import local, processes
from zisk_actors.errors import UsageError


def written(folder: Path, *processes: local.Process) -> None:
    facts = local.ClusterFile(
        version=1,
        started_at=0.0,
        detached=True,
        client_url="tcp://127.0.0.1:1",
        worker_url="tcp://127.0.0.1:2",
        server_key="k",
        client_key_file="f",
        processes=processes,
    )
    (folder / local.STATE).write_bytes(msgspec.json.encode(facts))


def process(pid: int, started: int) -> local.Process:
    return local.Process(role="coordinator", name="coordinator", pid=pid, started=started, log="")


def test_nothing_is_found_where_nothing_was_started(tmp_path: Path) -> None:
    assert local.find(tmp_path) is None
    (tmp_path / local.STATE).write_text("junk")
    assert local.find(tmp_path) is None


def test_a_recycled_process_id_is_not_ours(tmp_path: Path) -> None:
    started = processes.start_time(os.getpid())
    assert started > 0
    written(tmp_path, process(os.getpid(), started))
    assert local.find(tmp_path) is not None
    written(tmp_path, process(os.getpid(), started - 1))
    assert local.find(tmp_path) is None


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        it = process(child.pid, processes.start_time(child.pid))
        assert child.stdin is None
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not it.alive


def test_home_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZISK_HOME", str(tmp_path / "zisk"))
    assert local.home() == tmp_path / "zisk"
    monkeypatch.delenv("ZISK_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert local.home() == tmp_path / "state" / "zisk"


def test_a_cluster_of_no_workers_makes_no_sense(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        local.start(workers=0, folder=tmp_path)
