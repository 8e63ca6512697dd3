"""ram: the first and the last token of each word of RAM that the job speaks of.

**What it proves.** Each word has one initial value, the image's or 0, and one final value; those of the output are public.

**Why it is sound.** Rows are words in strictly increasing order over the whole of RAM (words.py), so
every word has at most one initial token. A word starts at

* 0, unless the row is an *image* row: then it takes (addr, initial value) off
  the IMAGE bus. The image chip offers each writable word of the program
  exactly once and only this chip takes: every such word has a row here, and
  that row is an image row. Claiming it to be zero leaves the offer untaken.
* Public output: an *output* row puts (addr, final value) on the PUBLIC bus. The
  verifier takes the 32 words of the output off it, so each of them has a row,
  flagged, and no other row is. An output word that nobody touched is 0.

A load or store of a word without a row finds no token.

**How it is filled.** A row each for the words that the run touched, those of the image, those of the output, and the region's ends.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zisk_actors.air.air import Air, Column, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction, receive, send
from zisk_actors.chips.base import Chip, T, is_bit, put, put_limbs
from zisk_actors.chips.buses import IMAGE, PUBLIC, TOKEN
from zisk_actors.chips.words import (
    OUTPUT_WORDS,
    RAM_WORDS,
    WordRow,
    fill_words,
    gaps,
    increasing,
    log_height_for,
    lookup,
    with_sentinels,
)
from zisk_actors.stark.chipset import Presence
from zisk_actors.stark.field import U64


class RamRow(WordRow[T]):
    """A word of RAM."""

    is_image = Column("1 if the program's image sets the word")
    is_output = Column("1 if the word is public output")
    initial = Columns(2, "value at time 0, limbs; 0 unless is_image")
    final = Columns(2, "value of the last access, limbs")


def _constraints(window: Window) -> Iterator[Constraint]:
    row = window.row
    yield from increasing(window, RAM_WORDS)
    yield is_bit("is_image", row.is_image)
    yield is_bit("is_output", row.is_output)
    yield "image rows are used", row.is_image * (1 - row.real)
    yield "output rows are used", row.is_output * (1 - row.real)
    yield "the low limb starts at 0 without an image", (1 - row.is_image) * row.initial[0]
    yield "the high limb starts at 0 without an image", (1 - row.is_image) * row.initial[1]


def _interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    yield send(TOKEN, row.addr, *row.initial, 0, times=row.real)
    yield receive(TOKEN, row.addr, *row.final, row.ts, times=row.real)
    yield receive(IMAGE, row.addr, *row.initial, times=row.is_image)
    yield send(PUBLIC, row.addr, *row.final, times=row.is_output)
    yield from gaps(window)


def trace(image_addr: U64, image_value: U64, final: U64) -> U64:
    """The main matrix in domain order.

    ``image_addr`` and ``image_value`` (64-bit) are the writable words of the image,
    ``final`` (n, 4) the touched cells: token address, initial value, final value, time.
    Raises TooManyWords, and ValueError where ``final`` contradicts the image.
    """
    touched = final[RAM_WORDS.holds(final[:, 0])]
    output = np.arange(OUTPUT_WORDS.first, OUTPUT_WORDS.last + 1, dtype=np.uint64)
    addr = with_sentinels(RAM_WORDS, output, image_addr, touched[:, 0])
    in_image, image_index = lookup(addr, image_addr)
    is_touched, index = lookup(addr, touched[:, 0])
    initial = np.zeros(len(addr), dtype=np.uint64)
    initial[in_image] = image_value[image_index[in_image]]
    if np.any(initial[is_touched] != touched[index[is_touched], 1]):
        raise ValueError("the run started with other memory than the program's image")
    value, ts = initial.copy(), np.zeros(len(addr), dtype=np.uint64)
    value[is_touched] = touched[index[is_touched], 2]
    ts[is_touched] = touched[index[is_touched], 3]

    main = np.zeros((RamRow.width, 1 << log_height_for(len(addr), "RAM")), dtype=np.uint64)
    row: RamRow[U64] = RamRow(list(main))
    fill_words(row, addr, ts, RAM_WORDS)
    put(row.is_image, in_image)
    put(row.is_output, OUTPUT_WORDS.holds(addr))
    put_limbs(row.initial, initial)
    put_limbs(row.final, value)
    return main


RAM = Chip(Air("ram", RamRow, _constraints, _interactions, doc="initial and final words of RAM"), presence=Presence.SINGLETON)
