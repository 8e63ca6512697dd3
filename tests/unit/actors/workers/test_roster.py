"""For whom a coordinator waits that starts again: who was there, and no longer than it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.actors.threads import RUNNER
from zisk_actors.actors.workers.roster import WRITE_SECONDS, Roster
from zisk_actors.core.events import Joined, Restarted
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.ids import Incarnation, WorkerId
from zisk_actors.wire.values import Kind, State

A, B = WorkerId("a"), WorkerId("b")
START = Incarnation("0" * 32)


async def test_what_is_written_is_read_and_anything_else_is_nobody(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "workers.json"
    roster = Roster(path)
    assert roster.read() == set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(roster.run, lambda: [B])
        await trio.testing.wait_all_tasks_blocked()
        async with roster.joining(A):
            pass
        nursery.cancel_scope.cancel()
    assert roster.read() == {A, B}
    for wrong in (b"", b"{}", b"[1]", b"\xff"):
        path.write_bytes(wrong)
        assert roster.read() == set()


async def test_a_worker_is_in_the_file_before_it_is_registered_also_while_another_write_is_under_way(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """One that is lost and comes back at once would else be missing there, and a coordinator that starts again not wait for it."""
    path, names, begun, goes_on = tmp_path / "workers.json", {A, B}, trio.Event(), trio.Event()
    roster = Roster(path)

    async def slow(write: Callable[[], Any]) -> Any:
        begun.set()
        await goes_on.wait()
        return write()

    RUNNER.set(slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(roster.run, lambda: names)
        names.remove(B)
        roster.changed()
        await begun.wait()

        async def join() -> None:
            async with roster.joining(B):
                assert roster.read() == {A, B}
                names.add(B)

        async with trio.open_nursery() as joins:
            for _ in range(3):
                joins.start_soon(join)
            await trio.testing.wait_all_tasks_blocked()
            assert names == {A}
            goes_on.set()
        async with roster.joining(A):  # who is in it already waits for nothing
            pass
        nursery.cancel_scope.cancel()


async def test_a_disk_that_hangs_keeps_nobody_out(tmp_path: Path, autojump_clock: MockClock) -> None:
    async def hang(write: Callable[[], Any]) -> Any:
        await trio.sleep_forever()

    RUNNER.set(hang)
    roster = Roster(tmp_path / "workers.json")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(roster.run, list)
        await trio.testing.wait_all_tasks_blocked()
        async with roster.joining(A):
            assert trio.current_time() == pytest.approx(WRITE_SECONDS, abs=0.01)
        nursery.cancel_scope.cancel()


def test_it_opens_with_the_last_of_them_and_not_before() -> None:
    scheduler = Scheduler(heartbeat_seconds=30, max_missed=3, max_workers=10)
    scheduler.handle(Restarted(105.0, frozenset({A, B})), 100.0)
    scheduler.handle(Joined(A, START, 10, ()), 101.0)
    assert scheduler.opens_at == 105.0
    scheduler.handle(Joined(WorkerId("c"), START, 10, ()), 102.0)
    assert scheduler.opens_at == 105.0
    scheduler.handle(Joined(B, START, 10, ()), 103.0)
    assert scheduler.opens_at == 103.0


def test_nobody_to_wait_for_is_waiting_all_the_time() -> None:
    scheduler = Scheduler(heartbeat_seconds=30, max_missed=3, max_workers=10)
    scheduler.handle(Restarted(105.0), 100.0)
    scheduler.handle(Joined(A, START, 10, ()), 101.0)
    assert scheduler.opens_at == 105.0


async def test_an_answer_that_comes_before_it_is_asked_for_again_is_not_thrown_away(
    open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    """The scheduler opens with the last worker, and that one says at once what it has: the job's supervisor has not begun to ask."""
    async with open_world() as world, world.client() as client:
        worker = world.worker("a")
        await world.workers_are("a")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=4", params="test")
        await trio.sleep(1)
        await world.stop()
        await trio.sleep(10)  # the worker has its answer, and nobody to take it
        await world.start()
        world.coordinator.dispatcher.handle(Restarted(world.coordinator.scheduler.opens_at, frozenset({A})))
        begin = world.coordinator.supervision._supervise

        async def late(*words: Any) -> None:
            await trio.sleep(1)
            await begin(*words)

        world.coordinator.supervision._supervise = late
        async with world.client() as again:
            assert (await again.wait(job)).state is State.COMPLETED
        assert worker.device.log.count("ContributeCall") == 1
        assert world.coordinator.scheduler.late == 0
