"""Room on the disk: what is kept free, and what an error of the operating system says of it.

Rule of this file: who is about to keep something of a known size asks first, so that a disk is never filled to its end by what others send;
the journal, which is small, has the reserve to itself.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from zisk_actors.store.errors import DiskFull, StoreUnwritable

FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def unwritable(what: str, error: OSError) -> StoreUnwritable:
    """The error of a write that failed: a full disk is said as that."""
    if error.errno in FULL:
        return DiskFull(f"{what}: the disk is full", hint="make room on it; work goes on by itself then")
    return StoreUnwritable(f"{what}: {error}")


class Reserve:
    """So many bytes of a folder's disk that are not given away. `free` tells how many there are."""

    def __init__(self, folder: Path, reserve_bytes: int, free: Callable[[Path], int] | None = None) -> None:
        self._folder = folder
        self.reserve_bytes = reserve_bytes
        self._free = free if free is not None else lambda path: shutil.disk_usage(path).free

    def check(self, more: int) -> None:
        """Raises `DiskFull` where so many bytes more would leave less than the reserve, and `StoreUnwritable` where nobody can tell."""
        if not self.reserve_bytes:
            return
        try:
            free = self._free(self._folder)
        except OSError as error:
            raise StoreUnwritable(f"cannot tell how much room there is in {self._folder}: {error}") from None
        if free - more < self.reserve_bytes:
            raise DiskFull(
                f"{more:,} bytes do not fit: {free:,} are free in {self._folder}, and {self.reserve_bytes:,} of them are kept free",
                hint="make room on the disk, or lower store.reserve_bytes",
            )
