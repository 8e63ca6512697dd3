"""FRI: folding is what it says, words of low degree pass, others do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from zisk_actors.stark import domain, field, fri
from zisk_actors.stark.errors import FinalMismatch, FoldMismatch, UnsatisfiedTrace
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.layout import Layer
from zisk_actors.stark.params import LEVEL_128, TEST, fold_schedule


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
    assert fold_schedule(LEVEL_128, 8) == []
    assert fold_schedule(LEVEL_128, 9) == [9]
    assert fold_schedule(LEVEL_128, 22) == [22, 19, 16, 13, 10]
    assert fold_schedule(TEST, 11) == [11, 8, 5]


LOG_SIZE, LOG_BLOWUP = 11, 1


class Run:
    """A commit phase over words by log size, which are lifted to the largest; kept open for tampering."""

    def __init__(self, words: dict[int, U64]) -> None:
        self.words = words
        self.log_size = max(words)
        self.layers = [Layer(log_rows + LOG_BLOWUP, 3) for log_rows in fold_schedule(TEST, self.log_size - LOG_BLOWUP)]
        self.betas = [challenge(10 + n) for n in range(len(self.layers))]
        self.layer_words: list[U64] = []
        word = self.codeword
        for beta in self.betas:
            self.layer_words.append(word)
            word = fold(word, 3, beta)
        self.last = word
        self.bound = self.last.shape[1] >> LOG_BLOWUP

    @property
    def codeword(self) -> U64:
        """The words, lifted and added."""
        lifted = [np.repeat(word, (1 << self.log_size) // word.shape[1], axis=1) for word in self.words.values()]
        return domain.sum_ext(np.stack(lifted), axis=0)

    def check(self, final: U64, queries: int = 40) -> None:
        indices = np.random.default_rng(9).integers(0, 1 << self.log_size, size=queries).astype(np.uint64)
        leaves, position = [], indices
        for word in self.layer_words:
            position = position >> np.uint64(3)
            leaves.append(word.T.reshape(-1, 8, 3)[position])
        final_log_size = domain.log2_exact(self.last.shape[1])
        fri.check_queries(self.layers, final_log_size, indices, self.codeword.T[indices], leaves, self.betas, final)


def honest() -> Run:
    return Run({log: codeword(polynomial(log, log - 1)) for log in (11, 9, 6)})


def test_words_of_low_degree_pass():
    run = honest()
    assert len(run.layers) == 2
    run.check(fri.final_coefficients(run.last, run.bound))
    only = Run({5: codeword(polynomial(3, 4))})
    assert only.layers == []
    only.check(fri.final_coefficients(only.last, 16))


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
        fri.final_coefficients(run.last, run.bound)
    truncated = np.ascontiguousarray(domain.intt(run.last)[:, : run.bound].T)
    with pytest.raises(FinalMismatch):
        run.check(truncated)


def test_other_layers_or_final_polynomial_do_not_pass():
    run = honest()
    final = fri.final_coefficients(run.last, run.bound)
    other = final.copy()
    other[-1, 2] ^= np.uint64(1)
    with pytest.raises(FinalMismatch):
        run.check(other)
    changes: list[Callable[[Run], None]] = [
        lambda r: bump(r.layer_words[0]),
        lambda r: bump(r.layer_words[1]),
        *(lambda r, log=log: r.words.__setitem__(log, codeword(polynomial(77, log - 1))) for log in (11, 9, 6)),
    ]
    for change in changes:
        run = honest()
        change(run)
        with pytest.raises(FoldMismatch):
            run.check(final)
    run = honest()
    run.layers.pop(), run.betas.pop(), run.layer_words.pop()
    with pytest.raises(FinalMismatch):
        run.check(final)


def test_final_polynomial_is_evaluated_by_horner():
    final = polynomial(5, 5).T
    points = np.array([0, 1, 3], dtype=np.uint64)
    values = fri.evaluate_final(final, points)
    assert np.array_equal(values[0], final[0])
    assert np.array_equal(values[1], domain.sum_ext(final, axis=0))
