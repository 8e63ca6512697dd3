"""`zisk status`, `zisk job stuck`, `zisk log-level` against a cluster in memory: what a tired person reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.cli.fake import JOB, FakeCluster, install
from zisk_actors.cli.main import run
from zisk_actors.ids import WorkerId
from zisk_actors.wire.operating import ClusterStatus, Stall
from zisk_actors.wire.values import Kind, Phase


def stands(**changes: Any) -> ClusterStatus:
    fields: dict[str, Any] = {
        "version": "0.1.0",
        "backend": "cpu",
        "role": "operator",
        "epoch": 3,
        "now": 1_800_000_000.0,
        "uptime_seconds": 3725.0,
        "standing": "serving",
        "problems": (),
        "loop_lag_seconds": 0.001,
        "log_level": "info",
        "jobs": {"waiting_for_input": 3, "queued": 4, "running": 1, "completed": 12, "failed": 2},
        "queue_depth": 4,
        "queue_oldest_seconds": 90.0,
        "shares_waiting": 1,
        "shares_running": 2,
        "workers": {"computing": 2, "suspect": 1},
        "units": 30,
        "units_free": 0,
        "refusals": {"worker key-not-allowed": 7, "client queue-full": 1},
        "disk_free_bytes": 5 * 2**30,
        "disk_total_bytes": 100 * 2**30,
    }
    return ClusterStatus(**(fields | changes))


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(list(words)) == 0
    streams = capsys.readouterr()
    return streams.out + streams.err


def test_status_says_it_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = FakeCluster()
    cluster.stands = stands()
    install(monkeypatch, cluster)
    text = said(capsys, "status")
    for words in (
        "takes new work",
        "started 1:02:05 ago, epoch 3",
        "2 computing, 1 suspect",
        "0 free of 30",
        "4 waiting, the oldest for 1:30",
        "1 jobs; shares: 2 held, 1 waiting for a worker",
        "ended        12 completed, 2 failed",
        "3 jobs wait for the rest of their input",
        "7 worker key-not-allowed, 1 client queue-full",
        "5.0 GiB free of 100.0 GiB",
        "operator",
    ):
        assert words in text, words
    answer = json.loads(said(capsys, "status", "--json"))
    assert answer["schema"] == "zisk.status/1"
    assert answer["workers"] == {"computing": 2, "suspect": 1}


def test_status_says_first_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = FakeCluster()
    cluster.stands = stands(problems=("draining", "the queue is full"), workers={}, backend="mock", loop_lag_seconds=3.0)
    install(monkeypatch, cluster)
    text = said(capsys, "status")
    assert text.splitlines()[0].endswith("takes no new work: draining; the queue is full")
    assert "none is connected: no job can start" in text
    assert "MOCK" in text
    assert "its loop was 3.0 s late" in text


def test_stuck_names_who_is_waited_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = FakeCluster()
    cluster.stalled = [
        Stall(
            job=JOB,
            kind=Kind.PROVE,
            phase=Phase.PROVE,
            share=1,
            worker=WorkerId("w1"),
            attempt=2,
            held_seconds=400.0,
            still_seconds=300.0,
            fraction=0.4,
            step="quotient",
            waiting_for="worker w1 to prove share 1",
        )
    ]
    install(monkeypatch, cluster)
    text = said(capsys, "job", "stuck")
    for words in ("prove", "1, try 2", "5:00", "6:40", "40 % quotient", "worker w1 to prove share 1"):
        assert words in text, words
    assert "nothing has stood still for 10:00" in said(capsys, "job", "stuck", "--seconds", "600")
    answer = json.loads(said(capsys, "job", "stuck", "--json"))
    assert (answer["schema"], answer["stalls"][0]["worker"]) == ("zisk.stuck/1", "w1")


def test_the_level_goes_to_whom_it_is_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = FakeCluster()
    install(monkeypatch, cluster)
    assert "the coordinator logs at debug until it is started again" in said(capsys, "log-level", "debug")
    assert "worker w1 logs at warn" in said(capsys, "log-level", "warn", "--worker", "w1")
    assert cluster.levels == [("debug", ""), ("warn", "w1")]
    assert run(["log-level", "loud"]) == 2
