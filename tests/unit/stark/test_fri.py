"""FRI: folding is what it says, words of low degree pass, others do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from zisk_actors.stark import domain, field, fri
from zisk_actors.stark.errors import FinalMismatch, FoldMismatch, UnsatisfiedTrace
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.layout import Layer, fri_layers


def polynomial(seed: int, log_degree: int) -> U64:
    return np.random.default_rng(seed).integers(0, P, size=(3, 1 << log_degree), dtype=np.uint64)


def codeword(coefficients: U64) -> U64:
    """(3, n) coefficients to their (3, 2n) codeword."""
    return domain.coset_ntt(coefficients, domain.log2_exact(coefficients.shape[1]) + 1, shift=1)


def challenge(seed: int) -> U64:
    return np.random.default_rng(1000 + seed).integers(0, P, size=3, dtype=np.uint64)


def fold(word: U64, log_arity: int, beta: U64) -> U64:
    elements = word.T.reshape(-1, 1 << log_arity, 3)
    leaves = np.arange(len(elements), dtype=np.uint64)
    return np.ascontiguousarray(fri.fold_rows(elements, leaves, domain.log2_exact(word.shape[1]), beta).T)


@pytest.mark.parametrize("log_arity", [1, 2, 3])
def test_folding_combines_the_residue_classes_of_coefficients(log_arity: int):
    coefficients, beta = polynomial(1, 6), challenge(1)
    arity = 1 << log_arity
    powers = domain.ext_powers(beta, arity)
    classes = coefficients.T.reshape(-1, arity, 3)  # coefficient k = arity * i + j
    expected = domain.sum_ext(field.ext_mul(classes, powers[None]), axis=1)
    assert np.array_equal(fold(codeword(coefficients), log_arity, beta), codeword(np.ascontiguousarray(expected.T)))


def test_folding_some_leaves_is_folding_all():
    word, beta = codeword(polynomial(2, 6)), challenge(2)
    whole = fold(word, 3, beta)
    leaves = np.array([0, 15, 3], dtype=np.uint64)
    some = fri.fold_rows(word.T.reshape(-1, 8, 3)[leaves], leaves, 7, beta)
    assert np.array_equal(some, whole.T[leaves])


def test_plan_of_layers():
    def plan(*logs: int) -> list[tuple[int, int, bool]]:
        return [(layer.log_size, layer.log_arity, layer.joins) for layer in fri_layers(logs)]

    assert plan(6) == []
    assert plan(23) == [(23, 3, False), (20, 3, False), (17, 3, False), (14, 3, False), (11, 3, False), (8, 2, False)]
    assert plan(12, 11, 7) == [(12, 1, True), (11, 3, False), (8, 1, True), (7, 1, False)]
    assert plan(9, 6) == [(9, 3, True)]


class Run:
    """A commit phase over codewords by log size, kept open for tampering."""

    def __init__(self, words: dict[int, U64]) -> None:
        self.words = words
        self.layers: tuple[Layer, ...] = fri_layers(list(words))
        self.log_domain = max(words)
        self.betas = [challenge(10 + n) for n in range(len(self.layers))]
        self.roll_ins = [challenge(50 + n) if layer.joins else None for n, layer in enumerate(self.layers)]
        self.layer_words: list[U64] = []
        word = words[self.log_domain]
        for layer, beta, roll_in in zip(self.layers, self.betas, self.roll_ins, strict=True):
            self.layer_words.append(word)
            word = fold(word, layer.log_arity, beta)
            if roll_in is not None:
                joined = words[layer.log_size - layer.log_arity]
                word = np.ascontiguousarray(field.add(word.T, field.ext_mul(joined.T, roll_in)).T)
        self.last = word

    def check(self, final: U64, queries: int = 40) -> None:
        indices = np.random.default_rng(9).integers(0, 1 << self.log_domain, size=queries).astype(np.uint64)
        codewords = {log: word.T[indices >> np.uint64(self.log_domain - log)] for log, word in self.words.items()}
        leaves, position = [], indices
        for layer, word in zip(self.layers, self.layer_words, strict=True):
            position = position >> np.uint64(layer.log_arity)
            leaves.append(word.T.reshape(-1, 1 << layer.log_arity, 3)[position])
        fri.check_queries(self.layers, self.log_domain, indices, codewords, leaves, self.betas, self.roll_ins, final)


def honest() -> Run:
    return Run({log: codeword(polynomial(log, log - 1)) for log in (11, 9, 6)})


def test_words_of_low_degree_pass():
    run = honest()
    run.check(fri.final_coefficients(run.last))
    only = Run({6: codeword(polynomial(3, 5))})
    only.check(fri.final_coefficients(only.last))


def bump(word: U64) -> None:
    """x^(n/2) added: one degree too many."""
    size = word.shape[1]
    too_high = np.zeros((3, size), dtype=np.uint64)
    too_high[0, size // 2] = 1
    word[:] = field.add(word, domain.ntt(too_high))


@pytest.mark.parametrize("log", [11, 9, 6])
def test_one_degree_too_many_at_any_height_does_not_pass(log: int):
    words = {size: codeword(polynomial(size, size - 1)) for size in (11, 9, 6)}
    bump(words[log])
    run = Run(words)
    with pytest.raises(UnsatisfiedTrace):
        fri.final_coefficients(run.last)
    truncated = np.ascontiguousarray(domain.intt(run.last)[:, :32].T)
    with pytest.raises(FinalMismatch):
        run.check(truncated)


def test_other_layers_or_final_polynomial_do_not_pass():
    run = honest()
    final = fri.final_coefficients(run.last)
    other = final.copy()
    other[31, 2] ^= np.uint64(1)
    with pytest.raises(FinalMismatch):
        run.check(other)
    changes: list[Callable[[Run], None]] = [
        lambda r: bump(r.layer_words[0]),
        lambda r: bump(r.layer_words[1]),
        lambda r: r.words.__setitem__(11, codeword(polynomial(77, 10))),
        lambda r: r.words.__setitem__(9, codeword(polynomial(77, 8))),
    ]
    for change in changes:
        run = honest()
        change(run)
        with pytest.raises(FoldMismatch):
            run.check(final)
    run = honest()
    run.words[6] = codeword(polynomial(77, 5))
    with pytest.raises(FinalMismatch):
        run.check(final)


def test_final_polynomial_is_evaluated_by_horner():
    final = polynomial(5, 5).T
    points = np.array([0, 1, 3], dtype=np.uint64)
    values = fri.evaluate_final(final, points)
    assert np.array_equal(values[0], final[0])
    assert np.array_equal(values[1], domain.sum_ext(final, axis=0))
