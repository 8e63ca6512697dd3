"""What an operator sees and does: metrics and health over HTTP, and processes that are told to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.conftest import FAKE, Start, gone
from zisk_actors.client import local, local_settings
from zisk_actors.client.blocking import BlockingClient
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.ids import JobId
from zisk_actors.wire.values import Kind, State

ELF = b"\x7fELF the program"

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def get(url: str) -> tuple[int, str]:
    """The status and the body of a page."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def series(url: str) -> dict[str, float]:
    """All series of a daemon, by name and labels."""
    status, text = get(f"{url}/metrics")
    assert status == 200
    return {name: float(number) for name, _, number in (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")}


def until(check: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(client: BlockingClient, stdin: bytes) -> JobId:
    """A job that has begun to compute."""
    job = client.submit(Kind.PROVE, ELF, stdin=stdin, params="test")
    for status in client.watch(job):
        if status.shares:
            break
    return job


def pid_of(cluster: local.LocalCluster, name: str) -> int:
    return next(each.pid for each in cluster.processes if each.name == name)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how long the coordinator of a local cluster drains."""
    settings = local_settings.coordinator_settings

    def patient(seconds: int) -> None:
        later = {"server.shutdown_timeout_seconds": seconds}
        monkeypatch.setattr(local, "coordinator_settings", lambda *these: {**settings(*these), **later})

    return patient


def test_metrics_say_what_happens(start: Start) -> None:
    cluster = start(workers=2)
    url = cluster.metrics_url
    with cluster.connect() as client:
        assert client.wait(client.submit(Kind.PROVE, ELF, params="test"), seconds=60).state is State.COMPLETED
        client.wait(client.submit(Kind.PROVE, ELF, stdin=b"raise=0", params="test"), seconds=60)
        job = running(client, b"sleep=5")
        said = series(url)
        assert said["coordinator_active_jobs"] == 1
        assert said["coordinator_workers_connected"] == said['coordinator_workers{state="computing"}'] == 2
        assert said["coordinator_compute_units"] == 20
        assert said["coordinator_compute_units_free"] == 0
        assert said['coordinator_shares{state="running"}'] == 2
        assert said["coordinator_registered_programs_total"] == 1
        assert client.cancel(job)[0]
        said = series(url)
        assert [said[f'coordinator_jobs_total{{kind="prove",outcome="{how}"}}'] for how in ("success", "failure", "cancelled")] == [1, 1, 1]
        assert said['coordinator_worker_jobs_total{outcome="success",worker_id="worker-1"}'] == 1
        assert said['coordinator_job_duration_seconds_count{outcome="success"}'] == 1
        assert said['coordinator_phase_duration_seconds_count{phase="aggregate"}'] == 1
        assert said['coordinator_phase_duration_seconds_count{phase="contribute"}'] >= 1
        assert said["coordinator_active_jobs"] == 0
        assert said['coordinator_requests_total{method="Submit",status="ok"}'] == 3
        assert said["coordinator_job_queue_seconds_count"] == 3
        assert said["coordinator_journal_events_total"] >= 10
        os.kill(pid_of(cluster, "worker-2"), signal.SIGTERM)
        until(lambda: series(url)["coordinator_workers_connected"] == 1)
        assert series(url)['coordinator_workers_lost_total{reason="goodbye"}'] == 1
    assert get(f"{url}/health") == (200, "OK")
    status, text = get(f"{url}/readyz")
    assert (status, json.loads(text)["status"]) == (200, "ready")


def test_a_cluster_lives_in_a_folder_of_any_name(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=1, folder=tmp_path / 'a "quoted" \\ folder #1')
    with cluster.connect() as client:
        assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=60).state is State.COMPLETED


def test_the_coordinator_drains(start: Start, patient: Callable[[int], None]) -> None:
    patient(20)
    cluster = start(workers=2)
    coordinator = pid_of(cluster, "coordinator")
    with cluster.connect() as client:
        job = running(client, b"sleep=1")
        queued = client.submit(Kind.PROVE, ELF, stdin=b"later", params="test")
        os.kill(coordinator, signal.SIGTERM)
        until(lambda: get(f"{cluster.metrics_url}/readyz")[0] == 503)
        assert "draining" in json.loads(get(f"{cluster.metrics_url}/readyz")[1])["reasons"]
        with pytest.raises(ClusterRefused, match="shutting down") as refused:
            client.submit(Kind.PROVE, ELF, params="test")
        assert (refused.value.code, refused.value.name, refused.value.number) == ("draining", "SYSTEM_UNAVAILABLE", 2001)
        assert refused.value.retry_after_seconds
        assert client.job(queued).state is State.QUEUED
        assert client.wait(job, seconds=20).state is State.COMPLETED
    assert gone([coordinator])
    log = (cluster.folder / "coordinator.log").read_text()
    assert "stopped gracefully" in log
    assert "graceful drain timeout" not in log


def test_what_does_not_end_in_time_goes_on_at_the_next_start(start: Start, patient: Callable[[int], None]) -> None:
    patient(1)
    cluster = start(workers=1)
    with cluster.connect() as client:
        running(client, b"hang=0")
        os.kill(pid_of(cluster, "coordinator"), signal.SIGTERM)
        assert gone([pid_of(cluster, "coordinator")], 5.0)
    assert "graceful drain timeout" in (cluster.folder / "coordinator.log").read_text()


def test_the_second_signal_ends_at_once(start: Start, patient: Callable[[int], None]) -> None:
    patient(100)
    cluster = start(workers=1)
    coordinator = pid_of(cluster, "coordinator")
    with cluster.connect() as client:
        running(client, b"hang=0")
        os.kill(coordinator, signal.SIGTERM)
        until(lambda: get(f"{cluster.metrics_url}/readyz")[0] == 503)
        os.kill(coordinator, signal.SIGTERM)
        assert gone([coordinator], 5.0)


def test_a_terminated_worker_hands_its_work_back(start: Start) -> None:
    cluster = start(workers=2)
    with cluster.connect() as client:
        job = running(client, b"sleep=1")
        os.kill(pid_of(cluster, "worker-2"), signal.SIGTERM)
        until(lambda: {share.worker for share in client.job(job).shares} == {"worker-1"}, seconds=3.0)  # a loss would take 10 s
        assert client.wait(job, seconds=60).state is State.COMPLETED
    assert "stopped gracefully" in (cluster.folder / "worker-2.log").read_text()


def test_a_worker_has_metrics_where_it_is_asked_to(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=1)
    settings = cluster.folder / "worker-1.toml"
    os.kill(pid_of(cluster, "worker-1"), signal.SIGTERM)
    assert gone([pid_of(cluster, "worker-1")])
    command = [sys.executable, "-m", "zisk_actors.cli.worker", "--config", str(settings), "--prover", FAKE, "--metrics-port", "0"]
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        said = tmp_path / "worker.log"
        until(lambda: "metrics server listening" in said.read_text())
        url = said.read_text().partition("listening url=")[2].split()[0]
        until(lambda: get(f"{url}/readyz")[0] == 200)
        with cluster.connect() as client:
            assert client.wait(client.submit(Kind.PROVE, ELF, params="test"), seconds=60).state is State.COMPLETED
        until(lambda: series(url)["worker_results_kept"] == 0)
        there = series(url)
        assert there["worker_connected"] == 1
        assert there["worker_compute_units"] == 10
        assert there['worker_shares_total{outcome="done",phase="prove"}'] == 1
        assert there['worker_connects_total{outcome="success"}'] == 1
    finally:
        worker.terminate()
        assert worker.wait(10) == 0
