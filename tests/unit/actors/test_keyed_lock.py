"""A lock for each name: one at a time under one name, side by side under two, and nothing is kept of a name that nobody uses."""

from __future__ import annotations

import trio
import trio.testing

from zisk_actors.actors.keyed_lock import KeyedLock


async def test_one_at_a_time_for_each_name(autojump_clock: trio.testing.MockClock) -> None:
    lock, inside = KeyedLock(), list[str]()

    async def hold(name: str) -> None:
        async with lock.hold(("client", name)):
            assert name not in inside
            inside.append(name)
            await trio.sleep(1)
            inside.remove(name)

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for name in ("a", "a", "a", "b"):
            nursery.start_soon(hold, name)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(inside) == ["a", "b"]
    assert trio.current_time() - began == 3
    assert not lock._locks
