"""Real processes on loopback, with the fake prover.

Rules of this file: every process that a test starts is gone when the test is, and a test that leaves one fails.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zisk_actors.client import local

ROOT = Path(__file__).resolve().parent.parent.parent
FAKE = "tests.cluster.fake_prover:FakeProver"

Start = Callable[..., local.LocalCluster]


def descendants(pid: int) -> list[int]:
    """The process ids below one, deepest last."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            child = int(path.parent.name)
            found += [child, *descendants(child)]
    return found


def gone(pids: list[int], seconds: float = 10.0) -> bool:
    """Whether all processes have ended within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(autouse=True)
def import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes find the fake prover."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts clusters in folders of the test; stops them after it, and checks that nothing is left."""
    started: list[local.LocalCluster] = []
    pids: list[int] = []

    def begin(**options: object) -> local.LocalCluster:
        cluster = local.start(**{"folder": tmp_path / "cluster", "prover": FAKE, "log_level": "debug", **options})  # type: ignore[arg-type]
        started.append(cluster)
        return cluster

    yield begin
    for cluster in started:
        for process in cluster.processes:
            pids += [process.pid, *descendants(process.pid)] if process.alive else []
        cluster.stop()
    assert gone(pids), [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids if alive(pid)]
