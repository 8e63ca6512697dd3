"""Large blobs on their way in, kept where their transfer broke off: the next one goes on from there.

Rules of this file:
* The file of a transfer is named by the blob and by who sends it, and locked by who writes it; who finds it locked writes a file of its
  own. So what one sender leaves is gone on with by nobody else.
* What is there is hashed again before it is built upon, and the whole is judged by the blob's name: bytes that rotted, or never reached the
  disk, cost one transfer from the beginning.
* At most `KEPT` transfers that nobody works on are kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO, Final

from zisk_actors.ids import is_blob_id
from zisk_actors.wire.blobs import CHUNK_BYTES
from zisk_actors.wire.values import BlobRef

RESUMED_BYTES: Final = 8 * CHUNK_BYTES
"""Smaller blobs are sent again from the beginning."""

KEPT: Final = 8
READ_BYTES: Final = 1 << 20


def name_of(blob: BlobRef, sender: str) -> str:
    """The name of the file of a transfer."""
    return f"{blob.sha256}.{hashlib.sha256(sender.encode()).hexdigest()[:16]}" if sender else blob.sha256


def reopen(folder: Path, blob: BlobRef, sender: str) -> tuple[BinaryIO, Path, int, Any] | None:
    """The file of a blob's transfer, its path, how many bytes of it are good, and their hash so far; None where somebody writes it.

    Raises `OSError`. Any: hashlib names no type for a hash that is under way.
    """
    path = folder / name_of(blob, sender)
    file = path.open("a+b")
    try:
        if not _ours(file, path):
            file.close()
            return None
        size = os.fstat(file.fileno()).st_size
        good = size // CHUNK_BYTES * CHUNK_BYTES if size <= blob.size else 0
        file.truncate(good)
        file.seek(0)
        digest = hashlib.sha256()
        while piece := file.read(READ_BYTES):
            digest.update(piece)
    except BaseException:
        file.close()
        raise
    return file, path, good, digest


def clear(folder: Path, *, leave_unnamed: bool = False) -> None:
    """Remove what no transfer will go on with; at a start also all that is not named by a blob. Raises `OSError`."""
    kept: list[tuple[float, Path]] = []
    for path in folder.iterdir():
        if is_blob_id(path.name.partition(".")[0]):
            with contextlib.suppress(FileNotFoundError):
                kept.append((path.stat().st_mtime, path))
        elif not leave_unnamed:
            path.unlink(missing_ok=True)
    for _, path in sorted(kept)[:-KEPT]:
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if _ours(file, path):
                path.unlink(missing_ok=True)


def _ours(file: BinaryIO, path: Path) -> bool:
    """Whether we hold the lock of a file that still has its name: one that was published in the meantime must not be touched."""
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    with contextlib.suppress(FileNotFoundError):
        return os.stat(path).st_ino == os.fstat(file.fileno()).st_ino
    return False
