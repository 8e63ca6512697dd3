"""The 64-bit difference a - b with its borrow and the operands' signs: what subtraction, slt and branches compare by.

With d = a - b mod 2^64 in 16-bit chunks, the borrows are expressions,

    k0 = (d_lo + b_lo - a_lo) / 2^32,   k1 = (d_hi + b_hi + k0 - a_hi) / 2^32,   both bits,

sound as in add.py: all limbs are below 2^32, so no equation wraps p. k1 is
1 exactly if a < b unsigned. With sign bits s_a and s_b, the signed values differ by

    (a - 2^64 s_a) - (b - 2^64 s_b) = d - 2^64 (k1 + s_a - s_b),

which lies in (-2^64, 2^64) while d is in [0, 2^64): k1 + s_a - s_b is therefore
1 exactly if a < b signed, and 0 otherwise. No other value can occur, whatever
the prover does, once the signs are the true ones (see operands.sign16).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from zisk_actors.air.air import Column, Columns, Constraint, Row
from zisk_actors.air.bus import Interaction
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import is_bit, limbs_of, put, put_chunks, range16
from zisk_actors.chips.operands import INV_2_32, sign16
from zisk_actors.stark.field import U64

T = TypeVar("T")


class Difference(Row[T]):
    """a - b, and the sign of a."""

    d = Columns(4, "a - b mod 2^64, 16-bit chunks", bits=16)
    a_top = Column("upper 16 bits of a", bits=16)
    a_sign = Column("bit 63 of a")


class SignB(Row[T]):
    """The sign of b, where b is a register."""

    b_top = Column("upper 16 bits of b", bits=16)
    b_sign = Column("bit 63 of b")


def borrows(row: Difference[Expr], a: Sequence[Expr], b: Sequence[Expr]) -> tuple[Expr, Expr]:
    """The borrows out of both limbs of a - b; the second is 1 if a < b unsigned."""
    d = limbs_of(row.d)
    low = (d[0] + b[0] - a[0]) * INV_2_32
    high = (d[1] + b[1] + low - a[1]) * INV_2_32
    return low, high


def borrow_constraints(row: Difference[Expr], a: Sequence[Expr], b: Sequence[Expr]) -> Iterator[Constraint]:
    """d = a - b."""
    low, high = borrows(row, a, b)
    yield is_bit("borrow of the low limb", low)
    yield is_bit("borrow of the high limb", high)


def difference_lookups(row: Any, real: Expr) -> Iterator[Interaction]:
    """d is in chunks, the sign of a is a's."""
    yield from range16(real, *row.d)
    yield from sign16(real, row.a[1], row.a_top, row.a_sign)


def sign_b_lookups(row: Any, real: Expr) -> Iterator[Interaction]:
    """The sign of b is b's."""
    yield from sign16(real, row.b[1], row.b_top, row.b_sign)


def fill_difference(row: Any, a: U64, b: U64) -> None:
    """The columns of Difference."""
    put_chunks(row.d, a - b)
    put(row.a_top, a >> np.uint64(48))
    put(row.a_sign, a >> np.uint64(63))


def fill_sign_b(row: Any, b: U64) -> None:
    """The columns of SignB."""
    put(row.b_top, b >> np.uint64(48))
    put(row.b_sign, b >> np.uint64(63))


def less_than(a: U64, b: U64, signed: Any) -> U64:
    """1 where a < b; ``signed`` (bool, per row) says how to read both."""
    flip = np.asarray(signed, dtype=np.uint64) << np.uint64(63)
    return ((a ^ flip) < (b ^ flip)).astype(np.uint64)
