"""Tasks that run beside everything else: whoever begins one need not wait for it, and when the process ends, they end.

Rule of this file: what is begun before `run`, or after it, is not begun at all: there is nobody to own it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio


class Background:
    """The owner of such tasks; `run` is its life."""

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None

    async def run(self, *actors: Callable[[], Awaitable[None]], task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own what is begun, and these actors first, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for actor in actors:
                nursery.start_soon(actor)
            task_status.started()
            await trio.sleep_forever()

    def start(self, function: Callable[[], Awaitable[None]], name: str) -> None:
        """Begin something under a name."""
        if self._nursery is not None:
            self._nursery.start_soon(function, name=name)
