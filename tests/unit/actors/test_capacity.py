"""What workers measure and have at hand: it is told, shown, and counts in the cut and the choice of workers."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.wire.values import Kind, State


async def test_a_worker_measures_once_and_says_so_also_after_a_break(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        it = world.worker("a", rate=2e6)
        world.worker("b")
        await world.workers_are("a", "b")
        assert [worker.measured for worker in await client.workers()] == [0.0, 0.0], "it is there before it has measured"
        await trio.sleep(2)
        assert [worker.measured for worker in await client.workers()] == [2e6, 0.0]
        await it.links[-1].aclose()
        await trio.sleep(2)
        assert [worker.measured for worker in await client.workers()] == [2e6, 0.0]


async def test_units_that_are_worth_a_tenth_are_cut_so(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        for name, rate in (("a", 1e6), ("b", 1e6), ("slow", 1e5)):
            world.worker(name, rate=rate)
        await trio.sleep(3)
        job = await client.submit(Kind.PROVE, ELF, params="test")
        status = await client.wait(job)
        assert (status.state, status.weights) == (State.COMPLETED, (10, 10, 1))


async def test_who_had_the_program_before_has_it_again(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_workers_per_job=1) as world, world.client() as client:
        world.worker("b")
        await world.workers_are("b")
        first = await client.submit(Kind.EXECUTE, ELF)
        assert (await client.wait(first)).state is State.COMPLETED
        a = world.worker("a")
        await world.workers_are("a", "b")
        second = await client.submit(Kind.EXECUTE, ELF)
        assert (await client.wait(second)).state is State.COMPLETED
        assert a.device.log == [], "it is before the other by name, and has not seen the program"
        assert [len(worker.programs) for worker in await client.workers()] == [0, 1]
