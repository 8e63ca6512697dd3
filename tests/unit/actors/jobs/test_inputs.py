"""Inputs that come in while their jobs wait, in virtual time."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.actors.jobs import inputs
from zisk_actors.client.arguments import InputAddress
from zisk_actors.client.errors import ClusterRefused, JobFailure
from zisk_actors.errors import JobCancelled, UsageError
from zisk_actors.wire.blobs import CHUNK_BYTES, reference
from zisk_actors.wire.client_link import EndInput, PushInput
from zisk_actors.wire.values import FailureKind, Kind, State

BIG = b"some word or two" * (CHUNK_BYTES // 16 * 3) + b"the rest"


async def test_a_job_waits_for_its_input_and_is_in_no_queue(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("a")
        await world.workers_are("a")
        async with await client.open_input(Kind.EXECUTE, ELF) as into:
            status = await client.job(into.job)
            assert (status.state, status.received_bytes) == (State.WAITING_FOR_INPUT, 0)
            await into.write(BIG[:600_000])
            await into.write(BIG[600_000:])
            status = await client.job(into.job)
            assert status.received_bytes == into.received == 3 * CHUNK_BYTES
            assert len(world.coordinator.scheduler.queue) == 0
            assert world.coordinator.scheduler.crews == {}
        run = await client.execution(into.job)
        assert b"".join(word.to_bytes(4, "little") for word in run.output[:8]) == hashlib.sha256(BIG).digest()
        assert (await client.job(into.job)).stdin == reference(BIG)
        assert list(world.coordinator.store.partial_folder.iterdir()) == []


@pytest.mark.parametrize("parts", [[], [b""], [b"a", b"", b"bc"], [BIG]])
async def test_parts_of_any_iterable_are_one_input(parts: list[bytes], open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async def later() -> AsyncIterator[bytes]:
        for part in parts:
            await trio.sleep(100)
            yield part

    async with open_world() as world, world.client() as client:
        world.worker("a")
        for stdin in (iter(parts), later()):
            job = await client.submit(Kind.EXECUTE, ELF, stdin=stdin)
            assert (await client.wait(job)).stdin == reference(b"".join(parts))


async def test_an_input_goes_on_after_a_restart_from_what_was_acknowledged(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world:
        world.worker("a")
        async with world.client() as client:
            into = await client.open_input(Kind.EXECUTE, ELF, key="block 7")
            await into.write(BIG[: CHUNK_BYTES + 10])
        await world.stop()
        await world.start()
        async with world.client() as client:
            again = await client.open_input(Kind.EXECUTE, ELF, key="block 7")
            assert (again.job, again.received) == (into.job, CHUNK_BYTES)
            await again.write(BIG)
            await again.aclose()
            assert (await client.wait(into.job)).state is State.COMPLETED
            async with await client.open_input(Kind.EXECUTE, ELF, key="block 7") as third:
                await third.write(BIG)
            with pytest.raises(ClusterRefused, match="takes no input"):
                async with await client.open_input(Kind.EXECUTE, ELF, key="block 7") as other:
                    await other.write(BIG + b"and more")


async def test_a_part_that_comes_twice_changes_nothing_and_there_are_no_holes(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        into = await client.open_input(Kind.EXECUTE, ELF)

        async def push(offset: int, part: bytes) -> int:
            reply = await client._talk.ask(PushInput(client._talk.number(), into.job, offset), part)
            return reply.received_bytes

        assert await push(0, b"abc") == 3
        assert await push(0, b"abc") == 3
        assert await push(7, b"x") == 3
        assert await push(3, b"def") == 6
        assert await push(0, b"abc") == 6
        end = EndInput(client._talk.number(), into.job, reference(b"abcdef"))
        for _ in range(2):
            assert (await client._talk.ask(end)).status.state is State.QUEUED


@pytest.mark.parametrize(("named", "words"), [(b"abcdef", "6 bytes, and 3"), (b"abd", "hashes to")])
async def test_an_end_that_does_not_fit_is_refused_and_the_job_waits_on(
    named: bytes, words: str, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world, world.client() as client:
        into = await client.open_input(Kind.EXECUTE, ELF)
        await client._talk.ask(PushInput(client._talk.number(), into.job, 0), b"abc")
        with pytest.raises(ClusterRefused, match=words) as caught:
            await client._talk.ask(EndInput(client._talk.number(), into.job, reference(named)))
        assert (caught.value.code, caught.value.exit_code) == ("input-mismatch", 2)
        assert (await client.job(into.job)).state is State.WAITING_FOR_INPUT
        await client._talk.ask(EndInput(client._talk.number(), into.job, reference(b"abc")))
        assert (await client.job(into.job)).state is State.QUEUED


async def test_an_input_that_nothing_comes_of_fails_its_job(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(input_timeout_seconds=60) as world, world.client() as client:
        into = await client.open_input(Kind.PROVE, ELF)
        for _ in range(5):
            await trio.sleep(50)
            await into.write(bytes(CHUNK_BYTES))
        with pytest.raises(JobFailure) as caught:
            await client.result(into.job)
        failure = caught.value.failure
        assert (failure.kind, failure.code, failure.limit_seconds) == (FailureKind.TIMEOUT, "input-timeout", 60.0)
        assert failure.hint
        with pytest.raises(JobFailure):
            await into.write(bytes(CHUNK_BYTES))
        await trio.sleep(1)
        assert list(world.coordinator.store.partial_folder.iterdir()) == []
        assert len(world.coordinator.inputs) == 0


async def test_cancel_while_waiting_and_an_input_that_breaks_off(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    def breaks() -> Iterator[bytes]:
        yield BIG
        raise OSError("the pipe is gone")

    async with open_world() as world, world.client() as client:
        into = await client.open_input(Kind.PROVE, ELF)
        await into.write(BIG)
        assert (await client.cancel(into.job))[0]
        with pytest.raises(JobCancelled):
            await into.aclose()
        with pytest.raises(OSError, match="the pipe is gone"):
            await client.submit(Kind.PROVE, ELF, stdin=breaks(), key="broken")
        [newest, _] = await client.jobs()
        assert (newest.state, newest.reason) == (State.CANCELLED, "its input ended with OSError")
        await trio.sleep(1)
        assert list(world.coordinator.store.partial_folder.iterdir()) == []


async def test_a_cancel_while_the_end_is_written_down_has_one_supervisor(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    """The job was queued by its end and ended by its cancel: the second supervisor took the coordinator down with it."""
    async with open_world() as world, world.client() as client, world.client("key of another") as other:
        world.worker("a")
        await world.workers_are("a")
        job = (await client.open_input(Kind.EXECUTE, ELF)).job
        async with trio.open_nursery() as nursery, world.coordinator.recorder._lock:
            end = EndInput(client._talk.number(), job, reference(b""))
            nursery.start_soon(client._talk.ask, end)
            await trio.testing.wait_all_tasks_blocked()
            assert world.coordinator.jobs.entries[job].lock.locked(), "the end is on its way to the disk"
            nursery.start_soon(world.coordinator.ending.cancel, world.coordinator.jobs.entries[job], "enough")
            await trio.testing.wait_all_tasks_blocked()
        assert (await other.wait(job)).state is State.CANCELLED
        await trio.testing.wait_all_tasks_blocked()
        assert (world.coordinator.jobs.supervised, world.coordinator.scheduler.crews) == (set(), {})
        assert (await other.wait(await other.submit(Kind.EXECUTE, ELF))).state is State.COMPLETED


async def test_an_end_for_a_job_that_is_cancelled_meanwhile_says_so(
    open_world: OpenWorld, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow_disk(function: Any, *args: Any) -> Any:
        result = function(*args)
        await trio.sleep(1)
        return result

    async with open_world() as world, world.client() as client:
        job = (await client.open_input(Kind.EXECUTE, ELF)).job
        monkeypatch.setattr(inputs, "in_thread", slow_disk)

        async def end() -> None:
            with pytest.raises(ClusterRefused, match="takes no input: it is cancelled") as caught:
                await client._talk.ask(EndInput(client._talk.number(), job, reference(b"")))
            assert caught.value.code == "input-closed"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(end)
            await trio.sleep(0.5)
            assert await world.coordinator.ending.cancel(world.coordinator.jobs.entries[job], "enough")


async def test_limits_of_inputs(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_input_bytes=1000, max_queued_jobs=3) as world, world.client() as client:
        for stdin in (bytes(1001), iter([bytes(700), bytes(700)])):
            with pytest.raises(ClusterRefused, match="over the limit of 1000") as caught:
                await client.submit(Kind.EXECUTE, ELF, stdin=stdin)
            assert caught.value.code == "input-too-large"
        await trio.sleep(1)
        for _ in range(3):
            await client.open_input(Kind.EXECUTE, ELF)
        with pytest.raises(ClusterRefused) as caught:
            await client.open_input(Kind.EXECUTE, ELF)
        assert caught.value.code == "queue-full", "jobs that wait for their input count"
        with pytest.raises(ClusterRefused, match="comes later"):
            await client.open_input(Kind.SETUP, ELF)
        assert len(world.coordinator.inputs) == 3


@pytest.mark.parametrize(("address", "hint"), [("file:///etc/passwd", "without file://"), ("unix:///x", "pipe"), ("quic://h:1", "pipe")])
async def test_addresses_are_no_inputs(address: Any, hint: str, open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        with pytest.raises(InputAddress, match="inputs come from the client") as caught:
            await client.submit(Kind.EXECUTE, ELF, stdin=address)
        assert hint in caught.value.hint
        with pytest.raises(UsageError, match="no text"):
            await client.submit(Kind.EXECUTE, ELF, stdin="text")  # type: ignore[arg-type]
