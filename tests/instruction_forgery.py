"""An adversary who forges rows of instruction chips, and the tests that each of them must pass.

Rules. A forged row is stopped by a constraint, by a lookup, or because it takes
a token that does not exist: the adversary is refused any row that consumes
other tokens than the honest one, unless a token of that address could exist
elsewhere. What is left and says something else than the honest row is a broken chip.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.chips_harness import assert_padding_silent, assert_satisfied, check_chip, stateful
from tests.instruction_model import M32, RAM, RAM_END, READ_ONLY, REGISTER, TEXT, Cases, cases
from zisk_actors.air.check import Table, failures
from zisk_actors.chips.base import Chip
from zisk_actors.chips.buses import AND8, EXEC, MSB16, PCMAP, PROGRAM, RANGE16, TOKEN
from zisk_actors.machine import isa
from zisk_actors.stark import field
from zisk_actors.stark.field import U64, P


def check_instructions(chip: Chip, names: Sequence[str], *, free: dict[str, str] | None = None, seed: int = 0) -> None:
    """The tests that every instruction chip must pass: model, single-cell changes, the adversary on pairs of cells.

    ``free``: columns that may change without effect, with the reason.
    """
    free = free or {}
    for part, count in enumerate((64, 300)):
        tested = cases(chip, names, count, seed + part)
        main = tested.main
        assert_satisfied(chip, main, tested.rom)
        assert stateful(chip, main) == tested.said, f"{chip.name} (seed {seed + part}): says something else than the model"
        assert not main[:, count:].any(), f"{chip.name}: fill touches padding"
    assert_padding_silent(chip)
    tested = cases(chip, names, 64, seed)
    check_chip(chip, tested.records, tested.rom, free, seed)
    _assert_counted_once(tested)
    _assert_in_order(tested)
    assert_sound(tested, free, seed, most=120)


def _assert_in_order(tested: Cases) -> None:
    """No access takes its own token or a later one, or one from longer ago than the range check reaches."""
    for column, slot in (("a_prev", 0), ("b_prev", 1), ("mem_prev", 2), ("old_prev", 3)):
        if column in tested.chip.air.main.column_names():
            for row in range(4):
                time = tested.rows[row]["ts"] + slot
                lies = [{column: prev} for prev in (time, time + 1, time + 2**16, time - 2**16 - 1, P - 1)]
                for forged in attempts(tested, row, lies):
                    assert forged.stopped_by == {"range16"}, f"{tested.chip.name}: {column}"


def check_thoroughly(
    chip: Chip, names: Sequence[str], *, free: dict[str, str] | None = None, derived: dict[str, str] | None = None, seed: int = 0
) -> None:
    """The adversary on pairs of cells, with and without repair, and on three cells. Many seconds."""
    tested = cases(chip, names, 64, seed)
    assert_sound(tested, free, seed, few=False)
    assert_sound(tested, free, seed, few=False, derived=derived)
    assert_sound(tested, free, seed, together=3 if chip.air.width < 30 else 2, derived=derived)


def _assert_counted_once(tested: Cases) -> None:
    """A row that counts twice, or negatively (and so mints tokens), or by half, fails a constraint."""
    main = tested.main
    flags = [i for i, name in enumerate(tested.chip.air.main.column_names()) if name == "real" or name.startswith("is_")]
    for factor in (2, P - 1, (P + 1) // 2):
        forged = main.copy()
        for flag in flags:
            forged[flag] = np.array([int(v) * factor % P for v in main[flag]], dtype=np.uint64)
        broken = {row for failure in failures(Table(tested.chip.air, forged)) for row in failure.rows}
        assert broken >= set(range(len(tested.rows))), f"{tested.chip.name}: rows may count {factor} times"


@dataclass(frozen=True)
class Attempt:
    """What became of a forged row."""

    stopped_by: set[str]  # names of failing constraints, and of buses whose table does not hold a lookup
    accepted: bool  # neither stopped nor in need of a token that does not exist
    different: bool  # it says something else than the honest row


def attempts(tested: Cases, row: int, many: Sequence[dict[str, int]]) -> list[Attempt]:
    """Replace the named cells (values mod P) of ``row``, for each of ``many``."""
    names = tested.chip.air.main.column_names()
    honest = np.repeat(tested.main[:, [row]], len(many), axis=1)
    forged = honest.copy()
    for i, cells in enumerate(many):
        for name, value in cells.items():
            forged[names.index(name), i] = value % P
    verdict = judge(tested, honest, forged)
    accepted = verdict.accepted
    return [
        Attempt({name for name, fails in verdict.reasons.items() if fails[i]}, bool(accepted[i]), bool(verdict.different[i]))
        for i in range(len(many))
    ]


def attempt(tested: Cases, row: int, cells: dict[str, int]) -> Attempt:
    """Replace the named ``cells`` of ``row`` (values mod P)."""
    return attempts(tested, row, [cells])[0]


def split16(limb: int) -> list[tuple[int, int]]:
    """A field element as low + 2^16 high in the field: with low in range, with high in range, and off by one chunk."""
    inverse = pow(2**16, -1, P)
    low, high = limb % 2**16, (limb >> 16) % 2**16
    return [(low, (limb - low) * inverse % P), ((limb - 2**16 * high) % P, high), (low + 2**16, (limb - low - 2**16) * inverse % P)]


def mixed_flags(names: Sequence[str], name: str, amount: int) -> list[int]:
    """Values for three flags, no bits, that sum to 1 and give the op number of ``name``: ``amount`` more on the first."""
    ops = [isa.op(each) for each in names]
    honest = [int(each == name) for each in names]
    # x + y + z = 0 and x ops0 + y ops1 + z ops2 = 0
    direction = [ops[1] - ops[2], ops[2] - ops[0], ops[0] - ops[1]]
    return [(flag + amount * step) % P for flag, step in zip(honest, direction, strict=True)]


# --- the adversary -----------------------------------------------------------------

FRAME = {"pc", "ts", "rs1", "rs2", "rd", "a_prev", "b_prev", "old_prev", "mem_prev", "old[0]", "old[1]"}
_STEPS = [1, 255, 65535, 2**8, 2**16, 2**24, 2**31, 2**32, M32, 2**32 - 2**16, pow(8, -1, P), 2**35, pow(2**32, -1, P)]


def changes(values: U64, others: U64, few: bool) -> Iterator[U64]:
    """Wrong values for cells, each (n,): steps that carries and limbs are made of, flips, other rows' values."""
    for delta in [1, 65535, 2**16, 2**32] if few else _STEPS:
        for amount in (delta, P - delta):
            yield field.add(values, np.full_like(values, amount))
    yield field.sub(np.ones_like(values), values)
    if not few:
        yield others
        yield np.zeros_like(values)


def assert_sound(
    tested: Cases,
    free: dict[str, str] | None = None,
    seed: int = 0,
    *,
    together: int = 2,
    few: bool = True,
    most: int | None = None,
    derived: dict[str, str] | None = None,
) -> None:
    """No change of up to ``together`` cells gives an acceptable row that says something else.

    Acceptable: constraints hold, lookups hit, the ROM row is the same, and what
    is consumed is the same as in the honest row, or not a token that could exist.
    With three cells together the columns of the frames stay honest. ``most`` limits the
    combinations of columns, drawn at random.

    ``derived`` (column -> name of the constraint "column - ... = 0") are columns that the
    adversary computes anew after each change, in this order, as a clever prover would.
    """
    rng = np.random.default_rng(seed)
    main, derived = tested.main, derived or {}
    air = tested.chip.air
    names = air.main.column_names()
    columns = [i for i, name in enumerate(names) if name not in derived and not ((together > 2 or derived) and name in FRAME)]
    repairs = [(names.index(column), dict(air.own_constraints)[constraint]) for column, constraint in derived.items()]
    combinations = list(itertools.combinations(columns, together))
    if most is not None and len(combinations) > most:
        combinations = [combinations[i] for i in rng.permutation(len(combinations))[:most]]
    for chosen in combinations:
        rows = rng.permutation(len(tested.rows))[: 2 if few else 3]
        honest = main[:, rows]
        others = main[:, rng.permutation(len(tested.rows))[: len(rows)]]
        options = [list(changes(honest[c], others[c], few)) for c in chosen]
        blocks = []
        for values in itertools.product(*options):
            block = honest.copy()
            for column, value in zip(chosen, values, strict=True):
                block[column] = value
            blocks.append(block)
        forged = np.concatenate(blocks, axis=1)
        for column, residue in repairs:
            (wrong,) = Table(air, _padded(forged)).evaluate([residue])
            forged[column] = field.sub(forged[column], wrong[: forged.shape[1]])
        _expect_refusal(tested, np.tile(honest, len(blocks)), forged, " and ".join(names[c] for c in chosen), free or {})


def _padded(matrix: U64) -> U64:
    height = 1 << (matrix.shape[1] - 1).bit_length()
    return np.concatenate([matrix, np.zeros((len(matrix), height - matrix.shape[1]), dtype=np.uint64)], axis=1)


def _expect_refusal(tested: Cases, honest: U64, forged: U64, label: str, free: dict[str, str]) -> None:
    verdict = judge(tested, honest, forged)
    accepted, names = verdict.accepted, tested.chip.air.main.column_names()
    bad = np.flatnonzero(accepted & verdict.different)
    if bad.size:
        i = int(bad[0])
        cells = {name: (int(honest[c, i]), int(forged[c, i])) for c, name in enumerate(names) if honest[c, i] != forged[c, i]}
        raise AssertionError(f"{tested.chip.name}: a forged row is accepted, changing {label} (honest, forged): {cells}")
    for i in np.flatnonzero(accepted & np.any(honest != forged, axis=0)):
        changed = [name for c, name in enumerate(names) if honest[c, i] != forged[c, i]]
        loose = [name for name in changed if name not in free]
        assert not loose, f"{tested.chip.name}: {loose} can change together with {changed} and nothing notices"


@dataclass(frozen=True)
class Verdict:
    """Of n forged rows, each array (n,) bool."""

    reasons: dict[str, Any]  # name of a constraint or lookup bus -> where it stops the row
    possible: Any  # the tokens taken are the honest row's, or ones that could exist elsewhere
    different: Any  # something else is said than by the honest row

    @property
    def accepted(self) -> Any:
        """Nothing stops the row."""
        return self.possible & ~np.any(list(self.reasons.values()), axis=0)


def judge(tested: Cases, honest: U64, forged: U64) -> Verdict:
    """Compare forged rows (columns of ``forged``) with their honest twins."""
    air, count = tested.chip.air, forged.shape[1]
    terms = [expr for term in air.bus_terms for expr in (*term.values, term.times)]
    ours = [v[:count] for v in Table(air, _padded(honest)).evaluate(terms)]
    roots = [*terms, *(expr for _, expr in air.own_constraints)]
    theirs = [v[:count] for v in Table(air, _padded(forged)).evaluate(roots)]
    reasons = {name: value != 0 for (name, _), value in zip(air.own_constraints, theirs[len(terms) :], strict=True)}
    possible, different = np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    start = 0
    for term in air.bus_terms:
        end = start + len(term.values)
        before, after, times = ours[start:end], theirs[start:end], (ours[end], theirs[end])
        start = end + 1
        same = np.all([x == y for x, y in zip(before, after, strict=True)], axis=0)
        silent, counted = times[1] == 0, times[0] == times[1]
        if term.bus in (RANGE16, MSB16, AND8, PCMAP, PROGRAM):
            holds = same & counted if term.bus is PROGRAM else silent | _holds(term.bus, after, len(tested.rows))
            reasons[term.bus.name] = reasons.get(term.bus.name, False) | ~holds
        elif term.bus in (EXEC, TOKEN) and np.all(times[0] == P - 1):
            moved = np.zeros(count, dtype=bool) if term.bus is EXEC else (before[0] != after[0]) & _exists(after[0])
            possible &= counted & (same | moved)
            different |= moved
        else:
            possible &= counted
            different |= ~same
    return Verdict(reasons, possible, different)


def _holds(bus: Any, values: list[U64], rows: int) -> Any:
    """Whether a lookup table holds these tuples."""
    small, one = values[0] < 2**16, np.uint64(1)
    if bus is RANGE16:
        return small
    if bus is MSB16:
        return small & (values[1] == (values[0] >> np.uint64(15)) & one)
    if bus is AND8:
        return (values[0] < 256) & (values[1] < 256) & (values[2] == values[0] & values[1])
    row = (values[0] - np.uint64(TEXT)) >> np.uint64(2)
    return (values[0] >= TEXT) & (values[0] % np.uint64(4) == 0) & (row < rows) & (values[1] == row)


def _exists(addr: U64) -> Any:
    """Whether a token address is one that some run has: RAM, read-only, register."""
    word = np.where(addr >= READ_ONLY, addr - np.uint64(READ_ONLY), addr)
    ram = (word >= RAM // 8) & (word < RAM_END // 8)
    return (addr < READ_ONLY) & ram | (addr >= READ_ONLY) & (word < 2**29) & ~ram | (addr >= REGISTER) & (addr <= REGISTER + 32)
