"""Row 15: a job that waits for the pool to grow.

What this pins down: with no free worker a job is queued, not refused, and its status says at which position and for what it waits; it
starts when a worker joins; a job gets no more workers than `max_workers_per_job`, and the others are free for the next one.
Victim: three jobs without a worker.
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(60)


async def test_a_queued_job_says_where_it_stands_and_why(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        jobs = [await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=5", params="test") for _ in range(3)]
        seen = [await client.job(job) for job in jobs]
        assert [status.state for status in seen] == [State.QUEUED] * 3
        assert [status.position for status in seen] == [0, 1, 2]
        assert {status.waiting_for for status in seen} == {"no worker is connected"}
        world.worker("a")
        await world.workers_are("a")
        await trio.sleep(1)
        assert (await client.job(jobs[0])).state is State.RUNNING
        second = await client.job(jobs[1])
        assert (second.state, second.position) == (State.QUEUED, 0)
        assert "0 free of 10" in second.waiting_for
        assert [(await client.wait(job)).state for job in jobs] == [State.COMPLETED] * 3


async def test_no_more_workers_than_the_limit(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_workers_per_job=2) as world, world.client() as client:
        for name in ("a", "b", "c"):
            world.worker(name)
        await world.workers_are("a", "b", "c")
        jobs = [await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=5", params="test") for _ in range(2)]
        await trio.sleep(1)
        seen = [await client.job(job) for job in jobs]
        assert [len(status.weights) for status in seen] == [2, 1], "the third is free for the second job"
        assert [(await client.wait(job)).state for job in jobs] == [State.COMPLETED] * 2
