"""Whose word counts: proofs of another input, invented failures and made-up reports, with our own run of the job and without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.cluster.fake_prover import FakeProver, output_of
from tests.unit.actors.conftest import ELF, OpenWorld, SimWorker, World
from zisk_actors.actors.device import CallFailed
from zisk_actors.client.client import Client
from zisk_actors.client.errors import JobFailure
from zisk_actors.ids import JobId
from zisk_actors.wire.codec import encode_record
from zisk_actors.wire.compute import AggregateCall, Call, ContributeCall, Done, ExecuteCall, ProveCall, SetupCall
from zisk_actors.wire.values import ExecutionReport, Failure, FailureKind, Kind, Phase, State, Trap

UNCHECKED = [0, 10]
"""Settings with which nothing is known of a run: none of ours, and one that is given up."""
INVENTED = Trap("illegal-instruction", 0x80000044, "main", "unimp")
MADE_UP = encode_record(ExecutionReport(steps=7, exit_code=0, output=(7,) * 64))

Lie = Callable[[Call], Done | None]


def lie(worker: SimWorker | World, tell: Lie) -> None:
    """Have a worker's device, or the coordinator's, answer what `tell` gives in place of the truth, or the truth where it gives nothing."""
    honest = worker.device.call

    async def call(asked: Call, **options: Any) -> Done:
        return tell(asked) or await honest(asked, **options)

    worker.device.call = call  # type: ignore[method-assign]


def invents(trap: Trap = INVENTED, kinds: tuple[type, ...] = (ContributeCall, ExecuteCall)) -> Lie:
    """Says that the guest traps."""

    def tell(asked: Call) -> Done | None:
        if isinstance(asked, kinds):
            failure = Failure(kind=FailureKind.GUEST, code="guest-trapped", message="the guest trapped, believe me", trap=trap)
            raise CallFailed(failure, retryable=False)
        return None

    return tell


def makes_up(asked: Call) -> Done | None:
    return Done(MADE_UP) if isinstance(asked, ExecuteCall) else None


def of_another_input(stdin: bytes = b"another") -> Lie:
    """Proves another run of the same program from beginning to end."""

    def tell(asked: Call) -> Done | None:
        prover = FakeProver()
        if isinstance(asked, ContributeCall):
            return Done(prover.contribute(ELF, stdin, asked.params, asked.share, asked.weights))
        if isinstance(asked, ProveCall):
            listed = [prover.contribute(ELF, stdin, asked.params, share, asked.weights) for share in range(len(asked.weights))]
            return Done(prover.prove(ELF, stdin, asked.params, asked.share, asked.weights, listed))
        return None

    return tell


def aggregates_another(shares: int, stdin: bytes = b"another") -> Lie:
    """An aggregator that hands in a valid proof of the same program, for another input."""

    def tell(asked: Call) -> Done | None:
        if not isinstance(asked, AggregateCall):
            return None
        prover = FakeProver()
        weights = (10,) * shares
        contributions = [prover.contribute(ELF, stdin, asked.params, share, weights) for share in range(shares)]
        partials = [prover.prove(ELF, stdin, asked.params, share, weights, contributions) for share in range(shares)]
        return Done(prover.aggregate(ELF, asked.params, contributions, partials))

    return tell


async def states(client: Client) -> dict[str, str]:
    return {str(worker.worker): worker.state for worker in await client.workers()}


def faulty(world: World, job: JobId) -> list[tuple[str, Phase]]:
    found = [(fault.attempt.worker, fault.attempt.phase) for fault in world.coordinator.jobs.entries[job].record.faults]
    return sorted(found, key=lambda who: who[0])


# ---------------------------------------------------------------------------------------------------------------- the final proof


@pytest.mark.parametrize("steps", [10**9, 0], ids=["checked", "unchecked"])
@pytest.mark.parametrize("shares", [1, 2, 3], ids=["fewer", "as many", "more"])
async def test_a_valid_proof_of_another_input_is_its_aggregators_fault(
    shares: int, steps: int, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world(check_execution_steps=steps, max_workers_per_job=2) as world, world.client() as client:
        workers = [world.worker(name) for name in "abc"]
        await world.workers_are("a", "b", "c")
        for worker in workers[:2]:
            lie(worker, aggregates_another(shares))
        job = await client.submit(Kind.PROVE, ELF, stdin=b"asked", params="test")
        status = await client.wait(job)
        assert status.state is State.COMPLETED
        assert status.verified is not None
        assert status.verified.output == output_of(b"asked")
        assert json.loads(await client.result(job))["output"] == list(output_of(b"asked"))
        assert faulty(world, job) == [("a", Phase.AGGREGATE), ("b", Phase.AGGREGATE)]
        assert "of other contributions" in world.coordinator.jobs.entries[job].record.faults[0].attempt.reason
        assert await states(client) == {"a": "quarantined", "b": "quarantined", "c": "ready"}


async def test_a_crew_that_proves_another_input_from_the_beginning_is_found_by_our_own_run(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world(max_workers_per_job=2) as world, world.client() as client:
        workers = [world.worker(name) for name in "abcd"]
        await world.workers_are(*"abcd")
        for worker in workers[:2]:
            lie(worker, of_another_input())
        job = await client.submit(Kind.PROVE, ELF, stdin=b"asked", params="test")
        status = await client.wait(job)
        assert status.state is State.COMPLETED
        assert status.verified is not None
        assert (status.verified.output, status.reason) == (output_of(b"asked"), "")
        assert faulty(world, job) == [("a", Phase.CONTRIBUTE), ("b", Phase.CONTRIBUTE)]
        assert await states(client) == {"a": "quarantined", "b": "quarantined", "c": "ready", "d": "ready"}


async def test_one_that_contributes_another_run_is_told_from_the_others_by_our_own_run(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world, world.client() as client:
        workers = {name: world.worker(name) for name in "abc"}
        await world.workers_are(*"abc")
        lie(workers["b"], of_another_input())
        job = await client.submit(Kind.PROVE, ELF, stdin=b"asked", params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert faulty(world, job) == [("b", Phase.CONTRIBUTE)]
        contributed = [workers[name].device.log.count("ContributeCall") for name in "abc"]
        assert sum(contributed) == 3, "b's device was not asked, and only its share was done again"


@pytest.mark.parametrize("steps", UNCHECKED)
async def test_contributions_to_different_runs_fail_the_job_by_name_where_nothing_is_known(
    steps: int, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world(check_execution_steps=steps) as world, world.client() as client:
        workers = {name: world.worker(name) for name in "abc"}
        await world.workers_are(*"abc")
        lie(workers["b"], of_another_input())
        with pytest.raises(JobFailure, match=r"saw different runs .* share 0: a, share 1: b, share 2: c"):
            await client.result(await client.submit(Kind.PROVE, ELF, stdin=b"asked", params="test"))


async def test_a_proof_of_a_run_that_traps_fails_the_job_and_who_made_it_goes(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        lie(world.worker("a"), of_another_input())
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"trap", params="test")
        with pytest.raises(JobFailure) as caught:
            await client.result(job)
        failure = caught.value.failure
        assert (failure.kind, failure.code, failure.phase) == (FailureKind.GUEST, "guest-trapped", Phase.VERIFY)
        assert faulty(world, job) == [("a", Phase.CONTRIBUTE)]
        assert await states(client) == {"a": "quarantined"}


@pytest.mark.parametrize(("steps", "why"), [(0, "check_execution_steps is 0"), (10, "beyond the budget of 10 steps")])
async def test_a_proof_of_a_run_that_is_not_known_says_so(steps: int, why: str, open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(check_execution_steps=steps) as world, world.client() as client:
        world.worker("a")
        status = await client.wait(await client.submit(Kind.PROVE, ELF, params="test"))
        assert status.state is State.COMPLETED
        assert "the coordinator has not run it" in status.reason
        assert why in status.reason


# ------------------------------------------------------------------------------------------------------------- the guest's failure


@pytest.mark.parametrize("kind", [Kind.PROVE, Kind.EXECUTE])
async def test_a_failure_that_a_worker_invents_ends_nothing_but_that_worker(
    kind: Kind, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world, world.client() as client:
        lie(world.worker("a"), invents())
        await world.workers_are("a")
        job = await client.submit(kind, ELF, stdin=b"asked", params="test")
        world.worker("b")
        assert (await client.wait(job)).state is State.COMPLETED
        assert faulty(world, job) == [("a", Phase.CONTRIBUTE if kind is Kind.PROVE else Phase.EXECUTE)]
        assert await states(client) == {"a": "quarantined", "b": "ready"}


async def test_a_failure_that_all_workers_invent_is_not_told(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_workers_per_job=1) as world, world.client() as client:
        for name in "abcd":
            lie(world.worker(name), invents())
        await world.workers_are(*"abcd")
        with pytest.raises(JobFailure, match="share 0 failed in contribute after 3 attempts") as caught:
            await client.result(await client.submit(Kind.PROVE, ELF, params="test"))
        assert (caught.value.failure.kind, caught.value.failure.code) == (FailureKind.WORKER, "false-failure")
        assert caught.value.failure.trap is None
        assert len({attempt.worker for attempt in caught.value.failure.attempts}) == 3


async def test_a_failure_that_is_another_than_ours_is_told_as_ours(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        lie(world.worker("a"), invents())
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"trap", params="test")
        with pytest.raises(JobFailure, match="the guest accesses 0x10") as caught:
            await client.result(job)
        assert caught.value.failure.trap is not None
        assert caught.value.failure.trap.kind == "access-outside-map"
        assert faulty(world, job) == [("a", Phase.CONTRIBUTE)]


async def test_a_guest_that_fails_ends_its_job_with_one_worker_and_our_own_run(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("a")
        for kind in (Kind.PROVE, Kind.EXECUTE):
            job = await client.submit(kind, ELF, stdin=b"trap", params="test")
            with pytest.raises(JobFailure) as caught:
                await client.result(job)
            assert caught.value.failure.code == "guest-trapped"
            assert "unconfirmed" not in caught.value.failure.message
            assert faulty(world, job) == []
        for kind in Kind:
            with pytest.raises(JobFailure) as caught:
                await client.result(await client.submit(kind, b"no ELF", params="test"))
            assert (caught.value.failure.kind, caught.value.failure.code) == (FailureKind.GUEST, "elf-machine")
        assert await states(client) == {"a": "ready"}


async def test_our_own_run_of_a_guest_that_traps_convicts_who_has_contributed(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        lie(world.worker("a"), of_another_input())
        honest = world.worker("b")
        await world.workers_are("a", "b")
        call = honest.device.call

        async def later(asked: Call, **options: Any) -> Done:
            await trio.sleep(5)
            return await call(asked, **options)

        honest.device.call = later  # type: ignore[method-assign]
        job = await client.submit(Kind.PROVE, ELF, stdin=b"trap", params="test")
        assert (await client.wait(job)).failure is not None
        assert faulty(world, job) == [("a", Phase.CONTRIBUTE)]


async def test_a_program_that_runs_and_cannot_be_proved_so_is_nobodys_lie(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    def refuses(asked: Call) -> Done | None:
        if isinstance(asked, ContributeCall | SetupCall):
            failure = Failure(kind=FailureKind.GUEST, code="usage", message="there is no such parameter set", exit_code=2)
            raise CallFailed(failure, retryable=False)
        return None

    async with open_world() as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        lie(worker, refuses)
        lie(world, refuses)
        job = await client.submit(Kind.PROVE, ELF, params="none")
        with pytest.raises(JobFailure, match="no such parameter set") as caught:
            await client.result(job)
        assert (caught.value.failure.code, caught.value.exit_code) == ("usage", 2)
        assert faulty(world, job) == []


async def test_a_false_word_of_a_program_does_not_fail_its_setup(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    def slanders(asked: Call) -> Done | None:
        raise CallFailed(Failure(kind=FailureKind.GUEST, code="elf-machine", message="this is no ELF file"), retryable=False)

    async with open_world() as world, world.client() as client:
        lie(world.worker("a"), slanders)
        await world.workers_are("a")
        job = await client.submit(Kind.SETUP, ELF, params="test")
        world.worker("b")
        assert (await client.wait(job)).state is State.COMPLETED
        assert faulty(world, job) == [("a", Phase.SETUP)]


async def test_a_failure_that_is_not_the_guests_is_an_attempt_like_others(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    def complains(asked: Call) -> Done | None:
        if isinstance(asked, ContributeCall):
            raise CallFailed(Failure(kind=FailureKind.PROOF, code="proof-invalid", message="no"), retryable=False)
        return None

    async with open_world(max_workers_per_job=1) as world, world.client() as client:
        lie(world.worker("a"), complains)
        world.worker("b")
        await world.workers_are("a", "b")
        assert (await client.wait(await client.submit(Kind.PROVE, ELF, params="test"))).state is State.COMPLETED
        assert await states(client) == {"a": "ready", "b": "ready"}


@pytest.mark.parametrize("steps", UNCHECKED)
@pytest.mark.parametrize("kind", [Kind.PROVE, Kind.EXECUTE])
async def test_without_our_own_run_one_workers_word_fails_no_guest(
    kind: Kind, steps: int, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world(check_execution_steps=steps, max_attempts_per_share=1) as world, world.client() as client:
        lie(world.worker("a", units=20), invents())
        for name in "bc":
            world.worker(name)
        await world.workers_are(*"abc")
        job = await client.submit(kind, ELF, stdin=b"asked", params="test", units=20, min_units=20)
        status = await client.wait(job)
        assert status.state is State.COMPLETED
        assert faulty(world, job) == [], "nobody can tell that a is wrong"


@pytest.mark.parametrize("steps", UNCHECKED)
@pytest.mark.parametrize("kind", [Kind.PROVE, Kind.EXECUTE])
async def test_without_our_own_run_two_workers_agree_that_a_guest_fails(
    kind: Kind, steps: int, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world(check_execution_steps=steps, max_workers_per_job=1) as world, world.client() as client:
        for name in "ab":
            world.worker(name)
        await world.workers_are("a", "b")
        with pytest.raises(JobFailure) as caught:
            await client.result(await client.submit(kind, ELF, stdin=b"trap", params="test"))
        assert (caught.value.failure.code, caught.value.failure.kind) == ("guest-trapped", FailureKind.GUEST)
        assert "unconfirmed" not in caught.value.failure.message


@pytest.mark.parametrize("kind", [Kind.PROVE, Kind.EXECUTE])
async def test_without_our_own_run_a_lone_worker_says_so_and_is_named(kind: Kind, open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(check_execution_steps=0) as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        began = trio.current_time()
        with pytest.raises(JobFailure, match=r"unconfirmed: .*worker a") as caught:
            await client.result(await client.submit(kind, ELF, stdin=b"trap", params="test"))
        assert caught.value.failure.code == "guest-trapped"
        assert "check_execution_steps" in caught.value.failure.message
        assert trio.current_time() - began < 5, "there is nobody to wait for"
        assert len(worker.device.log) == 1, "the same worker a second time is no second worker"


async def test_two_that_invent_different_failures_do_not_agree(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(check_execution_steps=0, max_workers_per_job=1) as world, world.client() as client:
        lie(world.worker("a"), invents())
        lie(world.worker("b"), invents(Trap("unsupported-ecall", 0x80000000)))
        await world.workers_are("a", "b")
        with pytest.raises(JobFailure, match="unconfirmed: workers a, b said so, and no second one the same"):
            await client.result(await client.submit(Kind.PROVE, ELF, params="test"))
        world.worker("c")
        await world.workers_are("a", "b", "c")
        assert (await client.wait(await client.submit(Kind.PROVE, ELF, params="test"))).state is State.COMPLETED


async def test_who_is_busy_is_waited_for(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(check_execution_steps=0, max_workers_per_job=1, worker_wait_seconds=5) as world, world.client() as client:
        world.worker("a")
        await world.workers_are("a")
        long = await client.submit(Kind.EXECUTE, ELF, stdin=b"vsleep=40")
        lie(world.worker("b"), invents())
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"asked", params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert (await client.wait(long)).state is State.COMPLETED


# ------------------------------------------------------------------------------------------------------------------- the report


async def test_a_report_that_is_made_up_is_found_by_our_own_run(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        lie(world.worker("a"), makes_up)
        await world.workers_are("a")
        job = await client.submit(Kind.EXECUTE, ELF, stdin=b"asked")
        world.worker("b")
        status = await client.wait(job)
        assert (status.state, status.reason) == (State.COMPLETED, "")
        assert (await client.execution(job)).output == output_of(b"asked")
        assert faulty(world, job) == [("a", Phase.EXECUTE)]
        assert await states(client) == {"a": "quarantined", "b": "ready"}


@pytest.mark.parametrize("content", [MADE_UP, b"no report"])
async def test_a_report_that_everybody_makes_up_is_not_told(content: bytes, open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        for name in "abc":
            lie(world.worker(name), lambda asked: Done(content))
        await world.workers_are(*"abc")
        with pytest.raises(JobFailure, match="share 0 failed in execute after 3 attempts") as caught:
            await client.result(await client.submit(Kind.EXECUTE, ELF))
        assert (caught.value.failure.kind, caught.value.failure.code) == (FailureKind.WORKER, "false-report")


async def test_a_report_of_a_program_that_does_not_load_is_not_told(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        lie(world.worker("a"), makes_up)
        await world.workers_are("a")
        job = await client.submit(Kind.EXECUTE, b"no ELF")
        with pytest.raises(JobFailure) as caught:
            await client.result(job)
        assert caught.value.failure.code == "elf-machine"
        assert faulty(world, job) == [("a", Phase.EXECUTE)]


@pytest.mark.parametrize("steps", UNCHECKED)
@pytest.mark.parametrize("liar", ["first", "second", ""])
async def test_without_our_own_run_two_workers_agree_on_a_report(
    liar: str, steps: int, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world(check_execution_steps=steps) as world, world.client() as client:
        workers = {name: world.worker(name) for name in "abc"}
        await world.workers_are(*"abc")
        if liar:
            lie(workers["a" if liar == "first" else "b"], makes_up)
        job = await client.submit(Kind.EXECUTE, ELF, stdin=b"asked")
        status = await client.wait(job)
        assert (status.state, status.reason) == (State.COMPLETED, "")
        assert (await client.execution(job)).output == output_of(b"asked")
        assert faulty(world, job) == {"first": [("a", Phase.EXECUTE)], "second": [("b", Phase.EXECUTE)], "": []}[liar]


async def test_without_our_own_run_reports_that_all_differ_fail_the_job(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(check_execution_steps=0) as world, world.client() as client:
        workers = {name: world.worker(name) for name in "ab"}
        await world.workers_are("a", "b")
        lie(workers["a"], makes_up)
        with pytest.raises(JobFailure, match="workers a, b report different things") as caught:
            await client.result(await client.submit(Kind.EXECUTE, ELF))
        assert caught.value.failure.code == "reports-differ"
        assert await states(client) == {"a": "ready", "b": "ready"}


async def test_without_our_own_run_a_lone_workers_report_is_told_as_unconfirmed(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(check_execution_steps=10) as world, world.client() as client:
        worker = world.worker("a")
        status = await client.wait(await client.submit(Kind.EXECUTE, ELF, stdin=b"asked"))
        assert status.state is State.COMPLETED
        assert status.reason == "unconfirmed: only worker a has run it; the run is beyond the budget of 10 steps"
        assert worker.device.log == ["ExecuteCall"]


async def test_a_second_worker_that_fails_or_hangs_is_replaced(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(check_execution_steps=0, execution_timeout_seconds=20) as world, world.client() as client:
        workers = {name: world.worker(name) for name in "abcd"}
        await world.workers_are(*"abcd")

        async def hangs(asked: Call, **options: Any) -> Done:
            await trio.sleep_forever()
            raise AssertionError

        def fails(asked: Call) -> Done | None:
            raise CallFailed(Failure(kind=FailureKind.WORKER, code="compute-died", message="died"), retryable=True)

        workers["b"].device.call = hangs  # type: ignore[method-assign]
        lie(workers["c"], fails)
        status = await client.wait(await client.submit(Kind.EXECUTE, ELF, stdin=b"asked"))
        assert (status.state, status.reason) == (State.COMPLETED, "")
        assert workers["d"].device.log == ["ExecuteCall"]
        assert await states(client) == dict.fromkeys("abcd", "ready")


# ---------------------------------------------------------------------------------------------------------------------- our own run


async def test_our_own_run_delays_no_phase_and_is_waited_for_before_the_end(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        worker = world.worker("a")
        honest = world.executor.call
        gate = trio.Event()

        async def call(asked: Call, **options: Any) -> Done:
            await gate.wait()
            return await honest(asked, **options)

        world.executor.call = call  # type: ignore[method-assign]
        job = await client.submit(Kind.PROVE, ELF, params="test")
        await trio.sleep(20)
        assert "AggregateCall" in worker.device.log
        assert "VerifyCall" in world.device.log
        assert (await client.job(job)).state is State.RUNNING
        gate.set()
        assert (await client.wait(job)).state is State.COMPLETED


async def test_our_own_run_ends_with_its_job(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=1000", params="test")
        await trio.sleep(5)
        await client.cancel(job)
        assert world.executor.killed == 1


@pytest.mark.parametrize(("deaths", "known"), [(2, True), (3, False)])
async def test_our_own_device_that_dies_is_asked_again_and_then_given_up(
    deaths: int, known: bool, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world, world.client() as client:
        world.worker("a")
        left = [CallFailed(Failure(kind=FailureKind.MEMORY, code="compute-killed", message="killed"), retryable=True)] * deaths
        honest = world.executor.call

        async def call(asked: Call, **options: Any) -> Done:
            if left:
                raise left.pop()
            return await honest(asked, **options)

        world.executor.call = call  # type: ignore[method-assign]
        status = await client.wait(await client.submit(Kind.EXECUTE, ELF))
        assert status.state is State.COMPLETED
        assert status.reason == ("" if known else "unconfirmed: only worker a has run it; the coordinator cannot run it: killed")


@pytest.mark.parametrize("stage", ["execute", "verify"])
async def test_a_restart_keeps_what_is_journaled_and_runs_the_program_again(
    stage: str, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world, world.client() as client:
        liars = [world.worker("a"), world.worker("b")]
        await world.workers_are("a", "b")
        for worker in liars[:1] if stage == "execute" else liars:
            lie(worker, makes_up if stage == "execute" else of_another_input())
        honest = world.executor.call

        async def never(asked: Call, **options: Any) -> Done:
            await trio.sleep_forever()
            raise AssertionError

        world.executor.call = never  # type: ignore[method-assign]
        kind = Kind.EXECUTE if stage == "execute" else Kind.PROVE
        job = await client.submit(kind, ELF, stdin=b"asked", params="test")
        await trio.sleep(20)
        record = world.coordinator.jobs.entries[job].record
        assert record.stage.value == stage
        assert record.answers
        await world.stop()
        world.executor.call = honest  # type: ignore[method-assign]
        world.worker("c")
        await world.start()
        async with world.client() as again:
            status = await again.wait(job)
            assert status.state is State.COMPLETED
            if stage == "execute":
                assert (await again.execution(job)).output == output_of(b"asked")
            else:
                assert status.verified is not None
                assert status.verified.output == output_of(b"asked")
            wrong = {"a"} if stage == "execute" else {"a", "b"}
            assert {worker for worker, _ in faulty(world, job)} == wrong


async def test_after_a_restart_a_second_worker_has_time_to_come_back(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(check_execution_steps=0) as world, world.client() as client:
        first, second = world.worker("a"), world.worker("b")
        await world.workers_are("a", "b")
        lie(first, makes_up)
        gate = trio.Event()
        honest = second.device.call

        async def waits(asked: Call, **options: Any) -> Done:
            await gate.wait()
            return await honest(asked, **options)

        second.device.call = waits  # type: ignore[method-assign]
        job = await client.submit(Kind.EXECUTE, ELF, stdin=b"asked")
        await trio.sleep(20)
        assert world.coordinator.jobs.entries[job].record.answers
        await world.stop()
        gate.set()
        await world.start()
        async with world.client() as again:
            with pytest.raises(JobFailure, match="workers a, b report different things"):
                await again.result(job)
