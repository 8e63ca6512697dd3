"""What the store asks of the file system beside reading and writing."""

from __future__ import annotations

import os
from pathlib import Path


def flush_folder(path: Path) -> None:
    """Have the names in a folder on disk. Raises `OSError`."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def inode(file: int | Path) -> tuple[int, int] | None:
    """Which file it is that is open or has this path; None where there is none, or none to be seen."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino
