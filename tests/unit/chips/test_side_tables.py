"""Which cell of the side tables is pinned by what, and which by nothing: the list, held against the code."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from tests.chips_harness import column
from tests.side_tables import Sample, Seen, samples, seen
from tests.trace_job import EVERYTHING, job_of
from zisk_actors.air.check import Table
from zisk_actors.air.expr import Expr, Kind, topological
from zisk_actors.chips import CHIPS
from zisk_actors.chips.base import Chip
from zisk_actors.chips.input import INPUT
from zisk_actors.chips.ram import RAM
from zisk_actors.chips.rom import ROM
from zisk_actors.chips.table16 import TABLE16
from zisk_actors.chips.words import INPUT_WORDS, RAM_WORDS
from zisk_actors.stark.field import P

SEED = 1

BIT, PREFIX = "real is a bit", "used rows are a prefix"
STEP = "addresses grow by the gap, or stay on padding"
STARTS, ENDS, USED = "the first row is the region's first word", "the last row is the region's last word", "the first row is used"
LOW, HIGH = "the low limb starts at 0 without an image", "the high limb starts at 0 without an image"
ZERO_LOW, ZERO_HIGH = "the word before the input has low limb 0", "the word before the input has high limb 0"
IMAGE_BIT, OUTPUT_BIT = "is_image is a bit", "is_output is a bit"
IMAGE_USED, OUTPUT_USED = "image rows are used", "output rows are used"

SILENT = "the row is padding: all its interactions have weight 0"
UNREAD = "the run does not read the word: its two tokens take each other off the bus, and its value is that of some input"
NOWHERE = "no used row follows that the gap could lead to"
IN_RAM = "a writable word has its tokens in the ram table; this row only offers its value"


@dataclass(frozen=True)
class Free:
    """A cell that a prover may choose (within what ``by`` still says), and why that is no harm."""

    reason: str
    by: tuple[str, ...] = ()


Pins = Mapping[str, "tuple[str, ...] | Free"]


def numbered(name: str, count: int, what: tuple[str, ...] | Free) -> dict[str, tuple[str, ...] | Free]:
    return {f"{name}[{i}]": what for i in range(count)}


GAP = numbered("gap", 2, (STEP, "range16"))
NO_GAP = numbered("gap", 2, Free(NOWHERE, ("range16",)))
VALUE = numbered("value", 4, ("range16", "token"))
ANY_VALUE = numbered("value", 4, Free(UNREAD, ("range16",)))
FINAL = numbered("final", 2, ("token",))
ZEROS: Pins = {"initial[0]": (LOW, "token"), "initial[1]": (HIGH, "token")}
NO_FLAGS: Pins = {"is_image": ("image", IMAGE_BIT), "is_output": (OUTPUT_BIT, "public")}

INPUT_PADDING: Pins = {
    "real": (STEP, BIT, PREFIX),
    "addr": (STEP,),
    "ts": Free(SILENT),
    **numbered("gap", 2, Free(SILENT)),
    **numbered("value", 4, Free(SILENT)),
}
RAM_PADDING: Pins = {
    "real": (STEP, BIT, PREFIX),
    "addr": (STEP,),
    "ts": Free(SILENT),
    **numbered("gap", 2, Free(SILENT)),
    "is_image": ("image", IMAGE_USED, IMAGE_BIT),
    "is_output": (OUTPUT_BIT, OUTPUT_USED, "public"),
    "initial[0]": (LOW,),
    "initial[1]": (HIGH,),
    **numbered("final", 2, Free(SILENT)),
}
LAST: Pins = {"addr": (STEP, ENDS)}
RAM_ROW: Pins = {"real": (STEP, BIT, "token", PREFIX), "addr": (STEP, "token"), "ts": ("token",), **GAP, **NO_FLAGS, **ZEROS, **FINAL}

PINS: dict[str, dict[str, Pins]] = {
    "input": {
        "before": {
            "real": (BIT, USED, "token", PREFIX),
            "addr": (STEP, STARTS, "token"),
            "ts": ("token",),
            **GAP,
            **numbered("value", 2, ("range16", ZERO_LOW, "token")),
            "value[2]": ("range16", ZERO_HIGH, "token"),
            "value[3]": ("range16", ZERO_HIGH, "token"),
        },
        "read": {"real": (STEP, BIT, "token", PREFIX), "addr": (STEP, "token"), "ts": ("token",), **GAP, **VALUE},
        "not read": {"real": (STEP, BIT, PREFIX), "addr": (STEP,), "ts": ("token",), **GAP, **ANY_VALUE},
        "last used": {"real": (STEP, BIT), "addr": (STEP,), "ts": ("token",), **NO_GAP, **ANY_VALUE},
        "padding": INPUT_PADDING,
        "last": {**INPUT_PADDING, **LAST},
    },
    "ram": {
        "first": {**RAM_ROW, "real": (BIT, USED, PREFIX), "addr": (STEP, STARTS)},
        "output": {
            **RAM_ROW,
            "real": (STEP, OUTPUT_USED, BIT, "token", PREFIX),
            "addr": (STEP, "public", "token"),
            **numbered("final", 2, ("public", "token")),
        },
        "image": {
            **RAM_ROW,
            "real": (STEP, IMAGE_USED, BIT, "token", PREFIX),
            "addr": (STEP, "image", "token"),
            "is_image": ("image", IMAGE_BIT, LOW, HIGH),
            **numbered("initial", 2, ("image", "token")),
        },
        "other": RAM_ROW,
        "last used": {**RAM_ROW, "real": (STEP, BIT), "addr": (STEP,), **NO_GAP},
        "padding": RAM_PADDING,
        "last": {**RAM_PADDING, **LAST},
    },
    "image": {"read-only": {"ts": ("token",)}, "writable": {"ts": Free(IN_RAM)}, "padding": {"ts": Free(SILENT)}},
    "registers": {
        "register": {**FINAL, "ts": ("token",)},
        "padding": {**numbered("final", 2, Free(SILENT)), "ts": Free(SILENT)},
    },
    # Pinned in the sum over all shares only: see the last tests of this file.
    "rom": {
        "instruction": {"executed": ("program",), "reached": ("pcmap",)},
        "padding": {"executed": Free(SILENT), "reached": Free(SILENT)},
    },
    "table16": {"value": {bus: (bus,) for bus in ("range16", "msb16", "and8", "pow64", "pow32")}},
    "refresh": {
        "used": {
            "real": (BIT, "token"),
            "addr": ("token",),
            **numbered("value", 2, ("token",)),
            "prev": ("token",),
            **numbered("gap", 2, ("range16", "token")),
        },
        "padding": {
            "real": (BIT, "token"),
            "addr": Free(SILENT),
            **numbered("value", 2, Free(SILENT)),
            "prev": Free(SILENT),
            **numbered("gap", 2, Free(SILENT)),
        },
    },
    "halt": {
        "used": {
            "real": ("exec", "halt", BIT, "token"),
            "pc": ("exec", "program"),
            "ts": ("exec", "halt", "range16", "token"),
            "a_prev": ("range16", "token"),
            **numbered("code", 2, ("halt", "token")),
            "b_prev": ("range16", "token"),
        },
        "padding": {
            "real": ("exec", "halt", "range16", BIT, "token"),
            **{name: Free(SILENT) for name in ("pc", "ts", "a_prev", "code[0]", "code[1]", "b_prev")},
        },
    },
}
# Between two shares, or by more rows than a run needs, a prover also chooses: how often which share's rom and table16 provide a row, words
# of RAM and input that nobody accesses, refreshes that no gap asks for. None of it can be seen in a value.


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.chip.name)
def test_each_cell_is_pinned_by_what_the_list_says(sample: Sample):
    listed = PINS[sample.chip.name]
    assert listed.keys() == sample.kinds.keys()
    for kind in sample.kinds:
        expected = {
            name: Seen(frozenset(what.by if isinstance(what, Free) else what), isinstance(what, Free))
            for name, what in listed[kind].items()
        }
        found = seen(sample, kind, SEED)
        assert expected.keys() == found.keys(), f"{sample.chip.name}, {kind}: not every column is in the list"
        for name, what in found.items():
            assert what == expected[name], f"{sample.chip.name}, {kind}, {name} (seed {SEED})"


def test_no_side_table_is_forgotten():
    assert set(PINS) == {chip.name for chip in CHIPS if chip.fill is None} | {"refresh", "halt"}
    assert {sample.chip.name for sample in samples()} == set(PINS)


# --- what may speak --------------------------------------------------------


def cells_of(*roots: Expr) -> frozenset[Expr]:
    """The cells that expressions read."""
    return frozenset(node for node in topological(roots) if node.kind is Kind.CELL)


@pytest.mark.parametrize("chip", [chip for chip in CHIPS if chip not in (ROM, TABLE16)], ids=lambda chip: chip.name)
def test_no_row_speaks_twice_or_backwards(chip: Chip):
    """Weights are 0 or as written, for all values of the flags that the constraints on flags alone allow: no row counts twice, by half,
    or negatively, and none speaks in part. A flag that is no bit would mint tokens."""
    weights = [term.times for term in chip.air.bus_terms]
    flags = sorted(cells_of(*weights), key=lambda each: each.args[0].value + f"{each.args[1]:03}")
    main = [each.args[1] for each in flags if each.args[0].value == "main"]
    fixed = [each.args[1] for each in flags if each.args[0].value == "fixed"]
    values = (0, 1, 2, P - 1, (P + 1) // 2)
    tried = list(itertools.product(values, repeat=len(main)))
    tried = [(*each, *bits) for each in tried for bits in itertools.product((0, 1), repeat=len(fixed)) if sum(bits) <= 1]
    height = 1 << (len(tried) - 1).bit_length()
    cells = np.zeros((chip.air.width, height), dtype=np.uint64)
    known = np.zeros((chip.air.fixed_width, height), dtype=np.uint64)
    for i, each in enumerate(tried):
        cells[main, i] = each[: len(main)]
        known[fixed, i] = each[len(main) :]
    table = Table(chip.air, cells, known if chip.air.fixed_width else None)
    ours = [expr for _, expr in chip.air.own_constraints if cells_of(expr) <= set(flags)]
    kept = np.all([value == 0 for value in table.evaluate(ours)], axis=0) if ours else np.ones(height, dtype=bool)
    assert kept[: len(tried)].any()
    spoken = np.stack(table.evaluate(weights))[:, : len(tried)][:, kept[: len(tried)]]
    assert set(np.unique(spoken).tolist()) <= {0, 1, P - 1}
    for term, weight in zip(chip.air.bus_terms, spoken, strict=True):
        assert len(set(weight.tolist()) - {0}) <= 1, f"{chip.name} both puts and takes the same on {term.bus.name}"


# --- freedoms of more than one cell ----------------------------------------


@pytest.mark.parametrize("chip", [ROM, TABLE16], ids=lambda chip: chip.name)
def test_lookups_may_be_provided_by_the_table_of_any_share(chip: Chip):
    """Multiplicities are pinned in their sum over the shares, which is what the argument needs: each lookup is provided once."""
    job = job_of(EVERYTHING, 2)
    shares = job.instances()
    mains = [next(each.main for each in instances if CHIPS[each.air_id] is chip) for instances in shares]
    for count in range(chip.air.width):
        mains[0][count, 0] += np.uint64(1)
        assert not job.check(job.tables(shares)).ok
        mains[1][count, 0] = (int(mains[1][count, 0]) - 1) % P
    report = job.check(job.tables(shares))
    assert report.ok, str(report)


def test_words_that_nobody_accesses_may_have_rows():
    job = job_of(EVERYTHING)
    more = [[RAM_WORDS.first + 999, 0, 0, 0], [INPUT_WORDS.first + 999, 5, 5, 0]]
    extended = job.with_records(0, "final", np.concatenate([job.final, np.array(more, dtype=np.uint64)]))
    for chip in (RAM, INPUT):
        used = [int(table.main[column(chip, "real")].sum()) for each in (job, extended) for table in each.tables() if table.air is chip.air]
        assert used[1] == used[0] + 1
    report = extended.check()
    assert report.ok, str(report)
