"""Merkle trees of the cpu backend: hashed natively, opened from numpy arrays.

Rules of this file: the words are those of stark/merkle.py. Rows come from matrices of any of a tree's heights, or from a
codeword whose adjacent entries make one row; a tree keeps its sources alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zisk_actors import memory
from zisk_actors.backends.base import Opening
from zisk_actors.c_interface import Columns
from zisk_actors.native import load
from zisk_actors.stark import domain
from zisk_actors.stark.field import U64
from zisk_actors.stark.merkle import cap_level
from zisk_actors.stark.poseidon2 import DIGEST, Tag


@dataclass(frozen=True, eq=False)
class TreeRows:
    """Where a tree's rows come from: a matrix, or a codeword of which ``arity`` adjacent entries make one row."""

    values: U64
    arity: int

    def lifted(self, log_height: int) -> TreeRows:
        """The same rows, each repeated, if there are fewer than 2^log_height of them."""
        times = (self.arity << log_height) // self.values.shape[1]
        if times <= 1:
            return self
        assert self.arity == 1, "a codeword's tree has one source, which no cap is higher than"
        return TreeRows(np.repeat(self.values, times, axis=1), 1)

    @property
    def log_height(self) -> int:
        """log2 of the number of rows."""
        return domain.log2_exact(self.values.shape[1] // self.arity)

    def take(self, rows: U64) -> U64:
        """(q, width): the rows with these numbers."""
        entries = rows[:, None] * np.uint64(self.arity) + np.arange(self.arity, dtype=np.uint64)
        taken = self.values[:, entries]  # (columns, q, arity)
        return np.ascontiguousarray(taken.transpose(1, 2, 0)).reshape(len(rows), -1)


def _hash(columns: Columns, stride: int, count: int) -> U64:
    """Digests of ``count`` rows whose words lie ``stride`` words apart in ``columns``."""
    digests = memory.words(count, DIGEST)
    load().zk_hash_rows(columns, len(columns), stride, int(Tag.LEAF), count, digests)
    return digests


def _compress(children: U64, injected: U64 | None) -> U64:
    """The level above ``children`` (2n, 4)."""
    nodes = memory.words(len(children) // 2, DIGEST)
    load().zk_compress(children, injected, len(nodes), nodes)
    return nodes


class CpuTree:
    """A tree over matrices, or over the rows of a codeword.

    The lowest levels are most of a tree and cheap to find again: levels above FORGOTTEN are kept, and an opening
    hashes the few subtrees below them that it needs.
    """

    FORGOTTEN = 3

    def __init__(self, sources: Sequence[TreeRows], cap_log: int) -> None:
        log_heights = [source.log_height for source in sources]
        self._log_height, self._cap = max(log_heights), cap_level(log_heights, cap_log)
        self._sources = tuple(source.lifted(self._cap) for source in sources)
        self._groups: dict[int, list[TreeRows]] = {}
        for source in self._sources:
            self._groups.setdefault(source.log_height, []).append(source)
        self._forgotten = min(self.FORGOTTEN, self._log_height - self._cap)
        self._levels: dict[int, U64] = {}  # by log2 of the size
        level = self._row_digests(self._log_height)
        for log_size in range(self._log_height, -1, -1):
            if log_size < self._log_height:
                level = _compress(level, self._row_digests(log_size) if log_size in self._groups else None)
            if log_size <= self._log_height - self._forgotten:
                self._levels[log_size] = level

    def _row_digests(self, log_size: int) -> U64:
        """Of the concatenated rows of all matrices of one height."""
        sources = self._groups[log_size]
        (arity,) = {source.arity for source in sources}
        return _hash(Columns.of([source.values for source in sources], arity), arity, 1 << log_size)

    def _row_digests_at(self, log_size: int, rows: U64) -> U64:
        """The same for the rows with these numbers."""
        words = np.concatenate([source.take(rows) for source in self._groups[log_size]], axis=1)
        width = words.shape[1]
        return _hash(Columns.of([words.reshape(1, -1)], width), width, len(rows))

    @property
    def root(self) -> U64:
        """The digest, (4,)."""
        digest: U64 = self._levels[0][0]
        return digest

    @property
    def cap(self) -> U64:
        """The nodes of the cap's level, (2^c, 4)."""
        return self._levels[self._cap]

    @property
    def log_height(self) -> int:
        """log2 of the number of leaves."""
        return self._log_height

    def open(self, indices: U64) -> Opening:
        """See Backend.open."""
        if np.any(indices >= np.uint64(1 << self._log_height)):
            raise ValueError("an index is outside the tree")
        rows = tuple(source.take(indices >> np.uint64(self._log_height - source.log_height)) for source in self._sources)
        depth = self._log_height - self._cap
        paths = np.zeros((len(indices), depth, DIGEST), dtype=np.uint64)
        below, blocks = self._subtrees(indices)
        for step in range(depth):
            siblings = (indices >> np.uint64(step)) ^ np.uint64(1)
            if step < self._forgotten:
                inside = siblings & np.uint64((1 << (self._forgotten - step)) - 1)
                paths[:, step] = below[step][blocks, inside]
            else:
                paths[:, step] = self._levels[self._log_height - step][siblings]
        return Opening(rows, paths)

    def _subtrees(self, indices: U64) -> tuple[list[U64], U64]:
        """Per forgotten level, its nodes in the subtrees of ``indices``: (subtrees, nodes, 4); and each index's subtree."""
        roots, which = np.unique(indices >> np.uint64(self._forgotten), return_inverse=True)
        levels: list[U64] = []
        for step in range(self._forgotten):
            log_size, size = self._log_height - step, 1 << (self._forgotten - step)
            nodes = (roots[:, None] * np.uint64(size) + np.arange(size, dtype=np.uint64)).reshape(-1)
            injected = self._row_digests_at(log_size, nodes) if log_size in self._groups else None
            if step == 0:
                assert injected is not None, "the largest height has matrices"
                level = injected
            else:
                level = _compress(level, injected)
            levels.append(level.reshape(len(roots), size, DIGEST))
        return levels, which
