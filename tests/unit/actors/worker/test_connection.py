"""The worker's side of its connection: it notices a dead coordinator, dials again with longer and longer pauses, and stops when told."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, FakeDevice, OpenWorld
from zisk_actors.actors.worker.connection import WorkerActor, WorkerFacts, WorkerRefused
from zisk_actors.errors import Unreachable
from zisk_actors.ids import WorkerId, new_incarnation
from zisk_actors.store.blobs import BlobStore
from zisk_actors.transport.base import Link
from zisk_actors.transport.memory import MemoryListener
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.values import Kind, State
from zisk_actors.wire.worker_link import CancelLease, Heartbeat, Hello, Refused, Welcome, WorkerSays

FACTS = WorkerFacts(WorkerId("a"), new_incarnation(), 10, "1", "fake", 1, reconnect_seconds=1, reconnect_max_seconds=16)


@pytest.fixture
def store(tmp_path: Any) -> BlobStore:
    return BlobStore(tmp_path / "blobs", durable=False)


async def dials(store: BlobStore, seed: int, seconds: float) -> list[float]:
    """When a worker dials a coordinator that is not there."""
    times: list[float] = []

    async def dial() -> Link:
        times.append(trio.current_time())
        raise Unreachable("nobody is there")

    with trio.move_on_after(seconds):
        await WorkerActor(FACTS, dial, FakeDevice(), store, chance=Random(seed)).run()
    return times


async def test_the_pauses_grow_to_the_longest_and_are_not_the_same_for_all(store: BlobStore, autojump_clock: MockClock) -> None:
    times = await dials(store, 1, 300)
    pauses = [after - before for before, after in pairwise(times)]
    assert 0.5 <= pauses[0] <= 1.0
    assert max(pauses) <= 16.0
    assert all(pause >= 8.0 for pause in pauses[5:]), "at least half of the longest"
    assert len({round(pause, 3) for pause in pauses[5:]}) > 5, "a thousand workers do not come back at one moment"
    others = await dials(store, 2, 300)
    assert [after - before for before, after in pairwise(others)] != pauses


async def test_a_coordinator_that_is_silent_for_its_own_heartbeats_is_dialled_again(store: BlobStore, autojump_clock: MockClock) -> None:
    listener = MemoryListener("memory://worker")
    hellos: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(WorkerActor(FACTS, lambda: listener.dial("key"), FakeDevice(), store, chance=Random(3)).run)
        unpacker: Unpacker[Any] = Unpacker(WorkerSays)
        for _ in range(2):
            link = await listener.accept()
            assert isinstance(unpacker.unpack(await link.receive()).message, Hello)
            hellos.append(trio.current_time())
            await link.send(pack(Welcome(2.0, 4)))
            await link.send(pack(Heartbeat(1)))
        nursery.cancel_scope.cancel()
    assert 8.0 <= hellos[1] - hellos[0] < 10.0, "four periods of two seconds, and a pause"


@pytest.mark.parametrize("permanent", [True, False])
async def test_only_a_permanent_refusal_ends_the_worker_and_with_its_reason(
    permanent: bool, store: BlobStore, autojump_clock: MockClock
) -> None:
    listener = MemoryListener("memory://worker")
    reasons: list[str] = []
    tries = 0

    async def work() -> None:
        try:
            await WorkerActor(FACTS, lambda: listener.dial("key"), FakeDevice(), store, chance=Random(4)).run()
        except* WorkerRefused as group:
            reasons.extend(error.message for error in group.exceptions if isinstance(error, WorkerRefused))

    with trio.move_on_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            while True:
                link = await listener.accept()
                tries += 1
                await link.send(pack(Refused("too-old", "version 1 is too old", permanent=permanent)))
    assert reasons == (["version 1 is too old"] if permanent else [])
    assert (tries == 1) is permanent


async def test_a_stopped_worker_says_goodbye_and_its_share_goes_on_at_once(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(heartbeat_interval_seconds=100) as world, world.client() as client:
        workers = {name: world.worker(name) for name in "ab"}
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=8", params="test")
        await trio.sleep(2)
        began = trio.current_time()
        workers["a"].scope.cancel()
        assert (await client.wait(job)).state is State.COMPLETED
        assert trio.current_time() - began < 60, "nobody waited for missed heartbeats"
        assert world.coordinator.jobs.entries[job].record.state is State.COMPLETED


async def test_what_is_cancelled_is_killed_and_what_comes_after_has_a_new_child(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vhang=0", params="test")
        await trio.sleep(2)
        lease = world.coordinator.scheduler.lease(job, 0)
        assert lease is not None
        assert await world.coordinator.sessions.send(WorkerId("a"), CancelLease(lease, "enough"))
        await trio.sleep(1)
        assert worker.device.killed == 1
        assert (await client.cancel(job))[0]
        assert (await client.wait(await client.submit(Kind.EXECUTE, ELF))).state is State.COMPLETED
