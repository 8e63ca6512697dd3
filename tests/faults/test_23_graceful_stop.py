"""Row 23: a coordinator that is told to stop while jobs run and wait.

What this pins down: the default patience is the manual's 30 s; new work is refused as SYSTEM_UNAVAILABLE with the seconds after which to
try again; what runs is waited for and completes; what is queued is neither lost nor started, and runs after the next start.
Victim: the coordinator, with one job that runs and one that waits.
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.actors.coordinator.process import drain
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.config import CoordinatorConfig
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(60)


async def test_what_runs_ends_and_what_waits_waits_on(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world:
        worker = world.worker("a")
        await world.workers_are("a")
        async with world.client() as client:
            running = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=40", params="test")
            queued = await client.submit(Kind.PROVE, ELF, stdin=b"later", params="test")
            await trio.sleep(1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(drain, world.coordinator, float("inf"))
                await trio.sleep(1)
                with pytest.raises(ClusterRefused) as caught:
                    await client.submit(Kind.EXECUTE, ELF)
                assert (caught.value.name, caught.value.number) == ("SYSTEM_UNAVAILABLE", 2001)
                assert caught.value.retry_after_seconds
            assert (await client.job(running)).state is State.COMPLETED
            assert (await client.job(queued)).state is State.QUEUED
        await world.stop()
        await world.start()
        async with world.client() as client:
            assert (await client.wait(queued)).state is State.COMPLETED
            assert (await client.job(running)).state is State.COMPLETED
        assert worker.device.log.count("ContributeCall") == 2, "each once"


def test_the_default_is_the_manuals() -> None:
    assert CoordinatorConfig().server.shutdown_timeout_seconds == 30
