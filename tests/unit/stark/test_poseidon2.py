"""Poseidon2 against its published known answer; the hashes made from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zisk_actors.stark import poseidon2
from zisk_actors.stark.field import P
from zisk_actors.stark.poseidon2 import Tag

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "poseidon2_goldilocks_16.json").read_text())


def words(name: str) -> list[int]:
    return [int(word, 16) for word in VECTORS[name]]


def test_known_answer_by_every_way():
    states = np.array([words("input")] * 20, dtype=np.uint64)
    assert poseidon2.permute_one(words("input")) == words("output")
    assert poseidon2.permute_state(words("input")) == words("output")
    for permute in (poseidon2.permute_reference, poseidon2.permute):
        assert permute(states).tolist() == [words("output")] * 20
        assert states[0].tolist() == words("input")  # the argument is left alone
    assert poseidon2.permute(states[:0]).shape == (0, 16)


def test_round_constants_are_those_of_the_published_generation():
    full, partial = poseidon2.round_constants()
    assert (len(full), len(partial)) == (8, 22)
    assert full[0][0] == int(VECTORS["first_full_constant"], 16)
    assert partial[0] == int(VECTORS["first_partial_constant"], 16)
    assert partial[-1] == int(VECTORS["last_partial_constant"], 16)


def test_batch_is_the_single_one_many_times():
    states = np.random.default_rng(4).integers(0, P, size=(5, 16), dtype=np.uint64)
    states[0] = P - 1
    expected = [poseidon2.permute_one(state) for state in states.tolist()]
    assert poseidon2.permute_reference(states).tolist() == expected
    assert poseidon2.permute(states).tolist() == expected


def test_sponge_by_hand():
    row = list(range(1, 15))  # one block of 12 and one of 2
    state = poseidon2.permute_one([*row[:12], Tag.LEAF, 14, 0, 0])
    state = poseidon2.permute_one([*row[12:], *state[2:]])
    assert poseidon2.hash_rows(np.array([row], dtype=np.uint64))[0].tolist() == state[:4]
    empty = poseidon2.permute_one([0] * 12 + [Tag.WORDS, 0, 0, 0])
    assert list(poseidon2.hash_words([])) == empty[:4]


def test_hashes_of_different_kinds_and_lengths_differ():
    left = np.array([[1, 2, 3, 4]], dtype=np.uint64)
    zero = np.zeros_like(left)
    digests = [
        poseidon2.hash_rows(left),
        poseidon2.hash_rows(left, Tag.WORDS),
        poseidon2.hash_rows(np.concatenate([left, zero], axis=1)),
        poseidon2.compress(left, zero, None),
        poseidon2.compress(left, zero, zero),
        poseidon2.compress(zero, left, None),
    ]
    assert len({tuple(digest[0].tolist()) for digest in digests}) == len(digests)


def test_words_must_be_canonical():
    for word in (P, 2**64 - 1, -1):
        with pytest.raises(ValueError):
            poseidon2.hash_words([word])


def test_grinding_words_are_the_documented_permutation():
    seed, nonces = np.array([9, 8, 7, 6], dtype=np.uint64), np.array([0, 5], dtype=np.uint64)
    expected = [poseidon2.permute_one([9, 8, 7, 6, n, *[0] * 7, Tag.GRIND, 20, 0, 0])[0] for n in (0, 5)]
    assert poseidon2.grinding_words(seed, nonces, 20).tolist() == expected
