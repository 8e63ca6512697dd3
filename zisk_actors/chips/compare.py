"""The frame of rows that compare: the 64-bit difference a - b with its borrow and the operands' signs.

With d = a - b mod 2^64 in 16-bit chunks, the borrows are expressions,

    k0 = (d_lo + b_lo - a_lo) / 2^32,   k1 = (d_hi + b_hi + k0 - a_hi) / 2^32,   both bits,

sound as in add.py: all limbs are below 2^32, so no equation wraps p. k1 is
1 exactly if a < b unsigned. With sign bits s_a and s_b, the signed values differ by

    (a - 2^64 s_a) - (b - 2^64 s_b) = d - 2^64 (k1 + s_a - s_b),

which lies in (-2^64, 2^64) while d is in [0, 2^64): k1 + s_a - s_b is therefore
1 exactly if a < b signed, and 0 otherwise. No other value can occur, whatever
the prover does, once the signs are the true ones (see base.sign16).

``b`` is a register where the row has the frames ReadB and SignB, an immediate
where it has Immediate in their place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zisk_actors.air.air import Column, Columns, Constraint
from zisk_actors.air.bus import Interaction
from zisk_actors.air.expr import Expr
from zisk_actors.chips.base import INV_2_32, Frame, T, is_bit, limbs_of, put, put_chunks, range16, sign16
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64


class Difference(Frame[T]):
    """a - b, and the sign of a."""

    d = Columns(4, "a - b mod 2^64, 16-bit chunks", bits=16)
    a_top = Column("upper 16 bits of a", bits=16)
    a_sign = Column("bit 63 of a")
    record = fields("a")

    def borrows(self, b: Sequence[Expr]) -> tuple[Expr, Expr]:
        """The borrows out of both limbs of a - b; the second is 1 if a < b unsigned."""
        row: Any = self
        d = limbs_of(row.d)
        low = (d[0] + b[0] - row.a[0]) * INV_2_32
        high = (d[1] + b[1] + low - row.a[1]) * INV_2_32
        return low, high

    def is_difference(self, b: Sequence[Expr]) -> Iterator[Constraint]:
        """d = a - b."""
        low, high = self.borrows(b)
        yield is_bit("borrow of the low limb", low)
        yield is_bit("borrow of the high limb", high)

    def difference_lookups(self) -> Iterator[Interaction]:
        """d is in chunks, the sign of a is a's."""
        row: Any = self
        yield from range16(row.real, *row.d)
        yield from sign16(row.real, row.a[1], row.a_top, row.a_sign)

    def subtrahend(self, records: Any) -> Any:
        """The values of b, (n,) uint64; a row with an immediate says otherwise."""
        return records.b

    def fill(self: Difference[U64], records: Any) -> None:
        """The difference, and a's upper bits."""
        put_chunks(self.d, records.a - self.subtrahend(records))
        put(self.a_top, records.a >> np.uint64(48))
        put(self.a_sign, records.a >> np.uint64(63))


class SignB(Frame[T]):
    """The sign of b, where b is a register."""

    b_top = Column("upper 16 bits of b", bits=16)
    b_sign = Column("bit 63 of b")
    record = fields("b")

    def sign_b_lookups(self) -> Iterator[Interaction]:
        """The sign of b is b's."""
        row: Any = self
        yield from sign16(row.real, row.b[1], row.b_top, row.b_sign)

    def fill(self: SignB[U64], records: Any) -> None:
        """b's upper bits."""
        put(self.b_top, records.b >> np.uint64(48))
        put(self.b_sign, records.b >> np.uint64(63))


def less_than(a: U64, b: U64, signed: Any) -> U64:
    """1 where a < b; ``signed`` (bool, per row) says how to read both."""
    flip = np.asarray(signed, dtype=np.uint64) << np.uint64(63)
    return ((a ^ flip) < (b ^ flip)).astype(np.uint64)
