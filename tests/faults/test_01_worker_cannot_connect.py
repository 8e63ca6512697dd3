"""Row 1: a worker that cannot reach the coordinator.

What this pins down: each attempt is a line with the target, the reason and the pause until the next one; pauses grow; the coordinator's
gauge of connected workers counts live sessions, so that it falls when a worker dies and never counts one that did not arrive.
Victim: a second worker that dials a port where nobody listens; then the only worker, by `kill -9`.
"""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.cluster.conftest import Start
from tests.faults.stage import lines, metrics, process, running, until
from tests.unit.actors.conftest import OpenWorld

pytestmark = pytest.mark.timeout(60)

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
