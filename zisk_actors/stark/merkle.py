"""Mixed-height Merkle trees: one tree over matrices of several heights.

Rules: matrices have power-of-two heights; the leaves are the row hashes of all
matrices of the largest height, rows concatenated in the order of commitment.
Going up, a level whose size is the height of other matrices takes the hash of
their concatenated rows into each of its nodes ("injected"). The digest that
transcripts and statements carry is the root; a proof sends the 2^c nodes of
level c (the cap, c = min(the parameter set's, log of the height)) once and paths
that end there. A matrix lower than the cap counts as one of the cap's height
whose rows stand 2^k times each.
Index i of the largest height 2^H means row i >> (H - h) of a matrix of height 2^h.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zisk_actors.stark import poseidon2
from zisk_actors.stark.domain import log2_exact
from zisk_actors.stark.field import U64


def cap_level(log_heights: Sequence[int], cap_log: int) -> int:
    """The level of the cap of a tree over matrices of these log heights."""
    return min(cap_log, max(log_heights))


def by_height(log_heights: Sequence[int], cap: int) -> dict[int, list[int]]:
    """Matrix numbers by the level that takes their rows, in order of commitment. ``cap``: the cap's level."""
    if not log_heights:
        raise ValueError("a tree needs at least one matrix")
    groups: dict[int, list[int]] = {}
    for number, log_height in enumerate(log_heights):
        groups.setdefault(max(log_height, cap), []).append(number)
    return groups


class MerkleTree:
    """The reference tree over (width, height) matrices; keeps all levels. ``levels[0]`` is the root's."""

    def __init__(self, matrices: Sequence[U64], cap_log: int) -> None:
        self.matrices = tuple(matrices)
        log_heights = [log2_exact(matrix.shape[1]) for matrix in matrices]
        self.log_height = max(log_heights)
        self._cap = cap_level(log_heights, cap_log)
        groups = by_height(log_heights, self._cap)

        def row_hashes(log_height: int) -> U64:
            rows = [np.repeat(matrices[n], (1 << log_height) // matrices[n].shape[1], axis=1) for n in groups[log_height]]
            return poseidon2.hash_rows(np.concatenate(rows).T)

        level = row_hashes(self.log_height)
        levels = [level]
        for log_size in range(self.log_height - 1, -1, -1):
            injected = row_hashes(log_size) if log_size in groups else None
            level = poseidon2.compress(level[0::2], level[1::2], injected)
            levels.append(level)
        self.levels = levels[::-1]

    @property
    def root(self) -> U64:
        """The digest, (4,)."""
        root: U64 = self.levels[0][0]
        return root

    @property
    def cap(self) -> U64:
        """The nodes of the cap's level, (2^c, 4)."""
        return self.levels[self._cap]

    def open(self, indices: U64) -> tuple[tuple[U64, ...], U64]:
        """Rows of every matrix, (q, width) each, and paths (q, log_height - c, 4), for q leaf indices."""
        rows = tuple(
            np.ascontiguousarray(matrix.T[indices >> np.uint64(self.log_height - log2_exact(matrix.shape[1]))]) for matrix in self.matrices
        )
        depth = self.log_height - self._cap
        paths = np.zeros((len(indices), depth, poseidon2.DIGEST), dtype=np.uint64)
        for step in range(depth):
            siblings = (indices >> np.uint64(step)) ^ np.uint64(1)
            paths[:, step] = self.levels[self.log_height - step][siblings]
        return rows, paths


def root_of_cap(cap: U64) -> U64:
    """The root (4,) above the nodes of one level (2^c, 4), where nothing is injected any more."""
    level = cap
    while len(level) > 1:
        level = poseidon2.compress(level[0::2], level[1::2], None)
    root: U64 = level[0]
    return root


def openings_match(cap: U64, log_heights: Sequence[int], rows: Sequence[U64], indices: U64, paths: U64) -> bool:
    """Whether all rows at all indices lead to the cap.

    ``log_heights``: per matrix, in order of commitment. ``rows``: per matrix (q, width). ``paths``:
    (q, log_height - c, 4). Shapes are the caller's promise; contents are not.
    """
    top, level = max(log_heights), log2_exact(len(cap))
    groups = by_height(log_heights, level)

    def row_hashes(log_height: int) -> U64:
        return poseidon2.hash_rows(np.concatenate([rows[n] for n in groups[log_height]], axis=1))

    node = row_hashes(top)
    position = indices
    for step in range(top - level):
        sibling = paths[:, step]
        is_right = (position & np.uint64(1)).astype(bool)[:, None]
        log_size = top - step - 1
        injected = row_hashes(log_size) if log_size in groups else None
        node = poseidon2.compress(np.where(is_right, sibling, node), np.where(is_right, node, sibling), injected)
        position = position >> np.uint64(1)
    return bool(np.array_equal(cap[position], node))
