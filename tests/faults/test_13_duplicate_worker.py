"""Row 13: two workers with one id.

What this pins down: while the first answers, the second is refused for good and ends with the reason, and the first keeps its session and
its work; both sides say so in their logs, and the refusal is counted; when the first is dead, the second is taken once that is known;
workers without an id get different ones.
Victim: the id "a".
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors import ids
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(60)


async def test_the_incumbent_stays_and_the_second_is_told(
    open_world: OpenWorld, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_world() as world, world.client() as client:
        first = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=10", params="test")
        await trio.sleep(1)
        second = world.worker("a")
        assert (await client.wait(job)).state is State.COMPLETED
        assert second.refused is not None
        assert "in use by another process" in second.refused.message
        assert first.refused is None
        assert second.device.log == []
        assert first.device.log == ["ContributeCall", "ProveCall", "AggregateCall"], "nothing was done twice"
        assert world.coordinator.metrics.refusals["worker duplicate-worker"] >= 1
        said = "".join(capsys.readouterr())
        assert "worker refused to register" in said, "the coordinator says so"
        assert "Registration rejected" in said, "and the worker"


async def test_the_second_is_taken_when_the_first_is_dead(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        first = world.worker("a")
        await world.workers_are("a")
        first.kill()
        second = world.worker("a")
        assert (await client.wait(await client.submit(Kind.EXECUTE, ELF))).state is State.COMPLETED
        assert second.refused is None
        assert second.device.log == ["ExecuteCall"]


def test_ids_that_are_made_are_unlike() -> None:
    assert len({ids.new_worker_id() for _ in range(100)}) == 100
