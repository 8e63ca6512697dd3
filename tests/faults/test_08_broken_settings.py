"""Row 8: settings files with mistakes.

What this pins down: what is not TOML is refused with file, line and column; a key that does not exist with file, line and the nearest key
that does; a value that cannot be with its key; each ends the daemon with exit code 2 in one line. The files that are shipped are valid.
Victim: a coordinator and a worker with such files.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.stage import daemon
from zisk_actors.config import CoordinatorConfig, WorkerConfig, load

pytestmark = pytest.mark.timeout(60)


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize(
    ("role", "text", "words"),
    [
        ("coordinator", "[server]\nport = = 1\n", ("settings.toml", "line 2, column 8")),
        (
            "coordinator",
            "[coordinator]\nfase1_timeout_seconds = 5\n",
            ("settings.toml:2", "did you mean coordinator.phase1_timeout_seconds"),
        ),
        (
            "coordinator",
            "[coordinator]\nheartbeat_interval_seconds = 0\n",
            ("settings.toml:2", "heartbeat_interval_seconds: must be above 0, not 0"),
        ),
        ("coordinator", "[logging]\n\nlevel = 'loud'\n", ("settings.toml:3", "trace, debug, info, warn or error, not 'loud'")),
        ("coordinator", "server.host = 'no host'\n", ("settings.toml:1", "server.host is an address or a host name")),
        ("coordinator", "[service]\nenvironment = 'prod'\n", ("settings.toml:2", "did you mean production?")),
        ("coordinator", "[verifier]\nbackend = 'gpu'\n", ("settings.toml:2", "cpu or reference, not 'gpu'")),
        ("coordinator", "coordinator.reconnect_grace_period_ms = 90000\n", ("is not below the heartbeats that a worker may miss",)),
        ("worker", "[worker]\nworker_id = '../x'\n", ("settings.toml:2", "'../x' has other characters than are allowed")),
        ("worker", "[worker]\nworker_idd = 'a'\n", ("settings.toml:2", "did you mean worker.worker_id")),
        ("worker", "[worker.compute_capacity]\ncompute_units = 0\n", ("settings.toml:2", "compute_units: must be at least 1, not 0")),
    ],
)
def test_a_mistake_is_one_line_with_its_place(role: str, text: str, words: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    code, _, err = daemon(role, "--config", file, "--check-config")
    assert code == 2
    errors = [line for line in err.splitlines() if line.startswith("error[config]")]
    assert len(errors) == 1
    assert all(word in errors[0] for word in words), errors


def test_every_shipped_file_can_be_read(repository: Path) -> None:
    files = sorted((repository / "configs").glob("**/*.toml"))
    assert files
    for file in files:
        load(WorkerConfig if "worker" in file.name else CoordinatorConfig, [(file, True)], {}, {}, {})
