"""The frame of ram and input: tables of memory words in strictly increasing order.

A region is the token addresses first, first + 1, ..., last. A row is a word,
with its only initial and its only final token. Uniqueness and membership are
proved together (FIRST and LAST select the first and the last row of the table):

* the first row is used and holds the first word; ``real`` never returns from 0
  to 1, so the used rows are a prefix;
* from a row to a used next row the address grows by 1 + gap with
  gap = g0 + 2^16 g1 < 2^32; to an unused one it stays;
* the last row holds the last word.

So the used addresses are an integer sequence that grows strictly: there are at
most 2^22 steps of at most 2^32, far below p, hence no wrap. It starts at the
first word and ends at the last one, so all addresses lie in the region and none
occurs twice. The first and the last word are rows of every job (sentinels),
touched or not. The chip occurs once in a job, so no second table repeats a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zisk_actors.air.air import Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction
from zisk_actors.chips.base import T, is_bit, put, put_chunks, range16
from zisk_actors.chips.frames import Real
from zisk_actors.errors import JobFailed
from zisk_actors.machine import layout
from zisk_actors.machine.layout import token_of_word
from zisk_actors.stark.domain import MAX_LOG_HEIGHT, MIN_LOG_HEIGHT, bit_reversal
from zisk_actors.stark.field import U64


@dataclass(frozen=True)
class Region:
    """Token addresses ``first`` to ``last``, both included."""

    first: int
    last: int

    def holds(self, addr: U64) -> npt.NDArray[np.bool_]:
        """Which of ``addr`` lie in the region."""
        return (addr >= self.first) & (addr <= self.last)


RAM_WORDS = Region(token_of_word(layout.RAM_START), token_of_word(layout.RAM_END - layout.WORD))
INPUT_WORDS = Region(token_of_word(layout.INPUT_START), token_of_word(layout.INPUT_END - layout.WORD))
OUTPUT_WORDS = Region(token_of_word(layout.OUTPUT), token_of_word(layout.OUTPUT) + layout.OUTPUT_WORDS - 1)


class TooManyWords(JobFailed):
    """The run touches more words of a region than one table can hold."""

    code = "too-many-words"


class WordRow(Real[T]):
    """A word of a region."""

    addr = Column("token address; on padding, the last word's")
    ts = Column("time of the last access, 0 if there was none")
    gap = Columns(2, "distance to the next used row's address, minus 1, 16-bit chunks", bits=16)


def increasing(window: Window, region: Region) -> Iterator[Constraint]:
    """Used addresses grow strictly from the first word of ``region`` to its last."""
    row, following, inner = window.row, window.next, 1 - window.last
    step = 1 + row.gap[0] + 2**16 * row.gap[1]
    yield is_bit("real", row.real)
    yield "the first row is used", window.first * (1 - row.real)
    yield "the first row is the region's first word", window.first * (row.addr - region.first)
    yield "the last row is the region's last word", window.last * (row.addr - region.last)
    yield "used rows are a prefix", inner * following.real * (1 - row.real)
    yield "addresses grow by the gap, or stay on padding", inner * (following.addr - row.addr - following.real * step)


def gaps(window: Window) -> Iterator[Interaction]:
    """The gap's chunks are below 2^16."""
    return range16(window.row.real, *window.row.gap)


# --- filling ---------------------------------------------------------------


def lookup(wanted: U64, known: U64) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """For each of ``wanted``: whether it is in ``known`` (distinct), and where (any index if not)."""
    if not len(known):
        return np.zeros(len(wanted), dtype=np.bool_), np.zeros(len(wanted), dtype=np.intp)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
    index = order[place]
    return known[index] == wanted, index


def log_height_for(count: int, what: str) -> int:
    """log2 of the height of a table of ``count`` rows that may have one instance only; raises TooManyWords."""
    log_height = max(MIN_LOG_HEIGHT, (count - 1).bit_length())
    if log_height > MAX_LOG_HEIGHT:
        raise TooManyWords(
            f"the run touches {count} words of {what}; one proof can hold {1 << MAX_LOG_HEIGHT}",
            hint="use less memory, or touch it less widely",
        )
    return log_height


def fill_words(row: Any, addr: U64, ts: U64, region: Region) -> None:
    """The columns of WordRow, in domain order: ``addr`` is sorted and holds the region's first and last word."""
    n = len(addr)
    row.addr[:] = region.last
    put(row.addr, addr)
    put(row.ts, ts)
    put_chunks(row.gap, np.diff(addr) - np.uint64(1))
    row.real[:n] = 1


def with_sentinels(region: Region, *addrs: Sequence[int] | U64) -> U64:
    """The union of ``addrs`` and the ends of ``region``, sorted."""
    ends = np.array([region.first, region.last], dtype=np.uint64)
    return np.unique(np.concatenate([ends, *(np.asarray(addr, dtype=np.uint64) for addr in addrs)]))


def swap_order(matrix: U64) -> U64:
    """Columns (width, N) from domain to storage order or back (the permutation is its own inverse); a C-contiguous copy."""
    log_height = matrix.shape[-1].bit_length() - 1
    return np.ascontiguousarray(matrix[..., bit_reversal(log_height)])
