"""FRI: what both sides compute, vectorised over queries.

Rules: the codeword lives on the subgroup H_M (the coset shift of the LDEs is taken
into the polynomials: F(x) = f(7x) has the same degree), bit-reversed. What lower
heights contribute to it is lifted, that is, f(x^(2^k)) in place of f(x): entry i of
the codeword takes their entry i >> k. Folding by 2^k with beta is k binary folds
with beta, beta^2, beta^4. The last codeword is sent as its coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zisk_actors.stark import domain, field
from zisk_actors.stark.errors import FinalMismatch, FoldMismatch, UnsatisfiedTrace
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.layout import Layer
from zisk_actors.stark.params import FOLD_LOG_ARITY

_HALF = np.uint64((P + 1) // 2)


def points_at(indices: U64, log_size: int, shift: int = 1) -> U64:
    """shift * w^bitrev(i) for some storage entries i of a domain of 2^log_size points."""
    return _powers_at(indices, log_size, field.root_of_unity(log_size), shift)


def _powers_at(indices: U64, log_size: int, root: int, shift: int) -> U64:
    exponents = domain.reverse_bits(indices, log_size)
    result = np.full(indices.shape, shift % P, dtype=np.uint64)
    for bit in range(log_size):
        factor = np.where((exponents >> np.uint64(bit)) & np.uint64(1) == 1, np.uint64(root), np.uint64(1))
        result = field.mul(result, factor)
        root = root * root % P
    return result


def fold_rows(elements: U64, leaves: U64, log_size: int, beta: U64) -> U64:
    """Fold leaf ``leaves[q]``, elements (q, 2^k, 3) of a codeword of 2^log_size, to one element each: (q, 3)."""
    arity = elements.shape[1]
    while arity > 1:
        evens: U64 = np.arange(0, arity, 2).astype(np.uint64)
        first: U64 = leaves[:, None] * np.uint64(arity) + evens
        over_x = _powers_at(first, log_size, pow(field.root_of_unity(log_size), P - 2, P), 1)
        even, odd = elements[:, 0::2], elements[:, 1::2]
        total = field.mul(field.add(even, odd), _HALF)
        difference = field.ext_scale(field.mul(field.sub(even, odd), _HALF), over_x)
        elements = field.add(total, field.ext_mul(difference, beta))
        beta = field.ext_mul(beta, beta)
        arity //= 2
        log_size -= 1
    return elements[:, 0]


def final_coefficients(codeword: U64, bound: int) -> U64:
    """The last codeword (3, n) as its coefficients (bound, 3); UnsatisfiedTrace if its degree is not below ``bound``."""
    coefficients = domain.intt(codeword)
    if np.any(coefficients[:, bound:]):
        raise UnsatisfiedTrace("the last FRI codeword is not of low degree: some trace does not satisfy its constraints")
    return np.ascontiguousarray(coefficients[:, :bound].T)


def evaluate_final(coefficients: U64, points: U64) -> U64:
    """The final polynomial at base points (q,): (q, 3)."""
    result = np.zeros((len(points), 3), dtype=np.uint64)
    for coefficient in coefficients[::-1]:
        result = field.add(field.ext_scale(result, points), coefficient)
    return result


def check_queries(
    layers: Sequence[Layer], final_log_size: int, indices: U64, codeword: U64, leaves: list[U64], betas: list[U64], final: U64
) -> None:
    """Follow every query through all layers; FoldMismatch or FinalMismatch at the first that fails.

    ``codeword``: (q, 3), the DEEP codeword at the queries' entries. ``leaves``: per layer (q, 8, 3), already checked
    against their trees. ``final``: (coefficients, 3), of a codeword of 2^final_log_size entries.
    """
    value = codeword
    position = indices
    rows = np.arange(len(indices))
    for number, (layer, elements) in enumerate(zip(layers, leaves, strict=True)):
        within = position & np.uint64((1 << FOLD_LOG_ARITY) - 1)
        if not np.array_equal(elements[rows, within], value):
            raise FoldMismatch(f"FRI layer {number} does not continue the one before it")
        position = position >> np.uint64(FOLD_LOG_ARITY)
        value = fold_rows(elements, position, layer.log_size, betas[number])
    if not np.array_equal(evaluate_final(final, points_at(position, final_log_size)), value):
        raise FinalMismatch("the last FRI layer is not the final polynomial")
