"""Settings: where they come from, which one wins, and what is refused by name."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from zisk_actors.config import COORDINATOR_ENVIRONMENT, ConfigError, CoordinatorConfig, WorkerConfig, load, show
from zisk_actors.errors import NotFoundError

ROOT = Path(__file__).resolve().parents[2]


def coordinator(tmp_path: Path, content: str, environment: dict[str, str] | None = None, **flags: object) -> CoordinatorConfig:
    path = tmp_path / "coordinator.toml"
    path.write_text(content)
    dotted = {key.replace("__", "."): value for key, value in flags.items()}
    return load(CoordinatorConfig, [(path, True)], environment or {}, COORDINATOR_ENVIRONMENT, dotted)[0]


def test_defaults_are_the_manuals() -> None:
    config, origins = load(CoordinatorConfig, [], {}, {}, {})
    core = config.coordinator
    assert (config.server.port, core.port) == (7000, 50051)
    assert (core.phase1_timeout_seconds, core.phase2_timeout_seconds, core.phase3_timeout_seconds) == (300, 600, 100)
    assert (core.heartbeat_interval_seconds, core.heartbeat_max_missed, core.reconnect_grace_period_ms) == (30, 3, 500)
    assert (core.max_workers_per_job, core.max_total_workers, core.min_compute_units) == (10, 1000, 1)
    assert load(WorkerConfig, [], {}, {}, {})[0].worker.compute_capacity.compute_units == 10
    assert origins == {}


def test_a_flag_wins_over_the_environment_and_that_over_a_file(tmp_path: Path) -> None:
    text = "[server]\nport = 1\n[coordinator]\nport = 2\n"
    environment = {"ZISK_COORDINATOR_API_PORT": "3", "ZISK_COORDINATOR_CLUSTER_PORT": "4"}
    assert coordinator(tmp_path, text).server.port == 1
    config = coordinator(tmp_path, text, environment, server__port=5)
    assert (config.server.port, config.coordinator.port) == (5, 4)


def test_files_are_layered(tmp_path: Path) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text("[server]\nport = 1\nhost = '10.0.0.1'\n")
    second.write_text("[server]\nport = 2\n")
    config, origins = load(CoordinatorConfig, [(first, False), (second, True), (tmp_path / "none", False)], {}, {}, {})
    assert (config.server.port, config.server.host) == (2, "10.0.0.1")
    assert origins == {"server.port": str(second), "server.host": str(first)}
    sink = io.StringIO()
    show(config, origins, sink)
    assert f"server.port = 2  # {second}" in sink.getvalue()
    assert "coordinator.port = 50051  # default" in sink.getvalue()


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("[coordinator]\nheartbeat_intervall_seconds = 1\n", "coordinator.toml:2: there is no setting", "heartbeat_interval_seconds"),
        ("[servers]\nport = 1\n", "coordinator.toml:1: there is no setting servers", "did you mean server?"),
        ("server = 5\n", "server is a table", ""),
        ("[server]\nport = 70000\n", "server.port", ""),
        ("[server]\nport = '7000'\n", "Expected `int`", ""),
        ("[coordinator]\nheartbeat_interval_seconds = 0\n", "heartbeat_interval_seconds", ""),
        ("[coordinator]\nheartbeat_interval_seconds = 0.1\n", "reconnect_grace_period_ms", ""),
        ("[server]\nport = 50051\n", "both 50051", ""),
        ("[logging]\nlevel = 'loud'\n", "logging.level", ""),
        ("[logging]\nformat = 'xml'\n", "logging.format", ""),
        ("[server\n", "line 1", ""),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, words: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        coordinator(tmp_path, text)
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load(CoordinatorConfig, [(tmp_path / "none.toml", True)], {}, {}, {})


@pytest.mark.parametrize("text", ["a b", "../x", ".hidden", "x" * 65])
def test_a_worker_id_is_one_that_can_be_a_file_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="worker_id"):
        load(WorkerConfig, [], {}, {}, {"worker.worker_id": text})


def test_the_shipped_file_can_be_read() -> None:
    config, _ = load(CoordinatorConfig, [(ROOT / "configs" / "local.toml", True)], {}, {}, {})
    assert config.server.host == "127.0.0.1"
