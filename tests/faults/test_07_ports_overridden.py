"""Row 7: ports that are to be others.

What this pins down: the three ports can be set by flag, environment and key, in this order; `--check-config` shows each value with where
it is from, on both daemons.
Victim: none; the settings of one coordinator and one worker.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.stage import daemon

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(60)]


def test_flags_go_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "coordinator.toml"
    file.write_text("[server]\nport = 7001\nhost = '0.0.0.0'\n[coordinator]\nport = 50052\n[metrics]\nport = 9091\n")
    words = ("--config", file, "--check-config", "--api-port", "7003")
    code, out, _ = daemon("coordinator", *words, ZISK_COORDINATOR_CLUSTER_PORT="50053", ZISK_COORDINATOR_API_PORT="7002")
    assert code == 0
    assert "server.port = 7003  # command line" in out
    assert "coordinator.port = 50053  # environment ZISK_COORDINATOR_CLUSTER_PORT" in out
    assert f"metrics.port = 9091  # {file}" in out
    assert f"server.host = '0.0.0.0'  # {file}" in out
    code, out, _ = daemon("coordinator", "--check-config", "--cluster-port", "1", "--metrics-port", "2", "--host", "::1")
    assert code == 0
    for line in ("coordinator.port = 1  #", "metrics.port = 2  #", "server.host = '::1'  #"):
        assert f"{line} command line" in out


def test_a_worker_says_where_each_value_is_from(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    file.write_text('[coordinator]\nurl = "tcp://127.0.0.1:1"\n[metrics]\nport = 9092\n')
    words = ("--config", file, "--check-config", "-c", "127.0.0.1:2")
    code, out, _ = daemon("worker", *words, ZISK_WORKER_COORDINATOR_URL="127.0.0.1:3", ZISK_WORKER_METRICS_PORT="9093")
    assert code == 0
    assert "coordinator.url = '127.0.0.1:2'  # command line" in out
    assert "metrics.port = 9093  # environment ZISK_WORKER_METRICS_PORT" in out
    assert "connection.reconnect_max_seconds = 30  # default" in out
