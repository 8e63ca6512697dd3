"""Goldilocks and its cubic extension: the reference arithmetic.

Rules: base elements are canonical ``uint64`` (below ``P``); extension elements
are ``uint64`` arrays whose last axis has length 3 (coefficients of 1, x, x^2 in
F[x]/(x^3 - x - 1)). Every function takes and returns canonical values, is
vectorised over leading axes by numpy broadcasting, and allocates its result.
Wrapping of 64-bit words is meant, so numpy's warning about it on scalars is off.
This module is the definition that native code is compared with; it is never
made clever.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

U64: TypeAlias = npt.NDArray[np.uint64]
# A right-hand operand may be one word for all entries.
Words: TypeAlias = "U64 | np.uint64"

P = 2**64 - 2**32 + 1
GENERATOR = 7
TWO_ADICITY = 32
# 7^((P-1)/2^32): a generator of the subgroup of order 2^32.
ROOT_2_32 = pow(GENERATOR, (P - 1) >> TWO_ADICITY, P)

_EPSILON = np.uint64(2**32 - 1)  # 2^64 mod P
_P = np.uint64(P)
_MASK = np.uint64(2**32 - 1)
_32 = np.uint64(32)


def array(values: object) -> U64:
    """``values`` (ints, possibly negative or nested lists) as canonical elements."""
    flat = np.asarray(values, dtype=object)
    return np.array([int(v) % P for v in flat.ravel()], dtype=np.uint64).reshape(flat.shape)


@np.errstate(over="ignore")
def add(a: U64, b: Words) -> U64:
    """a + b."""
    total = np.add(a, b)
    overflow = total < a
    total = np.where(overflow, total + _EPSILON, total)
    return np.where(total >= _P, total - _P, total)


@np.errstate(over="ignore")
def sub(a: U64, b: Words) -> U64:
    """a - b."""
    return np.where(a >= b, a - b, a + (_P - b))


@np.errstate(over="ignore")
def neg(a: U64) -> U64:
    """-a."""
    return np.where(a == 0, a, _P - a)


@np.errstate(over="ignore")
def mul(a: U64, b: Words) -> U64:
    """a * b, by 32-bit schoolbook and the identity 2^64 = 2^32 - 1, 2^96 = -1."""
    a_lo, a_hi = a & _MASK, a >> _32
    b_lo, b_hi = b & _MASK, b >> _32
    ll, lh, hl, hh = a_lo * b_lo, a_lo * b_hi, a_hi * b_lo, a_hi * b_hi
    middle = (ll >> _32) + (lh & _MASK) + (hl & _MASK)
    low = (ll & _MASK) | (middle << _32)
    high = hh + (lh >> _32) + (hl >> _32) + (middle >> _32)
    return _reduce(low, high)


@np.errstate(over="ignore")
def _reduce(low: U64, high: U64) -> U64:
    """low + 2^64 * high mod P."""
    top, bottom = high >> _32, high & _MASK
    # low - top (2^96 = -1): a borrow adds 2^64, that is EPSILON too much.
    t = low - top
    t = np.where(low < top, t - _EPSILON, t)
    # + bottom * (2^32 - 1)
    u = bottom * _EPSILON
    s = t + u
    s = np.where(s < u, s + _EPSILON, s)
    result: U64 = np.where(s >= _P, s - _P, s)
    return result


def power(a: U64, exponent: int) -> U64:
    """a ** exponent for a non-negative exponent."""
    result = np.ones_like(a)
    base = a
    while exponent:
        if exponent & 1:
            result = mul(result, base)
        base = mul(base, base)
        exponent >>= 1
    return result


def inverse(a: U64) -> U64:
    """1 / a by Fermat; the inverse of 0 raises ZeroDivisionError."""
    if np.any(a == 0):
        raise ZeroDivisionError("inverse of zero")
    return power(a, P - 2)


def root_of_unity(log_order: int) -> int:
    """The generator of the subgroup of order 2**log_order (log_order <= 32)."""
    if not 0 <= log_order <= TWO_ADICITY:
        raise ValueError(f"no subgroup of order 2^{log_order}")
    return pow(ROOT_2_32, 1 << (TWO_ADICITY - log_order), P)


# --- the cubic extension -------------------------------------------------


def ext(a: U64) -> U64:
    """Base elements (...,) as extension elements (..., 3)."""
    result = np.zeros((*np.shape(a), 3), dtype=np.uint64)
    result[..., 0] = a
    return result


def ext_mul(a: U64, b: U64) -> U64:
    """Product of extension elements, shapes (..., 3), broadcasting."""
    a0, a1, a2 = a[..., 0], a[..., 1], a[..., 2]
    b0, b1, b2 = b[..., 0], b[..., 1], b[..., 2]
    c0 = mul(a0, b0)
    c1 = add(mul(a0, b1), mul(a1, b0))
    c2 = add(add(mul(a0, b2), mul(a2, b0)), mul(a1, b1))
    c3 = add(mul(a1, b2), mul(a2, b1))
    c4 = mul(a2, b2)
    # x^3 = x + 1, x^4 = x^2 + x
    return np.stack([add(c0, c3), add(add(c1, c3), c4), add(c2, c4)], axis=-1)


def ext_scale(a: U64, scalar: Words) -> U64:
    """Extension elements (..., 3) times base elements (...,)."""
    return mul(a, np.asarray(scalar, dtype=np.uint64)[..., None])


def ext_power(a: U64, exponent: int) -> U64:
    """a ** exponent in the extension."""
    result = np.broadcast_to(np.array([1, 0, 0], dtype=np.uint64), a.shape).copy()
    base = a
    while exponent:
        if exponent & 1:
            result = ext_mul(result, base)
        base = ext_mul(base, base)
        exponent >>= 1
    return result


def ext_inverse(a: U64) -> U64:
    """1 / a in the extension; raises ZeroDivisionError for zero.

    Solves a * y = 1 by Cramer's rule on the 3x3 matrix of multiplication by a.
    """
    a0, a1, a2 = a[..., 0], a[..., 1], a[..., 2]
    # Matrix of multiplication by a on (1, x, x^2), as columns a, a*x, a*x^2:
    #   [a0        a2        a1      ]
    #   [a1        a0+a2     a1+a2   ]
    #   [a2        a1        a0+a2   ]
    s, t = add(a0, a2), add(a1, a2)
    m0 = sub(mul(s, s), mul(t, a1))
    m1 = sub(mul(t, a2), mul(a1, s))
    m2 = sub(mul(a1, a1), mul(s, a2))
    determinant = add(add(mul(a0, m0), mul(a2, m1)), mul(a1, m2))
    scale = inverse(determinant)
    return mul(np.stack([m0, m1, m2], axis=-1), scale[..., None])
