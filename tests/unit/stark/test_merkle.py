"""Mixed-height trees against a recursive model; every kind of wrong opening."""

from __future__ import annotations

import numpy as np
import pytest

from zisk_actors.stark import merkle, poseidon2
from zisk_actors.stark.field import U64, P

CAP = 6
SHAPES = [(3, 7), (1, 9), (20, 7), (2, 9), (5, 6)]  # (width, log height); in no order of height


def matrices(seed: int = 1, shapes: list[tuple[int, int]] = SHAPES) -> list[U64]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, P, size=(width, 1 << log), dtype=np.uint64) for width, log in shapes]


def model_node(tables: list[U64], level: int, index: int, top: int) -> list[int]:
    """The node by its definition, one permutation at a time."""
    row = [int(column[index]) for table in tables if table.shape[1] == 1 << level for column in table]
    digest = poseidon2.hash_rows(np.array([row], dtype=np.uint64))[0].tolist() if row else None
    if level == top:
        assert digest is not None
        return digest
    left, right = (model_node(tables, level + 1, 2 * index + side, top) for side in (0, 1))
    state = poseidon2.permute_one([*left, *right, *(digest or [0] * 4), poseidon2.Tag.NODE, int(digest is not None), 0, 0])
    return state[:4]


def test_root_cap_and_levels_are_the_model():
    tables = matrices(shapes=[(2, 3), (1, 3)])
    tree = merkle.MerkleTree(tables, CAP)
    assert tree.root.tolist() == model_node(tables, 0, 0, 3)
    assert len(tree.cap) == 8
    tables = matrices()
    tree = merkle.MerkleTree(tables, CAP)
    assert tree.log_height == 9
    assert tree.cap[5].tolist() == model_node(tables, 6, 5, 9)
    assert np.array_equal(merkle.root_of_cap(tree.cap), tree.root)


def opened() -> tuple[merkle.MerkleTree, U64, list[U64], U64]:
    tree = merkle.MerkleTree(matrices(), CAP)
    indices = np.array([0, 1, 511, 300, 300], dtype=np.uint64)
    rows, paths = tree.open(indices)
    return tree, indices, [row.copy() for row in rows], paths.copy()


LOGS = [log for _, log in SHAPES]


def test_openings_are_rows_and_verify():
    tree, indices, rows, paths = opened()
    assert paths.shape == (5, 3, 4)
    for matrix, row, log in zip(tree.matrices, rows, LOGS, strict=True):
        assert np.array_equal(row, matrix[:, indices >> np.uint64(9 - log)].T)
    assert merkle.openings_match(tree.cap, LOGS, rows, indices, paths)


def test_any_change_is_noticed():
    tree, indices, rows, paths = opened()
    for matrix in range(len(rows)):
        changed = [row.copy() for row in rows]
        changed[matrix][3, -1] ^= np.uint64(1)
        assert not merkle.openings_match(tree.cap, LOGS, changed, indices, paths)
    for step in range(3):
        other = paths.copy()
        other[2, step, 1] ^= np.uint64(1)
        assert not merkle.openings_match(tree.cap, LOGS, rows, indices, other)
    moved = indices.copy()
    moved[0] ^= np.uint64(1)
    assert not merkle.openings_match(tree.cap, LOGS, rows, moved, paths)
    cap = tree.cap.copy()
    cap[300 >> 3] ^= np.uint64(1)
    assert not merkle.openings_match(cap, LOGS, rows, indices, paths)
    swapped = [rows[3], rows[1], rows[2], rows[0], rows[4]]
    assert not merkle.openings_match(tree.cap, [LOGS[3], *LOGS[1:3], LOGS[0], LOGS[4]], swapped, indices, paths)


def test_order_and_heights_matter_for_the_root():
    tables = matrices()
    root = merkle.MerkleTree(tables, CAP).root.tolist()
    assert merkle.MerkleTree([tables[2], tables[1], tables[0], *tables[3:]], CAP).root.tolist() != root
    assert merkle.MerkleTree(tables[:-1], CAP).root.tolist() != root


def test_impossible_trees_are_refused():
    with pytest.raises(ValueError):
        merkle.MerkleTree([], CAP)
    with pytest.raises(ValueError):
        merkle.MerkleTree([np.zeros((1, 12), dtype=np.uint64)], CAP)


@pytest.mark.parametrize("cap_log", [6, 8, 9, 10])
def test_a_matrix_lower_than_the_cap_counts_as_one_of_its_height(cap_log: int):
    tables = matrices()
    level = min(cap_log, 9)
    lifted = [np.repeat(table, max(1, (1 << level) // table.shape[1]), axis=1) for table in tables]
    tree = merkle.MerkleTree(tables, cap_log)
    assert np.array_equal(tree.cap, merkle.MerkleTree(lifted, cap_log).cap)
    assert tree.cap.shape == (1 << level, 4)
    indices = np.array([0, 511, 300], dtype=np.uint64)
    rows, paths = tree.open(indices)
    assert paths.shape == (3, 9 - level, 4)
    for matrix, row, log in zip(tables, rows, LOGS, strict=True):
        assert np.array_equal(row, matrix[:, indices >> np.uint64(9 - log)].T)
    assert merkle.openings_match(tree.cap, LOGS, rows, indices, paths)
    rows[4][1, 0] ^= np.uint64(1)
    assert not merkle.openings_match(tree.cap, LOGS, rows, indices, paths)


def test_a_tree_has_at_least_one_matrix():
    with pytest.raises(ValueError, match="a tree needs at least one matrix"):
        merkle.by_height([], 0)
