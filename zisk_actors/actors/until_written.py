"""The one wait for a disk that cannot be written: try again until it can, however long that takes.

Rule of this file: what is tried again must be such that doing it twice is doing it once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio

from zisk_actors.store.errors import StoreUnwritable

T = TypeVar("T")

PAUSE_SECONDS: Final = 1.0


async def until_written(
    write: Callable[[], Awaitable[T]],
    *,
    waits: Callable[[StoreUnwritable], None] = lambda error: None,
    pause_seconds: float = PAUSE_SECONDS,
) -> T:
    """What `write` returns, as soon as the disk takes it; whatever else it raises passes through. `waits` is told each time that it does
    not. Where we stop first, it is not written."""
    while True:
        try:
            return await write()
        except StoreUnwritable as error:
            waits(error)
        await trio.sleep(pause_seconds)
