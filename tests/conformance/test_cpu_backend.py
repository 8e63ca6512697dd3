"""The cpu backend gives the reference's words, for every operation, on every instruction set that this machine runs.

The library chooses its instruction set once per process, so each set but the best one runs in a process of its own: this
file runs itself under pytest with ZISK_CPU set (test_other_instruction_sets).
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conformance.toy_airs import ALL, PAIR, WIDE
from zisk_actors.air.air import Air
from zisk_actors.air.bus import CHALLENGE_COUNT
from zisk_actors.backends.base import ExtendedTable, Matrix
from zisk_actors.backends.cpu import CpuBackend, CpuMatrix
from zisk_actors.backends.reference import ReferenceBackend
from zisk_actors.c_interface import Columns
from zisk_actors.chips import AIRS
from zisk_actors.native import load
from zisk_actors.stark import poseidon2
from zisk_actors.stark.errors import ZeroDenominator
from zisk_actors.stark.field import U64, P

LOG_HEIGHTS = (5, 6, 7, 8, 11)
CHILD = "ZISK_CONFORMANCE_CHILD"

Pair = tuple[Matrix, Matrix]


@pytest.fixture(scope="module")
def cpu() -> CpuBackend:
    return CpuBackend()


@pytest.fixture(scope="module")
def reference() -> ReferenceBackend:
    return ReferenceBackend()


@pytest.fixture(params=LOG_HEIGHTS, ids=lambda k: f"2^{k}")
def height(request: pytest.FixtureRequest) -> int:
    result: int = 1 << request.param
    return result


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Seeded by the test's name: a failure repeats."""
    return np.random.default_rng(list(request.node.name.encode()))


def words(rng: np.random.Generator, *shape: int) -> U64:
    """Random elements, with the edges of the field among them."""
    result = rng.integers(0, P, shape, dtype=np.uint64)
    edges = np.array([0, 1, P - 1, 2**32 - 1, 2**32, P - 2**32], dtype=np.uint64)
    places = rng.random(shape) < 0.05
    result[places] = rng.choice(edges, int(places.sum()))
    return result


class Both:
    """The two backends side by side."""

    def __init__(self, cpu: CpuBackend, reference: ReferenceBackend) -> None:
        self.cpu, self.reference = cpu, reference

    def upload(self, values: U64) -> Pair:
        return self.cpu.upload(values), self.reference.upload(values)

    def lde(self, pair: Pair | None) -> tuple[Matrix | None, Matrix | None]:
        return (self.cpu.lde(pair[0], 1), self.reference.lde(pair[1], 1)) if pair else (None, None)

    def assert_same(self, pair: Pair) -> Pair:
        np.testing.assert_array_equal(self.cpu.download(pair[0]), self.reference.download(pair[1]))
        return pair


@pytest.fixture
def both(cpu: CpuBackend, reference: ReferenceBackend) -> Both:
    return Both(cpu, reference)


def test_instruction_set_is_the_one_asked_for():
    wish = os.environ.get("ZISK_CPU")
    if wish:
        assert load().zk_cpu_name() == wish


@pytest.mark.parametrize("log_blowup", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 3, 20])
def test_lde(both: Both, rng: np.random.Generator, height: int, width: int, log_blowup: int):
    a, b = both.upload(words(rng, width, height))
    both.assert_same((both.cpu.lde(a, log_blowup), both.reference.lde(b, log_blowup)))


def test_lde_of_many_passes(both: Both, rng: np.random.Generator):
    a, b = both.upload(words(rng, 2, 1 << 15))
    both.assert_same((both.cpu.lde(a, 2), both.reference.lde(b, 2)))


def test_commit_and_open_mixed_heights(both: Both, rng: np.random.Generator, height: int):
    top = max(4 * height, 1 << 8)
    shapes = [(3, top), (2, top // 2), (14, top), (25, top // 4), (1, top // 2), (4, 1 << 5)]
    matrices = [words(rng, *shape) for shape in shapes]
    mine = both.cpu.commit([both.cpu.upload(matrix) for matrix in matrices], 7)
    theirs = both.reference.commit([both.reference.upload(matrix) for matrix in matrices], 7)
    np.testing.assert_array_equal(mine.root, theirs.root)
    np.testing.assert_array_equal(mine.cap, theirs.cap)
    assert mine.log_height == theirs.log_height
    indices = np.array([0, 1, top - 1, top // 2, 0, *rng.integers(0, top, 20)], dtype=np.uint64)
    ours, wanted = both.cpu.open(mine, indices), both.reference.open(theirs, indices)
    np.testing.assert_array_equal(ours.paths, wanted.paths)
    for row, expected in zip(ours.rows, wanted.rows, strict=True):
        np.testing.assert_array_equal(row, expected)


@pytest.mark.parametrize("log_arity", [1, 2, 3])
def test_codeword_trees(both: Both, rng: np.random.Generator, height: int, log_arity: int):
    a, b = both.upload(words(rng, 3, 2 * height))
    mine, theirs = both.cpu.commit_codeword(a, log_arity, 7), both.reference.commit_codeword(b, log_arity, 7)
    np.testing.assert_array_equal(mine.root, theirs.root)
    indices = np.array([0, 1, (2 * height >> log_arity) - 1, 2], dtype=np.uint64)
    ours, wanted = both.cpu.open(mine, indices), both.reference.open(theirs, indices)
    np.testing.assert_array_equal(ours.rows[0], wanted.rows[0])
    np.testing.assert_array_equal(ours.paths, wanted.paths)


@pytest.mark.parametrize("air", ALL, ids=lambda air: air.name)
def test_stage_2_and_quotient(both: Both, rng: np.random.Generator, height: int, air: Air):
    compare_evaluators(both, rng, height, air)


@pytest.mark.parametrize("air", AIRS, ids=lambda air: air.name)
def test_shipped_evaluators(both: Both, rng: np.random.Generator, air: Air):
    compare_evaluators(both, rng, 64, air)


def compare_evaluators(both: Both, rng: np.random.Generator, height: int, air: Air) -> None:
    """Stage 2 and the quotient of random words: constraints need not hold for two evaluators to agree."""
    main = both.upload(words(rng, air.width, height))
    fixed = both.upload(words(rng, air.fixed_width, height)) if air.fixed_width else None
    challenges, claim, gamma = words(rng, CHALLENGE_COUNT, 3), words(rng, 3), words(rng, 3)
    aux = None
    if air.aux_width:
        mine, total = both.cpu.logup(air, main[0], fixed[0] if fixed else None, challenges)
        theirs, expected = both.reference.logup(air, main[1], fixed[1] if fixed else None, challenges)
        np.testing.assert_array_equal(total, expected)
        aux = both.assert_same((mine, theirs))
    mains, fixeds, auxs = both.lde(main), both.lde(fixed), both.lde(aux)
    assert mains[0]
    assert mains[1]
    both.assert_same(
        (
            both.cpu.quotient([ExtendedTable(air, mains[0], fixeds[0], auxs[0], claim)], 1, challenges, gamma),
            both.reference.quotient([ExtendedTable(air, mains[1], fixeds[1], auxs[1], claim)], 1, challenges, gamma),
        )
    )


def test_running_sum_over_several_levels(both: Both, rng: np.random.Generator):
    main = both.upload(words(rng, 2, 1 << 13))
    challenges = words(rng, CHALLENGE_COUNT, 3)
    mine, total = both.cpu.logup(PAIR, main[0], None, challenges)
    theirs, expected = both.reference.logup(PAIR, main[1], None, challenges)
    np.testing.assert_array_equal(total, expected)
    both.assert_same((mine, theirs))


def test_zero_denominator_is_reported(cpu: CpuBackend):
    main = np.zeros((2, 32), dtype=np.uint64)
    challenges = np.zeros((CHALLENGE_COUNT, 3), dtype=np.uint64)
    challenges[0] = [P - 21, 0, 0]  # alpha + bus number = 0, and so are the words
    with pytest.raises(ZeroDenominator):
        cpu.logup(PAIR, cpu.upload(main), None, challenges)


def test_evaluate(both: Both, rng: np.random.Generator, height: int):
    # Only polynomials of degree below N are asked for: extend a trace.
    a, b = both.upload(both.reference.download(both.reference.lde(both.reference.upload(words(rng, 7, height)), 1)))
    point = words(rng, 3)
    for columns in (None, [2, 0, 6, 2]):
        np.testing.assert_array_equal(both.cpu.evaluate(a, 1, columns, point), both.reference.evaluate(b, 1, columns, point))


@pytest.mark.parametrize("following", [[], [(0, 1), (1, 0), (0, 0)]], ids=["now", "now and next"])
def test_deep(both: Both, rng: np.random.Generator, height: int, following: list[tuple[int, int]]):
    first, second = both.upload(words(rng, 3, 2 * height)), both.upload(words(rng, 5, 2 * height))
    now, then = words(rng, 8, 3), words(rng, len(following), 3)
    zeta, next_zeta, challenge = words(rng, 3), words(rng, 3), words(rng, 3)
    both.assert_same(
        (
            both.cpu.deep([first[0], second[0]], now, following, then, zeta, next_zeta, challenge),
            both.reference.deep([first[1], second[1]], now, following, then, zeta, next_zeta, challenge),
        )
    )


@pytest.mark.parametrize("log_arity", [1, 2, 3])
def test_fold(both: Both, rng: np.random.Generator, height: int, log_arity: int):
    a, b = both.upload(words(rng, 3, 2 * height))
    beta = words(rng, 3)
    both.assert_same((both.cpu.fold(a, log_arity, beta), both.reference.fold(b, log_arity, beta)))


def test_add_scaled(both: Both, rng: np.random.Generator, height: int):
    left, scalar = both.upload(words(rng, 3, height)), words(rng, 3)
    for log_lift in (0, 1, 3, 5):
        right = both.upload(words(rng, 3, height >> log_lift))
        both.assert_same((both.cpu.add_scaled(left[0], right[0], scalar), both.reference.add_scaled(left[1], right[1], scalar)))


@pytest.mark.parametrize("bits", [0, 1, 7, 10])
def test_grind(both: Both, rng: np.random.Generator, bits: int):
    seed = words(rng, 4)
    assert both.cpu.grind(seed, bits) == both.reference.grind(seed, bits)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 200])
def test_permutation(rng: np.random.Generator, count: int):
    states = words(rng, count, 16)
    result = states.copy()
    load().zk_poseidon2_permute(result, count)
    np.testing.assert_array_equal(result, poseidon2.permute_reference(states) if count else states)


@pytest.mark.parametrize("width", [0, 1, 11, 12, 13, 24, 40])
@pytest.mark.parametrize("count", [1, 33, 300])
def test_row_hashes(rng: np.random.Generator, width: int, count: int):
    matrix = words(rng, width, count)
    digests = np.empty((count, 4), dtype=np.uint64)
    load().zk_hash_rows(Columns.of([matrix]), width, 1, 1, count, digests)
    np.testing.assert_array_equal(digests, poseidon2.hash_rows(np.ascontiguousarray(matrix.T)))


def test_wrong_shapes_and_words_are_refused(cpu: CpuBackend):
    with pytest.raises(ValueError):
        cpu.upload(np.full((1, 32), P, dtype=np.uint64))
    with pytest.raises(ValueError):
        cpu.upload(np.zeros((1, 33), dtype=np.uint64))
    main = cpu.upload(np.zeros((WIDE.width, 32), dtype=np.uint64))
    challenges = np.zeros((CHALLENGE_COUNT, 3), dtype=np.uint64)
    with pytest.raises(ValueError):
        cpu.logup(WIDE, main, None, challenges)
    with pytest.raises(ValueError):
        cpu.logup(PAIR, main, None, challenges)
    with pytest.raises(ValueError):
        cpu.fold(main, 1, np.zeros(3, dtype=np.uint64))
    with pytest.raises(TypeError):
        cpu.lde(ReferenceBackend().upload(np.zeros((1, 32), dtype=np.uint64)), 1)
    for log_blowup in (0, 4):
        with pytest.raises(ValueError):
            cpu.lde(main, log_blowup)
    with pytest.raises(ValueError):
        cpu.add_scaled(cpu.upload(np.zeros((3, 32), dtype=np.uint64)), cpu.upload(np.zeros((3, 64), dtype=np.uint64)), challenges[0])


def test_threads_do_not_change_words(rng: np.random.Generator):
    values = words(rng, 5, 1 << 10)
    native = load()
    before = native.zk_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            backend = CpuBackend(threads=threads)
            extended = backend.lde(backend.upload(values), 1)
            assert isinstance(extended, CpuMatrix)
            results.append((backend.download(extended), backend.commit([extended], 6).root))
    finally:
        native.zk_set_threads(before)
    for extended_words, root in results[1:]:
        np.testing.assert_array_equal(extended_words, results[0][0])
        np.testing.assert_array_equal(root, results[0][1])


@pytest.mark.slow
@pytest.mark.skipif(CHILD in os.environ, reason="this is the child")
@pytest.mark.parametrize("isa", ["scalar", "avx2"])
def test_other_instruction_sets(isa: str):
    if load().zk_cpu_name() == "scalar":
        pytest.skip("this machine runs the scalar code anyway")
    environment = {**os.environ, "ZISK_CPU": isa, CHILD: "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:]
