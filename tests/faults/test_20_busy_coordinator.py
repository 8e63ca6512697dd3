"""Row 20: a coordinator that has no processor, and hears nobody.

What this pins down: time in which the coordinator's own loop did not run is silence of nobody: after a stop of any length no worker is
suspected or lost, its leases stay, and real silence afterwards counts as always. The loop's lateness is in the log and in a series.
Victim: the loop of the coordinator, which stands still for 1,000 s; then a real one, which is stopped (SIGSTOP) for longer than any worker
may be silent, with shares running.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.cluster.conftest import Start
from tests.faults.stage import ELF, metrics, process, said, until
from zisk_actors.core.events import Enqueue, Joined, Lost, Tick
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.worker import WorkerHealth
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(150)

A = WorkerId("a")
JOB = JobId("0" * 8 + "-0000-4000-8000-" + "0" * 12)


def test_a_loop_that_stood_still_loses_nobody() -> None:
    scheduler = Scheduler(heartbeat_seconds=30, max_missed=3)
    scheduler.handle(Joined(A, Incarnation("a" * 32), 10), 0.0)
    scheduler.handle(Enqueue(JOB, Kind.PROVE, 0, 0.0), 0.0)
    assert scheduler.jobs_of(A) == [JOB]
    assert scheduler.handle(Tick(late_seconds=1000.0), 1010.0) == []
    assert scheduler.registry.records[A].health is WorkerHealth.READY
    assert scheduler.jobs_of(A) == [JOB]
    effects = scheduler.handle(Tick(), 1000.0 + 91.0)
    assert [type(effect) for effect in effects][:1] == [Lost], "silence that was heard counts"


@pytest.mark.cluster
@pytest.mark.slow
def test_a_coordinator_that_was_stopped_loses_nobody(start: Start) -> None:
    cluster = start(workers=2)  # 5 beats of 2 s
    pid = process(cluster, "coordinator").pid
    with cluster.connect() as client:
        job = client.submit(Kind.PROVE, ELF, stdin=b"sleep=16", params="test")
        until(lambda: metrics(cluster)['coordinator_shares{state="running"}'] == 2, "both shares run")
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(12.0)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert said(cluster, "coordinator", "the coordinator's loop was late")
        time.sleep(1.0)
        seen = metrics(cluster)
        assert sum(value for name, value in seen.items() if name.startswith("coordinator_workers_lost_total")) == 0, "nobody was lost"
        assert seen['coordinator_loop_lag_seconds_bucket{le="10.0"}'] < seen["coordinator_loop_lag_seconds_count"]
        done = client.wait(job, seconds=90)
    assert done.state is State.COMPLETED
    assert sum(value for name, value in metrics(cluster).items() if name.startswith("coordinator_share_retries_total")) == 0
