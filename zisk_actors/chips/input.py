"""input: the words of the input region that the run reads.

**What it proves.** Each word of the region has one value, and keeps it; that of the first word is 0.

**Why it is sound.** Rows are words in strictly increasing order over the whole region (words.py), so
every word has one value. The first word is 0. The value of any other is the
prover's choice, as the input is: an input may be as long as the region, so each
choice is some input's, and one that ends earlier has zeros there. Limbs are
bounded by 16-bit chunks because they enter tokens here. The row takes back the
value that it gave: nothing writes a read-only word. Nothing of the input is
public: a program that wants it bound must put it in its output.

**How it is filled.** A row each for the words that the run touched, and for the region's ends.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zisk_actors.air.air import Air, Columns, Constraint, Window
from zisk_actors.air.bus import Interaction, receive, send
from zisk_actors.chips.base import Chip, T, limbs_of, put_chunks, range16
from zisk_actors.chips.buses import TOKEN
from zisk_actors.chips.words import INPUT_WORDS, WordRow, fill_words, gaps, increasing, log_height_for, lookup, with_sentinels
from zisk_actors.stark.chipset import Presence
from zisk_actors.stark.field import U64


class InputRow(WordRow[T]):
    """A word of the input."""

    value = Columns(4, "the word, 16-bit chunks", bits=16)


def _constraints(window: Window) -> Iterator[Constraint]:
    low, high = limbs_of(window.row.value)
    yield from increasing(window, INPUT_WORDS)
    # The first row is that word's (words.py), and its chunks are bounded.
    yield "the word before the input has low limb 0", window.first * low
    yield "the word before the input has high limb 0", window.first * high


def _interactions(window: Window) -> Iterator[Interaction]:
    row = window.row
    limbs = limbs_of(row.value)
    yield send(TOKEN, row.addr, *limbs, 0, times=row.real)
    yield receive(TOKEN, row.addr, *limbs, row.ts, times=row.real)
    yield from range16(row.real, *row.value)
    yield from gaps(window)


def trace(final: U64) -> U64:
    """The main matrix in domain order, from touched cells ``final`` (n, 4): token address, initial value, final value, time.

    Raises TooManyWords, and ValueError if a word changed.
    """
    touched = final[INPUT_WORDS.holds(final[:, 0])]
    if np.any(touched[:, 1] != touched[:, 2]):
        raise ValueError("the run changed a word of its input")
    addr = with_sentinels(INPUT_WORDS, touched[:, 0])
    found, index = lookup(addr, touched[:, 0])
    value, ts = np.zeros(len(addr), dtype=np.uint64), np.zeros(len(addr), dtype=np.uint64)
    value[found] = touched[index[found], 1]
    ts[found] = touched[index[found], 3]

    main = np.zeros((InputRow.width, 1 << log_height_for(len(addr), "input")), dtype=np.uint64)
    row: InputRow[U64] = InputRow(list(main))
    fill_words(row, addr, ts, INPUT_WORDS)
    put_chunks(row.value, value)
    return main


INPUT = Chip(Air("input", InputRow, _constraints, _interactions, doc="words of the input that are read"), presence=Presence.SINGLETON)
