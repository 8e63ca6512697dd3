"""Two-adic domains: bit reversal, transforms in both directions, cosets, and polynomials at a point.

Rules: evaluations are stored bit-reversed, coefficients in natural order, along
the last axis; transforms are over the base field, so an extension column is
three of them. These are the definitions; kernels are compared with them.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from zisk_actors.air.evaluate import Ext, ext_mul, ext_sub
from zisk_actors.stark import field
from zisk_actors.stark.field import GENERATOR, U64, P

# Traces are extended on the coset SHIFT * H to 2^b times their height, b being the parameter set's; constraints have degree up to 3.
SHIFT = GENERATOR
MIN_LOG_HEIGHT = 6
MAX_LOG_HEIGHT = 22


def log2_exact(size: int) -> int:
    """log2 of a power of two; anything else raises ValueError."""
    if size < 1 or size & (size - 1):
        raise ValueError(f"{size} is not a power of two")
    return size.bit_length() - 1


@cache
def bit_reversal(log_size: int) -> U64:
    """The permutation s -> bitrev(s) of 2^log_size indices (its own inverse). Do not write to it."""
    indices = np.arange(1 << log_size, dtype=np.uint64)
    result = np.zeros_like(indices)
    for bit in range(log_size):
        result |= ((indices >> np.uint64(bit)) & np.uint64(1)) << np.uint64(log_size - 1 - bit)
    result.setflags(write=False)
    return result


def reverse_bits(indices: U64, log_size: int) -> U64:
    """bitrev of some indices below 2^log_size."""
    result = np.zeros_like(indices)
    for bit in range(log_size):
        result |= ((indices >> np.uint64(bit)) & np.uint64(1)) << np.uint64(log_size - 1 - bit)
    return result


def next_row(log_size: int, step: int) -> U64:
    """Storage entry of the point ``step`` powers of the generator further, for each storage entry: cyclic."""
    reversal = bit_reversal(log_size)
    result: U64 = reversal[(reversal + np.uint64(step)) & np.uint64((1 << log_size) - 1)]
    return result


def powers(base: int, count: int) -> U64:
    """1, base, base^2, ... (count of them)."""
    result = np.ones(1, dtype=np.uint64)
    step = base % P
    while len(result) < count:
        result = np.concatenate([result, field.mul(result, np.uint64(step))])
        step = step * step % P
    return result[:count]


def ext_powers(base: U64, count: int) -> U64:
    """1, base, base^2, ... of an extension element (3,): (count, 3)."""
    result = np.array([[1, 0, 0]], dtype=np.uint64)
    step = base
    while len(result) < count:
        result = np.concatenate([result, field.ext_mul(result, step)])
        step = field.ext_mul(step, step)
    return result[:count]


def points(log_size: int, shift: int = 1) -> U64:
    """shift * w^bitrev(s) for every storage entry s of a domain of 2^log_size points."""
    natural = powers(field.root_of_unity(log_size), 1 << log_size)
    return field.mul(natural[bit_reversal(log_size)], np.uint64(shift))


def ntt(coefficients: U64) -> U64:
    """Coefficients (..., n) to bit-reversed evaluations on H_n, by decimation in frequency."""
    log_size = log2_exact(coefficients.shape[-1])
    lead = coefficients.shape[:-1]
    values = coefficients
    for level in range(log_size, 0, -1):
        half = 1 << (level - 1)
        twiddles = powers(field.root_of_unity(level), half)
        blocks = values.reshape(*lead, -1, 2, half)
        low, high = blocks[..., 0, :], blocks[..., 1, :]
        values = np.stack([field.add(low, high), field.mul(field.sub(low, high), twiddles)], axis=-2)
    return np.ascontiguousarray(values.reshape(*lead, 1 << log_size))


def intt(evaluations: U64) -> U64:
    """Bit-reversed evaluations (..., n) on H_n to coefficients, by decimation in time: the inverse of ``ntt``."""
    log_size = log2_exact(evaluations.shape[-1])
    lead = evaluations.shape[:-1]
    values = evaluations
    for level in range(1, log_size + 1):
        half = 1 << (level - 1)
        twiddles = powers(pow(field.root_of_unity(level), P - 2, P), half)
        blocks = values.reshape(*lead, -1, 2, half)
        low, high = blocks[..., 0, :], field.mul(blocks[..., 1, :], twiddles)
        values = np.stack([field.add(low, high), field.sub(low, high)], axis=-2)
    scale = np.uint64(pow(1 << log_size, P - 2, P))
    return np.ascontiguousarray(field.mul(values.reshape(*lead, 1 << log_size), scale))


def coset_ntt(coefficients: U64, log_size: int, shift: int = SHIFT) -> U64:
    """Coefficients (..., m), m <= 2^log_size, to bit-reversed evaluations on shift * H."""
    count = coefficients.shape[-1]
    padded = np.zeros((*coefficients.shape[:-1], 1 << log_size), dtype=np.uint64)
    padded[..., :count] = field.mul(coefficients, powers(shift, count))
    return ntt(padded)


def coset_intt(evaluations: U64, shift: int = SHIFT) -> U64:
    """Bit-reversed evaluations on shift * H to coefficients."""
    inverse = pow(shift, P - 2, P)
    return field.mul(intt(evaluations), powers(inverse, evaluations.shape[-1]))


def lde(trace: U64, log_blowup: int) -> U64:
    """Trace columns (w, N) to (w, M), M = 2^log_blowup N: the same polynomials on SHIFT * H_M."""
    return coset_ntt(intt(trace), log2_exact(trace.shape[-1]) + log_blowup)


def evaluate_base(coefficients: U64, point: U64) -> U64:
    """Polynomials (w, n) over the base field at an extension point (3,): (w, 3)."""
    terms = ext_powers(point, coefficients.shape[-1])
    return sum_ext(field.mul(coefficients[:, :, None], terms[None]), axis=1)


def sum_ext(values: U64, axis: int) -> U64:
    """Sum of field elements along ``axis``, by halving."""
    values = np.moveaxis(values, axis, 0)
    if values.shape[0] == 0:
        return np.zeros(values.shape[1:], dtype=np.uint64)
    while values.shape[0] > 1:
        half = values.shape[0] // 2
        folded = field.add(values[:half], values[half : 2 * half])
        values = np.concatenate([folded, values[2 * half :]]) if values.shape[0] % 2 else folded
    total: U64 = values[0]
    return total


def selectors(points: U64, log_height: int) -> tuple[U64, U64]:
    """The Lagrange polynomials of row 0 and of the last row of a trace, at base points outside its domain."""
    height = 1 << log_height
    vanishing = field.mul(field.sub(field.power(points, height), np.uint64(1)), np.uint64(pow(height, P - 2, P)))
    last = pow(field.root_of_unity(log_height), height - 1, P)
    first_over = field.inverse(field.sub(points, np.uint64(1)))
    last_over = field.mul(field.inverse(field.sub(points, np.uint64(last))), np.uint64(last))
    return field.mul(vanishing, first_over), field.mul(vanishing, last_over)


def lowered(point: U64, log_lift: int) -> U64:
    """SHIFT * (point / SHIFT)^(2^log_lift) for an extension point (3,)."""
    inside = field.ext_scale(point, np.uint64(pow(SHIFT, P - 2, P)))
    for _ in range(log_lift):
        inside = field.ext_mul(inside, inside)
    return field.ext_scale(inside, np.uint64(SHIFT))


# --- scalars as Python integers, for the verifier ------------------------------


def ext_pow(base: Ext, exponent: int) -> Ext:
    """base ** exponent."""
    result: Ext = (1, 0, 0)
    while exponent:
        if exponent & 1:
            result = ext_mul(result, base)
        base = ext_mul(base, base)
        exponent >>= 1
    return result


def ext_scalar(element: U64) -> Ext:
    """A (3,) array as three integers."""
    return (int(element[0]), int(element[1]), int(element[2]))


def ext_array(element: Ext) -> U64:
    """Three integers as a (3,) array."""
    return np.array(element, dtype=np.uint64)


def ext_inverse(element: Ext) -> Ext:
    """1 / element, as ``field.ext_inverse``; ZeroDivisionError for zero."""
    a0, a1, a2 = element
    s, t = a0 + a2, a1 + a2
    m0, m1, m2 = s * s - t * a1, t * a2 - a1 * s, a1 * a1 - s * a2
    determinant = (a0 * m0 + a2 * m1 + a1 * m2) % P
    if not determinant:
        raise ZeroDivisionError("inverse of zero")
    scale = pow(determinant, P - 2, P)
    return (m0 * scale % P, m1 * scale % P, m2 * scale % P)


def selectors_at(point: Ext, log_height: int) -> tuple[Ext, Ext]:
    """``selectors`` at one extension point outside the trace's domain."""
    height = 1 << log_height
    root = field.root_of_unity(log_height)
    last = pow(root, height - 1, P)
    scale = pow(height, P - 2, P)
    vanishing = ext_mul(ext_sub(ext_pow(point, height), (1, 0, 0)), (scale, 0, 0))
    first_over = ext_inverse(ext_sub(point, (1, 0, 0)))
    last_over = ext_mul(ext_inverse(ext_sub(point, (last, 0, 0))), (last, 0, 0))
    return ext_mul(vanishing, first_over), ext_mul(vanishing, last_over)
