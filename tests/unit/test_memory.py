"""The pool of memory: pieces do not meet, come back, join, and go back to the system; what does not fit changes nothing."""

from __future__ import annotations

import gc
import random
import resource
import threading
from itertools import pairwise

import numpy as np
import pytest

from zisk_actors import memory
from zisk_actors.errors import MemoryShort
from zisk_actors.memory import GRAIN, HUGE, SMALL, WORD, Pool, words, zeros

PAGE_WORDS = GRAIN // WORD


def span(array: np.ndarray) -> tuple[int, int]:  # type: ignore[type-arg]
    return array.ctypes.data, array.ctypes.data + array.nbytes


def test_a_piece_comes_back_with_the_last_array_that_looks_into_it() -> None:
    pool = Pool(HUGE)
    array = pool.words(3 * PAGE_WORDS).reshape(3, -1)
    row = array[1][5:]
    assert pool.used == 3 * GRAIN
    del array
    assert pool.used == 3 * GRAIN
    del row
    assert pool.used == 0
    assert pool.words(HUGE // WORD).size == HUGE // WORD  # all of it again, in one piece


def test_what_comes_back_is_handed_out_first() -> None:
    pool = Pool(HUGE)
    first, second = pool.words(PAGE_WORDS), pool.words(PAGE_WORDS)
    at = first.ctypes.data
    del first
    assert pool.words(1).ctypes.data == at
    assert span(second)[0] == at + GRAIN
    assert pool.held == 2 * GRAIN


def test_what_does_not_fit_is_an_error_and_changes_nothing() -> None:
    pool = Pool(1)
    assert pool.limit == HUGE
    kept = pool.words(PAGE_WORDS)
    with pytest.raises(MemoryShort, match=r"a matrix of 2 MiB does not fit: 2 of 2 MiB are free"):
        pool.words(HUGE // WORD)
    assert pool.used == GRAIN
    assert pool.words(HUGE // WORD - PAGE_WORDS).ctypes.data == span(kept)[1]


def test_addresses_that_there_are_not_are_an_error() -> None:
    with pytest.raises(MemoryShort, match="cannot be reserved"):
        Pool(1 << 60)


def test_pieces_never_meet() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    pool = Pool(64 * GRAIN)
    held: list[tuple[int, np.ndarray]] = []  # type: ignore[type-arg]
    for number in range(2000):
        if held and chance.random() < 0.5:
            mark, array = held.pop(chance.randrange(len(held)))
            assert np.all(array == mark)
            del array
        else:
            try:
                array = pool.words(chance.randrange(1, 12 * PAGE_WORDS))
            except MemoryShort:
                continue
            array[:] = number
            held.append((number, array))
            del array
        spans = sorted(span(array) for _, array in held)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
    held.clear()
    assert pool.used == 0
    assert pool._free == [(0, pool.limit)]


def test_threads_may_drop_and_take_at_once() -> None:
    pool = Pool(64 * HUGE)

    def work(mark: int) -> None:
        for _ in range(200):
            array = pool.words(mark * PAGE_WORDS)
            array[:] = mark
            assert np.all(array == mark)

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pool.used == 0


def test_released_memory_is_the_systems_and_kept_pieces_stay() -> None:
    pool = Pool(16 * HUGE)
    kept, dropped = pool.words(HUGE // WORD), pool.words(15 * HUGE // WORD)
    kept[:], dropped[:] = 7, 9
    before = _resident()
    del dropped
    gc.collect()
    pool.release()
    assert before - _resident() > 12 * HUGE
    assert np.all(kept == 7)
    assert pool.held == HUGE
    assert not pool.words(15 * HUGE // WORD).any()  # clear pages of the system's


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_zeros_are_zeros_where_something_stood() -> None:
    memory.limit(4 * HUGE)
    try:
        array = words(4, HUGE // WORD)
        array[:] = 5
        del array
        assert not zeros(3, HUGE // WORD).any()
        assert memory.pool().limit == 4 * HUGE
        with pytest.raises(MemoryShort):
            words(5, HUGE // WORD)
    finally:
        memory.limit(0)


def test_records_of_any_size() -> None:
    kind = np.dtype([("a", np.uint32), ("b", np.uint8), ("c", np.uint64)])
    for count in (0, 1, 5, SMALL):
        table = memory.records(count, kind)
        assert table.shape == (count,)
        assert table.dtype == kind
        table["c"] = 3
    assert memory.piece_of(table)


def test_small_arrays_are_none_of_the_pools() -> None:
    assert not memory.piece_of(words(SMALL // WORD - 1))
    assert not memory.piece_of(zeros(2, 4))
    assert memory.piece_of(words(2, SMALL // WORD)[1:])
