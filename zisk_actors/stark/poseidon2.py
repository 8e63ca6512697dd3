"""Poseidon2 over Goldilocks, width 16, and the hashes made from it.

Rules: one permutation everywhere (x^7, 8 full and 22 partial rounds). Its round
constants are derived here, by the Grain LFSR of the Poseidon papers; the linear
layers are those of Plonky3 for this width (external: the 4x4 circulant
(2, 3, 1, 1) in the light pattern of Poseidon2, appendix B; internal: ones plus a
diagonal of small numbers), and Plonky3's known answer is our known answer.
Every hash says what it hashes: the capacity (state[12..16)) starts as
(tag, length or flag, 0, 0), so no two uses can collide by accident.

``permute`` is the one entry point; it uses the native library when there is one
and gives the same words without it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from functools import cache

import numpy as np

from zisk_actors.stark import field
from zisk_actors.stark.field import U64, P

WIDTH = 16
RATE = 12
DIGEST = 4
FULL_ROUNDS = 8
PARTIAL_ROUNDS = 22
SBOX = 7

_HALF = (P + 1) // 2


def _over_power_of_two(exponent: int) -> int:
    return pow(_HALF, exponent, P)


# The internal matrix is J + diag(this), J all ones.
INTERNAL_DIAGONAL: tuple[int, ...] = (
    P - 2,
    1,
    2,
    _over_power_of_two(1),
    3,
    4,
    P - _over_power_of_two(1),
    P - 3,
    P - 4,
    _over_power_of_two(3),
    _over_power_of_two(4),
    _over_power_of_two(5),
    P - _over_power_of_two(3),
    P - _over_power_of_two(4),
    P - _over_power_of_two(5),
    _over_power_of_two(32),
)


class Tag(IntEnum):
    """What a sponge or node hashes: the first word of its capacity."""

    LEAF = 1
    WORDS = 2
    TRANSCRIPT = 3
    NODE = 4
    GRIND = 5


def _grain_bits(width: int) -> Iterator[int]:
    """The self-shrinking 80-bit Grain LFSR of the Poseidon paper (appendix E), seeded by the instance's description."""
    seed = [(1, 2), (0, 4), (64, 12), (width, 12), (FULL_ROUNDS, 10), (PARTIAL_ROUNDS, 10), (2**30 - 1, 30)]
    state = [(value >> (size - 1 - i)) & 1 for value, size in seed for i in range(size)]

    def step() -> int:
        bit = state[62] ^ state[51] ^ state[38] ^ state[23] ^ state[13] ^ state[0]
        state.pop(0)
        state.append(bit)
        return bit

    for _ in range(160):
        step()
    while True:
        keep = step()
        bit = step()
        if keep:
            yield bit


@cache
def round_constants() -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """(full, partial): 8 rounds of 16 constants, first half before the partial rounds, and 22 constants for state[0]."""
    bits = _grain_bits(WIDTH)

    def element() -> int:
        while True:
            value = 0
            for _ in range(64):
                value = value << 1 | next(bits)
            if value < P:
                return value

    def full(rounds: int) -> list[tuple[int, ...]]:
        return [tuple(element() for _ in range(WIDTH)) for _ in range(rounds)]

    before = full(FULL_ROUNDS // 2)
    partial = tuple(element() for _ in range(PARTIAL_ROUNDS))
    return (*before, *full(FULL_ROUNDS // 2)), partial


def _external(state: list[int]) -> list[int]:
    """The external matrix: each group of four through circ(2, 3, 1, 1), then every group gets the sum of all."""
    mixed: list[int] = []
    for i in range(0, WIDTH, 4):
        a, b, c, d = state[i : i + 4]
        total = a + b + c + d
        mixed += [total + a + 2 * b, total + b + 2 * c, total + c + 2 * d, total + d + 2 * a]
    sums = [mixed[k] + mixed[k + 4] + mixed[k + 8] + mixed[k + 12] for k in range(4)]
    return [(mixed[i] + sums[i % 4]) % P for i in range(WIDTH)]


def permute_one(state: Sequence[int]) -> list[int]:
    """The permutation on one state of 16 integers: its definition, and the fast way for a single state without native code."""
    full, partial = round_constants()
    current = _external([int(word) for word in state])
    for constants in full[: FULL_ROUNDS // 2]:
        current = _external([pow(word + c, SBOX, P) for word, c in zip(current, constants, strict=True)])
    for c in partial:
        current[0] = pow(current[0] + c, SBOX, P)
        total = sum(current)
        current = [(total + d * word) % P for d, word in zip(INTERNAL_DIAGONAL, current, strict=True)]
    for constants in full[FULL_ROUNDS // 2 :]:
        current = _external([pow(word + c, SBOX, P) for word, c in zip(current, constants, strict=True)])
    return current


def _external_batch(state: U64) -> U64:
    groups = state.reshape(4, 4, -1)  # group, position, batch
    total = field.add(field.add(groups[:, 0], groups[:, 1]), field.add(groups[:, 2], groups[:, 3]))
    shifted = groups[:, [1, 2, 3, 0]]
    mixed = field.add(field.add(total[:, None], groups), field.add(shifted, shifted))
    sums = field.add(field.add(mixed[0], mixed[1]), field.add(mixed[2], mixed[3]))
    result: U64 = field.add(mixed, sums[None]).reshape(WIDTH, -1)
    return result


def _sbox(words: U64) -> U64:
    square = field.mul(words, words)
    return field.mul(field.mul(field.mul(square, square), square), words)


def permute_reference(states: U64) -> U64:
    """The permutation on (n, 16) states, in numpy; a new array."""
    full, partial = round_constants()
    rounds = np.array(full, dtype=np.uint64)
    diagonal = np.array(INTERNAL_DIAGONAL, dtype=np.uint64)[:, None]
    state = _external_batch(np.ascontiguousarray(states.T))
    for constants in rounds[: FULL_ROUNDS // 2]:
        state = _external_batch(_sbox(field.add(state, constants[:, None])))
    for c in partial:
        state[0] = _sbox(field.add(state[0], np.uint64(c)))
        total = state[0]
        for word in state[1:]:
            total = field.add(total, word)
        state = field.add(total[None], field.mul(diagonal, state))
    for constants in rounds[FULL_ROUNDS // 2 :]:
        state = _external_batch(_sbox(field.add(state, constants[:, None])))
    return np.ascontiguousarray(state.T)


@cache
def _native() -> Callable[[U64], None] | None:
    """The native permutation, in place on C-contiguous (n, 16) states; None where no library was built."""
    try:
        library = importlib.import_module("zisk_actors.native").load()
        function = library.zk_poseidon2_permute
    except (ImportError, OSError, AttributeError):
        return None

    def run(states: U64) -> None:
        function(states, len(states))

    return run


# Below this many states numpy's overhead is larger than that of Python integers.
_FEW = 12


def permute(states: U64) -> U64:
    """The permutation on canonical (n, 16) states; a new array."""
    native = _native()
    if native is not None:
        result = np.array(states, dtype=np.uint64, order="C")
        if len(result):
            native(result)
        return result
    if len(states) < _FEW:
        return np.array([permute_one(state) for state in states.tolist()], dtype=np.uint64).reshape(-1, WIDTH)
    return permute_reference(states)


def permute_state(state: list[int]) -> list[int]:
    """The permutation on one state of integers, for the transcript."""
    if _native() is None:
        return permute_one(state)
    result: list[int] = permute(np.array([state], dtype=np.uint64))[0].tolist()
    return result


# --- hashes -------------------------------------------------------------------


def hash_rows(rows: U64, tag: Tag = Tag.LEAF) -> U64:
    """(n, width) -> (n, 4): the sponge over each row, rate 12, overwriting; an empty row costs one permutation."""
    count, width = rows.shape
    state = np.zeros((count, WIDTH), dtype=np.uint64)
    state[:, RATE] = tag
    state[:, RATE + 1] = width
    for start in range(0, max(width, 1), RATE):
        block = rows[:, start : start + RATE]
        state[:, : block.shape[1]] = block
        state = permute(state)
    return state[:, :DIGEST].copy()


def hash_words(words: Sequence[int]) -> tuple[int, ...]:
    """The digest (4 words) of a sequence of canonical words, tag WORDS; used for statements and keys."""
    row = field_words(words)[None]
    return tuple(int(word) for word in hash_rows(row, Tag.WORDS)[0])


def compress(left: U64, right: U64, injected: U64 | None) -> U64:
    """Tree nodes: (n, 4) children, and the (n, 4) row digests injected at that level or None, to (n, 4)."""
    state = np.zeros((len(left), WIDTH), dtype=np.uint64)
    state[:, 0:4] = left
    state[:, 4:8] = right
    state[:, RATE] = Tag.NODE
    if injected is not None:
        state[:, 8:12] = injected
        state[:, RATE + 1] = 1
    return permute(state)[:, :DIGEST].copy()


def grinding_words(seed: U64, nonces: U64, bits: int) -> U64:
    """The word that ``bits`` low zero bits are asked of, for each nonce (n,): permute(seed | nonce | 0.. | GRIND, bits, 0, 0)[0]."""
    state = np.zeros((len(nonces), WIDTH), dtype=np.uint64)
    state[:, 0:4] = seed
    state[:, 4] = nonces
    state[:, RATE] = Tag.GRIND
    state[:, RATE + 1] = bits
    return permute(state)[:, 0]


def field_words(words: Sequence[int]) -> U64:
    """Canonical words as an array; a word outside [0, P) raises ValueError, it is never reduced."""
    if any(not 0 <= word < P for word in words):
        raise ValueError("a word is not a canonical field element")
    return np.array(words, dtype=np.uint64)


def digest_of(words: Sequence[int]) -> tuple[int, int, int, int]:
    """``hash_words`` with the shape spelled out."""
    a, b, c, d = hash_words(words)
    return a, b, c, d
