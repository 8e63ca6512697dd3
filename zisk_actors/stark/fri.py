"""FRI over several heights: what both sides compute, vectorised over queries.

Rules: codewords live on the subgroup H_M (the coset shift of the LDEs is taken
into the polynomials: F(x) = f(7x) has the same degree), bit-reversed. Folding by
2^k with beta is k binary folds with beta, beta^2, beta^4. A codeword of a lower
height is added, times a fresh challenge, when folding reaches its size. The last
codeword is sent as its 32 coefficients. Degree bounds are thus half of every size.
"""

from __future__ import annotations

import numpy as np

from zisk_actors.stark import domain, field
from zisk_actors.stark.errors import FinalMismatch, FoldMismatch, UnsatisfiedTrace
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.layout import FINAL_LOG_SIZE, Layer
from zisk_actors.stark.params import FINAL_LOG_DEGREE

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


def final_coefficients(codeword: U64) -> U64:
    """The last codeword (3, 2^6) as 32 coefficients (32, 3); UnsatisfiedTrace if its degree is not below 32."""
    coefficients = domain.intt(codeword)
    bound = 1 << FINAL_LOG_DEGREE
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
    layers: tuple[Layer, ...],
    log_domain: int,
    indices: U64,
    codewords: dict[int, U64],
    leaves: list[U64],
    betas: list[U64],
    roll_ins: list[U64 | None],
    final: U64,
) -> None:
    """Follow every query through all layers; FoldMismatch or FinalMismatch at the first that fails.

    ``codewords``: log size to (q, 3), the DEEP codeword at the query's entry. ``leaves``: per layer (q, 2^k, 3), already
    checked against their trees. ``final``: (32, 3).
    """
    value = codewords[log_domain]
    position = indices
    rows = np.arange(len(indices))
    for number, (layer, elements) in enumerate(zip(layers, leaves, strict=True)):
        within = position & np.uint64((1 << layer.log_arity) - 1)
        if not np.array_equal(elements[rows, within], value):
            raise FoldMismatch(f"FRI layer {number} does not continue the one before it")
        position = position >> np.uint64(layer.log_arity)
        value = fold_rows(elements, position, layer.log_size, betas[number])
        roll_in = roll_ins[number]
        if roll_in is not None:
            joined = codewords[layer.log_size - layer.log_arity]
            value = field.add(value, field.ext_mul(joined, roll_in))
    if not np.array_equal(evaluate_final(final, points_at(position, FINAL_LOG_SIZE)), value):
        raise FinalMismatch("the last FRI layer is not the final polynomial")
