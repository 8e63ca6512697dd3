"""The workers that a coordinator with a mock backend has in its own process, so that it needs none beside it.

Rules of this file:
* They are workers like any other, over links in memory: what a job goes through is the same.
* What they keep is in a folder of the coordinator's state that each start empties.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import trio

from zisk_actors import ids, mock
from zisk_actors.actors.mock_device import MockDevice
from zisk_actors.actors.threads import in_thread
from zisk_actors.actors.worker.connection import WorkerActor, WorkerFacts
from zisk_actors.errors import Unreachable
from zisk_actors.settings import Backend
from zisk_actors.store.blobs import BlobStore
from zisk_actors.transport.base import Link, LinkClosed
from zisk_actors.transport.memory import MemoryListener

FOLDER: Final = "mock-workers"


async def run_mock_workers(settings: Backend, serve: Callable[[Link], Awaitable[None]], folder: Path, version: str) -> None:
    """Run them until cancelled; `serve` is the coordinator's side of a worker's link."""
    await in_thread(lambda: shutil.rmtree(folder / FOLDER, ignore_errors=True))
    listener = MemoryListener("memory://mock-workers")
    async with trio.open_nursery() as nursery:
        for number in range(1, settings.mock_workers + 1):
            nursery.start_soon(_work, listener, f"mock-{number}", settings, folder / FOLDER, version)
        while True:
            nursery.start_soon(serve, await listener.accept())


async def _work(listener: MemoryListener, name: str, settings: Backend, folder: Path, version: str) -> None:
    facts = WorkerFacts(
        worker=ids.WorkerId(name),
        incarnation=ids.new_incarnation(),
        units=10,
        version=version,
        backend=mock.BACKEND,
        threads=1,
        reconnect_seconds=0.1,
    )

    async def dial() -> Link:
        try:
            return await listener.dial(key=f"{name} of {os.getpid()}")
        except LinkClosed as error:
            raise Unreachable(error.message) from None

    store = BlobStore(folder / name, durable=False)
    async with MockDevice(settings.mock_verb_seconds, name) as device:
        await WorkerActor(facts, dial, device, store).run()
