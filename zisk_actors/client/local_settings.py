"""The settings files that a local cluster's processes are started with; each start writes them anew."""

from __future__ import annotations

from pathlib import Path


def state_folder(*, mock: bool) -> str:
    """The folder of the coordinator's state: a mock has another, so that the two are never mixed."""
    return "coordinator-mock" if mock else "coordinator"


def coordinator_settings(folder: Path, api_port: int, cluster_port: int, log_level: str, mock: bool, security: str) -> str:
    """The settings of the coordinator: loopback, no drain, time limits that no real proof of one machine reaches."""
    return f"""# Written by the start of this local cluster; changed at the next start.
[server]
host = "127.0.0.1"
port = {api_port}
shutdown_timeout_seconds = 0

[metrics]
host = "127.0.0.1"
port = 0

[coordinator]
port = {cluster_port}
heartbeat_interval_seconds = 2
heartbeat_max_missed = 5
phase1_timeout_seconds = 3600
phase2_timeout_seconds = 3600
phase3_timeout_seconds = 600
execution_timeout_seconds = 3600

[backend]
mode = "{"mock" if mock else "coordinator"}"
mock_workers = 0

[store]
folder = "{folder / state_folder(mock=mock)}"

[security]
key_file = "{folder / "keys" / "coordinator.key"}"
allow_file = "{folder / "keys" / "allowed"}"
{security}

[logging]
level = "{log_level}"
format = "compact"
"""


def worker_settings(folder: Path, name: str, url: str, server_key: str, threads: int, memory: int, log_level: str, mock: bool) -> str:
    """The settings of one worker."""
    return f"""# Written by the start of this local cluster; changed at the next start.
[worker]
worker_id = "{name}"
backend = "{"mock" if mock else "cpu"}"
threads = {threads}
memory_bytes = {memory}
cache_folder = "{folder / name}"

[worker.compute_capacity]
compute_units = 10

[coordinator]
url = "{url}"

[connection]
reconnect_interval_seconds = 0.2
reconnect_max_seconds = 2

[security]
key_file = "{folder / "keys" / f"{name}.key"}"
server_key = "{server_key}"

[logging]
level = "{log_level}"
format = "compact"
"""
