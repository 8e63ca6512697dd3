"""Workers that lie: who is at fault is found and quarantined, the job goes on with the others, and nobody is found wrong on hearsay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld, SimWorker, World
from zisk_actors.actors.device import CallFailed
from zisk_actors.client.errors import JobFailure
from zisk_actors.ids import JobId
from zisk_actors.wire.compute import Call, Done
from zisk_actors.wire.values import Failure, FailureKind, Kind, Phase, State

Change = Callable[[Call, bytes], bytes]


def lie(worker: SimWorker, change: Change) -> None:
    """Have a worker's device give something else than it computed."""
    honest = worker.device.call

    async def call(asked: Call, **options: Any) -> Done:
        done = await honest(asked, **options)
        return type(done)(change(asked, done.content))

    worker.device.call = call  # type: ignore[method-assign]


def in_call(name: str, old: bytes, new: bytes) -> Change:
    return lambda asked, content: content.replace(old, new) if type(asked).__name__ == name else content


WRONG_PARTIAL = in_call("ProveCall", b'"challenge": "', b'"challenge": "0')
WRONG_AGGREGATE = in_call("AggregateCall", b'"vk": "', b'"vk": "0')
NO_CONTRIBUTION = in_call("ContributeCall", b"{", b"")
WRONG_CONTRIBUTION = in_call("ContributeCall", b'"root": "', b'"root": "0')


async def test_a_wrong_partial_is_its_makers_fault_and_made_again_by_another(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = {name: world.worker(name) for name in "abc"}
        await world.workers_are("a", "b", "c")
        lie(workers["b"], WRONG_PARTIAL)
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=2", params="test")
        status = await client.wait(job)
        assert status.state is State.COMPLETED
        states = {worker.worker: worker.state for worker in await client.workers()}
        assert states == {"a": "ready", "b": "quarantined", "c": "ready"}
        (fault,) = world.coordinator.jobs.entries[job].record.faults
        assert (fault.attempt.worker, fault.attempt.phase) == ("b", Phase.PROVE)
        asked = [workers[name].device.log.count("ProveCall") for name in "abc"]
        assert sorted(asked) == [1, 1, 2], "the one share was proved again, and no other"
        assert asked[1] == 1
        assert (await client.wait(await client.submit(Kind.PROVE, ELF, params="test"))).weights == (10, 10)
        workers["b"].kill()
        await world.workers_are("a", "c")
        world.worker("b")
        await world.workers_are("a", "b", "c")
        assert (await client.wait(await client.submit(Kind.PROVE, ELF, params="test"))).weights == (10, 10, 10)


async def test_a_quarantined_start_stays_so_over_links_and_restarts_of_the_coordinator(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world, world.client() as client:
        first, second = world.worker("a"), world.worker("b")
        await world.workers_are("a", "b")
        lie(second, WRONG_PARTIAL)
        assert (await client.wait(await client.submit(Kind.PROVE, ELF, params="test"))).state is State.COMPLETED
        await second.links[-1].aclose()
        await trio.sleep(10)
        await world.workers_are("a", "b")
        assert second.refused is None
        assert [record.worker for record in world.coordinator.scheduler.registry.ready()] == ["a"]
        await world.stop()
        await world.start()
        await world.workers_are("a", "b")
        assert [record.worker for record in world.coordinator.scheduler.registry.ready()] == ["a"]
        assert first.refused is None


async def test_a_wrong_aggregate_is_the_aggregators_fault_and_made_by_another(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = [world.worker(name) for name in "abc"]
        await world.workers_are("a", "b", "c")
        for worker in workers[:2]:
            lie(worker, WRONG_AGGREGATE)
        job = await client.submit(Kind.PROVE, ELF, params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert sum(worker.device.log.count("ProveCall") for worker in workers) == 3, "the parts were right"
        faulty = {fault.attempt.worker for fault in world.coordinator.jobs.entries[job].record.faults}
        assert faulty <= {"a", "b"}


async def test_who_accuses_falsely_is_the_one_who_goes(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = [world.worker(name) for name in "ab"]
        await world.workers_are("a", "b")
        slanders = 0

        def slander(worker: SimWorker) -> None:
            honest = worker.device.call

            async def call(asked: Call, **options: Any) -> Done:
                nonlocal slanders
                if type(asked).__name__ == "AggregateCall" and not slanders:
                    slanders += 1
                    failure = Failure(kind=FailureKind.PROOF, code="proof-fold", message="it is wrong, believe me", share=1)
                    raise CallFailed(failure, retryable=False)
                return await honest(asked, **options)

            worker.device.call = call  # type: ignore[method-assign]

        for worker in workers:
            slander(worker)
        job = await client.submit(Kind.PROVE, ELF, params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        (fault,) = world.coordinator.jobs.entries[job].record.faults
        assert fault.attempt.phase is Phase.AGGREGATE
        assert "where nothing is" in fault.attempt.reason


async def test_a_contribution_that_is_none_is_made_again_with_all_proofs(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = {name: world.worker(name) for name in "ab"}
        await world.workers_are("a", "b")
        lie(workers["b"], NO_CONTRIBUTION)
        job = await client.submit(Kind.PROVE, ELF, params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        (fault,) = world.coordinator.jobs.entries[job].record.faults
        assert (fault.attempt.worker, fault.attempt.phase) == ("b", Phase.CONTRIBUTE)


async def test_two_workers_that_disagree_about_a_share_fail_the_job_and_are_both_named(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world, world.client() as client:
        first, second = world.worker("a"), world.worker("b")
        await world.workers_are("a", "b")
        lie(first, WRONG_CONTRIBUTION)
        honest = first.device.call

        async def dies(asked: Call, **options: Any) -> Done:
            if type(asked).__name__ == "ProveCall":
                first.kill()
                await trio.sleep(100)
            return await honest(asked, **options)

        first.device.call = dies  # type: ignore[method-assign]
        job = await client.submit(Kind.PROVE, ELF, params="test")
        with pytest.raises(JobFailure, match="workers a and b computed share 0 and got different contributions") as caught:
            await client.result(job)
        assert (caught.value.failure.kind, caught.value.failure.code) == (FailureKind.PROOF, "contribution-mismatch")
        assert second.refused is None


def dies_at_prove(worker: SimWorker) -> None:
    """Have a worker die when it is asked for its first proof."""
    honest = worker.device.call

    async def dies(asked: Call, **options: Any) -> Done:
        if type(asked).__name__ == "ProveCall":
            worker.kill()
            await trio.sleep(100)
        return await honest(asked, **options)

    worker.device.call = dies  # type: ignore[method-assign]


def faulty(world: World, job: JobId) -> list[tuple[str, Phase]]:
    return [(fault.attempt.worker, fault.attempt.phase) for fault in world.coordinator.jobs.entries[job].record.faults]


async def test_a_third_worker_decides_that_who_contributed_is_wrong(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = {name: world.worker(name) for name in "abc"}
        await world.workers_are("a", "b", "c")
        lie(workers["a"], WRONG_CONTRIBUTION)
        dies_at_prove(workers["a"])
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=1", params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert faulty(world, job) == [("a", Phase.CONTRIBUTE)]
        assert {worker.worker: worker.state for worker in await client.workers()} == {"b": "ready", "c": "ready"}


@pytest.mark.parametrize("settler", ["busy", "free"])
async def test_a_third_worker_decides_that_who_says_so_is_wrong(settler: str, open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_workers_per_job=3 if settler == "busy" else 2) as world, world.client() as client:
        workers = {name: world.worker(name) for name in "abc"}
        await world.workers_are("a", "b", "c")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=1", params="test")
        liars: list[str] = []
        for worker in workers.values():
            honest = worker.device.call

            async def call(asked: Call, name: str = worker.name, honest: Any = honest, **options: Any) -> Done:
                if type(asked).__name__ == "ProveCall" and asked.share == 0:  # type: ignore[union-attr]
                    if not liars:
                        liars.append("-")
                        workers[name].kill()
                        await trio.sleep(100)
                    if liars == ["-"]:
                        liars.append(name)
                        message = "share 0 computed here differs from what was contributed for it"
                        raise CallFailed(Failure(kind=FailureKind.PROOF, code="contribution-mismatch", message=message), retryable=False)
                return await honest(asked, **options)

            worker.device.call = call  # type: ignore[method-assign]
        assert (await client.wait(job)).state is State.COMPLETED
        assert faulty(world, job) == [(liars[1], Phase.PROVE)]
        states = {worker.worker: worker.state for worker in await client.workers()}
        assert states.pop(liars[1]) == "quarantined"
        assert set(states.values()) == {"ready"}


async def test_who_disagrees_with_itself_is_wrong_whoever_else_there_is(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = {name: world.worker(name) for name in "ab"}
        await world.workers_are("a", "b")
        lie(workers["a"], WRONG_CONTRIBUTION)
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=1", params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert faulty(world, job) == [("a", Phase.CONTRIBUTE)]


async def test_three_that_all_differ_fail_the_job_and_are_all_named(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = {name: world.worker(name) for name in "abc"}
        await world.workers_are("a", "b", "c")
        for name, worker in workers.items():
            change = in_call("ContributeCall", b'"root": "', b'"root": "' + name.encode())
            lie(worker, lambda asked, content, change=change: change(asked, content) if getattr(asked, "share", 1) == 0 else content)  # type: ignore[misc]
        dies_at_prove(workers["a"])
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=1", params="test")
        with pytest.raises(JobFailure, match="computed share 0 and got different contributions") as caught:
            await client.result(job)
        assert all(f" {name} " in caught.value.failure.message for name in "abc")
        assert caught.value.failure.code == "contribution-mismatch"


async def test_the_settler_that_dies_is_replaced(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_workers_per_job=2) as world, world.client() as client:
        workers = {name: world.worker(name) for name in "abcd"}
        await world.workers_are(*"abcd")
        lie(workers["a"], WRONG_CONTRIBUTION)
        dies_at_prove(workers["a"])
        killed: list[str] = []
        for name in "cd":
            worker = workers[name]
            honest = worker.device.call

            async def dies(asked: Call, worker: SimWorker = worker, honest: Any = honest, **options: Any) -> Done:
                if not killed and type(asked).__name__ == "ContributeCall":
                    killed.append(worker.name)
                    worker.kill()
                    await trio.sleep(100)
                return await honest(asked, **options)

            worker.device.call = dies  # type: ignore[method-assign]
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=1", params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert faulty(world, job) == [("a", Phase.CONTRIBUTE)]


async def test_a_share_that_everybody_gets_wrong_ends_the_job_with_every_attempt(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_workers_per_job=1) as world, world.client() as client:
        for name in "abcd":
            lie(world.worker(name), WRONG_PARTIAL)
        await world.workers_are("a", "b", "c", "d")
        with pytest.raises(JobFailure, match="share 0 failed in prove after 3 attempts") as caught:
            await client.result(await client.submit(Kind.PROVE, ELF, params="test"))
        failure = caught.value.failure
        assert failure.kind is FailureKind.PROOF
        assert len({attempt.worker for attempt in failure.attempts}) == 3
