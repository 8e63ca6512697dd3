"""What is counted, and what the gauges and the health say, of the cluster in one process."""

from __future__ import annotations

import pytest
import trio

from tests.unit.actors.conftest import ELF, OpenWorld, World
from zisk_actors.actors.coordinator.process import drain
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.web.health import Standing
from zisk_actors.wire.values import Kind, State


def counted(world: World, name: str, **labels: str) -> float:
    value = world.coordinator.metrics.registry.get_sample_value(name, labels)
    return 0.0 if value is None else value


async def test_each_job_is_counted_once_with_its_phases(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("w-1")
        world.worker("w-2")
        await world.workers_are("w-1", "w-2")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=8", params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert counted(world, "coordinator_jobs_total", kind="prove", outcome="success") == 1
        assert counted(world, "coordinator_job_queue_seconds_count") == 1
        for phase in ("contribute", "prove", "aggregate", "verify"):
            assert counted(world, "coordinator_phase_duration_seconds_count", phase=phase) == 1
        for worker in ("w-1", "w-2"):
            assert counted(world, "coordinator_worker_jobs_total", worker_id=worker, outcome="success") == 1
        assert counted(world, "coordinator_worker_joins_total", how="new") == 2
        assert counted(world, "coordinator_share_retries_total", cause="lost") == 0


async def test_the_view_is_the_state(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world() as world, world.client() as client:
        first = world.worker("w-1", units=3)
        await world.workers_are("w-1")
        running = await client.submit(Kind.PROVE, ELF, stdin=b"vhang=0", params="test")
        await client.submit(Kind.PROVE, ELF, stdin=b"later", params="test")
        await trio.sleep(1)
        view = world.coordinator.overview.view()
        assert dict(view.jobs) == {State.RUNNING: 1, State.QUEUED: 1}
        assert (view.queue_depth, view.shares_waiting, view.shares_running, view.shares_done) == (1, 0, 1, 0)
        assert [(seen.worker, seen.state, seen.units, seen.free_units) for seen in view.workers] == [("w-1", "computing", 3, 0)]
        first.kill()
        await world.workers_are()
        await trio.sleep(0.1)
        view = world.coordinator.overview.view()
        assert view.workers == ()
        assert view.shares_waiting == 1
        assert counted(world, "coordinator_workers_lost_total", reason="link") == 1
        await client.cancel(running)
        assert counted(world, "coordinator_jobs_total", kind="prove", outcome="cancelled") == 1


async def test_draining_refuses_new_work_and_waits_for_what_runs(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("w-1")
        await world.workers_are("w-1")
        assert world.coordinator.overview.health().ready
        running = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=40", params="test")
        queued = await client.submit(Kind.PROVE, ELF, stdin=b"later", params="test", key="once")
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, world.coordinator, float("inf"))
            await trio.sleep(1)
            assert world.coordinator.overview.health().reasons == (Standing.DRAINING.value,)
            with pytest.raises(ClusterRefused, match="shutting down"):
                await client.submit(Kind.PROVE, ELF, params="test")
            assert await client.submit(Kind.PROVE, ELF, stdin=b"later", params="test", key="once") == queued
            assert counted(world, "coordinator_refusals_total", at="client", reason="draining") == 1
        assert (await client.job(running)).state is State.COMPLETED
        assert (await client.job(queued)).state is State.QUEUED
        await world.stop()
        await world.start()
    assert world.coordinator.admission.standing is Standing.SERVING
