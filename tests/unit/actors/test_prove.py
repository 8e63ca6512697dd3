"""`Client.prove`, and what a client does while it is refused for now, in virtual time."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.client.errors import ClusterRefused, JobFailure
from zisk_actors.wire.values import JobStatus, Kind, State


async def test_prove_tells_of_progress_and_gives_what_was_verified(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("a")
        seen: list[JobStatus] = []
        proved = await client.prove(ELF, b"vsleep=4", params="test", idempotency_key="k", on_progress=seen.append)
        assert proved.proof
        assert proved.status.verified is not None
        assert seen[-1].state is State.COMPLETED
        numbers = [status.number for status in seen]
        assert numbers == sorted(set(numbers))
        assert (await client.prove(ELF, b"vsleep=4", params="test", idempotency_key="k")).job == proved.job
        with pytest.raises(JobFailure) as caught:
            await client.prove(ELF, b"trap", params="test")
        assert caught.value.failure.variant == "Execution"
        with pytest.raises(JobFailure) as caught:
            await client.prove(ELF, b"vhang=0", params="test", deadline=20)
        assert caught.value.failure.variant == "Timeout"


async def test_a_client_that_wants_to_waits_for_a_cluster_that_is_full(
    open_world: OpenWorld,
    autojump_clock: MockClock,
) -> None:
    async with open_world(max_queued_jobs=1) as world, world.client() as client:
        await client.submit(Kind.EXECUTE, ELF, stdin=b"1")
        with pytest.raises(ClusterRefused) as caught:
            await client.submit(Kind.EXECUTE, ELF, stdin=b"2")
        assert caught.value.retry_after_seconds
        done: list[str] = []

        async def submit() -> None:
            done.append(await client.submit(Kind.EXECUTE, ELF, stdin=b"2", wait_for_cluster=True))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(submit)
            await trio.sleep(60)
            assert not done
            world.worker("a")
        assert (await client.wait(done[0])).state is State.COMPLETED


async def test_it_does_not_wait_for_ever(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_queued_jobs=1) as world, world.client() as client:
        await client.submit(Kind.EXECUTE, ELF, stdin=b"1")
        began = trio.current_time()
        with pytest.raises(ClusterRefused):
            await client.submit(Kind.EXECUTE, ELF, stdin=b"2", wait_for_cluster=True)
        assert 500 < trio.current_time() - began < 700
        assert len(world.coordinator.jobs.entries) == 1


async def test_a_refusal_that_waiting_does_not_cure_is_told_at_once(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        with pytest.raises(ClusterRefused):
            await client.submit("wrap", ELF, wait_for_cluster=True)
        assert world.coordinator.jobs.entries == {}
