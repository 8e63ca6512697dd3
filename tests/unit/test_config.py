"""Settings: where they come from, which one wins, and what is refused by name."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from zisk_actors.config import COORDINATOR_ENVIRONMENT, WORKER_ENVIRONMENT, ConfigError, CoordinatorConfig, WorkerConfig, load, show
from zisk_actors.errors import NotFoundError


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
        ("[server]\nport = 50051\n", "server.port and coordinator.port are both 50051", ""),
        ("[metrics]\nport = 7000\n", "server.port and metrics.port are both 7000", ""),
        ("[server]\nshutdown_timeout_seconds = -1\n", "shutdown_timeout_seconds", ""),
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


def test_the_core_file_wins_over_the_server_file_and_not_over_the_environment(tmp_path: Path) -> None:
    core = tmp_path / "core.toml"
    core.write_text("[coordinator]\nport = 4\nphase1_timeout_seconds = 7\n[server]\nport = 9\n[logging]\nlevel = 'loud'\n")
    server = tmp_path / "coordinator.toml"
    server.write_text("[coordinator]\nconfig_file = 'core.toml'\nphase1_timeout_seconds = 1\nphase2_timeout_seconds = 2\n")
    environment = {"ZISK_COORDINATOR_CLUSTER_PORT": "5"}
    config, origins = load(CoordinatorConfig, [(server, True)], environment, COORDINATOR_ENVIRONMENT, {})
    assert (config.coordinator.phase1_timeout_seconds, config.coordinator.phase2_timeout_seconds, config.coordinator.port) == (7, 2, 5)
    assert origins["coordinator.phase1_timeout_seconds"] == str(core)
    assert config.server.port == 7000
    assert set(origins.ignored) == {f"[server] of {core}", f"[logging] of {core}"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[coordinator]\nphase1_timeout = 7\n", "core.toml:2: there is no setting coordinator.phase1_timeout"),
        ("[worker]\nthreads = 7\n", "core.toml:1: there is no setting worker"),
        ("[coordinator]\nconfig_file = 'more.toml'\n", "this file is named by one already"),
        ("coordinator = 1\n", "coordinator is a table"),
    ],
)
def test_a_core_file_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "core.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        coordinator(tmp_path, "[coordinator]\nconfig_file = 'core.toml'\n")


def test_a_core_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"core\.toml"):
        coordinator(tmp_path, "[coordinator]\nconfig_file = 'core.toml'\n")


def test_keys_of_the_manual_without_use_are_accepted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "coordinator.toml"
    path.write_text("[coordinator]\njob_monitor_interval_seconds = 10\n[server]\nproofs_dir = 'proofs'\n")
    config, origins = load(CoordinatorConfig, [(path, True)], {}, {}, {})
    sink = io.StringIO()
    show(config, origins, sink)
    assert f"# ignored: coordinator.job_monitor_interval_seconds of {path}: limits are kept to the moment" in sink.getvalue()
    assert "server.proofs_dir" in sink.getvalue()


def test_a_worker_has_metrics_where_their_port_is_named(tmp_path: Path) -> None:
    assert not load(WorkerConfig, [], {}, WORKER_ENVIRONMENT, {})[0].metrics.enabled
    assert load(WorkerConfig, [], {}, WORKER_ENVIRONMENT, {"metrics.port": 0})[0].metrics.enabled
    config, origins = load(WorkerConfig, [], {"ZISK_WORKER_METRICS_PORT": "9"}, WORKER_ENVIRONMENT, {})
    assert (config.metrics.enabled, config.metrics.port) == (True, 9)
    assert origins["metrics.enabled"] == "environment ZISK_WORKER_METRICS_PORT"
    path = tmp_path / "worker.toml"
    path.write_text("[metrics]\nenabled = false\n")
    assert not load(WorkerConfig, [(path, True)], {}, {}, {"metrics.port": 9})[0].metrics.enabled


def test_a_name_of_digits_is_a_name() -> None:
    assert load(WorkerConfig, [], {"ZISK_WORKER_ID": "7"}, WORKER_ENVIRONMENT, {})[0].worker.worker_id == "7"


def test_pauses_must_grow() -> None:
    with pytest.raises(ConfigError, match="reconnect_max_seconds is shorter"):
        load(WorkerConfig, [], {}, {}, {"connection.reconnect_max_seconds": 0.5})
