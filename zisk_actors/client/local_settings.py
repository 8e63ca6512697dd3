"""The settings that a local cluster's processes are started with; each start writes their files anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zisk_actors.backends import DEFAULT, MOCK, REAL
from zisk_actors.config_files import LOCAL_COORDINATOR
from zisk_actors.toml_files import Value

LOCAL_CONNECTIONS = 200
"""Open connections at each port: few enough for any machine's limit of open files."""

COMMENT = "Written by the start of this local cluster; changed at the next start."


def state_folder(*, mock: bool) -> str:
    """The folder of the coordinator's state: a mock has another, so that the two are never mixed."""
    return "coordinator-mock" if mock else "coordinator"


def coordinator_settings(
    folder: Path, api_port: int, cluster_port: int, log_level: str, mock: bool, more: Mapping[str, Value]
) -> Mapping[str, Value]:
    """The settings of the coordinator, by their names: loopback, no drain, and `more`."""
    return {
        "server.host": "127.0.0.1",
        "server.port": api_port,
        "server.shutdown_timeout_seconds": 0,
        "metrics.host": "127.0.0.1",
        "metrics.port": 0,
        "coordinator.port": cluster_port,
        **LOCAL_COORDINATOR,
        "backend.mode": MOCK if mock else REAL,
        "backend.mock_workers": 0,
        "store.folder": str(folder / state_folder(mock=mock)),
        "security.key_file": str(folder / "keys" / "coordinator.key"),
        "security.allow_file": str(folder / "keys" / "allowed"),
        "security.max_connections": LOCAL_CONNECTIONS,
        "logging.level": log_level,
        "logging.format": "compact",
        **more,
    }


def worker_settings(
    folder: Path, name: str, url: str, server_key: str, threads: int, memory: int, log_level: str, mock: bool
) -> Mapping[str, Value]:
    """The settings of one worker, by their names."""
    return {
        "worker.worker_id": name,
        "worker.backend": MOCK if mock else DEFAULT,
        "worker.threads": threads,
        "worker.memory_bytes": memory,
        "worker.cache_folder": str(folder / name),
        "worker.compute_capacity.compute_units": 10,
        "coordinator.url": url,
        "connection.reconnect_interval_seconds": 0.2,
        "connection.reconnect_max_seconds": 2,
        "security.key_file": str(folder / "keys" / f"{name}.key"),
        "security.server_key": server_key,
        "logging.level": log_level,
        "logging.format": "compact",
    }
