"""What runs beside everything else ends with who owns it, and without an owner it does not begin."""

from __future__ import annotations

import trio
import trio.testing

from zisk_actors.actors.background import Background


async def test_what_is_begun_ends_with_its_owner() -> None:
    background, seen = Background(), list[str]()

    async def task() -> None:
        seen.append("begun")
        try:
            await trio.sleep_forever()
        finally:
            seen.append("ended")

    background.start(task, "too early")
    async with trio.open_nursery() as nursery:
        await nursery.start(background.run)
        background.start(task, "a task")
        await trio.testing.wait_all_tasks_blocked()
        assert seen == ["begun"]
        nursery.cancel_scope.cancel()
    assert seen == ["begun", "ended"]
