"""Row 3: ports that firewalls must let through.

What this pins down: what is listened at, with the real ports, is in the log at the start, each with who is to come in there; a worker says
where it dials. Ports are settings: `test_07_ports_overridden.py`.
Victim: none; a running cluster on ports that the system chose.
"""

from __future__ import annotations

import pytest

from tests.cluster.conftest import Start
from tests.faults.stage import said

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(60)]


def test_where_it_listens_is_said_at_the_start(start: Start) -> None:
    cluster = start(workers=1)
    assert said(cluster, "coordinator", "zisk-coordinator listening on", cluster.client_url, "role=client")
    assert said(cluster, "coordinator", "cluster coordinator listening on", cluster.facts.worker_url, "role=worker")
    assert said(cluster, "coordinator", "metrics server listening", cluster.metrics_url)
    assert said(cluster, "worker-1", "Connecting to coordinator at", cluster.facts.worker_url)
