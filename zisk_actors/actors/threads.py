"""The one way by which an actor has something blocking done: in a thread, so that the loop goes on.

Rules of this file:
* Every blocking call of an actor (the journal, blobs, hashing of what is big) goes through `in_thread`.
* Whoever runs a whole cluster in one process on virtual time sets `RUNNER` before it starts an actor's tasks: they and all that they start
  inherit it, and what would have blocked a thread takes virtual time instead.
* Cancelling waits for the call to end, as what it does to a disk cannot be taken back half way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Final, Protocol, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Runner(Protocol):
    """Carries a blocking call out."""

    async def __call__(self, function: Callable[[], T], /) -> T: ...


async def _thread(function: Callable[[], T], /) -> T:
    return await trio.to_thread.run_sync(function)


RUNNER: Final[ContextVar[Runner]] = ContextVar("RUNNER", default=_thread)


async def in_thread(function: Callable[[*Args], T], *args: *Args) -> T:
    """What `function(*args)` returns or raises, without blocking the loop."""
    return await RUNNER.get()(partial(function, *args))
