"""Domains and transforms against sums written out."""

from __future__ import annotations

import numpy as np
import pytest

from zisk_actors.stark import domain, field
from zisk_actors.stark.field import P


def value(coefficients: list[int], x: int) -> int:
    return sum(c * pow(x, k, P) for k, c in enumerate(coefficients)) % P


@pytest.mark.parametrize("log_size", [0, 1, 3, 5])
def test_transforms_are_evaluation_and_interpolation(log_size: int):
    size = 1 << log_size
    coefficients = np.random.default_rng(log_size).integers(0, P, size=(2, size), dtype=np.uint64)
    root = field.root_of_unity(log_size)
    points = [pow(root, int(domain.bit_reversal(log_size)[s]), P) for s in range(size)]
    assert domain.points(log_size).tolist() == points
    for shift, forward, back in ((1, domain.ntt, domain.intt), (7, lambda c: domain.coset_ntt(c, log_size), domain.coset_intt)):
        values = forward(coefficients)
        assert values.tolist() == [[value(row, shift * x % P) for x in points] for row in coefficients.tolist()]
        assert np.array_equal(back(values), coefficients)


def test_bit_reversal():
    assert domain.bit_reversal(3).tolist() == [0, 4, 2, 6, 1, 5, 3, 7]
    indices = np.arange(16, dtype=np.uint64)
    assert np.array_equal(domain.reverse_bits(indices, 4), domain.bit_reversal(4))


@pytest.mark.parametrize("log_blowup", [1, 2, 3])
def test_lde_keeps_the_polynomial_and_next_row_is_the_next_power(log_blowup: int):
    trace = np.random.default_rng(5).integers(0, P, size=(1, 8), dtype=np.uint64)
    coefficients = domain.intt(trace)[0].tolist()
    extended = domain.lde(trace, log_blowup)[0]
    points = domain.points(3 + log_blowup, domain.SHIFT)
    assert extended.tolist() == [value(coefficients, int(x)) for x in points]
    root = field.root_of_unity(3)
    following = domain.next_row(3 + log_blowup, 1 << log_blowup)
    assert np.array_equal(points[:16], domain.points(4, domain.SHIFT))  # a larger domain begins with the smaller ones
    assert extended[following].tolist() == [value(coefficients, int(x) * root % P) for x in points]
    assert field.mul(points, np.uint64(root)).tolist() == points[following].tolist()


def test_a_lowered_point_is_where_the_lifted_entry_stands():
    for log_lift in (0, 1, 3):
        points, below = domain.points(7, domain.SHIFT), domain.points(7 - log_lift, domain.SHIFT)
        for entry in (0, 5, 127):
            lowered = domain.lowered(field.ext(points[entry : entry + 1])[0], log_lift)
            assert lowered.tolist() == [int(below[entry >> log_lift]), 0, 0]


def test_selectors_are_one_on_their_row_only():
    first, last = domain.selectors(domain.points(5, domain.SHIFT), 4)
    for selector, row in ((first, 0), (last, 15)):
        coefficients = domain.coset_intt(selector)
        assert not coefficients[16:].any()
        on_trace = domain.ntt(coefficients[:16])[domain.bit_reversal(4)]
        assert on_trace.tolist() == [int(r == row) for r in range(16)]
        point = (3, 1, 4)
        at_point = domain.evaluate_base(coefficients[None, :16], domain.ext_array(point))[0]
        assert at_point.tolist() == list(domain.selectors_at(point, 4)[row == 15])


def test_powers_and_sums():
    assert domain.powers(3, 5).tolist() == [1, 3, 9, 27, 81]
    base = np.array([5, 6, 7], dtype=np.uint64)
    assert np.array_equal(domain.ext_powers(base, 7)[6], field.ext_power(base, 6))
    values = np.full((7, 2), P - 1, dtype=np.uint64)
    assert domain.sum_ext(values, axis=0).tolist() == [P - 7] * 2
    assert domain.sum_ext(values[:0], axis=0).tolist() == [0, 0]


@pytest.mark.parametrize("size", [0, 3, 6, -4])
def test_sizes_must_be_powers_of_two(size: int):
    with pytest.raises(ValueError):
        domain.log2_exact(size)
