"""One suite for all backends: the same words as the reference, and the reference the same as its definition.

A backend that is not there (no native library, no compiler, no device) is skipped with the reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests import toy
from zisk_actors.air.air import Air
from zisk_actors.air.bus import CHALLENGE_COUNT
from zisk_actors.backends import PROVING, make_backend
from zisk_actors.backends.base import Backend, ExtendedTable, Matrix
from zisk_actors.backends.reference import ReferenceBackend
from zisk_actors.errors import ZiskError
from zisk_actors.stark import domain, field, merkle, poseidon2
from zisk_actors.stark.errors import ZeroDenominator
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.proof import encode

REFERENCE = ReferenceBackend()


@pytest.fixture(params=PROVING, scope="module")
def backend(request: pytest.FixtureRequest) -> Backend:
    try:
        return make_backend(request.param)
    except (ImportError, ZiskError) as error:
        pytest.skip(f"no {request.param} backend here: {error}")


def random(seed: int, *shape: int) -> U64:
    """Random words, the largest ones among them."""
    words = np.random.default_rng(seed).integers(0, P, size=shape, dtype=np.uint64)
    words.reshape(-1)[: min(3, words.size)] = P - 1
    return words


def both(backend: Backend, values: U64) -> tuple[Matrix, Matrix]:
    return backend.upload(values), REFERENCE.upload(values)


def same(backend: Backend, got: Matrix, expected: Matrix) -> None:
    assert (got.width, got.height) == (expected.width, expected.height)
    assert np.array_equal(backend.download(got), REFERENCE.download(expected))


def test_upload_and_download(backend: Backend):
    values = random(1, 3, 64)
    matrix = backend.upload(values)
    assert (matrix.width, matrix.height) == (3, 64)
    down = backend.download(matrix)
    assert np.array_equal(down, values)
    assert down.flags.c_contiguous
    assert down.dtype == np.uint64


def test_upload_refuses_what_is_no_matrix_of_field_elements(backend: Backend):
    values = random(2, 3, 64)
    values[2, 63] = P
    for wrong in (values, random(3, 2, 48)):
        with pytest.raises(ValueError):
            backend.upload(wrong)


@pytest.mark.parametrize("log_blowup", [1, 2, 3])
@pytest.mark.parametrize("log_height", [5, 6, 7, 10, 13])
def test_lde(backend: Backend, log_height: int, log_blowup: int):
    mine, theirs = both(backend, random(log_height, 3, 1 << log_height))
    same(backend, backend.lde(mine, log_blowup), REFERENCE.lde(theirs, log_blowup))


TREES = [[(3, 6)], [(5, 9), (1, 7), (2, 9), (30, 6), (13, 7)], [(12, 8), (24, 8), (7, 12)], [(1, 7)]]


@pytest.mark.parametrize("cap_log", [3, 6, 8])
@pytest.mark.parametrize("shapes", TREES)
def test_trees_and_openings(backend: Backend, shapes: list[tuple[int, int]], cap_log: int):
    tables = [random(n, width, 1 << log) for n, (width, log) in enumerate(shapes)]
    tree = backend.commit([backend.upload(table) for table in tables], cap_log)
    model = merkle.MerkleTree(tables, cap_log)
    assert tree.log_height == model.log_height
    assert np.array_equal(tree.root, model.root)
    assert np.array_equal(tree.cap, model.cap)
    top = 1 << tree.log_height
    indices = np.array([0, top - 1, 5, 5, top // 2], dtype=np.uint64)
    opening = backend.open(tree, indices)
    rows, paths = model.open(indices)
    assert np.array_equal(opening.paths, paths)
    assert opening.paths.shape == (5, max(0, tree.log_height - cap_log), 4)
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(opening.rows, rows, strict=True))
    assert merkle.openings_match(tree.cap, [log for _, log in shapes], opening.rows, indices, opening.paths)


@pytest.mark.parametrize("log_arity", [1, 2, 3])
def test_codeword_trees(backend: Backend, log_arity: int):
    word = random(7, 3, 1 << 10)
    tree = backend.commit_codeword(backend.upload(word), log_arity, 8)
    opening = backend.open(tree, np.array([0, 17], dtype=np.uint64))
    arity = 1 << log_arity
    assert tree.log_height == 10 - log_arity
    expected = word.T[17 * arity : 18 * arity].reshape(-1)
    assert len(opening.rows) == 1
    assert np.array_equal(opening.rows[0][1], expected)
    assert merkle.openings_match(tree.cap, [10 - log_arity], opening.rows, np.array([0, 17], dtype=np.uint64), opening.paths)
    assert np.array_equal(tree.root, REFERENCE.commit_codeword(REFERENCE.upload(word), log_arity, 8).root)


def challenges(seed: int) -> U64:
    alpha, beta = random(seed, 5, 3)[3:]
    return np.concatenate([alpha[None], domain.ext_powers(beta, CHALLENGE_COUNT)[1:]])


INSTANCES: list[tuple[Air, U64, U64 | None]] = [
    (toy.FIB, toy.fib_table().main, None),
    (toy.SQUARES, toy.square_tables(0, [(100, 7)])[0].main, None),
    (toy.TABLE, toy.lookup_table(toy.square_tables(0, [(100, 7)])).main, toy.fixed_table()),
]
IDS = [air.name for air, _, _ in INSTANCES]


def stage_two(on: Backend, air: Air, main: U64, fixed: U64 | None, log_blowup: int) -> tuple[Any, ...]:
    drawn = challenges(11)
    given = on.upload(main), on.upload(fixed) if fixed is not None else None
    aux, total = on.logup(air, *given, drawn)
    claim = field.ext_scale(total, np.uint64(pow(main.shape[1], P - 2, P)))
    ldes = [on.lde(matrix, log_blowup) if matrix is not None else None for matrix in (*given, aux)]
    assert ldes[0] is not None
    table = ExtendedTable(air, ldes[0], ldes[1], ldes[2], claim)
    return aux, total, on.quotient([table], log_blowup, drawn, random(12, 5, 3)[4])


@pytest.mark.parametrize("log_blowup", [1, 2, 3])
@pytest.mark.parametrize(("air", "main", "fixed"), INSTANCES, ids=IDS)
def test_logup_and_quotient(backend: Backend, air: Air, main: U64, fixed: U64 | None, log_blowup: int):
    aux, total, quotient = stage_two(backend, air, main, fixed, log_blowup)
    expected_aux, expected_total, expected_quotient = stage_two(REFERENCE, air, main, fixed, log_blowup)
    assert np.array_equal(total, expected_total)
    same(backend, aux, expected_aux)
    same(backend, quotient, expected_quotient)
    assert quotient.width == 6


def test_quotient_is_defined_for_any_words(backend: Backend):
    """A trace that satisfies nothing still gives the same words everywhere."""
    air, drawn = toy.SQUARES, challenges(21)
    values = [random(22, air.width, 128), random(23, 3 * air.aux_width, 128)]
    claim, gamma = random(24, 5, 3)[3:]
    results = []
    for on in (backend, REFERENCE):
        main, aux = (on.upload(each) for each in values)
        results.append(on.download(on.quotient([ExtendedTable(air, main, None, aux, claim)], 1, drawn, gamma)))
    assert np.array_equal(*results)


@pytest.mark.parametrize("log_blowup", [1, 2])
def test_all_tables_share_a_quotient(backend: Backend, log_blowup: int):
    """Constraint k of a table has the power that follows those of the tables before; what is lower is lifted."""
    drawn, gamma = challenges(25), random(26, 5, 3)[4]
    airs, sizes = (toy.SQUARES, toy.FIB, toy.SQUARES, toy.FIB), (64, 256, 64, 128)

    def tables(on: Backend) -> list[ExtendedTable]:
        made = []
        for number, (air, size) in enumerate(zip(airs, sizes, strict=True)):
            main, aux = (on.upload(random(27 + number, width, size << log_blowup)) for width in (air.width, 3 * air.aux_width))
            made.append(ExtendedTable(air, main, None, aux, random(30 + number, 5, 3)[4]))
        return made

    mine = backend.download(backend.quotient(tables(backend), log_blowup, drawn, gamma))
    assert mine.shape == (6, 256 << log_blowup)
    assert np.array_equal(mine, REFERENCE.download(REFERENCE.quotient(tables(REFERENCE), log_blowup, drawn, gamma)))

    # By its definition, from the quotients of its tables: q(7x) lifted is q(7 x^(2^k)), whose coefficients stand 2^k apart.
    total = np.zeros((3, 512), dtype=np.uint64)
    before = 0
    for table, size in zip(tables(backend), sizes, strict=True):
        alone = backend.download(backend.quotient([table], log_blowup, drawn, gamma))
        coefficients = domain.coset_intt(alone)[:, :size]
        whole = np.concatenate([coefficients[:3], coefficients[3:]], axis=1)  # q(X)
        inside = field.mul(whole, domain.powers(domain.SHIFT, 2 * size))  # q(7x) in x
        lifted = np.zeros((3, 512), dtype=np.uint64)
        lifted[:, :: 256 // size] = inside
        total = field.add(total, field.ext_mul(lifted.T, field.ext_power(gamma, before)).T)
        before += len(table.air.all_constraints)
    outside = field.mul(total, domain.powers(pow(domain.SHIFT, P - 2, P), 512))
    expected = domain.coset_ntt(np.concatenate([outside[:, :256], outside[:, 256:]]), domain.log2_exact(256 << log_blowup))
    assert np.array_equal(mine, expected)


def test_a_zero_fingerprint_raises(backend: Backend):
    main = toy.square_tables(0, [(5, 5)])[0].main.copy()
    main[:, 6] = P - 2, 0, 0, 0
    drawn = np.zeros((CHALLENGE_COUNT, 3), dtype=np.uint64)
    drawn[1:, 0] = 1  # alpha = 0, beta = 1: the fingerprint of (x, step) on bus 2 is 2 + x + step
    with pytest.raises(ZeroDenominator):
        backend.logup(toy.SQUARES, backend.upload(main), None, drawn)


@pytest.mark.parametrize("log_blowup", [1, 2, 3])
@pytest.mark.parametrize("log_height", [5, 7, 11])
def test_evaluate(backend: Backend, log_height: int, log_blowup: int):
    trace, point = random(31, 4, 1 << log_height), random(32, 5, 3)[4]
    mine = backend.lde(backend.upload(trace), log_blowup)
    coefficients = domain.intt(trace)
    expected = domain.evaluate_base(coefficients, point)
    assert np.array_equal(backend.evaluate(mine, log_blowup, None, point), expected)
    assert np.array_equal(backend.evaluate(mine, log_blowup, (2, 0), point), expected[[2, 0]])


def test_deep(backend: Backend):
    tables = [random(41, 3, 64), random(42, 5, 64)]
    now, then = random(43, 8, 3), random(44, 2, 3)
    zeta, next_zeta, challenge = random(45, 6, 3)[3:]
    following = ((1, 4), (0, 0))
    results = []
    for on in (backend, REFERENCE):
        matrices = [on.upload(table) for table in tables]
        results.append(on.download(on.deep(matrices, now, following, then, zeta, next_zeta, challenge)))
        without = on.deep(matrices, now, (), then[:0], zeta, next_zeta, challenge)
        assert without.height == 64
    assert np.array_equal(*results)
    # By its definition, at one entry.
    entry = 11
    x = field.ext(domain.points(6, domain.SHIFT)[entry])
    columns = np.concatenate(tables)[:, entry]
    total = np.zeros(3, dtype=np.uint64)
    opened = [*zip(columns, now, [zeta] * 8, strict=True)]
    opened += [*zip((tables[1][4, entry], tables[0][0, entry]), then, [next_zeta] * 2, strict=True)]
    for k, (column, value, point) in enumerate(opened):
        term = field.ext_mul(field.sub(field.ext(column), value), field.ext_inverse(field.sub(x, point)))
        total = field.add(total, field.ext_mul(term, field.ext_power(challenge, k)))
    assert np.array_equal(results[0][:, entry], total)


@pytest.mark.parametrize("log_arity", [1, 2, 3])
def test_fold_and_add(backend: Backend, log_arity: int):
    word, beta = random(51, 3, 512), random(52, 5, 3)[4]
    mine, theirs = both(backend, word)
    folded, expected = backend.fold(mine, log_arity, beta), REFERENCE.fold(theirs, log_arity, beta)
    same(backend, folded, expected)
    for log_lift in (0, 1, 4):
        other = random(53, 3, 512 >> log_arity >> log_lift)
        lifted = REFERENCE.upload(np.repeat(other, 1 << log_lift, axis=1))
        same(backend, backend.add_scaled(folded, backend.upload(other), beta), REFERENCE.add_scaled(expected, lifted, beta))


@pytest.mark.parametrize("bits", [0, 1, 9])
def test_grind_finds_the_smallest_nonce(backend: Backend, bits: int):
    seed = random(61, 4)
    nonce = backend.grind(seed, bits)
    words = poseidon2.grinding_words(seed, np.arange(nonce + 1, dtype=np.uint64), bits)
    zero = (words & np.uint64((1 << bits) - 1)) == 0
    assert zero[-1]
    assert not zero[:-1].any()


def test_a_whole_job_gives_the_same_bytes(backend: Backend):
    assert encode(toy.run(backend).proof) == encode(toy.honest().proof)
