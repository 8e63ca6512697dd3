"""The actors together, in virtual time: what a client sees, and what is decided when workers and links break."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgpack
import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.client.errors import ClusterRefused, JobFailure
from zisk_actors.core.budget import attempts
from zisk_actors.errors import JobCancelled, Unreachable, WaitTimeout
from zisk_actors.store.errors import StoreUnwritable
from zisk_actors.transport.base import LinkClosed
from zisk_actors.transport.memory import MemoryLink
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.client_link import GatewaySays, Ping
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.compute import Call, Done
from zisk_actors.wire.values import FailureKind, Kind, Lease, Phase, State
from zisk_actors.wire.worker_link import (
    Answer,
    AnswerTaken,
    ContributeTask,
    CoordinatorSays,
    Heartbeat,
    Hello,
    ProveTask,
    Refused,
    Reintroduce,
    Welcome,
    answer,
)


async def until_closed(link: MemoryLink) -> None:
    """As with ZeroMQ, that the other side has closed a link shows when something is sent."""
    with trio.fail_after(20), pytest.raises(LinkClosed):  # noqa: PT012 - the call that fails is not the first
        while True:
            await link.send(pack(Heartbeat(1)))
            await trio.sleep(0.5)


async def test_a_proof_over_two_workers(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        first, second = world.worker("a"), world.worker("b", units=30)
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=4", params="test")
        seen = [status async for _, status in client.watch(job)]
        assert seen[-1].state is State.COMPLETED
        assert seen[-1].weights == (30, 10)
        assert await client.result(job)
        asked = {"ContributeCall", "ProveCall"}
        assert asked <= set(first.device.log)
        assert asked <= set(second.device.log)
        assert ("AggregateCall" in first.device.log) != ("AggregateCall" in second.device.log)
        assert "VerifyCall" in world.device.log
        etas = [status.eta_seconds for status in seen if status.eta_seconds is not None]
        assert etas
        assert etas[-1] < etas[0]


async def test_a_silent_worker_is_lost_and_its_share_goes_on_elsewhere(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        first, second = world.worker("a"), world.worker("b")
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=10", params="test")
        await trio.sleep(5)
        first.kill()
        status = await client.wait(job)
        assert status.state is State.COMPLETED
        assert second.device.log.count("ContributeCall") == 2
        assert sorted(world.coordinator.sessions) == ["b"]


async def test_a_job_that_is_over_gets_no_worker_while_its_end_is_written_down(
    open_world: OpenWorld, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world() as world, world.client() as client:
        first = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=8", params="test")
        await trio.sleep(1)
        first.kill()
        scheduler = world.coordinator.scheduler
        while (job, 0) not in scheduler.wanted:  # noqa: ASYNC110 - virtual time
            await trio.sleep(0.1)
        record = world.coordinator.jobs.record

        async def slowly(*words: Any) -> None:
            await trio.sleep(5)
            await record(*words)

        monkeypatch.setattr(world.coordinator.jobs, "record", slowly)
        world.nursery.start_soon(client.cancel, job)
        await trio.sleep(1)
        world.worker("b")
        await world.workers_are("b")
        assert not scheduler.busy()
        assert world.coordinator.jobs.entries[job].record.state is State.RUNNING
        assert (await client.wait(job)).state is State.CANCELLED


async def test_a_worker_whose_link_breaks_before_its_welcome_is_not_waited_for(
    open_world: OpenWorld, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is registered, and its link gone: it has the grace to come back, not the time of three heartbeats."""
    async with open_world(reconnect_grace_period_ms=500) as world:
        link = await world.port.dial("key of b")

        @asynccontextmanager
        async def joining(worker: str) -> AsyncIterator[None]:
            await link.aclose()
            yield

        monkeypatch.setattr(world.coordinator.roster, "joining", joining)
        await link.send(pack(Hello(worker="b", incarnation="b" * 32, units=1, version="1", backend="x", threads=1, pid=1)))
        await world.workers_are("b")
        await trio.sleep(1)
        assert not list(world.coordinator.sessions)
        assert not world.coordinator.scheduler.registry.records


async def test_a_late_answer_is_dropped_and_counted(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        first = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=8", params="test")
        await trio.sleep(1)
        entry = world.coordinator.jobs.entries[job]
        lease = world.coordinator.scheduler.lease(job, 0)
        assert lease is not None
        link = await world.port.dial("key of b")
        hello = Hello(worker="b", incarnation="b" * 32, units=1, version="1", backend="x", threads=1, pid=1)
        await link.send(pack(hello))
        await trio.sleep(0.1)
        fake = reference(b"forged")
        for forged in (lease, Lease(lease.worker, lease.incarnation, job, 0, 7), Lease("b", "b" * 32, job, 0, 1)):
            await link.send(pack(Answer(forged, Phase.CONTRIBUTE, fake)))
        await trio.sleep(0.1)
        assert entry.record.contributions is None
        assert world.coordinator.scheduler.late == 2, "the first names a lease in force, which is not the sender's"
        assert (await client.wait(job)).state is State.COMPLETED
        assert first.device.log.count("ContributeCall") == 1


async def test_a_result_that_is_not_what_its_answer_names_is_the_workers_failure(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    """It came with its answer, so nobody has hashed it yet."""
    async with open_world() as world, world.client() as client:
        link = await world.port.dial("key of b")
        await link.send(pack(Hello(worker="b", incarnation="b" * 32, units=1, version="1", backend="x", threads=1, pid=1)))
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=1", params="test")
        await world.workers_are("b")
        says: Unpacker[Any] = Unpacker(CoordinatorSays)
        while not isinstance(task := says.unpack(await link.receive()).message, ContributeTask):
            pass
        named = reference(b"what it names")
        await link.send(pack(Answer(task.lease, Phase.CONTRIBUTE, named, b"what it brings")))
        await trio.sleep(0.1)
        (tried,) = attempts(world.coordinator.jobs.entries[job].record)
        assert (tried.worker, tried.reason.split(":")[0]) == ("b", "its result cannot be had")
        assert not world.coordinator.store.has(named)
        honest = world.worker("a")
        assert (await client.wait(job)).state is State.COMPLETED
        assert honest.device.log.count("ContributeCall") == 1


async def test_an_answer_that_the_journal_has_is_taken_also_from_who_claims_the_share_for_a_later_phase(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    """The coordinator died between writing it down and saying so; the worker offers it until it is taken."""
    hello = Hello(worker="b", incarnation="b" * 32, units=1, version="1", backend="x", threads=1, pid=1)
    says: Unpacker[Any] = Unpacker(CoordinatorSays)
    async with open_world() as world, world.client() as client:
        link = await world.port.dial("key of b")
        await link.send(pack(hello))
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=1", params="test")
        while not isinstance(task := says.unpack(await link.receive()).message, ContributeTask):
            pass
        contributed = answer(task.lease, Phase.CONTRIBUTE, b"a contribution")
        await link.send(pack(contributed))
        while not isinstance(says.unpack(await link.receive()).message, ProveTask):
            pass
        await world.stop()
        await world.start()
        link = await world.port.dial("key of b")
        await link.send(pack(msgspec.structs.replace(hello, held=(task.lease,))))
        await link.send(pack(contributed))
        while not isinstance(says.unpack(await link.receive()).message, Welcome):
            pass
        with trio.fail_after(1):
            while says.unpack(await link.receive()).message != AnswerTaken(task.lease, Phase.CONTRIBUTE):
                pass
        assert world.coordinator.scheduler.claimed(task.lease)
        async with world.client() as again:
            await again.cancel(job)


async def test_a_broken_link_loses_nothing_when_the_worker_comes_back(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(reconnect_grace_period_ms=2500) as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=12", params="test")
        await trio.sleep(3)
        await worker.links[-1].aclose()
        status = await client.wait(job)
        assert status.state is State.COMPLETED
        assert len(worker.links) == 2
        assert worker.device.log == ["ContributeCall", "ProveCall", "AggregateCall"], "nothing was done twice"


async def test_a_link_that_is_cut_for_long_costs_the_share_and_not_the_job(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        first, second = world.worker("a"), world.worker("b")
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=10", params="test")
        await trio.sleep(3)
        first.offline = True
        first.cut()
        await world.workers_are("b")
        first.offline = False
        assert (await client.wait(job)).state is State.COMPLETED
        await world.workers_are("a", "b")
        assert len(first.links) == 2
        assert first.device.killed == 1, "it was told that its lease is not in force any more"
        assert second.device.log.count("ContributeCall") == 2


async def test_a_phase_over_its_limit_fails_with_the_phase_and_the_limit(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(phase1_timeout_seconds=50) as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vhang=0", params="test")
        began = trio.current_time()
        with pytest.raises(JobFailure, match=r"phase timeout: contribute .* worker a has been at it for 15 s") as caught:
            await client.result(job)
        assert trio.current_time() - began == pytest.approx(50, abs=2)
        failure = caught.value.failure
        assert [attempt.worker for attempt in failure.attempts] == ["a"], "it stood still for most of the time, and was tried again"
        assert (failure.kind, failure.phase, failure.limit_seconds) == (FailureKind.TIMEOUT, Phase.CONTRIBUTE, 50.0)
        await trio.sleep(5)
        assert worker.device.killed == 2
        assert (await client.wait(await client.submit(Kind.EXECUTE, ELF))).state is State.COMPLETED


async def test_nobody_left_fails_after_the_wait_and_names_who_was_lost(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=12", params="test")
        await trio.sleep(3)
        worker.kill()
        began = trio.current_time()
        with pytest.raises(JobFailure, match="no worker could take share 0") as caught:
            await client.result(job)
        assert 30 <= trio.current_time() - began < 40
        assert [attempt.worker for attempt in caught.value.failure.attempts] == ["a"]


async def test_cancel_stops_the_device_and_answers_when_it_is_over(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vhang=0", params="test")
        queued = await client.submit(Kind.PROVE, ELF, stdin=b"x", params="test")
        await trio.sleep(1)
        assert (await client.cancel(queued))[0]
        cancelled, status = await client.cancel(job, reason="enough")
        assert cancelled
        assert (status.state, status.reason) == (State.CANCELLED, "enough")
        with pytest.raises(JobCancelled):
            await client.result(job)
        await trio.sleep(1)
        assert worker.device.killed == 1
        assert (await client.cancel(job))[0] is False


async def test_jobs_go_on_where_they_were_after_a_restart(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        done = await client.submit(Kind.EXECUTE, ELF, stdin=b"first")
        await client.wait(done)
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=10", params="test")
        queued = await client.submit(Kind.EXECUTE, ELF, stdin=b"later", key="later")
        async with aclosing(client.watch(job)) as changes:
            async for _, status in changes:
                if status.phase is Phase.PROVE:
                    break
        await world.stop()
        await world.start()
        assert world.coordinator.recorder.epoch == 2
        async with world.client() as again:
            assert (await again.wait(job)).state is State.COMPLETED
            assert (await again.wait(queued)).state is State.COMPLETED
            assert (await again.job(done)).state is State.COMPLETED
            assert await again.submit(Kind.EXECUTE, ELF, stdin=b"later", key="later") == queued
        assert worker.device.log.count("ContributeCall") == 1, "the contributions were in the journal"


@pytest.mark.parametrize("down_seconds", [0.0, 20.0])
async def test_shares_that_run_when_the_coordinator_dies_are_not_begun_again(
    down_seconds: float, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world, world.client() as client:
        first, second = world.worker("a"), world.worker("b")
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=10", params="test")
        for moment in (5, 10):  # in the contributions, and in the proofs
            await trio.sleep(moment)
            await world.stop()
            await trio.sleep(down_seconds)
            await world.start()
        async with world.client() as again:
            assert (await again.wait(job)).state is State.COMPLETED
        for worker in (first, second):
            assert worker.device.log.count("ContributeCall") == 1
            assert worker.device.log.count("ProveCall") == 1
            assert worker.device.killed == 0
        assert world.coordinator.scheduler.late == 0


async def test_only_shares_that_were_not_answered_are_done_again_after_everything_died(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world, world.client() as client:
        workers = [world.worker("a"), world.worker("b", units=20)]
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vhang=1", params="test")
        await trio.sleep(5)
        assert [share for _, share in world.coordinator.jobs.entries[job].record.answers] == [0]
        await world.stop()
        for worker in workers:
            worker.kill()
        await world.start()
        last = world.worker("c")
        await trio.sleep(10)
        assert last.device.log == ["ContributeCall"]
        assert world.coordinator.scheduler.lease(job, 0) is None
        assert (await world.coordinator.ending.cancel(world.coordinator.jobs.entries[job], "enough")) is True


async def test_a_worker_of_another_version_is_refused_for_good(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world:
        worker = world.worker("a", version="2")
        await trio.sleep(5)
        assert worker.refused is not None
        assert "version 2" in worker.refused.message
        assert list(world.coordinator.sessions) == []


async def test_an_id_belongs_to_the_key_it_came_with(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world:
        world.worker("a")
        await world.workers_are("a")
        thief = world.worker("a", key="another key")
        await trio.sleep(5)
        assert thief.refused is not None
        assert "another key" in thief.refused.message


async def test_the_second_of_two_with_one_id_and_key_is_refused_when_the_first_answers(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world:
        first = world.worker("a")
        await world.workers_are("a")
        second = world.worker("a")
        await trio.sleep(10)
        assert second.refused is not None
        assert first.refused is None
        assert sorted(world.coordinator.sessions) == ["a"]


async def test_who_does_not_say_hello_is_asked_to(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world:
        link = await world.port.dial("key")
        await link.send(pack(Heartbeat(1)))
        unpacker: Unpacker[Any] = Unpacker(CoordinatorSays)
        assert isinstance(unpacker.unpack(await link.receive()).message, Reintroduce)
        await link.send(pack(Hello(worker="a", incarnation="a" * 32, units=1, version="1", backend="x", threads=1, pid=1)))
        assert isinstance(unpacker.unpack(await link.receive()).message, Welcome)
        await link.send(pack(Refused("not", "yours to say", permanent=True)))

        await until_closed(link)


async def test_a_full_queue_refuses_and_says_when_to_come_back(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_queued_jobs=2) as world, world.client() as client:
        for number in range(2):
            await client.submit(Kind.EXECUTE, ELF, stdin=b"%d" % number)
        with pytest.raises(ClusterRefused) as caught:
            await client.submit(Kind.EXECUTE, ELF, stdin=b"3")
        assert (caught.value.code, caught.value.exit_code) == ("queue-full", 9)
        assert caught.value.retry_after_seconds
        assert len(world.coordinator.jobs.entries) == 2


async def test_waiting_has_an_end_and_the_job_goes_on(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        job = await client.submit(Kind.EXECUTE, ELF)
        status = await client.job(job)
        assert (status.state, status.position, status.waiting_for) == (State.QUEUED, 0, "no worker is connected")
        with pytest.raises(WaitTimeout):
            await client.wait(job, seconds=3)
        world.worker("a")
        assert (await client.wait(job)).state is State.COMPLETED


async def test_a_watch_resumes_after_a_number(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=2", params="test")
        seen = [(number, status.state) async for number, status in client.watch(job)]
        numbers = [number for number, _ in seen]
        assert numbers == sorted(set(numbers))
        middle = numbers[len(numbers) // 2]
        again = [number async for number, _ in client.watch(job, after=middle)]
        assert again
        assert all(number > middle for number in again)
        assert again[-1] == numbers[-1]


async def test_a_client_that_speaks_another_language_is_dropped_and_nothing_happens(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world:
        link = await world.clients.dial("key of a client")
        await link.send([b"GET / HTTP/1.1"])
        await until_closed(link)
        assert world.coordinator.jobs.entries == {}


async def test_a_client_whose_coordinator_is_gone_says_so(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        await client.ping()
        await world.stop()
        with trio.fail_after(200), pytest.raises(Unreachable):
            await client.job("0123")


async def test_a_worker_that_proves_something_else_is_found_by_our_verifier(
    open_world: OpenWorld, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world() as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        honest = worker.device.call

        async def lying(call: Call, **options: Any) -> Done:
            done = await honest(call, **options)
            if type(call).__name__ == "AggregateCall":
                done = type(done)(done.content.replace(b'"vk": "', b'"vk": "0'))
            return done

        monkeypatch.setattr(worker.device, "call", lying)
        job = await client.submit(Kind.PROVE, ELF, params="test")
        with pytest.raises(JobFailure, match="the proof that worker a aggregated does not verify") as caught:
            await client.result(job)
        assert caught.value.failure.kind is FailureKind.PROOF
        assert [attempt.phase for attempt in caught.value.failure.attempts] == [Phase.AGGREGATE]
        assert (await client.job(job)).result is None


async def test_a_cancel_says_which_workers_have_stopped(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        first, second = world.worker("a"), world.worker("b")
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=100", params="test")
        await trio.sleep(5)
        second.cut()
        _, status = await client.cancel(job)
        assert first.device.killed == 1
        assert (status.stopped, status.stopping) == (("a",), ("b",))
        queued = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=1", params="test")
        assert (await client.wait(queued)).stopped == ()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), StoreUnwritable("no room")])
async def test_an_internal_failure_has_a_trace_that_is_in_the_log(
    error: Exception,
    open_world: OpenWorld,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def breaks(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr("zisk_actors.actors.jobs.supervisor.Supervisor._run", breaks)
    async with open_world() as world, world.client() as client:
        world.worker("a")
        job = await client.submit(Kind.EXECUTE, ELF)
        with pytest.raises(JobFailure) as caught:
            await client.result(job)
    failure = caught.value.failure
    assert (failure.kind, failure.variant) == (FailureKind.INTERNAL, "Internal")
    assert failure.trace
    assert failure.trace in failure.message
    line = next(line for line in capsys.readouterr().out.splitlines() if failure.trace in line)
    assert "internal error in a job" in line


@pytest.mark.parametrize(
    "body",
    [
        {"type": "submit", "request": 7, "kind": "prove"},
        {"type": "list-jobs", "request": 7, "since": -1.0},
        {"type": "wait-job", "request": 7, "job": "x" * 300, "seconds": 1.0},
        {"type": "no-such-message", "request": 7},
        {"type": "push-input", "request": 7, "job": "01234567-89ab-4def-8123-456789abcdef", "offset": 0},
    ],
)
async def test_a_request_that_cannot_be_read_is_answered_with_its_number(
    body: dict[str, object], open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    unpacker: Unpacker[Any] = Unpacker(GatewaySays)
    async with open_world() as world:
        link = await world.clients.dial("key of a client")
        with trio.fail_after(5):
            for version in (1, 2):
                await link.send([msgpack.packb({"v": version, "epoch": 0, "body": body})])
                reply = unpacker.unpack(await link.receive()).message
                assert (reply.request, reply.code, reply.name, reply.number) == (7, "bad-request", "INVALID_REQUEST", 1004)
            await link.send(pack(Ping(8)))
            assert unpacker.unpack(await link.receive()).message.request == 8


@pytest.mark.parametrize("number", [None, -1, "7", 2**31, True])
async def test_a_request_without_a_number_has_no_answer(number: object, open_world: OpenWorld, autojump_clock: MockClock) -> None:
    unpacker: Unpacker[Any] = Unpacker(GatewaySays)
    async with open_world() as world:
        link = await world.clients.dial("key of a client")
        with trio.fail_after(5):
            await link.send([msgpack.packb({"v": 1, "epoch": 0, "body": {"type": "show-job", "request": number, "job": "x"}})])
            await link.send(pack(Ping(8)))
            assert unpacker.unpack(await link.receive()).message.request == 8


async def test_readiness_warns_of_no_workers_and_is_ready(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world:
        said = world.coordinator.overview.health()
        assert said.ready
        assert said.warnings == ("no worker is connected: new jobs wait for one",)
        world.worker("a")
        await world.workers_are("a")
        assert world.coordinator.overview.health().warnings == ()
