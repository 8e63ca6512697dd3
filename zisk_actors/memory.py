"""Memory for matrices: one pool of the process, kept from step to step and from job to job.

Rules of this file:
* Fresh pages cost more than what is computed on them: the system clears each one, and does it on one thread. So what a matrix gives
  back is handed out again, at the lowest address that fits.
* The pool is one range of addresses. It is reserved once, takes memory as it is touched, and asks for huge pages. What was never handed
  out before is touched by all threads.
* It has a limit. What does not fit raises ``MemoryShort``, and nothing else is changed by it.
* An array owns its piece: the piece comes back when the last array that looks into it is gone. `release` gives the memory of all free
  pieces back to the system.
"""

from __future__ import annotations

import mmap
import os
import threading
from bisect import bisect_left, insort
from collections import deque
from contextlib import suppress
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from zisk_actors.errors import MemoryShort
from zisk_actors.native import load

Words = npt.NDArray[np.uint64]

WORD: Final = 8  # bytes
SMALL: Final = 1 << 16
"""Bytes below which the interpreter's own memory serves: it keeps what is so small."""
GRAIN: Final = 1 << 12  # bytes; pieces are whole pages
HUGE: Final = 1 << 21  # bytes of a huge page
_NO_RESERVE: Final = getattr(mmap, "MAP_NORESERVE", 0x4000)


class _Piece:
    """A piece of the pool, as numpy takes memory from others. It goes back when it is collected."""

    def __init__(self, pool: Pool, start: int, size: int, words: int) -> None:
        self._pool, self._start, self._size = pool, start, size
        self.__array_interface__ = {"data": (pool.address + start, False), "shape": (words,), "typestr": "<u8", "version": 3}

    def __del__(self) -> None:
        # Only an append: the collector may run anywhere, within the pool's own lock as well.
        self._pool.returned.append((self._start, self._size))


class Pool:
    """Pieces of one range of addresses. ``limit``: bytes, rounded up to huge pages.

    MemoryShort where the system does not even give the addresses.
    """

    def __init__(self, limit: int) -> None:
        self.limit = -(-limit // HUGE) * HUGE
        self.returned: deque[tuple[int, int]] = deque()
        self._lock = threading.Lock()
        try:
            self._map = mmap.mmap(-1, self.limit + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
        except (OSError, ValueError, OverflowError) as error:
            raise MemoryShort(f"{self.limit / 2**30:.1f} GiB of addresses cannot be reserved: {error}") from None
        base = np.frombuffer(self._map, dtype=np.uint8).ctypes.data
        self._skipped = -base % HUGE
        self.address = base + self._skipped
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a kernel without them
                self._map.madvise(mmap.MADV_HUGEPAGE)
        self._free: list[tuple[int, int]] = [(0, self.limit)]  # (start, size), by start, never adjacent
        self._top = 0  # all above was never handed out since it was last given back to the system

    def words(self, count: int) -> Words:
        """(count,) of undefined contents. MemoryShort beyond the limit."""
        size = max(1, -(-count * WORD // GRAIN)) * GRAIN
        with self._lock:
            self._collect()
            place = next((place for place, (_, room) in enumerate(self._free) if room >= size), None)
            if place is None:
                free = sum(room for _, room in self._free)
                raise MemoryShort(
                    f"a matrix of {size / 2**20:.0f} MiB does not fit: {free / 2**20:.0f} of {self.limit / 2**20:.0f} MiB are free",
                    hint="more workers make smaller shares",
                )
            start, room = self._free[place]
            self._free[place : place + 1] = [(start + size, room - size)] if room > size else []
            fresh = max(self._top, start)
            self._top = max(self._top, start + size)
            piece = _Piece(self, start, size, count)
        array: Words = np.asarray(piece)
        if fresh < start + size:
            load().zk_touch(array[(fresh - start) // WORD :], max(0, count - (fresh - start) // WORD))
        return array

    def _collect(self) -> None:
        """Take back what was returned since, and join neighbours."""
        while self.returned:
            start, size = self.returned.popleft()
            place = bisect_left(self._free, (start, 0))
            if place < len(self._free) and self._free[place][0] == start + size:
                size += self._free.pop(place)[1]
            if place and sum(self._free[place - 1]) == start:
                start, before = self._free.pop(place - 1)
                size += before
            insort(self._free, (start, size))

    def release(self) -> None:
        """Give the memory of all free pieces back to the system; the addresses stay."""
        with self._lock:
            self._collect()
            for start, size in self._free:
                if start < self._top:
                    self._map.madvise(mmap.MADV_DONTNEED, self._aligned(start), min(size, self._top - start))
            if self._free and sum(self._free[-1]) == self.limit:
                self._top = min(self._top, self._free[-1][0])

    def _aligned(self, start: int) -> int:
        return self._skipped + start

    @property
    def used(self) -> int:
        """Bytes handed out."""
        with self._lock:
            self._collect()
            return self.limit - sum(size for _, size in self._free)

    @property
    def held(self) -> int:
        """Bytes up to the highest that was handed out since the last `release`: what the pool has of the system at most."""
        return self._top


_pool: Pool | None = None
_limit = 0
_changing = threading.Lock()


def pool() -> Pool:
    """The pool of this process, made at its first use."""
    global _pool
    with _changing:
        if _pool is None:
            _pool = Pool(_limit or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        return _pool


def limit(size: int) -> None:
    """Let the pool have at most so many bytes; 0 is all of the machine's. What was handed out before stays where it is."""
    global _pool, _limit
    with _changing:
        if size != _limit:
            _pool, _limit = None, size


def release() -> None:
    """Give what is free back to the system: for a process that has nothing to do."""
    with _changing:
        if _pool is not None:
            _pool.release()


def words(*shape: int) -> Words:
    """An array of undefined words. MemoryShort where it does not fit."""
    count = prod(shape)
    if count * WORD < SMALL:
        return np.empty(shape, dtype=np.uint64)
    return pool().words(count).reshape(shape)


def zeros(*shape: int) -> Words:
    """An array of zeros. MemoryShort where it does not fit."""
    count = prod(shape)
    if count * WORD < SMALL:
        return np.zeros(shape, dtype=np.uint64)
    array = words(*shape)
    load().zk_clear(array, count)
    return array


def records(count: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """(count,) records of undefined contents. MemoryShort where they do not fit."""
    size = count * dtype.itemsize
    return words(-(-size // WORD)).view(np.uint8)[:size].view(dtype)


def piece_of(array: npt.NDArray[Any]) -> bool:
    """Whether an array lies in a pool."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, _Piece)
