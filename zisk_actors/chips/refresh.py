"""refresh: bridges a long time between two accesses to a cell.

**What it proves.** The cell has held its value since ``prev``, and holds it at the later time ``mid``.

**Why it is sound.** An access proves time - prev - 1 < 2^16. Where the last access is longer ago, a
refresh row takes the token (addr, value, prev) and puts (addr, value, mid) with

    mid = prev + 1 + gap,   gap = g0 + 2^16 g1 < 2^32,

so tokens only ever move forward in time, and the value cannot change. ``mid``
is not a column: it cannot lie before prev. It may lie in the future; then
nothing can access the cell until that time has come, which helps nobody.

*No cycles.* The tokens of a cell form paths from its initial token to its
final one, and could in principle form cycles besides, if times came around
modulo p. A refresh row advances time by at most 2^32, any other access by at
most 2^16. The verifier bounds the refresh rows of a job by MAX_JOB_ROWS = 2^30
and every other chip's by 2^40: altogether less than 2^62 + 32 * 3 * 2^56 < p,
so no cycle closes.

**How it is filled.** A row a refresh that the emulator found necessary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction, receive, send
from zisk_actors.chips.base import Chip, T, is_bit, put, put_chunks, put_limbs, range16
from zisk_actors.chips.buses import TOKEN
from zisk_actors.chips.frames import Real
from zisk_actors.machine.records import fields
from zisk_actors.stark.field import U64

MAX_JOB_ROWS = 2**30


class RefreshRow(Real[T]):
    """The cell is touched at mid = prev + 1 + gap."""

    addr = Column("token address of the cell")
    value = Columns(2, "value, limbs (bounded: they come from a token)")
    prev = Column("time of the previous access")
    gap = Columns(2, "mid - prev - 1, 16-bit chunks", bits=16)
    record = fields("addr", "value", "prev", "mid")

    def fill(self: RefreshRow[U64], records: Any) -> None:
        """The cell, and how far it is carried."""
        put(self.addr, records.addr)
        put_limbs(self.value, records.value)
        put(self.prev, records.prev)
        put_chunks(self.gap, records.mid - records.prev - np.uint64(1))


def _constraints(window: Window) -> Iterator[Constraint]:
    yield is_bit("real", window.row.real)


def _interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    mid = row.prev + 1 + row.gap[0] + 2**16 * row.gap[1]
    yield receive(TOKEN, row.addr, *row.value, row.prev, times=row.real)
    yield send(TOKEN, row.addr, *row.value, mid, times=row.real)
    yield from range16(row.real, *row.gap)


REFRESH = Chip(Air("refresh", RefreshRow, _constraints, _interactions, doc="a cell carried forward in time"), max_job_rows=MAX_JOB_ROWS)
