"""How far a journal has come, in a small file outside it: so that one which was lost, emptied or exchanged for an older copy is not taken
for the one that was here.

Rules of this file:
* The file never says more than the journal has: it is written after each commit. So a journal that is behind it has lost something.
* It has two slots that are written in turn, each with a count and a checksum; a write that breaks off leaves the other one.
* `note` does not wait for the disk, `sync` does, at most every `SYNC_SECONDS`: after a loss of power the file may be behind, and then finds
  less.
"""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from zisk_actors.store.errors import JournalMismatch, StoreUnwritable
from zisk_actors.store.files import flush_folder, inode

SLOT_BYTES: Final = 160
SLOTS: Final = 2
SYNC_SECONDS: Final = 10.0


class Reached(NamedTuple):
    """Where a journal is: who it is, how often it was opened, its last event's number, and that row's checksum. Epoch 0 is one that is
    being made, in which nothing was promised yet."""

    identity: str
    epoch: int
    seq: int = 0
    crc: int = 0


def beside(folder: Path) -> Path:
    """The file of the journal in a folder: outside that folder."""
    return folder.with_name(f"{folder.name}.mark")


def read(path: Path) -> Reached | None:
    """What the file says, None where there is none. Raises `JournalMismatch` where it cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreUnwritable(f"cannot read {path}: {error}") from None
    slots = [_parse(content[at * SLOT_BYTES : (at + 1) * SLOT_BYTES]) for at in range(SLOTS)]
    known = [slot for slot in slots if slot is not None]
    if not known:
        raise JournalMismatch(f"{path}, which says how far the journal has come, cannot be read", hint=GO_ON)
    return max(known)[1]


GO_ON: Final = "`When the journal is not the one that was here` in docs/operations.md says how to go on"


class HighWaterMark:
    """The file of a journal that is open. Raises `StoreUnwritable` from its constructor."""

    def __init__(self, path: Path, reached: Reached) -> None:
        self._path = path
        self._count = 0
        self._synced = 0
        self._synced_at = time.monotonic()
        self.reached = reached
        self._file = self._make()

    def note(self, reached: Reached) -> None:
        """What the journal has now."""
        self.reached = reached
        self._count += 1
        with contextlib.suppress(OSError):  # what is there is behind, and says nothing wrong; `sync` says that it cannot be written
            os.pwrite(self._file, _slot(self._count, reached), self._count % SLOTS * SLOT_BYTES)

    def sync(self) -> None:
        """Have it under its name, and on the disk before long. Raises `StoreUnwritable`."""
        try:
            if inode(self._path) != inode(self._file):
                os.close(self._file)
                self._file = self._make()
            if self._synced != self._count and time.monotonic() - self._synced_at >= SYNC_SECONDS:
                os.fsync(self._file)
                self._synced, self._synced_at = self._count, time.monotonic()
        except OSError as error:
            raise StoreUnwritable(f"cannot write {self._path}: {error}") from None

    def close(self) -> None:
        """Closing twice is the same as once."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def _make(self) -> int:
        """A whole file in the place of whatever is there."""
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            file = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                for _ in range(SLOTS):
                    self._count += 1
                    os.pwrite(file, _slot(self._count, self.reached), self._count % SLOTS * SLOT_BYTES)
                os.fsync(file)
                temporary.replace(self._path)
                flush_folder(self._path.parent)
            except BaseException:
                os.close(file)
                raise
        except OSError as error:
            raise StoreUnwritable(f"cannot write {self._path}: {error}") from None
        return file


def _slot(count: int, reached: Reached) -> bytes:
    words = f"{count} {reached.identity} {reached.epoch} {reached.seq} {reached.crc}"
    return f"{words} {zlib.crc32(words.encode()):08x}".ljust(SLOT_BYTES - 1).encode() + b"\n"


def _parse(slot: bytes) -> tuple[int, Reached] | None:
    """The count of a slot and what it says; None where it was not written whole."""
    words, _, check = slot.decode("ascii", "replace").rstrip().rpartition(" ")
    try:
        if int(check, 16) != zlib.crc32(words.encode()):
            return None
        count, identity, epoch, seq, crc = words.split()
        return int(count), Reached(identity, int(epoch), int(seq), int(crc))
    except ValueError:
        return None
