"""What a worker does with tasks that come a second time, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, FakeDevice, at_once
from zisk_actors import log
from zisk_actors.actors.threads import RUNNER
from zisk_actors.actors.worker.workload import Workload
from zisk_actors.ids import JobId, WorkerId, new_incarnation
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.errors import BlobMissing
from zisk_actors.wire.values import BlobRef, FailureKind, Lease, Phase
from zisk_actors.wire.worker_link import Answer, ContributeTask, Failed

LEASE = Lease(WorkerId("a"), new_incarnation(), JobId("11111111-1111-4111-8111-111111111111"), 0, 1)
KEY = (LEASE, Phase.CONTRIBUTE)


class Rig:
    """A workload whose blobs are all here, and what it said."""

    def __init__(self, store: BlobStore) -> None:
        self.store = store
        self.said: list[Any] = []
        self.elsewhere: dict[str, bytes] = {}
        self.device = FakeDevice()
        self.workload = Workload(self.device, store, self.path, self.say, log.get())

    async def path(self, blob: BlobRef) -> str:
        await trio.lowlevel.checkpoint()
        if not self.store.has(blob):
            if blob.sha256 not in self.elsewhere:
                raise BlobMissing(f"there is no blob {blob.sha256}")
            self.store.put(self.elsewhere[blob.sha256])
        return str(self.store.path(blob.sha256))

    async def say(self, message: msgspec.Struct, bulk: bytes = b"") -> None:
        await trio.lowlevel.checkpoint()
        self.said.append(message)

    def task(self, weights: tuple[int, ...] = (1,), stdin: bytes = b"vsleep=4", seconds: float = 0) -> ContributeTask:
        return ContributeTask(
            lease=LEASE,
            program=self.store.put(ELF),
            stdin=self.store.put(stdin),
            params="test",
            weights=weights,
            limit_seconds=seconds,
        )

    async def accept(self, task: ContributeTask) -> None:
        await self.workload.accept(task, self.say)

    def answers(self) -> list[Answer]:
        return [message for message in self.said if isinstance(message, Answer)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    before = RUNNER.set(at_once)
    yield Rig(BlobStore(tmp_path / "blobs", durable=False))
    RUNNER.reset(before)


async def ran(rig: Rig, script: Callable[[], Any]) -> None:
    RUNNER.set(at_once)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.workload.run)
        await script()
        nursery.cancel_scope.cancel()


async def test_a_task_that_comes_again_after_its_answer_was_taken_is_answered_and_not_done_again(
    rig: Rig, autojump_clock: MockClock
) -> None:
    """It was done again, for nobody: a child that hung over it kept the worker from everything else until the limit of the phase."""

    async def script() -> None:
        await rig.accept(rig.task())
        await trio.sleep(5)
        del rig.workload.outbox[KEY]  # taken
        assert rig.workload.held() == ()
        await rig.accept(rig.task(seconds=60))
        assert rig.answers() == [rig.answers()[0]] * 2
        assert (rig.workload.tasks, rig.device.log) == ({}, ["ContributeCall"])

    await ran(rig, script)


async def test_a_task_is_done_again_when_its_result_is_not_at_hand_any_more(rig: Rig, autojump_clock: MockClock) -> None:
    async def script() -> None:
        await rig.accept(rig.task())
        await trio.sleep(5)
        del rig.workload.outbox[KEY]
        rig.store.path(rig.answers()[0].result.sha256).unlink()
        await rig.accept(rig.task())
        await trio.sleep(5)
        assert rig.answers() == [rig.answers()[0]] * 2
        assert rig.device.log == ["ContributeCall"] * 2

    await ran(rig, script)


@pytest.mark.parametrize("wait", [1, 5], ids=["while it runs", "when it is done"])
async def test_a_lease_that_was_given_again_for_other_weights_is_not_answered_with_what_was_done_for_the_old_ones(
    wait: float, rig: Rig, autojump_clock: MockClock
) -> None:
    """After a restart of the coordinator the tries of a share are counted from the first one again, and the shares may be cut anew."""

    async def script() -> None:
        await rig.accept(rig.task())
        await trio.sleep(wait)
        rig.said.clear()
        await rig.accept(rig.task(weights=(1, 1), stdin=b"vsleep=2"))
        await trio.sleep(3)
        [answer] = rig.answers()
        [other] = await alone(rig, rig.task(weights=(1, 1), stdin=b"vsleep=2"))
        assert answer == other
        assert rig.device.killed == (wait < 4)

    await ran(rig, script)


async def alone(rig: Rig, task: ContributeTask) -> list[Answer]:
    """What a worker answers that has never done anything else."""
    fresh = Rig(rig.store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fresh.workload.run)
        await fresh.accept(task)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    return fresh.answers()


@pytest.mark.parametrize("known", [True, False])
async def test_what_rotted_in_the_cache_is_not_computed_on_but_fetched_again(rig: Rig, autojump_clock: MockClock, known: bool) -> None:
    async def script() -> None:
        stdin = b"vsleep=4"
        task = rig.task(stdin=stdin)
        rig.elsewhere = {task.stdin.sha256: stdin} if known else {}
        rig.store.path(task.stdin.sha256).write_bytes(b"vsleep=5")
        await rig.accept(task)
        await trio.sleep(10)
        if known:
            assert len(rig.answers()) == 1
        else:
            [failed] = [message for message in rig.said if isinstance(message, Failed)]
            assert (failed.failure.kind, failed.failure.code) == (FailureKind.WORKER, "blob-missing")

    await ran(rig, script)
