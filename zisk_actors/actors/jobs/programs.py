"""The programs that the cluster knows, for whom each is kept, and their verifying keys.

Rules of this file:
* A key is derived by the coordinator's own device, once for each program and parameter set. Nobody else's word is taken for it, because
  what is verified is only as good as the key it is verified against.
* A program is kept for the clients that have added it or used it; to others there is no such program, and each has its own name for it.
  One that is kept for nobody is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import msgspec
import trio

from zisk_actors.actors.device import ComputeDevice, call_again
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.threads import in_thread
from zisk_actors.errors import NotFoundError, RefusedRetryLater
from zisk_actors.ids import ProgramId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.rows import Owner
from zisk_actors.wire.compute import SetupCall
from zisk_actors.wire.values import BlobRef, ProgramStatus

KEY_SECONDS: Final = 600.0
DAY_SECONDS: Final = 86400.0
"""How exactly it is written down when a program was used last."""


class TooManyPrograms(RefusedRetryLater):
    """As many programs are kept for this client as may be."""

    code = "too-many-programs"
    retry_after_seconds = None


class ProgramNotKept(NotFoundError):
    """No program of that name is kept for this client."""

    code = "program-not-found"


class Programs:
    """The programs by id, as the journal has them, and their owners. `most` are kept for one client, 0 is no limit. A program is kept for a
    client until `ttl_seconds` after it was used last, 0 is for good. `version` grows with each change."""

    def __init__(
        self,
        recorder: Recorder,
        store: BlobStore,
        device: ComputeDevice,
        clock: Callable[[], float],
        *,
        most: int = 0,
        ttl_seconds: float = 0,
    ) -> None:
        self.known: dict[str, ProgramStatus] = {}
        self.version = 0
        self._owners: dict[str, dict[ProgramId, Owner]] = {}
        self._recorder = recorder
        self._store = store
        self._device = device
        self._clock = clock
        self._most = most
        self._ttl_seconds = ttl_seconds
        self._deriving: dict[tuple[str, str], trio.Lock] = {}

    def name(self, program: str, client: str) -> str:
        """What a client calls a program; empty where it has no name for it."""
        owner = self._owners.get(client, {}).get(ProgramId(program))
        return owner.name if owner is not None else ""

    def kept_for(self, client: str) -> list[ProgramStatus]:
        """The programs of a client, under its names, oldest first."""
        mine = self._owners.get(client, {})
        return [msgspec.structs.replace(status, name=mine[status.program].name) for status in self.known.values() if status.program in mine]

    def all(self, client: str) -> list[ProgramStatus]:
        """Those of all clients, for an operator: under its own names, else under that of another."""
        names = {owner.program: owner.name for mine in self._owners.values() for owner in mine.values() if owner.name}
        names |= {owner.program: owner.name for owner in self._owners.get(client, {}).values() if owner.name}
        return [msgspec.structs.replace(status, name=names.get(status.program, "")) for status in self.known.values()]

    async def load(self) -> None:
        """Read them from the journal."""
        programs, owners = await self._recorder.call(lambda journal: journal.programs())
        self.version += 1
        self.known = {program.program: program for program in programs}
        self._owners = {}
        for owner in owners:
            self._owners.setdefault(owner.client, {})[owner.program] = owner

    async def add(self, program: BlobRef, name: str, client: str) -> ProgramStatus:
        """Keep a program for a client, under a name where it gives one. Raises `TooManyPrograms` and `StoreUnwritable`."""
        mine, now = self._owners.get(client, {}), self._clock()
        before = mine.get(ProgramId(program.sha256))
        if before is None and self._most and len(mine) >= self._most:
            raise TooManyPrograms(
                f"{len(mine)} programs are kept for this client, of at most {self._most}", hint="`zisk program rm` forgets one"
            )
        if before is None or name not in ("", before.name) or now - before.used_at > DAY_SECONDS:
            owner = Owner(client, ProgramId(program.sha256), name or (before.name if before is not None else ""), now)
            await self._recorder.call(lambda journal: journal.add_program(program, owner))
            await self.load()
        return msgspec.structs.replace(self.known[program.sha256], name=self.name(program.sha256, client))

    def find(self, program: str, client: str) -> ProgramStatus:
        """A program of a client by its id, an unambiguous beginning of it, or its name. Raises `ProgramNotKept`."""
        mine = self.kept_for(client)
        found = [each for each in mine if program in (each.program, each.name)]
        found = found or [each for each in mine if len(program) >= 4 and each.program.startswith(program)]
        if len(found) != 1:
            raise ProgramNotKept(
                f"{program[:80]!r} names {len(found) or 'none'} of your programs", hint="`zisk program list` shows them; an id names one"
            )
        return found[0]

    async def remove(self, program: ProgramStatus, client: str) -> None:
        """Keep a program for a client no longer. Raises `StoreUnwritable`."""
        await self._forget([self._owners[client][program.program]])

    async def expire(self, used: Collection[tuple[str, str]]) -> None:
        """Keep nothing any more that was not used for too long, but what is in use now, as client and program. Raises
        `StoreUnwritable`."""
        before = self._clock() - self._ttl_seconds
        late = [
            owner
            for mine in self._owners.values()
            for owner in mine.values()
            if self._ttl_seconds and owner.used_at < before and (owner.client, owner.program) not in used
        ]
        if late:
            await self._forget(late)

    async def _forget(self, owners: list[Owner]) -> None:
        await self._recorder.call(lambda journal: journal.remove_owners(owners))
        await self.load()

    async def key_of(self, program: BlobRef, params: str) -> BlobRef:
        """The verifying key of a program under a parameter set, derived where it is not there. Raises `CallFailed` and
        `StoreUnwritable`."""
        async with self._deriving.setdefault((program.sha256, params), trio.Lock()):
            status = self.known.get(program.sha256)
            if status is not None and params in status.keys and await in_thread(self._store.sound, status.keys[params].sha256):
                return status.keys[params]
            done = await call_again(self._device, SetupCall(str(self._store.path(program.sha256)), params), seconds=KEY_SECONDS)
            key = await in_thread(self._store.put, done.content)
            await self._recorder.call(lambda journal: journal.add_key(program.sha256, params, key))
            await self.load()
            return key
