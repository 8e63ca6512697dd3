"""What a real cluster exports and logs: every declared series is there, and every line of a json log is JSON with whole ids."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.cluster.conftest import Start, gone
from tests.faults.stage import ELF, lines, process, running, until
from zisk_actors.client import local
from zisk_actors.web import metrics as declared
from zisk_actors.wire.values import Kind, State

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(90)]


def kinds(url: str) -> dict[str, str]:
    """The kind of each series of a page, by name."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        return dict(re.findall(r"^# TYPE (\S+) (\S+)$", answer.read().decode(), re.MULTILINE))


def test_every_declared_series_is_on_the_page_of_a_real_daemon(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=1)
    with cluster.connect() as client:
        assert client.wait(client.submit(Kind.PROVE, ELF, params="test"), seconds=60).state is State.COMPLETED
    there = kinds(cluster.metrics_url)
    for metric in declared.listed("coordinator"):
        assert there.get(metric.name) == type(metric).__name__.lower(), metric.name
    pid = process(cluster, "worker-1").pid
    os.kill(pid, signal.SIGTERM)
    assert gone([pid])
    log = tmp_path / "worker.log"
    with running("worker", log, "--config", cluster.folder / "worker-1.toml", "--metrics-port", "0"):
        (line,) = until(lambda: log.exists() and lines(log, "metrics server listening"), "the worker's page", 30) or []
        there = kinds(line.partition("url=")[2].split()[0])
    for metric in declared.listed("worker"):
        assert there.get(metric.name) == type(metric).__name__.lower(), metric.name


def test_a_json_log_is_json_with_whole_ids(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("coordinator_settings", "worker_settings"):
        write = getattr(local, name)
        monkeypatch.setattr(local, name, lambda *these, write=write: {**write(*these), "logging.format": "json"})
    cluster = start(workers=1)
    with cluster.connect() as client:
        job = client.submit(Kind.PROVE, ELF, params="test")
        assert client.wait(job, seconds=60).state is State.COMPLETED
    for name in ("coordinator", "worker-1"):
        events = [json.loads(line) for line in Path(process(cluster, name).log).read_text().splitlines()]
        assert all({"event", "level", "timestamp"} <= event.keys() for event in events)
        assert {event["job"] for event in events if "job" in event} == {job}
        assert any("register" in event["event"] for event in events)
    log = Path(process(cluster, "coordinator").log).read_text()
    assigned = [json.loads(line) for line in log.splitlines() if "assign" in line]
    assert {(event["job"], event["worker"], event["attempt"]) for event in assigned if "share" in event} == {(job, "worker-1", 1)}
