"""Whatever rots or goes on the coordinator's disk while a job runs: what can be made again is, and nobody is blamed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, FakeDevice, OpenWorld, World
from zisk_actors.actors.device import CallFailed
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import JobEvent
from zisk_actors.core.stages import Stage
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.compute import Call, SetupCall, VerifyCall
from zisk_actors.wire.values import BlobRef, Failure, FailureKind, Kind, Phase, State

STDIN = b"vsleep=4"


def spoil(world: World, blob: BlobRef | None, *, remove: bool = False) -> None:
    assert blob is not None
    path = world.folder / "blobs" / blob.sha256[:2] / blob.sha256
    if remove:
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    world.coordinator.store._hashed.clear()  # as after a while


def when(world: World, stage: Stage, act: Callable[[JobRecord], None]) -> None:
    """Do something once, as soon as a job is in a stage."""
    record, done = world.coordinator.jobs.record, False

    async def and_act(entry: JobEntry, event: JobEvent) -> None:
        nonlocal done
        await record(entry, event)
        if entry.record.stage is stage and not done:
            done = True
            act(entry.record)

    world.coordinator.jobs.record = and_act  # type: ignore[method-assign]


CHOICES: dict[str, tuple[Stage, Callable[[JobRecord], BlobRef | None]]] = {
    "the bundle of contributions": (Stage.PROVE, lambda record: record.contributions),
    "a contribution": (Stage.AGGREGATE, lambda record: record.answers[Phase.CONTRIBUTE, 1].answer),
    "the list of partial proofs": (Stage.AGGREGATE, lambda record: record.partials),
    "a partial proof": (Stage.AGGREGATE, lambda record: record.answers[Phase.PROVE, 0].answer),
}


@pytest.mark.parametrize("remove", [False, True], ids=["rotten", "gone"])
@pytest.mark.parametrize("what", CHOICES)
async def test_what_is_lost_of_a_running_job_is_made_again(
    open_world: OpenWorld, autojump_clock: MockClock, what: str, remove: bool
) -> None:
    stage, choose = CHOICES[what]
    async with open_world() as world, world.client() as client:
        for name in ("a", "b"):
            world.worker(name)
        await world.workers_are("a", "b")
        spoilt = []
        when(world, stage, lambda record: spoilt.append(spoil(world, choose(record), remove=remove)))
        job = await client.submit(Kind.PROVE, ELF, stdin=STDIN, params="test")
        status = await client.wait(job, seconds=600)
        assert status.state is State.COMPLETED, status.failure
        assert spoilt
        assert [worker.state for worker in await client.workers()] == ["ready", "ready"], "nobody is blamed"


@pytest.mark.parametrize("what", ["proof", "key", "contributions"])
async def test_what_has_rotted_before_a_proof_is_verified_is_made_again(
    open_world: OpenWorld, autojump_clock: MockClock, what: str
) -> None:
    async with open_world() as world, world.client() as client:
        call, done = world.device.call, 0

        async def rot(asked: Call, **options: object) -> object:
            nonlocal done
            if isinstance(asked, VerifyCall):
                done += 1
                if done == 1:
                    spoil(world, BlobRef(getattr(asked, what).rsplit("/", 1)[-1], 0))
            return await call(asked, **options)  # type: ignore[arg-type]

        world.device.call = rot  # type: ignore[method-assign, assignment]
        world.worker("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=STDIN, params="test")
        status = await client.wait(job, seconds=600)
        assert status.state is State.COMPLETED, status.failure
        assert done == 2
        assert [worker.state for worker in await client.workers()] == ["ready"], "nobody is blamed"


async def test_an_input_that_is_lost_ends_the_job_by_name(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        job = await client.submit(Kind.PROVE, ELF, stdin=STDIN, params="test")
        await trio.sleep(1)
        spoil(world, reference(STDIN))
        world.worker("a")
        status = await client.wait(job, seconds=600)
        assert status.state is State.FAILED
        assert status.failure is not None
        assert (status.failure.code, status.failure.hint) == ("blob-lost", "submit the job again, with its bytes")
        assert [worker.state for worker in await client.workers()] == ["ready"]
        again = await client.submit(Kind.PROVE, ELF, stdin=STDIN, params="test")
        assert (await client.wait(again, seconds=600)).state is State.COMPLETED


@pytest.mark.parametrize("kind", [VerifyCall, SetupCall])
@pytest.mark.parametrize("times", [2, 3])
async def test_our_own_child_that_dies_is_no_failed_job(
    open_world: OpenWorld, autojump_clock: MockClock, kind: type[Call], times: int
) -> None:
    async with open_world() as world, world.client() as client:
        left = times
        call = world.device.call

        async def die(asked: Call, **options: object) -> object:
            nonlocal left
            if isinstance(asked, kind) and left:
                left -= 1
                raise CallFailed(Failure(kind=FailureKind.WORKER, code="compute-died", message="the compute process died"), retryable=True)
            return await call(asked, **options)  # type: ignore[arg-type]

        world.device.call = die  # type: ignore[method-assign, assignment]
        world.worker("a")
        status = await client.wait(await client.submit(Kind.PROVE, ELF, params="test"), seconds=600)
        assert (status.state is State.COMPLETED) == (times == 2 or kind is SetupCall), status.failure
        assert isinstance(world.device, FakeDevice)
