"""Who is registered, in a file, so that a coordinator that starts again knows for whom it waits.

Rules of this file:
* A hint and no more: what is missing or wrong in it costs time, or a share that is computed again, never a job. It is not synced.
* It is written shortly after a worker comes or goes, however many do so at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import trio

from zisk_actors.actors.threads import in_thread
from zisk_actors.ids import WorkerId

PAUSE_SECONDS: Final = 0.05


class Roster:
    """The file, and the task that keeps it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = trio.Event()

    def read(self) -> set[WorkerId]:
        """Who was registered when the last coordinator ended; nobody where that is not known."""
        with suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(self._path.read_bytes(), type=set[WorkerId])
        return set()

    def changed(self) -> None:
        """Somebody has come or gone."""
        self._changed.set()

    async def run(self, names: Callable[[], Iterable[WorkerId]]) -> None:
        """Keep the file until cancelled."""
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            with suppress(OSError):
                await in_thread(self._write, sorted(names()))
            await trio.sleep(PAUSE_SECONDS)

    def _write(self, names: list[WorkerId]) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(names))
        fresh.replace(self._path)
