"""What is forgotten after its time, and what never is."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld, World
from zisk_actors.actors.jobs.retention import GRACE_SECONDS, SWEEP_SECONDS
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.core.job_events import ContributionRejected
from zisk_actors.ids import WorkerId, blob_id
from zisk_actors.store.blobs import BlobStore
from zisk_actors.wire.values import Kind, Phase, State


def blobs(world: World) -> set[str]:
    return {path.name for path in (world.folder / "blobs").glob("??/*")}


async def test_a_job_is_forgotten_after_its_time_and_its_name_is_free_again(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(job_ttl_seconds=100) as world:
        world.worker("a")
        async with world.client() as client:
            job = await client.submit(Kind.EXECUTE, ELF, key="mine")
            assert (await client.wait(job)).state is State.COMPLETED
            running = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=300", params="test")
            await trio.sleep(90)
            assert await client.submit(Kind.EXECUTE, ELF, key="mine") == job
            await trio.sleep(10 + SWEEP_SECONDS)
            with pytest.raises(ClusterRefused, match=r"may have been removed, job_ttl_seconds \(100 s\) after its end") as refused:
                await client.job(job)
            assert (refused.value.number, refused.value.name) == (1001, "JOB_NOT_FOUND")
            assert [status.job for status in await client.jobs()] == [running]
            assert await client.submit(Kind.EXECUTE, ELF, key="mine") != job
        await world.stop()
        await world.start()
        assert job not in world.coordinator.jobs.entries
        assert running in world.coordinator.jobs.entries
        async with world.client() as client:
            assert (await client.wait(running)).state is State.COMPLETED


async def test_jobs_from_before_a_restart_are_forgotten_too(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(job_ttl_seconds=0) as world:
        world.worker("a")
        async with world.client() as client:
            for _ in range(3):
                assert (await client.wait(await client.submit(Kind.EXECUTE, ELF))).state is State.COMPLETED
        await world.stop()
        await world.start()
        assert len(world.coordinator.jobs.entries) == 3
        world.ahead = 1e6
        assert await world.coordinator.retention.sweep() == 3
        assert not world.coordinator.jobs.entries


async def test_who_was_quarantined_stays_so_when_the_job_is_forgotten(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(job_ttl_seconds=0, worker_wait_seconds=1000) as world, world.client() as client:
        worker = world.worker("liar")
        await world.workers_are("liar")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=40", params="test")
        async with aclosing(client.watch(job)) as changes:
            async for _, status in changes:
                if status.phase is Phase.PROVE:
                    break
        session = world.coordinator.sessions.find(WorkerId("liar"))
        assert session is not None
        start = session.incarnation
        entry = world.coordinator.jobs.entries[job]
        await world.coordinator.jobs.record(entry, ContributionRejected(world.clock(), 0, WorkerId("liar"), start, "wrong"))
        await client.cancel(job)
        world.ahead = 1e6
        await trio.sleep(1)
        assert await world.coordinator.retention.sweep() == 1
        await client.leave()
        await world.stop()
        await world.start()
        await world.workers_are("liar")
        assert [mark.worker for mark in world.marks] == ["liar"]
        async with world.client() as again:
            assert [status.state for status in await again.workers()] == ["quarantined"]
        worker.kill()


async def test_a_blob_goes_when_nothing_refers_to_it_and_not_before(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(job_ttl_seconds=3600) as world, world.client() as client:
        world.worker("a")
        retention = world.coordinator.retention
        done = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=0.1", params="test")
        result = (await client.wait(done)).result
        assert result is not None
        running = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=30", params="test")
        for _ in range(19):
            world.ahead = GRACE_SECONDS + 60  # all are old
            await retention.sweep_blobs()
            assert result.sha256 in blobs(world)
            assert blob_id(b"vsleep=30") in blobs(world)
            world.ahead = 0
            await trio.sleep(3)
        assert blob_id(b"vsleep=0.1") not in blobs(world)
        assert (await client.wait(running)).state is State.COMPLETED
        world.ahead = 2 * GRACE_SECONDS
        await trio.sleep(1)
        await retention.sweep()
        await retention.sweep_blobs()
        keys = {key.sha256 for key in world.coordinator.programs.known[blob_id(ELF)].keys.values()}
        assert blobs(world) == {blob_id(ELF), *keys}
        assert await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=30", params="test") != running


def test_what_was_put_or_asked_for_lately_stays(tmp_path: Path) -> None:
    now = 1000.0
    store = BlobStore(tmp_path, clock=lambda: now)
    old, asked, kept = store.put(b"old"), store.put(b"asked"), store.put(b"kept")
    now = 5000.0
    young = store.put(b"young")
    assert store.has(asked)
    assert store.put(b"asked") == asked
    assert store.sweep({kept.sha256}, 4000.0) == (1, 3)
    assert [store.has(blob) for blob in (old, asked, kept, young)] == [False, True, True, True]


async def test_a_disk_that_cannot_be_written_stops_no_sweeper(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(job_ttl_seconds=0) as world, world.client() as client:
        world.worker("a")
        assert (await client.wait(await client.submit(Kind.EXECUTE, ELF))).state is State.COMPLETED
        base = world.coordinator.recorder._journal._base
        base.execute("pragma query_only = on")
        world.ahead = 1e6
        await trio.sleep(3 * SWEEP_SECONDS)
        assert len(world.coordinator.jobs.entries) == 1
        base.execute("pragma query_only = off")
        await trio.sleep(2 * SWEEP_SECONDS)
        assert not world.coordinator.jobs.entries
