"""table16: all lookup tables over 16-bit values, side by side.

**What it proves.** A number is below 2^16, has that top bit, has that power of two; two bytes have that bitwise and.

**Why it is sound.** Row v holds what the tables say about v = first + 256 second, a number below
2^16 and at the same time two bytes. The fixed columns are the same for every
program. One multiplicity per table counts the lookups of a share; a prover may
put anything there, since a tuple outside the tables is nowhere to be had.

**How it is filled.** The multiplicities are counted (witness.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Row, Window
from zisk_actors.air.bus import Interaction, receive
from zisk_actors.chips.base import Chip, T
from zisk_actors.chips.buses import AND8, MSB16, POW32, POW64, RANGE16
from zisk_actors.stark.chipset import Presence
from zisk_actors.stark.field import U64

LOG_HEIGHT = 16


class Table16Fixed(Row[T]):
    """What there is to know about v."""

    first = Column("v mod 2^8")
    second = Column("v / 2^8")
    both = Column("bitwise and of the two bytes")
    msb = Column("bit 15 of v")
    pow64 = Columns(2, "2^(v mod 64), limbs")
    pow32 = Column("2^(v mod 32)")


class Table16Row(Row[T]):
    """How often this share looks v up."""

    range16 = Column("times in RANGE16")
    msb16 = Column("times in MSB16")
    and8 = Column("times in AND8")
    pow64 = Column("times in POW64")
    pow32 = Column("times in POW32")


def _constraints(window: Window) -> Iterator[Constraint]:
    yield from ()


def _interactions(window: Window) -> Iterator[Interaction]:
    row, fixed = window.row, window.fixed
    v = fixed.first + 256 * fixed.second
    yield receive(RANGE16, v, times=row.range16)
    yield receive(MSB16, v, fixed.msb, times=row.msb16)
    yield receive(AND8, fixed.first, fixed.second, fixed.both, times=row.and8)
    yield receive(POW64, v, *fixed.pow64, times=row.pow64)
    yield receive(POW32, v, fixed.pow32, times=row.pow32)


@cache
def fixed_columns() -> U64:
    """(fixed width, 2^16). Do not write to it."""
    v = np.arange(1 << LOG_HEIGHT, dtype=np.uint64)
    first, second = v & np.uint64(255), v >> np.uint64(8)
    power = np.uint64(1) << (v & np.uint64(63))
    fixed = np.stack(
        [
            first,
            second,
            first & second,
            v >> np.uint64(15),
            power & np.uint64(2**32 - 1),
            power >> np.uint64(32),
            np.uint64(1) << (v & np.uint64(31)),
        ]
    )
    fixed.setflags(write=False)
    return fixed


TABLE16 = Chip(
    Air("table16", Table16Row, _constraints, _interactions, Table16Fixed, doc="lookup tables over 16-bit values"),
    presence=Presence.EVERY_SHARE,
)
