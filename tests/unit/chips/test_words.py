"""ram and input: each word once, in its region, starting as it must; every attack on that is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from tests.chips_harness import assert_satisfied, column, forge, stateful, uncaught_in_table, violations
from zisk_actors.chips import input as input_words
from zisk_actors.chips import ram
from zisk_actors.chips.base import Chip
from zisk_actors.chips.input import INPUT
from zisk_actors.chips.ram import RAM
from zisk_actors.chips.words import INPUT_WORDS, OUTPUT_WORDS, RAM_WORDS, Region, TooManyWords, log_height_for, lookup, swap_order
from zisk_actors.stark.domain import bit_reversal
from zisk_actors.stark.field import U64, P

U = np.uint64
FIRST_DATA = 0xA003_0000 // 8
IMAGE_ADDR = np.array([FIRST_DATA, FIRST_DATA + 1, FIRST_DATA + 100_000], dtype=np.uint64)
IMAGE_VALUE = np.array([2**40 + 7, 0, 2**64 - 1], dtype=np.uint64)
RAM_FINAL = np.array(
    [
        [OUTPUT_WORDS.first + 3, 0, 2**33 + 5, 17],
        [FIRST_DATA, 2**40 + 7, 9, 22],
        [FIRST_DATA + 5_000_000, 0, 2**50, 102],
        [RAM_WORDS.last, 0, 1, 44],
    ],
    dtype=np.uint64,
)
INPUT_FINAL = np.array(
    [[INPUT_WORDS.first + i, value, value, 6 + 4 * i] for i, value in ((0, 0), (1, 2**64 - 1), (70_000, 5))], dtype=np.uint64
)


def ram_main() -> U64:
    return ram.trace(IMAGE_ADDR, IMAGE_VALUE, RAM_FINAL)


def input_main() -> U64:
    return input_words.trace(INPUT_FINAL)


CASES = [(RAM, ram_main, RAM_WORDS), (INPUT, input_main, INPUT_WORDS)]


def row_of(chip: Chip, main: U64, addr: int) -> int:
    return int(np.flatnonzero(main[column(chip, "addr")] == addr)[0])


# --- honest tables ---------------------------------------------------------


@pytest.mark.parametrize(("chip", "make", "region"), CASES)
def test_honest_tables_satisfy(chip: Chip, make: Callable[[], U64], region: Region):
    main = make()
    assert_satisfied(chip, main)
    addr, real = main[column(chip, "addr")], main[column(chip, "real")]
    assert addr[0] == region.first
    assert addr[-1] == region.last
    used = addr[real == 1].astype(np.int64)
    assert np.all(np.diff(used) > 0)


def test_ram_says_what_each_word_was_and_is():
    said = stateful(RAM, ram_main())
    expected: Counter[tuple[object, ...]] = Counter()
    output = range(OUTPUT_WORDS.first, OUTPUT_WORDS.last + 1)
    for addr in (RAM_WORDS.first, RAM_WORDS.last, *output, *IMAGE_ADDR.tolist(), FIRST_DATA + 5_000_000):
        touched = {row[0]: row[1:] for row in RAM_FINAL.tolist()}
        image = dict(zip(IMAGE_ADDR.tolist(), IMAGE_VALUE.tolist(), strict=True))
        start = image.get(addr, 0)
        _, end, ts = touched.get(addr, (start, start, 0))
        expected[("token", (addr, start % 2**32, start >> 32, 0))] += 1
        expected[("token", (addr, end % 2**32, end >> 32, ts))] -= 1
        if addr in image:
            expected[("image", (addr, start % 2**32, start >> 32))] -= 1
        if addr in output:
            expected[("public", (addr, end % 2**32, end >> 32))] += 1
    assert said == Counter({key: times for key, times in expected.items() if times})


def test_an_untouched_input_has_its_two_sentinels():
    main = input_words.trace(np.zeros((0, 4), dtype=np.uint64))
    assert_satisfied(INPUT, main)
    assert main[column(INPUT, "real")].tolist() == [1, 1] + [0] * 62


@pytest.mark.parametrize("count", [62, 63, 64, 65, 124])
def test_full_and_nearly_full_tables_satisfy(count: int):
    """All rows used, and one or two free: the wrap from the last row to the first is no step."""
    final = np.array([[INPUT_WORDS.first + 1 + i, i, i, 2] for i in range(count - 2)], dtype=np.uint64)
    main = input_words.trace(final)
    assert main.shape[1] == (64 if count <= 64 else 128)
    assert_satisfied(INPUT, main)
    assert int(main[column(INPUT, "real")].sum()) == count


def test_words_of_other_regions_are_left_to_others():
    strange = np.array([[2**40 + 3, 0, 5, 9], [2**35 + 0x8000_0000 // 8, 1, 1, 6]], dtype=np.uint64)
    assert np.array_equal(ram.trace(IMAGE_ADDR, IMAGE_VALUE, np.concatenate([RAM_FINAL, strange])), ram_main())
    assert np.array_equal(input_words.trace(np.concatenate([strange, INPUT_FINAL])), input_main())


def test_final_states_that_no_run_leaves_are_refused():
    wrong = RAM_FINAL.copy()
    wrong[1, 1] += U(1)
    with pytest.raises(ValueError, match="image"):
        ram.trace(IMAGE_ADDR, IMAGE_VALUE, wrong)
    changed = INPUT_FINAL.copy()
    changed[1, 2] = 3
    with pytest.raises(ValueError, match="input"):
        input_words.trace(changed)


def test_more_words_than_a_table_holds_is_the_user_s_error():
    assert log_height_for(2**22, "RAM") == 22
    with pytest.raises(TooManyWords, match="4194305 words of RAM") as caught:
        log_height_for(2**22 + 1, "RAM")
    assert caught.value.hint


def test_lookup_finds_places():
    known = np.array([7, 3, 11], dtype=np.uint64)
    found, index = lookup(np.array([3, 4, 11, 12], dtype=np.uint64), known)
    assert found.tolist() == [True, False, True, False]
    assert index[found].tolist() == [1, 2]
    assert lookup(known, np.zeros(0, dtype=np.uint64))[0].tolist() == [False] * 3


def test_swapping_the_order_twice_is_nothing():
    matrix = np.arange(64, dtype=np.uint64).reshape(2, 32)
    assert np.array_equal(swap_order(swap_order(matrix)), matrix)
    assert np.array_equal(swap_order(matrix)[0], bit_reversal(5))


# --- mutations -------------------------------------------------------------


@pytest.mark.parametrize(("chip", "make", "region"), CASES)
def test_single_changes_of_used_rows_are_caught(chip: Chip, make: Callable[[], U64], region: Region):
    main = make()
    used = int(main[column(chip, "real")].sum())
    loose = uncaught_in_table(chip, main, [0, 1, 2, used - 2, used - 1])
    for name, cases in loose.items():
        for row, _, _ in cases:
            behind = name in ("gap[0]", "gap[1]") and row == used - 1  # leads nowhere
            unread = name.startswith("value") and main[column(chip, "ts"), row] == 0  # the input is the prover's choice
            assert behind or unread, (name, row)


@pytest.mark.parametrize(("chip", "make", "region"), CASES)
def test_padding_says_nothing_whatever_it_holds(chip: Chip, make: Callable[[], U64], region: Region):
    main = make()
    used = int(main[column(chip, "real")].sum())
    loose = uncaught_in_table(chip, main, [used, main.shape[1] - 1])
    assert {"real", "addr"} & set(loose) == set()
    for name, cases in loose.items():
        for row, _, value in cases:
            assert stateful(chip, forge(chip, main, row, {name: value})) == stateful(chip, main)


# --- attacks ---------------------------------------------------------------


def rebuilt(chip: Chip, rows: list[dict[str, int]], height: int = 64) -> U64:
    """A table of these rows in this order, gaps as the field wants them, padded as the constraints want it."""
    region = RAM_WORDS if chip is RAM else INPUT_WORDS
    main = np.zeros((chip.air.width, height), dtype=np.uint64)
    main[column(chip, "addr")] = region.last
    for i, row in enumerate(rows):
        cells = dict(row) | {"real": 1}
        if i + 1 < len(rows):
            gap = (rows[i + 1]["addr"] - row["addr"] - 1) % P
            low = gap % 2**16
            cells |= {"gap[0]": low, "gap[1]": (gap - low) * pow(2**16, -1, P) % P}
        main = forge(chip, main, i, cells)
    return main


@pytest.mark.parametrize(("chip", "make", "region"), CASES)
def test_an_address_cannot_occur_twice(chip: Chip, make: Callable[[], U64], region: Region):
    """Two initial tokens of one word would let the prover choose between two values."""
    rows = [{"addr": region.first}, {"addr": region.first + 9}, {"addr": region.first + 9}, {"addr": region.last}]
    found = violations(chip, rebuilt(chip, rows))
    assert found
    assert all("range16 does not hold" in message for message in found)
    # The zero step as chunks in range: 1 + gap = 0 has no solution, so the step itself fails.
    main = rebuilt(chip, rows)
    for low, high in ((2**16 - 1, 2**16 - 1), (0, 0)):
        assert "row 1: addresses grow by the gap, or stay on padding" in violations(
            chip, forge(chip, main, 1, {"gap[0]": low, "gap[1]": high})
        )


@pytest.mark.parametrize(("chip", "make", "region"), CASES)
def test_addresses_cannot_go_down_or_around(chip: Chip, make: Callable[[], U64], region: Region):
    rows = [{"addr": region.first}, {"addr": region.first + 9}, {"addr": region.first + 5}, {"addr": region.last}]
    assert any("range16 does not hold" in message for message in violations(chip, rebuilt(chip, rows)))


@pytest.mark.parametrize(("chip", "make", "region"), CASES)
@pytest.mark.parametrize("outside", [-1, -(2**20), 2**27, 2**41])
def test_no_word_outside_the_region(chip: Chip, make: Callable[[], U64], region: Region, outside: int):
    """In the middle it would have to come back down; at an end the ends are fixed."""
    addr = region.first + outside
    middle = [{"addr": region.first}, {"addr": addr % P}, {"addr": region.last}]
    assert any("range16 does not hold" in message for message in violations(chip, rebuilt(chip, middle)))
    if outside < 0:
        before = [{"addr": addr % P}, {"addr": region.first}, {"addr": region.last}]
        assert violations(chip, rebuilt(chip, before)) == ["row 0: the first row is the region's first word"]
    else:
        behind = rebuilt(chip, [{"addr": region.first}, {"addr": region.last}, {"addr": addr}])
        assert "row 2: addresses grow by the gap, or stay on padding" in violations(chip, behind)
        behind[column(chip, "addr"), 3:] = addr
        assert "row 63: the last row is the region's last word" in violations(chip, behind)


@pytest.mark.parametrize(("chip", "make", "region"), CASES)
def test_no_words_behind_padding(chip: Chip, make: Callable[[], U64], region: Region):
    main = forge(chip, rebuilt(chip, [{"addr": region.first}, {"addr": region.last}]), 5, {"real": 1})
    found = violations(chip, main)
    assert "row 4: used rows are a prefix" in found
    assert violations(chip, np.zeros_like(main)), "an empty table"


def test_ram_cannot_start_with_a_value_of_its_own():
    main = ram_main()
    row = row_of(RAM, main, FIRST_DATA + 5_000_000)
    assert violations(RAM, forge(RAM, main, row, {"initial[0]": 5})) == [f"row {row}: the low limb starts at 0 without an image"]
    assert violations(RAM, forge(RAM, main, row, {"initial[1]": 5})) == [f"row {row}: the high limb starts at 0 without an image"]
    # Calling it an image row takes an offer off the bus that the image never made.
    claimed = forge(RAM, main, row, {"initial[0]": 5, "is_image": 1})
    assert not violations(RAM, claimed)
    assert stateful(RAM, claimed)[("image", (FIRST_DATA + 5_000_000, 5, 0))] == -1


def test_an_image_word_cannot_be_claimed_to_be_zero():
    main = ram_main()
    row = row_of(RAM, main, FIRST_DATA)
    claimed = forge(RAM, main, row, {"initial[0]": 0, "initial[1]": 0, "is_image": 0})
    assert not violations(RAM, claimed)
    assert ("image", (FIRST_DATA, 7, 2**8)) in stateful(RAM, main)
    assert ("image", (FIRST_DATA, 7, 2**8)) not in stateful(RAM, claimed), "the image's offer stays on the bus"


def test_flags_of_unused_rows_are_refused():
    main = ram_main()
    unused = int(main[column(RAM, "real")].sum())
    assert violations(RAM, forge(RAM, main, unused, {"is_image": 1})) == [f"row {unused}: image rows are used"]
    assert violations(RAM, forge(RAM, main, unused, {"is_output": 1})) == [f"row {unused}: output rows are used"]
    assert f"row {unused}: is_output is a bit" in violations(RAM, forge(RAM, main, unused, {"is_output": 2}))


def test_a_missing_output_row_leaves_the_claim_untaken():
    main = ram_main()
    row = row_of(RAM, main, OUTPUT_WORDS.first + 3)
    hidden = forge(RAM, main, row, {"is_output": 0})
    assert not violations(RAM, hidden)
    assert stateful(RAM, main)[("public", (OUTPUT_WORDS.first + 3, 5, 2))] == 1
    assert ("public", (OUTPUT_WORDS.first + 3, 5, 2)) not in stateful(RAM, hidden)


def test_an_input_word_gives_back_what_it_gave():
    main = input_main()
    addr = INPUT_WORDS.first + 1
    row = row_of(INPUT, main, addr)
    said = {key: times for key, times in stateful(INPUT, main).items() if key[1][0] == addr}
    assert said == {("token", (addr, 2**32 - 1, 2**32 - 1, 0)): 1, ("token", (addr, 2**32 - 1, 2**32 - 1, 10)): -1}
    assert any("range16" in message for message in violations(INPUT, forge(INPUT, main, row, {"value[1]": 2**16})))
