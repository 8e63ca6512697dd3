"""Row 25: a second coordinator on the same state.

What this pins down: it is refused by name with exit code 2 before it listens or writes anything; the first one serves on; a new start on
the state, when the first is gone, has a higher epoch.
Victim: the second coordinator.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.cluster.conftest import Start, gone
from tests.faults.stage import ELF, daemon, lines, process, running, until
from zisk_actors.wire.values import Kind, State

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(60)]


def test_the_second_is_refused_and_the_first_serves_on(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=1)
    settings = cluster.folder / "coordinator.toml"
    with cluster.connect() as client:
        code, _, err = daemon("coordinator", "--config", settings)
        assert code == 2
        assert "error[state-in-use]" in err
        assert "listening" not in err
        assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30).state is State.COMPLETED
    first = process(cluster, "coordinator").pid
    os.kill(first, signal.SIGKILL)
    assert gone([first])
    log = tmp_path / "second.log"
    with running("coordinator", log, "--config", settings):
        until(lambda: lines(log, "epoch=2"), "the next epoch")
