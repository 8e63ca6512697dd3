"""Row 1: a worker that cannot reach the coordinator.

What this pins down: each attempt is a line with the target, the reason and the pause until the next one; pauses grow; the coordinator's
gauge of connected workers counts live sessions, so that it falls when a worker dies and never counts one that did not arrive. On the
worker's host `zisk doctor` says which step fails - name, port, protocol, key - and what to do, with the exit code of the cause.
Victim: a second worker that dials a port where nobody listens; then the only worker, by `kill -9`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.cluster.conftest import Start
from tests.faults.stage import lines, metrics, process, running, until
from tests.unit.actors.conftest import OpenWorld
from zisk_actors.transport.auth import new_keypair, write_keypair

pytestmark = pytest.mark.timeout(120)

CONNECTED = "coordinator_workers_connected"


@pytest.mark.cluster
@pytest.mark.slow
def test_every_attempt_says_where_why_and_when_next(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=1)
    with socket.socket() as nobody:  # bound and not listening: refuses, and stays ours
        nobody.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{nobody.getsockname()[1]}"
        log = tmp_path / "lost.log"
        with running("worker", log, "--config", cluster.folder / "worker-1.toml", "--worker-id", "lost", "-c", url):
            line = until(lambda: lines(log, "Connection failed"), "a failed attempt", 30)[0]
    assert url in line
    assert "connection refused" in line
    assert "code=connection-refused" in line
    assert re.search(r"retry_seconds=[0-9.]+", line)
    assert metrics(cluster)[CONNECTED] == 1, "the one that never came is not counted"


async def test_pauses_grow_up_to_their_limit(open_world: OpenWorld, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_world() as world:
        await world.stop()
        world.worker("a")
        await trio.sleep(30)
        streams = capsys.readouterr()
        pauses = [float(found) for found in re.findall(r"retry_seconds=([0-9.]+)", streams.out + streams.err)]
        limits = [0.2, 0.4, 0.8, 1.6, *[2.0] * len(pauses)]
        assert len(pauses) > 12
        assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, limits, strict=False)), pauses
        await world.start()
        await world.workers_are("a")


@pytest.mark.cluster
@pytest.mark.slow
def test_the_gauge_falls_when_a_worker_dies(start: Start) -> None:
    cluster = start(workers=1)
    assert metrics(cluster)[CONNECTED] == 1
    os.kill(process(cluster, "worker-1").pid, signal.SIGKILL)
    until(lambda: metrics(cluster)[CONNECTED] == 0, "the gauge at 0", 30)


def doctor(cluster_home: Path, *words: object) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """The exit code of `zisk doctor`, and its findings by check: state, what was found, what to do."""
    command = [sys.executable, "-m", "zisk_actors", "doctor", "--json", *map(str, words)]
    environment = {**os.environ, "ZISK_HOME": str(cluster_home), "XDG_CONFIG_HOME": str(cluster_home)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment, cwd=cluster_home)
    assert "Traceback" not in done.stderr, done.stderr
    answer = json.loads(done.stdout)
    assert answer["healthy"] is (done.returncode == 0)
    return done.returncode, {each["check"]: (each["state"], each["found"], each["then"]) for each in answer["findings"]}


@pytest.mark.cluster
@pytest.mark.slow
def test_the_doctor_names_the_step_that_fails(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=1)
    settings = cluster.folder / "worker-1.toml"
    code, found = doctor(tmp_path, "--config", settings)
    assert code == 0
    assert [found[check][0] for check in ("native code", "settings", "disk", "name", "port", "handshake", "answer")] == ["ok"] * 7
    assert metrics(cluster)[CONNECTED] == 1, "it registers no worker"

    client = ("--server-key", cluster.server_key, "--key-file", cluster.facts.client_key_file)
    code, found = doctor(tmp_path, cluster.client_url, *client)
    assert code == 0
    assert found["role"][1] == "our key has the role operator"
    assert [found[check][0] for check in ("version", "clock", "cluster")] == ["ok"] * 3

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        code, found = doctor(tmp_path, f"127.0.0.1:{nobody.getsockname()[1]}", *client)
    assert (code, found["port"][0]) == (7, "fail")
    assert "is the coordinator running" in found["port"][2]
    assert "handshake" not in found

    pid = process(cluster, "coordinator").pid
    os.kill(pid, signal.SIGSTOP)
    try:
        code, found = doctor(tmp_path, cluster.client_url, *client)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert code == 7
    assert "takes connections and says nothing" in found["port"][1]
    code, found = doctor(tmp_path, cluster.metrics_url.removeprefix("http://"), *client)
    assert code == 7
    assert "does not speak ZeroMQ" in found["port"][1]
    code, found = doctor(tmp_path, cluster.facts.worker_url, *client)
    assert code == 8
    assert "is the wrong port" in found["handshake"][1]
    code, found = doctor(tmp_path, cluster.client_url, "--server-key", new_keypair().public, "--key-file", cluster.facts.client_key_file)
    assert code == 7
    assert "does not have the key we expect" in found["handshake"][1]
    keys = new_keypair()
    write_keypair(tmp_path / "stranger.key", keys)
    code, found = doctor(tmp_path, cluster.client_url, "--server-key", cluster.server_key, "--key-file", tmp_path / "stranger.key")
    assert code == 8
    assert f"`client {keys.public} NAME`" in found["handshake"][2]
    assert keys.secret not in str(found)

    settings.write_text(settings.read_text().replace("[worker]", "[worker]\nunits = 3"))
    code, found = doctor(tmp_path, "--config", settings)
    assert (code, found["settings"][0]) == (2, "fail")
