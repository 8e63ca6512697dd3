"""Row 14: a worker of one compute unit beside large ones.

What this pins down: a free small worker is part of the next proof, with a share in proportion; and when the large ones are busy it runs
what is next by itself, so that it is never passed over for ever.
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
