"""Row 19: a link that breaks for less than the grace, in the middle of a job.

What this pins down: the default grace is the manual's 500 ms; a worker that is back within it computes on, nothing is asked twice, nothing
is lost, and an answer that was made meanwhile is taken; after the grace the share is done again, and the job goes on all the same.
Victim: the link of worker "a".
"""

from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.actors.workers.session import Session
from zisk_actors.config import CoordinatorCore
from zisk_actors.wire.values import Kind, State
from zisk_actors.wire.worker_link import AnswerTaken

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("at", [0.5, 3.9, 4.1, 7.5])
async def test_a_break_within_the_grace_costs_nothing(at: float, open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(reconnect_grace_period_ms=2500) as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=4", params="test")
        await trio.sleep(at)
        await worker.links[-1].aclose()
        assert (await client.wait(job)).state is State.COMPLETED
        assert len(worker.links) == 2
        assert worker.device.log == ["ContributeCall", "ProveCall", "AggregateCall"], "nothing was done twice"
        assert worker.device.killed == 0


async def test_a_break_that_swallows_a_receipt_and_the_next_task(
    open_world: OpenWorld, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker comes back with its old answer, and without the task that was sent meanwhile under the same lease."""
    async with open_world(reconnect_grace_period_ms=2500) as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        send = Session.send

        async def breaking(session: Session, message: msgspec.Struct) -> None:
            if isinstance(message, AnswerTaken) and len(worker.links) == 1:
                worker.cut()
                world.nursery.start_soon(worker.links[-1].aclose)
            await send(session, message)

        monkeypatch.setattr(Session, "send", breaking)
        began = trio.current_time()
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=4", params="test")
        assert (await client.wait(job)).state is State.COMPLETED
        assert trio.current_time() - began < 20
        assert len(worker.links) == 2
        assert worker.device.log == ["ContributeCall", "ProveCall", "AggregateCall"], "nothing was done twice"


async def test_after_the_grace_the_share_goes_on_elsewhere(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(reconnect_grace_period_ms=500) as world, world.client() as client:
        first, second = world.worker("a"), world.worker("b")
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=10", params="test")
        await trio.sleep(3)
        first.offline = True
        await first.links[-1].aclose()
        assert (await client.wait(job)).state is State.COMPLETED
        assert second.device.log.count("ContributeCall") == 2
        assert sorted(world.coordinator.sessions) == ["b"]


def test_the_default_is_the_manuals() -> None:
    assert CoordinatorCore().reconnect_grace_period_ms == 500
