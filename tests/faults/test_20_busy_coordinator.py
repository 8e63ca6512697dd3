"""Row 20: a coordinator that has no processor, and hears nobody.

What this pins down: time in which the coordinator's own loop did not run is silence of nobody: after a stop of any length no worker is
suspected or lost, its leases stay, and real silence afterwards counts as always.
Victim: the loop of the coordinator, which stands still for 1,000 s.
"""

from __future__ import annotations

import pytest

from zisk_actors.core.registry import Registry
from zisk_actors.core.scheduler import Enqueue, Joined, Lost, Scheduler, Tick
from zisk_actors.core.worker import Health
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.wire.values import Kind

pytestmark = pytest.mark.timeout(60)

A = WorkerId("a")
JOB = JobId("0" * 8 + "-0000-4000-8000-" + "0" * 12)


def test_a_loop_that_stood_still_loses_nobody() -> None:
    decide = Scheduler(Registry(30, 3))
    decide.handle(Joined(A, Incarnation("a" * 32), 10), 0.0)
    decide.handle(Enqueue(JOB, Kind.PROVE, 0, 0.0), 0.0)
    assert decide.jobs_of(A) == [JOB]
    assert decide.handle(Tick(late_seconds=1000.0), 1010.0) == []
    assert decide.registry.records[A].health is Health.READY
    assert decide.jobs_of(A) == [JOB]
    effects = decide.handle(Tick(), 1000.0 + 91.0)
    assert [type(effect) for effect in effects][:1] == [Lost], "silence that was heard counts"
