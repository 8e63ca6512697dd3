"""Row 11: workers that idle while the count of active jobs stays up.

What this pins down: `coordinator_active_jobs` is read from the state, so that after jobs that completed, trapped, broke, were cancelled or
timed out it is 0 again, no share has a holder, and the next job runs at once.
Victim: one job of each end.
"""

from __future__ import annotations

import pytest

from tests.cluster.conftest import Start
from tests.faults.stage import ELF, metrics, until
from zisk_actors.wire.values import Kind, State

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(90)]


def test_every_end_of_a_job_brings_the_gauge_down(start: Start) -> None:
    cluster = start(workers=2)
    with cluster.connect() as client:
        ends = {
            client.submit(Kind.EXECUTE, ELF): State.COMPLETED,
            client.submit(Kind.PROVE, ELF, params="test"): State.COMPLETED,
            client.submit(Kind.PROVE, ELF, stdin=b"trap", params="test"): State.FAILED,
            client.submit(Kind.EXECUTE, b"no ELF"): State.FAILED,
            client.submit(Kind.PROVE, ELF, stdin=b"raise=0", params="test"): State.FAILED,
        }
        for job, end in ends.items():
            assert client.wait(job, seconds=60).state is end
        stuck = client.submit(Kind.PROVE, ELF, stdin=b"hang=0", params="test")
        until(lambda: metrics(cluster)["coordinator_active_jobs"] == 1, "one active job")
        assert client.cancel(stuck)[0]
        seen = metrics(cluster)
        assert seen["coordinator_active_jobs"] == 0
        assert seen['coordinator_shares{state="running"}'] == seen['coordinator_shares{state="waiting"}'] == 0
        assert seen["coordinator_workers_connected"] == 2
        assert client.wait(client.submit(Kind.PROVE, ELF, params="test"), seconds=60).state is State.COMPLETED
        assert metrics(cluster)["coordinator_active_jobs"] == 0
