"""Row 21: what a client is told when it is refused.

What this pins down: an id that does not exist is JOB_NOT_FOUND, 1001; a program that nobody has is PROGRAM_NOT_FOUND, 1002; a full queue
is SYSTEM_UNAVAILABLE, 2001, with the seconds after which to try again; so is one that is full of this client's jobs, and a coordinator
that is going down. More compute units than there are is WORKER_UNAVAILABLE, 2002, with how many are needed, free and connected; so is a
job that is not to wait and cannot start. Each has an exit code of its own.
Victim: requests that cannot be met.
"""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.actors.coordinator.process import drain
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(60)


async def test_each_refusal_has_its_name_and_number(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_queued_jobs=1) as world, world.client() as client:
        with pytest.raises(ClusterRefused) as caught:
            await client.job("00000000-0000-4000-8000-000000000000")
        assert (caught.value.name, caught.value.number, caught.value.exit_code) == ("JOB_NOT_FOUND", 1001, 3)
        with pytest.raises(ClusterRefused) as caught:
            await client.submit(Kind.EXECUTE, reference(b"nobody has this"))
        assert (caught.value.name, caught.value.number, caught.value.exit_code) == ("PROGRAM_NOT_FOUND", 1002, 3)
        await client.submit(Kind.EXECUTE, ELF)
        with pytest.raises(ClusterRefused) as caught:
            await client.submit(Kind.EXECUTE, ELF)
        assert (caught.value.name, caught.value.number, caught.value.exit_code) == ("SYSTEM_UNAVAILABLE", 2001, 9)
        assert caught.value.retry_after_seconds


async def test_one_client_does_not_fill_the_queue(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_queued_jobs=9, max_queued_jobs_per_client=2) as world, world.client() as client:
        await client.submit(Kind.EXECUTE, ELF)
        await client.submit(Kind.EXECUTE, ELF)
        with pytest.raises(ClusterRefused) as caught:
            await client.submit(Kind.EXECUTE, ELF)
        assert (caught.value.name, caught.value.number, caught.value.code) == ("SYSTEM_UNAVAILABLE", 2001, "client-queue-full")
        assert caught.value.retry_after_seconds


async def test_more_units_than_there_are(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_workers_per_job=2) as world, world.client() as client:
        waits = await client.submit(Kind.PROVE, ELF, params="test", min_units=25)
        for name in ("a", "b", "c"):
            world.worker(name)
        await world.workers_are("a", "b", "c")
        with pytest.raises(ClusterRefused) as caught:
            await client.submit(Kind.PROVE, ELF, params="test", min_units=21)
        refusal = caught.value
        assert (refusal.name, refusal.number, refusal.code, refusal.exit_code) == ("WORKER_UNAVAILABLE", 2002, "worker-unavailable", 9)
        assert (refusal.needed_units, refusal.free_units, refusal.total_units) == (21, 30, 30)
        assert refusal.retry_after_seconds is None, "asking again is no use as long as the workers are the same"
        seen = await client.job(waits)
        assert "at most 2 workers for a job, who have 20" in seen.waiting_for
        assert (seen.needed_units, seen.free_units, seen.total_units) == (25, 30, 30)
        job = await client.submit(Kind.PROVE, ELF, params="test", min_units=20)
        assert (await client.wait(job)).state is State.COMPLETED, "what cannot start does not hold back what can"
        world.worker("large", units=50)
        assert (await client.wait(waits)).state is State.COMPLETED


async def test_a_job_that_is_not_to_wait(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        with pytest.raises(ClusterRefused) as caught:
            await client.submit(Kind.PROVE, ELF, params="test", queue=False)
        assert (caught.value.name, caught.value.total_units) == ("WORKER_UNAVAILABLE", 0)
        world.worker("a")
        await world.workers_are("a")
        first = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=5", params="test", queue=False)
        with pytest.raises(ClusterRefused) as caught:
            await client.submit(Kind.PROVE, ELF, params="test", queue=False)
        assert (caught.value.needed_units, caught.value.free_units, caught.value.total_units) == (1, 0, 10)
        assert caught.value.retry_after_seconds
        assert len(await client.jobs()) == 1, "nothing is kept of what was refused"
        assert (await client.wait(first)).state is State.COMPLETED


async def test_a_coordinator_that_is_going_down(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        await drain(world.coordinator, float("inf"))
        with pytest.raises(ClusterRefused) as caught:
            await client.submit(Kind.EXECUTE, ELF)
        assert (caught.value.name, caught.value.number, caught.value.code) == ("SYSTEM_UNAVAILABLE", 2001, "draining")
        assert caught.value.retry_after_seconds
