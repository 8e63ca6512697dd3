"""A machine with a disk in memory: what was committed stays, what was not is gone when the machine dies; slow, full or failing as ordered.

Rules of this file:
* The journal is the real one, over SQLite in memory: what has to be right about transactions is tried with it.
* A blob is there from the moment that it has its name, as its rename is what commits it.
* A blocking call takes virtual time, half of it before its effect and half after. A machine that dies in the first half has done nothing,
  in the second all of it, and told nobody.
* A process that was killed writes nothing any more, however long its tasks take to notice.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import trio

from zisk_actors.actors.workers.roster import Roster
from zisk_actors.core.job_events import JobEvent
from zisk_actors.errors import NotFoundError
from zisk_actors.ids import BlobId, JobId, WorkerId, blob_id
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.errors import BlobMissing, StoreUnwritable
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Ending
from zisk_actors.store.space import Reserve
from zisk_actors.wire.errors import WrongBlob
from zisk_actors.wire.values import BlobRef

T = TypeVar("T")
_names = count()


class Disk:
    """What survives a process."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.roster: list[WorkerId] = []
        self.full = False
        self.slow_until = 0.0
        self.slow_seconds = 0.0
        self.on_commit: Callable[[Sequence[tuple[JobId, JobEvent]]], None] = lambda rows: None
        self._base = f"file:zisk-simulation-{os.getpid()}-{next(_names)}?mode=memory&cache=shared"
        self._keeper: sqlite3.Connection | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def folder(self) -> Path:
        """For the journal's lock, the only thing that is on a real disk."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="zisk-simulation-")
            self._keeper = sqlite3.connect(self._base, uri=True)
        return Path(self._folder.name)

    def connect(self, machine: Machine) -> sqlite3.Connection:
        base = sqlite3.connect(self._base, uri=True, isolation_level=None, check_same_thread=False, factory=_Connection)
        base.machine = machine
        return base

    def close(self) -> None:
        if self._keeper is not None and self._folder is not None:
            self._keeper.close()
            self._folder.cleanup()


class Machine:
    """One process on a disk, from its start to its end. As the runner of blocking calls it gives them their virtual time."""

    def __init__(self, disk: Disk, chance: Random) -> None:
        self.disk = disk
        self._chance = chance
        self.dead = False
        self._died = trio.Event()

    def die(self) -> None:
        self.dead = True
        self._died.set()

    def check(self, what: str) -> None:
        """Raises `OSError` where nothing can be written."""
        if self.dead:
            raise OSError(f"{what}: the process was killed")
        if self.disk.full:
            raise OSError(f"{what}: no space left on device")

    async def __call__(self, function: Callable[[], T], /) -> T:
        with trio.CancelScope(shield=True):
            await self._spend()
            try:
                return function()
            finally:
                await self._spend()

    async def _spend(self) -> None:
        seconds = 0.0005 * self._chance.random()
        if self.disk.slow_until > trio.current_time():
            seconds += 0.5 * self.disk.slow_seconds * self._chance.random()
        with trio.move_on_after(seconds):
            await self._died.wait()


class _Connection(sqlite3.Connection):
    """A data base on a disk that may be full or gone."""

    machine: Machine

    def _check(self, statement: str) -> None:
        if self.machine.dead or not statement.lstrip().lower().startswith(("select", "pragma", "rollback", "end")):
            try:
                self.machine.check(statement[:20])
            except OSError as error:
                raise sqlite3.OperationalError(str(error)) from None

    def execute(self, statement: str, *args: Any) -> sqlite3.Cursor:
        self._check(statement)
        return super().execute(statement, *args)

    def executemany(self, statement: str, *args: Any) -> sqlite3.Cursor:
        self._check(statement)
        return super().executemany(statement, *args)

    def executescript(self, statement: str) -> sqlite3.Cursor:
        return super().executescript(statement)


class SimJournal(Journal):
    """The real journal on a simulated disk."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        super().__init__(machine.disk.folder() / "journal")

    def files(self, folder: Path) -> list[Path]:
        return []

    def connect(self, folder: Path) -> sqlite3.Connection:
        return self._machine.disk.connect(self._machine)

    def append(self, rows: Sequence[tuple[JobId, JobEvent]], endings: Sequence[Ending] = ()) -> None:
        super().append(rows, endings)
        self._machine.disk.on_commit(rows)


class SimRoster(Roster):
    """The file of registered workers on a simulated disk."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(Path("/simulated/workers.json"))
        self._machine = machine

    def read(self) -> set[WorkerId]:
        return set(self._machine.disk.roster)

    def _write(self, path: Path, names: list[WorkerId]) -> None:
        self._machine.check("the roster")
        self._machine.disk.roster = names


class SimBlobs(BlobStore):
    """The calls of the folder of blobs, over memory."""

    def __init__(self, machine: Machine, name: str) -> None:
        self._machine = machine
        self._root = Path(f"/simulated/{name}")
        self.reserve = Reserve(self._root, 0)

    @property
    def _blobs(self) -> dict[str, bytes]:
        return self._machine.disk.blobs

    @property
    def partial_folder(self) -> Path:
        """Inputs that come in are files on a real disk; what was written to them is there."""
        folder = self._machine.disk.folder() / "partial"
        folder.mkdir(exist_ok=True)
        return folder

    def adopt(self, path: Path, blob: BlobRef) -> None:
        self._machine.check("a blob")
        self._machine.disk.blobs[blob.sha256] = path.read_bytes()
        path.unlink()

    def has(self, blob: BlobRef) -> bool:
        content = self._blobs.get(blob.sha256)
        return content is not None and len(content) == blob.size

    def get(self, blob: BlobRef) -> bytes:
        try:
            return self._blobs[blob.sha256]
        except KeyError:
            raise BlobMissing(f"there is no blob {blob.sha256}") from None

    def at(self, path: str) -> bytes:
        """What is at a path that `path` gave. Raises `NotFoundError`."""
        try:
            return self._blobs[Path(path).name]
        except KeyError:
            raise NotFoundError(f"there is nothing at {path}") from None

    def must_hash(self, name: BlobId, offset: int) -> bool:
        return False

    def sound(self, name: BlobId) -> bool:
        return name in self._blobs

    def read_chunk(self, name: BlobId, offset: int, length: int) -> bytes:
        content = self._blobs.get(name)
        if content is None or offset + length > len(content):
            raise BlobMissing(f"there is no blob {name} with {length} bytes at {offset}")
        return content[offset : offset + length]

    def trim(self, limit: int) -> None:
        pass

    def incoming(self, blob: BlobRef | None = None, sender: str = "") -> Any:
        return _Incoming(self._machine)


class _Incoming:
    """A blob on its way in, from its beginning: no blob of a simulation is so large that its transfer is gone on with."""

    start = 0

    def digest(self) -> Any:
        return hashlib.sha256()

    def spoil(self) -> None:
        pass

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._pieces: list[bytes] = []

    def __enter__(self) -> _Incoming:
        return self

    def __exit__(self, *error: object) -> None:
        self._pieces.clear()

    def write(self, content: bytes) -> None:
        self._check()
        self._pieces.append(content)

    def publish(self, blob: BlobRef) -> None:
        content = b"".join(self._pieces)
        if blob_id(content) != blob.sha256:
            raise WrongBlob(f"the bytes received for blob {blob.sha256} hash to {hashlib.sha256(content).hexdigest()}")
        self._check()
        self._machine.disk.blobs[blob.sha256] = content

    def _check(self) -> None:
        try:
            self._machine.check("a blob")
        except OSError as error:
            raise StoreUnwritable(f"cannot store a blob: {error}") from None
