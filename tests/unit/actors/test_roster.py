"""For whom a coordinator waits that starts again: who was there, and no longer than it takes."""

from __future__ import annotations

from pathlib import Path

import trio
from trio.testing import MockClock

from zisk_actors.actors.roster import Roster
from zisk_actors.core.events import Joined
from zisk_actors.core.registry import Registry
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.ids import Incarnation, WorkerId

A, B = WorkerId("a"), WorkerId("b")
START = Incarnation("0" * 32)


async def test_what_is_written_is_read_and_anything_else_is_nobody(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "workers.json"
    roster = Roster(path)
    assert roster.read() == set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(roster.run, lambda: [B, A])
        roster.changed()
        while not path.exists():  # noqa: ASYNC110 - a thread writes it
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert roster.read() == {A, B}
    for wrong in (b"", b"{}", b"[1]", b"\xff"):
        path.write_bytes(wrong)
        assert roster.read() == set()


def test_it_opens_with_the_last_of_them_and_not_before() -> None:
    decide = Scheduler(Registry(30, 3, 10), opens_at=105.0, awaited={A, B})
    decide.handle(Joined(A, START, 10, ()), 101.0)
    assert decide.opens_at == 105.0
    decide.handle(Joined(WorkerId("c"), START, 10, ()), 102.0)
    assert decide.opens_at == 105.0
    decide.handle(Joined(B, START, 10, ()), 103.0)
    assert decide.opens_at == 103.0


def test_nobody_to_wait_for_is_waiting_all_the_time() -> None:
    decide = Scheduler(Registry(30, 3, 10), opens_at=105.0)
    decide.handle(Joined(A, START, 10, ()), 101.0)
    assert decide.opens_at == 105.0
