"""`zisk chaos`, small: killing must cost nothing but time, and the command must leave nothing behind.

Rules of this file: the seeds are fixed, and said by a failure; the long runs are in docs/guarantees.md.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.conftest import ROOT, descendants, gone

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(300)]

COMMAND = [sys.executable, "-m", "zisk_actors", "chaos"]


def chaos(tmp_path: Path, *words: str) -> dict[str, object]:
    """What the command reports; it must have found nothing broken."""
    done = subprocess.run(
        [*COMMAND, *words, "--folder", str(tmp_path / "chaos"), "--json"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    said: dict[str, object] = json.loads(done.stdout)
    return said


def test_mock_jobs_survive_kills_of_everything(tmp_path: Path) -> None:
    said = chaos(
        tmp_path,
        *("--mock", "--jobs", "60", "--workers", "4", "--worker-kills", "12", "--worker-every", "0.4", "--at-once", "2"),
        *("--coordinator-kills", "6", "--coordinator-every", "0.8", "--in-flight", "8", "--seed", "7"),
    )
    assert (said["completed"], said["matched"], said["lost"], said["ended_twice"]) == (60, 60, 0, 0)
    assert (said["worker_kills"], said["coordinator_kills"], said["redone_for_no_kill"]) == (12, 6, 0)


def test_real_proofs_survive_kills_of_everything(tmp_path: Path) -> None:
    said = chaos(tmp_path, "--jobs", "4", "--coordinator-kills", "2", "--coordinator-every", "3", "--worker-every", "2", "--seed", "7")
    assert (said["completed"], said["verified"], said["lost"], said["ended_twice"]) == (4, 4, 0, 0)


def test_an_interrupt_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([*COMMAND, "--mock", "--jobs", "100000"], stderr=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 20
    while len(children := descendants(process.pid)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(children) >= 4
    process.send_signal(signal.SIGINT)
    process.wait(20)
    assert process.returncode == 130
    assert gone(children)
    assert not list(tmp_path.glob("zisk-chaos-*"))
