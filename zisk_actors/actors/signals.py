"""Running until something says to stop: a signal, or by the end of the parent process.

Rules of this file: the first signal asks, where there is somebody to ask, and the second one ends; an orphan ends at once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable

import trio

from zisk_actors import log


async def until_signalled(main: Callable[[], Awaitable[None]], *, parent: int = 0, leave: trio.Event | None = None) -> None:
    """Run `main` until it ends, SIGTERM or SIGINT comes, or the process `parent` is not our parent any more.

    With `leave`, the first signal only sets it, for `main` to end in its own time.
    """
    words = log.get()
    async with trio.open_nursery() as nursery:

        async def signals(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as receiver:
                task_status.started()
                async for number in receiver:
                    words.info("shutdown signal received", signal=signal.Signals(number).name)
                    if leave is None or leave.is_set():
                        nursery.cancel_scope.cancel()
                    else:
                        leave.set()

        async def watch_parent() -> None:
            while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells a process that it has become an orphan
                await trio.sleep(0.25)
            words.info("shutdown: the parent process is gone", parent=parent)
            nursery.cancel_scope.cancel()

        await nursery.start(signals)
        if parent:
            nursery.start_soon(watch_parent)
        await main()
        nursery.cancel_scope.cancel()
