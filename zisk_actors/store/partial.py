"""Inputs that are still coming in, each a file named by its job, beside the blobs that they become.

Rules of this file:
* What `write` has answered for is on disk. Whoever sends goes on from what was answered; a part that comes twice changes nothing.
* A part that begins past what is there is not taken: there are no holes.
* An input becomes a blob when it has the size and the hash that its end names, and not otherwise: that we have such a blob from somebody
  else says nothing of what has come. Until it is dropped it is a file as well, so that a restart in between loses nothing.
* Names are those of jobs, which their pattern keeps from being paths.
* What a full disk does not take is dropped again, and the disk's reserve is left free.
* These are plain blocking calls, one at a time for one job; whoever runs in a loop calls them in a thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

from zisk_actors.errors import UsageError
from zisk_actors.ids import JobId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.files import flush_folder
from zisk_actors.store.space import unwritable
from zisk_actors.wire.values import BlobRef

WHOLE: Final = ".whole"


class InputMismatch(UsageError):
    """An input is not what its end says."""

    code = "input-mismatch"


class PartialInputs:
    """The folder of inputs that are not complete."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._folder = store.partial_folder

    def keep_only(self, jobs: Collection[JobId]) -> None:
        """Forget the inputs of all other jobs: they have ended, or have their blob."""
        for path in self._folder.iterdir():
            if path.name not in jobs:
                with contextlib.suppress(OSError):
                    path.unlink()

    def size(self, job: JobId) -> int:
        """How much of a job's input is there."""
        try:
            return (self._folder / job).stat().st_size
        except FileNotFoundError:
            return 0

    def write(self, job: JobId, offset: int, content: bytes) -> int:
        """Keep a part; how much there is then, all of it on disk. Raises `StoreUnwritable`, and then keeps what there was."""
        self._store.reserve.check(len(content))
        try:
            _keep_apart(self._folder / job)
            handle = os.open(self._folder / job, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                size = os.fstat(handle).st_size
                if offset > size:
                    return size
                if os.pread(handle, len(content), offset) == content:
                    return size
                try:
                    left = memoryview(content)
                    while left:
                        left = left[os.pwrite(handle, left, offset + len(content) - len(left)) :]
                    os.ftruncate(handle, offset + len(content))
                    os.fsync(handle)
                except OSError:
                    os.ftruncate(handle, size)
                    raise
                if not size:
                    flush_folder(self._folder)
                return offset + len(content)
            finally:
                os.close(handle)
        except OSError as error:
            raise unwritable(f"cannot store the input of job {job}", error) from None

    def publish(self, job: JobId, blob: BlobRef) -> None:
        """Make a complete input the blob that its end names; what there is of it is there until it is dropped. Raises `InputMismatch` and
        `StoreUnwritable`."""
        size = self.size(job)
        if size != blob.size:
            raise InputMismatch(
                f"the end of the input says {blob.size} bytes, and {size} have come",
                hint="send what is missing, or cancel the job and submit it again",
            )
        path, whole = self._folder / job, self._folder / f"{job}{WHOLE}"
        try:
            path.touch(mode=0o600)
            if (found := _hash(path)) != blob.sha256:
                raise InputMismatch(
                    f"the end of the input says that it hashes to {blob.sha256}, and what has come hashes to {found}",
                    hint="cancel the job and submit it again",
                )
            whole.unlink(missing_ok=True)
            os.link(path, whole)
            self._store.adopt(whole, blob)
        except OSError as error:
            raise unwritable(f"cannot store the input of job {job}", error) from None

    def drop(self, job: JobId) -> None:
        """Forget what there is of a job's input."""
        with contextlib.suppress(OSError):
            (self._folder / job).unlink(missing_ok=True)


def _keep_apart(path: Path) -> None:
    """Have what is written to an input not change the blob that it became, which is the same file. Raises `OSError`."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_nlink > 1:
            copy = path.with_name(f"{path.name}{WHOLE}")
            shutil.copyfile(path, copy)
            copy.replace(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
