"""A client's deadline, which the operator's manual takes and ignores.

What this pins down: a job that has not ended by its deadline fails as Timeout with the limit, running or queued, also where the deadline
passed while the coordinator was down; its workers stop; who ends in time is left alone. The status shows the deadline.
Victim: a job that takes longer than its client wants to wait.
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.client.errors import JobFailure
from zisk_actors.wire.values import Failure, FailureKind, Kind, Phase, State

pytestmark = pytest.mark.timeout(60)


async def test_a_running_job_fails_at_its_deadline_and_its_workers_stop(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        began = trio.current_time()
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=100", params="test", deadline=30)
        status = await client.job(job)
        assert status.deadline_at == pytest.approx(status.submitted_at + 30)
        with pytest.raises(JobFailure) as caught:
            await client.result(job)
        assert 29.9 <= trio.current_time() - began < 31
        assert told(caught.value.failure) == (FailureKind.TIMEOUT, "deadline", Phase.CONTRIBUTE, 30.0)
        await trio.sleep(1)
        assert worker.device.killed == 1
        assert (await client.wait(await client.submit(Kind.PROVE, ELF, params="test", deadline=30))).state is State.COMPLETED
        await trio.sleep(100)
        assert not world.coordinator.jobs.supervised


async def test_a_queued_job_fails_at_its_deadline_and_leaves_the_queue(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        later = await client.submit(Kind.PROVE, ELF, params="test", deadline=50)
        job = await client.submit(Kind.PROVE, ELF, params="test", deadline=20)
        status = await client.wait(job, seconds=22)
        assert status.failure is not None
        assert told(status.failure) == (FailureKind.TIMEOUT, "deadline", None, 20.0)
        assert [entry.job for entry in world.coordinator.scheduler.queue] == [later]
        world.worker("a")
        assert (await client.wait(later)).state is State.COMPLETED


async def test_a_deadline_that_passes_while_no_coordinator_runs_is_kept_at_the_next_start(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world:
        async with world.client() as client:
            job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=5", params="test", deadline=20)
            other = await client.submit(Kind.PROVE, ELF, params="test", deadline=5000)
        await world.stop()
        await trio.sleep(40)
        await world.start()
        world.worker("a")
        async with world.client() as client:
            status = await client.wait(job, seconds=1000)
            assert status.failure is not None
            assert told(status.failure) == (FailureKind.TIMEOUT, "deadline", None, 20.0)
            assert (await client.wait(other)).state is State.COMPLETED


def told(failure: Failure) -> tuple[FailureKind, str, Phase | None, float | None]:
    return failure.kind, failure.code, failure.phase, failure.limit_seconds
