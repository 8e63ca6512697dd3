"""image: the program's initial memory, a fixed table of the verifying key.

**What it proves.** Each word that the program loads starts with its value, and one outside RAM keeps it.

**Why it is sound.** There are two kinds of words:

* A *read-only* word (outside RAM: text, constants) has its initial and its
  final token here. Its final value is its initial one: nothing can have
  written it, because stores reach RAM tokens only and this row takes no other
  value off the bus. Its address is READ_ONLY_BASE + byte address / 8.
* A *writable* word lies in RAM. It is offered once on the IMAGE bus, and the
  ram chip, whose addresses are strictly increasing, must take it: each offer
  is taken by exactly one ram row of that address, so the word starts with this
  value and with no other, touched or not.

The builder of the fixed columns answers for the addresses: each word once,
read-only words neither in RAM nor in the input region (``fixed_columns`` checks).

**How it is filled.** The fixed columns from the program, the times of the last accesses from the end of the run.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Row, Window
from zisk_actors.air.bus import Interaction, receive, send
from zisk_actors.chips.base import MASK32, Chip, T
from zisk_actors.chips.buses import IMAGE as IMAGE_BUS
from zisk_actors.chips.buses import TOKEN
from zisk_actors.chips.words import INPUT_WORDS, RAM_WORDS, lookup
from zisk_actors.machine.layout import READ_ONLY_BASE
from zisk_actors.stark.chipset import Presence
from zisk_actors.stark.field import U64


class ImageFixed(Row[T]):
    """A word of the image. Both flags are 0 on padding."""

    addr = Column("token address")
    value = Columns(2, "value, limbs")
    read_only = Column("1 for a word outside RAM")
    writable = Column("1 for a word in RAM")


class ImageRow(Row[T]):
    """When a read-only word was last read."""

    ts = Column("time of the last access, 0 if there was none or the word is writable")


def _constraints(window: Window) -> Iterator[Constraint]:
    yield from ()


def _interactions(window: Window) -> Iterator[Interaction]:
    row, fixed = window.row, window.fixed
    yield send(TOKEN, fixed.addr, *fixed.value, 0, times=fixed.read_only)
    yield receive(TOKEN, fixed.addr, *fixed.value, row.ts, times=fixed.read_only)
    yield send(IMAGE_BUS, fixed.addr, *fixed.value, times=fixed.writable)


def fixed_columns(addr: U64, value: U64, read_only: np.ndarray[tuple[int], np.dtype[np.bool_]], height: int) -> U64:
    """(fixed width, height) from n <= height words: token addresses, 64-bit values, which are read-only.

    Raises ValueError where an address is in the wrong region or occurs twice.
    """
    word = addr[read_only] - np.uint64(READ_ONLY_BASE)
    stray = np.any(addr[read_only] < READ_ONLY_BASE) or np.any(word >= 2**29) or np.any(RAM_WORDS.holds(word))
    if stray or np.any(INPUT_WORDS.holds(addr[read_only])) or not np.all(RAM_WORDS.holds(addr[~read_only])):
        raise ValueError("an image word lies in the wrong region")
    if len(np.unique(addr)) != len(addr):
        raise ValueError("an image word occurs twice")
    fixed = np.zeros((ImageFixed.width, height), dtype=np.uint64)
    n = len(addr)
    fixed[0, :n] = addr
    fixed[1, :n] = value & MASK32
    fixed[2, :n] = value >> np.uint64(32)
    fixed[3, :n] = read_only
    fixed[4, :n] = ~read_only
    return fixed


def trace(addr: U64, read_only: np.ndarray[tuple[int], np.dtype[np.bool_]], final: U64, height: int) -> U64:
    """The main matrix; ``final`` (n, 4) holds the touched cells: token address, initial value, final value, time."""
    main = np.zeros((ImageRow.width, height), dtype=np.uint64)
    found, index = lookup(addr, final[:, 0])
    main[0, : len(addr)] = np.where(found & read_only, final[index, 3], 0) if len(final) else 0
    return main


IMAGE = Chip(
    Air("image", ImageRow, _constraints, _interactions, ImageFixed, doc="initial memory of the program"),
    presence=Presence.SINGLETON,
)
