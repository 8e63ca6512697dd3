"""Who is registered, in a file, so that a coordinator that starts again knows for whom it waits.

Rules of this file:
* A hint and no more: what is missing or wrong in it costs time, or a share that is computed again, never a job. It is not synced.
* A worker is in the file before it is registered, and so before it can hold anything that a later coordinator should wait for. It leaves
  the file some time after it is gone.
* One write at a time, for all who come or go meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
import trio

from zisk_actors.actors.threads import in_thread
from zisk_actors.ids import WorkerId

WRITE_SECONDS: Final = 1.0
"""Nobody is kept longer from registering because of a hint."""


class Roster:
    """The file, and the task that keeps it; with no path, and before `run`, nothing is kept. Who is registered says the scheduler."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._joining: Counter[WorkerId] = Counter()
        self._latest: set[WorkerId] = set()
        self._begun = self._done = 0
        self._runs = False
        self._changed = trio.Event()
        self._written = trio.Event()

    def read(self) -> set[WorkerId]:
        """Who was registered when the last coordinator ended; nobody where that is not known."""
        if self._path is not None:
            with suppress(OSError, msgspec.DecodeError):
                return msgspec.json.decode(self._path.read_bytes(), type=set[WorkerId])
        return set()

    def changed(self) -> None:
        """Somebody has come or gone."""
        self._changed.set()

    @asynccontextmanager
    async def joining(self, worker: WorkerId) -> AsyncGenerator[None]:
        """Within it the worker is in the file; it is to be registered there, without waiting for anything."""
        self._joining[worker] += 1
        try:
            needed = self._begun
            if worker not in self._latest:  # the next write has it, and all that follow
                needed += 1
                self._changed.set()
            with trio.move_on_after(WRITE_SECONDS):
                while self._runs and self._done < needed:
                    await self._written.wait()
            yield
        finally:
            self._joining -= Counter([worker])

    async def run(self, names: Callable[[], Iterable[WorkerId]]) -> None:
        """Keep the file until cancelled. `names` are all who are registered."""
        if self._path is None:
            return
        self._runs = True
        try:
            while True:
                await self._changed.wait()
                self._changed = trio.Event()
                self._latest = {*names(), *self._joining}
                self._begun += 1
                with suppress(OSError):
                    await in_thread(self._write, self._path, sorted(self._latest))
                self._done = self._begun
                self._written.set()
                self._written = trio.Event()
        finally:
            self._runs = False
            self._written.set()

    def _write(self, path: Path, names: list[WorkerId]) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(names))
        fresh.replace(path)
