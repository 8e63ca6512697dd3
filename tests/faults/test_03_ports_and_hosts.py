"""Rows 3 and 7: ports and addresses to listen at.

What this pins down: the three ports can be set by flag, key and environment, in this order; `--check-config` shows each value with where
it is from; what is listened at, with the real ports, is in the log at the start.
Victim: none; one coordinator's settings, and a running one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.conftest import Start
from tests.faults.stage import daemon, said

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


def test_where_it_listens_is_said_at_the_start(start: Start) -> None:
    cluster = start(workers=1)
    assert said(cluster, "coordinator", "zisk-coordinator listening on", cluster.client_url, "role=client")
    assert said(cluster, "coordinator", "cluster coordinator listening on", cluster.facts.worker_url, "role=worker")
    assert said(cluster, "coordinator", "metrics server listening", cluster.metrics_url)
    assert said(cluster, "worker-1", "Connecting to coordinator at", cluster.facts.worker_url)
