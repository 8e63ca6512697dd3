"""The field against Python integers, edges first."""

from __future__ import annotations

import numpy as np
import pytest

from zisk_actors.air.evaluate import ext_mul as scalar_ext_mul
from zisk_actors.stark import domain, field
from zisk_actors.stark.field import U64, P

EDGES = [0, 1, 2, 7, 2**32 - 1, 2**32, 2**32 + 1, 2**63, P - 2**32, P - 2, P - 1]


def pairs(seed: int = 1) -> tuple[U64, U64]:
    rng = np.random.default_rng(seed)
    edges = np.array([(a, b) for a in EDGES for b in EDGES], dtype=np.uint64)
    random = rng.integers(0, P, size=(500, 2), dtype=np.uint64)
    both = np.concatenate([edges, random])
    return both[:, 0], both[:, 1]


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
def test_binary_operations_are_those_of_integers(name: str):
    a, b = pairs()
    expected = {"add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y}[name]
    got = getattr(field, name)(a, b)
    assert got.tolist() == [expected(int(x), int(y)) % P for x, y in zip(a, b, strict=True)]
    assert [int(getattr(field, name)(x, y)) for x, y in zip(a[:50], b[:50], strict=True)] == got[:50].tolist()  # scalars too


def test_negation_power_and_inverse():
    a, _ = pairs()
    nonzero = a[a != 0]
    assert field.add(a, field.neg(a)).max() == 0
    assert field.mul(nonzero, field.inverse(nonzero)).tolist() == [1] * len(nonzero)
    assert field.power(a, 13).tolist() == [pow(int(x), 13, P) for x in a]
    with pytest.raises(ZeroDivisionError):
        field.inverse(np.zeros(2, dtype=np.uint64))


def test_roots_of_unity():
    for log_order in range(33):
        root = field.root_of_unity(log_order)
        assert pow(root, 1 << log_order, P) == 1
        assert log_order == 0 or pow(root, 1 << (log_order - 1), P) == P - 1
    assert field.root_of_unity(32) == 1753635133440165772
    with pytest.raises(ValueError):
        field.root_of_unity(33)


def test_extension_is_a_field_with_x_cubed_equal_x_plus_one():
    rng = np.random.default_rng(2)
    a, b, c = rng.integers(0, P, size=(3, 100, 3), dtype=np.uint64)
    assert np.array_equal(field.ext_mul(a, field.add(b, c)), field.add(field.ext_mul(a, b), field.ext_mul(a, c)))
    assert np.array_equal(field.ext_mul(field.ext_mul(a, b), c), field.ext_mul(a, field.ext_mul(b, c)))
    x = np.array([0, 1, 0], dtype=np.uint64)
    assert field.ext_power(x, 3).tolist() == [1, 1, 0]
    one = field.ext_mul(a, field.ext_inverse(a))
    assert np.array_equal(one, np.broadcast_to(np.array([1, 0, 0], dtype=np.uint64), one.shape))
    with pytest.raises(ZeroDivisionError):
        field.ext_inverse(np.zeros((1, 3), dtype=np.uint64))


def test_scalar_extension_agrees_with_arrays():
    rng = np.random.default_rng(3)
    a, b = rng.integers(1, P, size=(2, 3), dtype=np.uint64)
    left, right = domain.ext_scalar(a), domain.ext_scalar(b)
    assert list(scalar_ext_mul(left, right)) == field.ext_mul(a, b).tolist()
    assert list(domain.ext_inverse(left)) == field.ext_inverse(a).tolist()
    assert list(domain.ext_pow(left, 77)) == field.ext_power(a, 77).tolist()
    with pytest.raises(ZeroDivisionError):
        domain.ext_inverse((0, 0, 0))
