"""A disk that is full or read-only, under the journal or under the blobs, and that comes back.

What this pins down: new work is refused as SYSTEM_UNAVAILABLE with a time to try again; the coordinator is not ready and says why; nobody
is told of an end that is not on disk; no job fails for it and no worker is blamed; when the disk is back, everything goes on by itself,
also where nobody asks for anything.
Victim: the coordinator's disk.
"""

from __future__ import annotations

import errno
import resource
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.cluster.conftest import Start
from tests.faults.stage import ELF, process, until
from tests.unit.actors.conftest import OpenWorld, World
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.store import blobs
from zisk_actors.store.journal import Journal
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(120)


def read_only(world: World, on: bool) -> None:
    """The journal's file takes nothing."""
    journal = world.coordinator.recorder._journal
    journal._base.execute(f"pragma query_only = {'on' if on else 'off'}")


def problems(world: World) -> tuple[str, ...]:
    return world.coordinator.overview.health().problems


async def test_a_journal_that_cannot_be_written_stops_no_job_and_ends_none(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=5", params="test")
        other = await client.submit(Kind.EXECUTE, ELF)
        await trio.sleep(2)
        read_only(world, True)
        with pytest.raises(ClusterRefused, match="cannot write the journal") as refused:
            await client.submit(Kind.EXECUTE, ELF)
        assert (refused.value.name, refused.value.number, refused.value.code) == ("SYSTEM_UNAVAILABLE", 2001, "store-unwritable")
        assert refused.value.retry_after_seconds is not None
        await trio.sleep(60)
        assert problems(world) == ("the journal cannot be written",)
        assert [(await client.job(each)).state for each in (job, other)] == [State.RUNNING, State.QUEUED]
        with pytest.raises(ClusterRefused, match="cannot write the journal"):
            await client.cancel(other)
        assert (await client.job(other)).state is State.QUEUED
        read_only(world, False)
        assert (await client.wait(job, seconds=100)).state is State.COMPLETED
        assert (await client.wait(other, seconds=100)).state is State.CANCELLED
        assert problems(world) == ()
        assert (await client.wait(await client.submit(Kind.EXECUTE, ELF))).state is State.COMPLETED
        assert [status.state for status in await client.workers()] == ["ready"]


async def test_an_end_that_was_not_written_is_worked_for_again_after_a_kill(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world:
        world.worker("a")
        async with world.client() as client:
            job = await client.submit(Kind.EXECUTE, ELF, stdin=b"vsleep=5")
            await trio.sleep(2)
            read_only(world, True)
            await trio.sleep(30)
            assert (await client.job(job)).state is State.RUNNING
        await world.stop()
        await world.start()
        async with world.client() as client:
            assert (await client.wait(job, seconds=100)).state is State.COMPLETED


async def test_a_full_disk_under_the_blobs_blames_nobody(
    open_world: OpenWorld, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = False
    async with open_world(max_attempts_per_share=1) as world, world.client() as client:
        store = world.coordinator.store
        write, flush = blobs.Incoming.write, blobs.Incoming.flush

        def check(incoming: blobs.Incoming) -> None:
            if full and incoming._store is store:
                incoming._store.broken = True
                raise blobs.StoreUnwritable(f"cannot store a blob: {OSError(errno.ENOSPC, 'No space left on device')}")

        def write_or_not(incoming: blobs.Incoming, content: bytes) -> None:
            check(incoming)
            write(incoming, content)

        def flush_or_not(incoming: blobs.Incoming) -> None:
            check(incoming)
            flush(incoming)

        monkeypatch.setattr(blobs.Incoming, "write", write_or_not)
        monkeypatch.setattr(blobs.Incoming, "flush", flush_or_not)
        world.worker("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=5", params="test")
        await trio.sleep(2)
        full = True
        with pytest.raises(ClusterRefused, match="No space left") as refused:
            await client.submit(Kind.EXECUTE, ELF, stdin=b"not there yet")
        assert (refused.value.name, refused.value.code) == ("SYSTEM_UNAVAILABLE", "store-unwritable")
        await trio.sleep(60)
        assert problems(world) == ("blobs cannot be written",)
        assert (await client.job(job)).state is State.RUNNING
        full = False
        await trio.sleep(5)
        assert problems(world) == ()
        assert (await client.wait(job, seconds=100)).state is State.COMPLETED


async def test_a_flush_that_hangs_shows_in_readiness(
    open_world: OpenWorld, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world() as world, world.client() as client:
        released = trio.Event()

        async def hang(function: Callable[[Journal], object], journal: Journal) -> object:
            await released.wait()
            return function(journal)

        monkeypatch.setattr("zisk_actors.actors.jobs.recorder.in_thread", hang)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.submit, Kind.EXECUTE, ELF)
            await trio.sleep(8)
            assert problems(world) == ("the journal has not taken what was given to it 8 s ago",)
            released.set()
        assert problems(world) == ()


def test_a_disk_that_is_full_at_the_start_is_no_damaged_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Journal(tmp_path).close()
    connect = Journal.connect

    def full(self: Journal, folder: Path) -> object:
        base = connect(self, folder)
        base.execute("pragma query_only = on")
        return base

    monkeypatch.setattr(Journal, "connect", full)
    with pytest.raises(blobs.StoreUnwritable, match="cannot write the journal"):
        Journal(tmp_path)


@pytest.mark.slow
@pytest.mark.cluster
def test_a_real_coordinator_outlives_a_disk_that_takes_nothing(start: Start) -> None:
    cluster = start(workers=1)
    pid = process(cluster, "coordinator").pid
    with cluster.connect() as client:
        before = client.submit(Kind.EXECUTE, ELF)
        assert client.wait(before, seconds=30).state is State.COMPLETED
        running = client.submit(Kind.PROVE, ELF, stdin=b"sleep=1", params="test")
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))  # what `ulimit -f 0` does: every write that makes a file longer fails
        with pytest.raises(ClusterRefused) as refused:
            client.submit(Kind.EXECUTE, ELF, stdin=b"another input")
        assert (refused.value.name, refused.value.code) == ("SYSTEM_UNAVAILABLE", "store-unwritable")
        assert until(lambda: "cannot be written" in ready(f"{cluster.metrics_url}/readyz"), "not ready")
        assert client.job(running).state in (State.QUEUED, State.RUNNING)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert client.wait(running, seconds=60).state is State.COMPLETED
        assert until(lambda: '"ready"' in ready(f"{cluster.metrics_url}/readyz"), "ready again")
        assert client.wait(client.submit(Kind.EXECUTE, ELF, stdin=b"another input"), seconds=30).state is State.COMPLETED


def ready(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
