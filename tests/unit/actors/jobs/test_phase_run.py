"""Shares that fail, get lost, stand still or are slow, in virtual time: what is tried again, for how long, and what a failure says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld, SimWorker, World
from zisk_actors.actors.device import CallFailed
from zisk_actors.client.errors import JobFailure
from zisk_actors.wire.compute import Call, Done
from zisk_actors.wire.values import Failure, FailureKind, JobStatus, Kind, Phase, State


def instead(worker: SimWorker, name: str, what: Callable[[], Any]) -> None:
    """Have a worker's device do something before it does a kind of call."""
    honest = worker.device.call

    async def call(asked: Call, **options: Any) -> Done:
        if type(asked).__name__ == name:
            try:
                await what()
            except trio.Cancelled:
                worker.device.killed += 1
                raise
        return await honest(asked, **options)

    worker.device.call = call  # type: ignore[method-assign]


async def broken() -> None:
    raise CallFailed(Failure(kind=FailureKind.WORKER, code="compute-died", message="the compute process died"), retryable=True)


def slow(seconds: float) -> Callable[[], Any]:
    async def wait() -> None:
        await trio.sleep(seconds)

    return wait


async def flapping(world: World, name: str, seconds: float) -> None:
    """A worker that is killed over and over, and comes back each time as another start."""
    while True:
        worker = world.worker(name)
        await world.workers_are(name)
        await trio.sleep(seconds)
        worker.kill()
        await trio.sleep(5)


async def test_workers_that_are_lost_do_not_use_up_the_failures(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=10", params="test")
        for _ in range(6):
            worker = world.worker("a")
            await world.workers_are("a")
            await trio.sleep(6)
            worker.kill()
            await world.workers_are()
        world.worker("a")
        assert (await client.wait(job)).state is State.COMPLETED


async def test_one_sick_worker_beside_a_busy_one_fails_no_job(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    """A black hole: who fails at once is always free, and took every share with all its attempts within a second."""
    async with open_world() as world, world.client() as client:
        sick = world.worker("sick")
        world.worker("well")
        await world.workers_are("sick", "well")
        instead(sick, "ExecuteCall", broken)
        jobs = [await client.submit(Kind.EXECUTE, ELF, stdin=b"vsleep=3") for _ in range(10)]
        for job in jobs:
            status = await client.wait(job, seconds=300)
            assert status.state is State.COMPLETED, status.failure


async def test_so_many_losses_end_a_job_and_all_are_listed(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_losses_per_share=4) as world, world.client() as client:
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vhang=0", params="test")
        world.nursery.start_soon(flapping, world, "a", 3)
        with pytest.raises(JobFailure, match="0 attempts and 4 lost workers, the last one: worker a was lost") as caught:
            await client.result(job)
        failure = caught.value.failure
        assert (failure.kind, failure.code) == (FailureKind.WORKER, "worker-lost")
        assert [(each.worker, each.phase) for each in failure.attempts] == [("a", Phase.CONTRIBUTE)] * 4


async def test_a_restart_of_the_coordinator_gives_no_budget_back(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = [world.worker(name) for name in "ab"]
        await world.workers_are("a", "b")
        tried: list[str] = []
        for worker in workers:

            async def fails(name: str = worker.name) -> None:
                tried.append(name)
                await trio.sleep(5)
                await broken()

            instead(worker, "ContributeCall", fails)
        job = await client.submit(Kind.PROVE, ELF, params="test")
        await trio.sleep(8)
        await world.stop()
        await world.start()
        async with world.client() as again:
            with pytest.raises(JobFailure, match="after 3 attempts") as caught:
                await again.result(job)
        before = [each.share for each in caught.value.failure.attempts]
        assert max(before.count(0), before.count(1)) == 3
        assert len(tried) <= 6


async def test_a_failure_lists_every_attempt_with_worker_phase_and_reason(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = [world.worker(name) for name in "abc"]
        await world.workers_are("a", "b", "c")
        for worker in workers:
            instead(worker, "ProveCall", broken)
        with pytest.raises(JobFailure, match="failed in prove after 3 attempts") as caught:
            await client.result(await client.submit(Kind.PROVE, ELF, params="test"))
        listed = caught.value.failure.attempts
        assert {each.phase for each in listed} == {Phase.PROVE}
        assert all("the compute process died" in each.reason for each in listed)
        assert {each.worker for each in listed} == {"a", "b", "c"}, "tried on another worker each time"


async def test_a_share_that_is_begun_again_elsewhere_has_its_time_again(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(phase1_timeout_seconds=30) as world, world.client() as client:
        first = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=25", params="test")
        await trio.sleep(22)
        first.kill()
        world.worker("b")
        assert (await client.wait(job)).state is State.COMPLETED


async def test_time_that_is_lost_again_and_again_ends_the_phase_in_the_end(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(phase1_timeout_seconds=30) as world, world.client() as client:
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=40", params="test")
        world.nursery.start_soon(flapping, world, "a", 12)
        began = trio.current_time()
        with pytest.raises(JobFailure, match="phase timeout: contribute") as caught:
            await client.result(job)
        assert caught.value.failure.limit_seconds == 30.0
        assert 150 <= trio.current_time() - began < 260, "five limits of work, and the time between"
        assert len(caught.value.failure.attempts) > 5


async def test_the_clock_of_the_aggregate_begins_with_its_inputs(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(phase3_timeout_seconds=10) as world, world.client() as client:
        workers = [world.worker(name) for name in "ab"]
        await world.workers_are("a", "b")
        instead(workers[0], "ProveCall", slow(5))
        instead(workers[1], "ProveCall", slow(9))
        for worker in workers:
            instead(worker, "AggregateCall", slow(4))
        job = await client.submit(Kind.PROVE, ELF, params="test")
        assert (await client.wait(job)).state is State.COMPLETED


async def test_a_phase_timeout_names_phase_limit_and_the_slow_worker(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(phase2_timeout_seconds=20, straggler_factor=0) as world, world.client() as client:
        workers = {name: world.worker(name) for name in "ab"}
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=1", params="test")

        async def creeps() -> None:
            for _ in range(100):
                await trio.sleep(1)
                lease = next(iter(world.coordinator.scheduler.leases.of_worker(workers["b"].name)))
                world.coordinator.tasks.moved(lease, Phase.PROVE, "work", trio.current_time() % 1000 / 1000)

        instead(workers["b"], "ProveCall", creeps)
        with pytest.raises(JobFailure, match=r"phase timeout: prove .*worker b has been at it for 20 s; shares missing: .1.") as caught:
            await client.result(job)
        failure = caught.value.failure
        assert (failure.kind, failure.phase, failure.limit_seconds) == (FailureKind.TIMEOUT, Phase.PROVE, 20.0)


async def test_a_straggler_is_run_a_second_time_and_the_first_answer_wins(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_workers_per_job=3) as world, world.client() as client:
        workers = {name: world.worker(name) for name in "abc"}
        await world.workers_are("a", "b", "c")
        instead(workers["b"], "ContributeCall", slow(140))
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=8", params="test")
        seen: list[JobStatus] = [status async for _, status in client.watch(job)]
        assert seen[-1].state is State.COMPLETED
        assert workers["b"].device.killed == 1, "it was told to stop"
        pairs = {(share.worker, share.second) for status in seen for share in status.shares if share.second}
        assert len(pairs) == 1
        (pair,) = pairs
        assert pair[0] == "b"
        assert world.coordinator.scheduler.crews == {}
        assert "b" not in {fault.attempt.worker for fault in world.coordinator.jobs.entries[job].record.faults}
        text = world.coordinator.metrics.render(world.coordinator.overview.view()).decode()
        assert "coordinator_stragglers_doubled_total 1.0" in text


async def test_stragglers_are_left_alone_where_that_is_switched_off(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(straggler_factor=0) as world, world.client() as client:
        workers = {name: world.worker(name) for name in "ab"}
        await world.workers_are("a", "b")
        instead(workers["b"], "ContributeCall", slow(70))
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=2", params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert workers["a"].device.log.count("ContributeCall") == 1
        assert workers["b"].device.killed == 0


async def test_a_straggler_that_comes_first_after_all_wins_over_its_double(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = {name: world.worker(name) for name in "ab"}
        await world.workers_are("a", "b")
        instead(workers["b"], "ContributeCall", slow(14))
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=8", params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert workers["a"].device.log.count("ContributeCall") == 2
        assert workers["a"].device.killed == 1
        assert workers["b"].device.killed == 0
        assert world.coordinator.jobs.entries[job].record.attempts == ()


async def test_a_straggler_that_dies_leaves_its_double_at_work(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = {name: world.worker(name) for name in "ab"}
        await world.workers_are("a", "b")
        instead(workers["b"], "ContributeCall", slow(1000))
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=20", params="test")
        with trio.fail_after(200):
            while workers["a"].device.log.count("ContributeCall") < 2:  # noqa: ASYNC110 - virtual time
                await trio.sleep(1)
        workers["b"].kill()
        assert (await client.wait(job)).state is State.COMPLETED
        assert workers["a"].device.log.count("ContributeCall") == 2, "what the double had begun was not begun again"


async def test_a_share_that_stands_still_is_tried_elsewhere_while_there_is_time(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(phase1_timeout_seconds=60, straggler_factor=0) as world, world.client() as client:
        workers = {name: world.worker(name) for name in "ab"}
        await world.workers_are("a", "b")
        instead(workers["b"], "ContributeCall", trio.sleep_forever)
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=4", params="test")
        with trio.fail_after(60):
            assert (await client.wait(job)).state is State.COMPLETED
        assert workers["b"].device.killed == 1


async def test_a_share_waits_for_workers_that_come_and_go(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    """It gives up when nobody was there for the whole wait, not when nobody is there at its end."""
    async with open_world(worker_wait_seconds=20) as world, world.client() as client:
        first = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=12", params="test")
        await trio.sleep(3)
        first.kill()
        await world.workers_are()
        other = world.worker("c", units=1)
        await world.workers_are("c")
        await trio.sleep(3)
        other.kill()
        await world.workers_are()
        await trio.sleep(16)
        world.worker("b")
        assert (await client.wait(job)).state is State.COMPLETED


async def test_a_share_that_is_too_large_goes_to_who_has_most_memory(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_workers_per_job=1) as world, world.client() as client:
        sizes = {"a": 10**8, "b": 10**8, "c": 10**10, "d": 10**8}
        workers = {name: world.worker(name, memory_bytes=size, units=20 if name == "a" else 10) for name, size in sizes.items()}
        await world.workers_are(*"abcd")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"large=0", params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        asked = {name: worker.device.log.count("ContributeCall") for name, worker in workers.items()}
        assert asked == {"a": 1, "b": 0, "c": 1, "d": 0}


async def test_a_share_that_is_too_large_for_all_fails_as_memory_with_the_next_step(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world, world.client() as client:
        for name in "ab":
            world.worker(name, memory_bytes=10**8)
        await world.workers_are("a", "b")
        with pytest.raises(JobFailure, match="share 1 needs about 1") as caught:
            await client.result(await client.submit(Kind.PROVE, ELF, stdin=b"large=1", params="test"))
        failure = caught.value.failure
        assert (failure.kind, failure.code, failure.hint) == (FailureKind.MEMORY, "memory-short", "more workers make smaller shares")
        with pytest.raises(JobFailure) as caught:
            await client.result(await client.submit(Kind.PROVE, ELF, stdin=b"exhaust=0", params="test"))
        assert (caught.value.failure.kind, caught.value.failure.code) == (FailureKind.MEMORY, "out-of-memory")


async def test_shares_that_are_too_large_for_all_are_cut_finer_and_done_one_after_the_other(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world(phase1_timeout_seconds=20, phase2_timeout_seconds=20) as world, world.client() as client:
        workers = {name: world.worker(name, memory_bytes=10**9) for name in "ab"}
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"cut=7 vsleep=8", params="test")
        other = await client.submit(Kind.PROVE, ELF, stdin=b"x", params="test")
        status = await client.wait(job)
        assert status.state is State.COMPLETED
        assert status.weights == (10,) * 8
        assert status.verified is not None
        assert status.verified.shares == 8
        assert all(worker.device.log.count("ProveCall") >= 4 for worker in workers.values()), "both did their part, beyond the limit of one"
        assert (await client.wait(other)).state is State.COMPLETED
        assert {each.state for each in await client.workers()} == {"ready"}


async def test_a_job_that_was_cut_finer_is_resumed_so(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        for name in "ab":
            world.worker(name, memory_bytes=10**9)
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"cut=4 vsleep=8", params="test")
        with trio.fail_after(100):
            while len(world.coordinator.jobs.entries[job].record.answers) < 2:  # noqa: ASYNC110 - virtual time
                await trio.sleep(0.5)
        await world.stop()
        await world.start()
        async with world.client() as again:
            status = await again.wait(job)
        assert (status.state, status.weights) == (State.COMPLETED, (10,) * 4)


async def test_a_run_that_cannot_be_cut_small_enough_fails_as_memory(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("a", memory_bytes=10**9)
        await world.workers_are("a")
        with pytest.raises(JobFailure, match="is too large") as caught:
            await client.result(await client.submit(Kind.PROVE, ELF, stdin=b"cut=100000", params="test"))
        assert caught.value.failure.kind is FailureKind.MEMORY
