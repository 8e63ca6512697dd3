"""The programs that the cluster knows, and their verifying keys.

Rule of this file: a key is derived by the coordinator's own device, once for each program and parameter set. Nobody else's word is taken
for it, because what is verified is only as good as the key it is verified against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from zisk_actors.actors.device import Caller
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.threads import in_thread
from zisk_actors.store.blobs import BlobStore
from zisk_actors.wire.compute import SetupCall
from zisk_actors.wire.values import BlobRef, ProgramStatus

KEY_SECONDS: Final = 600.0


class Programs:
    """The programs by id, as the journal has them."""

    def __init__(self, recorder: Recorder, store: BlobStore, device: Caller, clock: Callable[[], float]) -> None:
        self.known: dict[str, ProgramStatus] = {}
        self._recorder = recorder
        self._store = store
        self._device = device
        self._clock = clock
        self._deriving: dict[tuple[str, str], trio.Lock] = {}

    def name(self, program: str) -> str:
        """What a program is called; empty where it has no name or is not known."""
        status = self.known.get(program)
        return status.name if status is not None else ""

    async def load(self) -> None:
        """Read them from the journal."""
        self.known = {program.program: program for program in await self._recorder.call(lambda journal: journal.programs())}

    async def add(self, program: BlobRef, name: str) -> ProgramStatus:
        """Keep a program. Raises `StoreUnwritable`."""
        status = self.known.get(program.sha256)
        if status is None or (name and not status.name):
            await self._recorder.call(lambda journal: journal.add_program(program, name, self._clock()))
            await self.load()
        return self.known[program.sha256]

    async def key_of(self, program: BlobRef, params: str) -> BlobRef:
        """The verifying key of a program under a parameter set, derived where it is not there. Raises `CallFailed` and
        `StoreUnwritable`."""
        async with self._deriving.setdefault((program.sha256, params), trio.Lock()):
            status = self.known.get(program.sha256)
            if status is not None and params in status.keys and self._store.has(status.keys[params]):
                return status.keys[params]
            done = await self._device.call(SetupCall(str(self._store.path(program.sha256)), params), seconds=KEY_SECONDS)
            key = await in_thread(self._store.put, done.content)
            await self.add(program, "")
            await self._recorder.call(lambda journal: journal.add_key(program.sha256, params, key))
            await self.load()
            return key
