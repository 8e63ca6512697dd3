"""Row 24: workers that are restarted one after the other, under one id each, while jobs run.

What this pins down: a worker that is told to stop says goodbye and its share goes on at once; one that is killed and restarted at once
under its id is taken when the old start is known to be dead, never wedged; no job is lost, none ends twice, and both work afterwards.
Victim: worker "a", then worker "b".
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("gentle", [True, False])
async def test_no_job_is_lost_and_no_worker_wedged(gentle: bool, open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = {name: world.worker(name) for name in ("a", "b")}
        await world.workers_are("a", "b")
        jobs = []
        for name in ("a", "b"):
            jobs.append(await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=6", params="test"))
            await trio.sleep(2)
            if gentle:
                workers[name].scope.cancel()
            else:
                workers[name].kill()
            workers[name] = world.worker(name)
            assert (await client.wait(jobs[-1])).state is State.COMPLETED
            await world.workers_are("a", "b")
        last = await client.submit(Kind.PROVE, ELF, params="test")
        assert (await client.wait(last)).state is State.COMPLETED
        for worker in workers.values():
            assert worker.refused is None
            assert "ContributeCall" in worker.device.log, "the new start works"
        assert len(await client.jobs()) == 3


async def test_a_share_outlives_more_restarts_than_it_has_attempts(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    """Restarts say nothing of the share: the manual's three attempts are for failures."""
    async with open_world() as world, world.client() as client:
        workers = {name: world.worker(name) for name in ("a", "b")}
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=12", params="test")
        for turn in range(8):
            name = "ab"[turn % 2]
            await trio.sleep(5)
            if turn % 3:
                workers[name].kill()
            else:
                workers[name].scope.cancel()
            workers[name] = world.worker(name)
        assert (await client.wait(job)).state is State.COMPLETED
        assert world.core.max_attempts_per_share == 3
