"""Row 14: a worker of one compute unit beside large ones.

What this pins down: a free small worker is part of the next proof, with a share in proportion; and when the large ones are busy it runs
what is next by itself, so that it is never passed over for ever; what
asks for few units, and every execution, goes to it even while the large ones are free. Which workers a job gets follows from the units
alone (docs/operations.md), and a job that waits says what it needs, what is free and what there is.
Victim: the worker of one unit.
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(60)


async def test_the_small_one_gets_its_share(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("large", units=100)
        small = world.worker("small", units=1)
        await world.workers_are("large", "small")
        job = await client.submit(Kind.PROVE, ELF, params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert (await client.job(job)).weights == (100, 1)
        assert small.device.log[:2] == ["ContributeCall", "ProveCall"]


async def test_the_small_one_works_when_the_large_one_is_busy(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_workers_per_job=1) as world, world.client() as client:
        large, small = world.worker("large", units=100), world.worker("small", units=1)
        await world.workers_are("large", "small")
        long = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=100", params="test")
        await trio.sleep(1)
        short = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=1", params="test")
        assert (await client.wait(short)).state is State.COMPLETED
        assert not (await client.job(long)).state.final
        assert "ProveCall" in small.device.log
        assert large.device.log == ["ContributeCall"]


async def test_what_is_small_goes_to_the_small_one(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        large, small = world.worker("large", units=100), world.worker("small", units=1)
        await world.workers_are("large", "small")
        jobs = [await client.submit(Kind.PROVE, ELF, params="test", units=1), await client.submit(Kind.EXECUTE, ELF)]
        assert (await client.wait(jobs[0])).state is State.COMPLETED
        assert (await client.wait(jobs[1])).state is State.COMPLETED
        assert small.device.log == ["ContributeCall", "ProveCall", "AggregateCall"]
        assert large.device.log == ["ExecuteCall"], "the small one was busy"


async def test_why_the_large_job_waits(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("large", units=100)
        world.worker("small", units=1)
        await world.workers_are("large", "small")
        done = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=10", params="test")
        assert (await client.wait(done)).state is State.COMPLETED
        await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=10", params="test", units=100)
        await trio.sleep(1)
        waits = await client.job(await client.submit(Kind.PROVE, ELF, params="test", min_units=50))
        assert waits.waiting_for == "a free worker: 50 compute units needed, 1 free of 101"
        assert (waits.position, waits.needed_units, waits.free_units, waits.total_units) == (0, 50, 1, 101)
        assert waits.starts_in_seconds is not None
        assert 10 < waits.starts_in_seconds < 40
