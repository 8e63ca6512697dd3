"""Row 12: what the log says of registrations and assignments.

What this pins down: `grep register` finds one line per registration with the worker's id and compute capacity, on both sides, and
`grep assign` one line per share with the whole job id, the worker and the attempt.
Victim: none; one proof over two workers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.conftest import Start
from tests.faults.stage import ELF, lines, process, said
from zisk_actors.wire.values import Kind, State

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(60)]


def test_grep_register_and_assign(start: Start) -> None:
    cluster = start(workers=2)
    with cluster.connect() as client:
        job = client.submit(Kind.PROVE, ELF, params="test")
        assert client.wait(job, seconds=30).state is State.COMPLETED
    for name in ("worker-1", "worker-2"):
        (line,) = said(cluster, "coordinator", "worker registered", f"worker={name}")
        assert "compute_capacity=10" in line
        assert said(cluster, name, "registered with the coordinator", "compute_units=10")
    log = Path(process(cluster, "coordinator").log)
    assigned = [line for line in lines(log, "assign") if f"job={job}" in line and "attempt=1" in line]
    assert {share for share in (0, 1) for line in assigned if f"share={share} " in line} == {0, 1}
    assert {name for name in ("worker-1", "worker-2") for line in assigned if f"worker={name}" in line} == {"worker-1", "worker-2"}
