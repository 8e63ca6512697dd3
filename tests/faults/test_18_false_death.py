"""Row 18: a healthy worker that is declared dead, and a dead one that is given work.

What this pins down: the defaults are the manual's 30 s and 3; the coordinator tells its period to the workers, so that no setting of it
can kill a worker that beats; a long job under a short period costs nobody; a silent worker is first suspected, which keeps new work from
it, then lost, and has work again only after a new hello.
Victim: worker "a", first busy, then cut off.
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.config import CoordinatorCore
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(("period", "missed"), [(0.5, 2), (5, 3)])
async def test_a_long_job_under_a_short_period_is_no_death(
    period: float, missed: int, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with (
        open_world(heartbeat_interval_seconds=period, heartbeat_max_missed=missed) as world,
        world.client() as client,
    ):
        worker = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=f"vsleep={10 * period * missed}".encode(), params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert worker.device.log == ["ContributeCall", "ProveCall", "AggregateCall"], "nothing was done twice"
        assert len(worker.links) == 1


async def test_a_silent_worker_is_suspected_then_lost_and_works_again_after_a_hello(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world(heartbeat_interval_seconds=2, heartbeat_max_missed=4) as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        await trio.sleep(1)
        worker.offline = True
        worker.cut()
        await trio.sleep(6)
        (status,) = await client.workers()
        assert status.state == "suspect"
        job = await client.submit(Kind.EXECUTE, ELF)
        assert (await client.job(job)).state is State.QUEUED, "a suspect gets no new work"
        await world.workers_are()
        assert (await client.job(job)).state is State.QUEUED
        worker.offline = False
        assert (await client.wait(job)).state is State.COMPLETED
        assert worker.device.log == ["ExecuteCall"]


def test_the_defaults_are_the_manuals() -> None:
    core = CoordinatorCore()
    assert (core.heartbeat_interval_seconds, core.heartbeat_max_missed) == (30, 3)
