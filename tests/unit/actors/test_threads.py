"""Blocking calls: in a thread, or where whoever runs the cluster says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import trio

from zisk_actors.actors.threads import RUNNER, in_thread

T = TypeVar("T")


async def test_the_loop_is_not_in_the_way() -> None:
    assert await in_thread(threading.get_ident) != threading.get_ident()
    assert await in_thread(divmod, 7, 3) == (2, 1)


async def test_a_runner_holds_for_what_its_task_starts_and_for_nobody_else() -> None:
    seen: list[tuple[str, bool]] = []

    async def here(function: Callable[[], T]) -> T:
        await trio.lowlevel.checkpoint()
        return function()

    async def look(name: str) -> None:
        seen.append((name, await in_thread(threading.get_ident) == threading.get_ident()))

    async def simulated() -> None:
        RUNNER.set(here)
        async with trio.open_nursery() as children:
            children.start_soon(look, "child")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(simulated)
    await look("other")
    assert seen == [("child", True), ("other", False)]
