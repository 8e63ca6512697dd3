"""The tables of the native verifier, as C++: the protocol's numbers, and a chip set with its evaluators and boundary.

Rules: nothing is defined here; every value is read from the module that defines it. The boundary is run once on symbols,
which remember what was done to them: a boundary may add, shift, mask and divide the statement's words, and ask nothing of
their values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from zisk_actors.air.air import Air
from zisk_actors.air.bus import CHALLENGE_COUNT, Bus
from zisk_actors.air.emit_verifier import emit_evaluator, word
from zisk_actors.air.expr import Part
from zisk_actors.stark import domain, field, keys, params, proof, rules, statement
from zisk_actors.stark.chipset import Chip, ChipSet
from zisk_actors.stark.layout import QUOTIENT_WIDTH
from zisk_actors.stark.magic import KEY_MAGIC, MOCK_MAGIC, PROOF_MAGIC
from zisk_actors.stark.transcript import Message

# native/verifier keeps counts by chip and by bus in arrays and sets of bits of this size.
MAX_CHIPS = 64
MAX_BUSES = 64
# The fields of a shape in the order of native/verifier/protocol.hpp.
SHAPE = ("log_rows", "columns", "constraints", "interactions", "arity", "shares")


def constants_header() -> str:
    """verifier_constants.hpp: the numbers that both verifiers must agree on."""
    sets = list(params.BY_NUMBER.values())
    rows = [(each.number, each.level, each.log_blowup, each.queries, each.pow_bits, each.cap_log, each.final_log_degree) for each in sets]
    numbers = {
        "MAX_PROOF_BYTES": proof.MAX_PROOF_BYTES,
        "MAX_KEY_BYTES": keys.MAX_KEY_BYTES,
        "OUTPUT_WORDS": statement.OUTPUT_WORDS,
        "MAX_SHARES": statement.MAX_SHARES,
        "MAX_INSTANCES": rules.MAX_INSTANCES,
        "MIN_LOG_HEIGHT": domain.MIN_LOG_HEIGHT,
        "MAX_LOG_HEIGHT": domain.MAX_LOG_HEIGHT,
        "FOLD_LOG_ARITY": params.FOLD_LOG_ARITY,
        "MIN_FINAL_LOG_DEGREE": min(each.final_log_degree for each in sets),
        "QUOTIENT_WIDTH": QUOTIENT_WIDTH,
        "CHALLENGE_COUNT": CHALLENGE_COUNT,
        "TWO_ADICITY": field.TWO_ADICITY,
        "MAX_CHIPS": MAX_CHIPS,
        "MAX_BUSES": MAX_BUSES,
        "MAX_QUERIES": max(each.queries for each in sets),
        "MAX_CAP_LOG": max(each.cap_log for each in sets),
    }
    lines = [f"constexpr u32 {name} = {value}u;" for name, value in numbers.items()]
    lines += [
        f"constexpr u64 ROOT_OF_UNITY = {word(field.ROOT_2_32)};",
        f"constexpr u64 COSET_SHIFT = {domain.SHIFT};",
        f"constexpr u64 PROTOCOL[] = {_list(statement.PROTOCOL)};",
        f"constexpr u8 PROOF_MAGIC[] = {_list(PROOF_MAGIC)};",
        f"constexpr u8 MOCK_MAGIC[] = {_list(MOCK_MAGIC)};",
        f"constexpr u8 KEY_MAGIC[] = {_list(KEY_MAGIC)};",
        f"constexpr Parameters PARAMETERS[] = {{{', '.join(_list(row) for row in rows)}}};",
        f"constexpr Shape LARGEST = {_list(getattr(params.LARGEST, name) for name in SHAPE)};",
        f"enum class Message : u64 {{ {', '.join(f'{message.name.lower()} = {message.value}' for message in Message)} }};",
    ]
    body = "\n".join(lines)
    return f"// Written by zisk_actors/stark/emit_verifier.py.\n#pragma once\n\nnamespace zk {{\n\n{body}\n\n}}  // namespace zk\n"


def chip_set_source(chip_set: ChipSet) -> str:
    """The C++ of a chip set: exports ``zk_chip_set``. ValueError for one that the verifier's arrays do not hold."""
    buses = sorted({term.bus.number for chip in chip_set.chips for term in chip.air.bus_terms})
    if len(chip_set.chips) > MAX_CHIPS or len(buses) > MAX_BUSES:
        raise ValueError(f"{len(chip_set.chips)} chips and {len(buses)} buses are more than the native verifier holds")
    evaluators = [emit_evaluator(chip.air, f"constraints_{number}") for number, chip in enumerate(chip_set.chips)]
    parts = [each.text for each in evaluators]
    chips: list[str] = []
    for number, chip in enumerate(chip_set.chips):
        tables, row = _chip(number, chip, buses)
        parts.append(tables)
        chips.append(row)
    parts.append("const Chip chips[] = {\n" + "".join(f"    {row},\n" for row in chips) + "};\n")
    parts.append(_boundary(chip_set))
    ranges = ", ".join(_list(ends) for ends in chip_set.memory)
    parts.append(f"const Range memory[] = {{{ranges or '{}'}}};\n")
    scratch = max(each.scratch for each in evaluators)
    fields = [_list(chip_set.digest), len(chips), "chips", len(buses), scratch, "boundary", len(chip_set.memory), "memory"]
    parts.append(f"const ChipSet chip_set = {{{', '.join(map(str, fields))}}};\n")
    body = "\n".join(parts)
    return (
        '// A chip set, written by zisk_actors/stark/emit_verifier.py.\n#include "verifier/evaluate.hpp"\n\n'
        f"namespace zk {{\nnamespace {{\n\n{body}\n}}  // namespace\n}}  // namespace zk\n\n"
        'extern "C" const zk::ChipSet* zk_chip_set() { return &zk::chip_set; }\n'
    )


def _list(values: Iterable[int]) -> str:
    return "{" + ", ".join(f"{value}ull" if value > 0xFFFF else str(value) for value in values) + "}"


def base_columns(air: Air) -> dict[Part, tuple[int, list[int]]]:
    """Per part, the base columns and those of them that are opened at the next row: an aux column counts three."""
    widths = {Part.FIXED: air.fixed_width, Part.MAIN: air.width, Part.AUX: 3 * air.aux_width}
    following = {part: list(air.next_columns[part]) for part in (Part.FIXED, Part.MAIN)}
    following[Part.AUX] = [3 * column + c for column in air.next_columns[Part.AUX] for c in range(3)]
    return {part: (widths[part], following[part]) for part in (Part.FIXED, Part.MAIN, Part.AUX)}


def _chip(number: int, chip: Chip, buses: list[int]) -> tuple[str, str]:
    """The tables that a chip's row points to, and the row."""
    air = chip.air
    tables: list[str] = []
    pointers: list[str] = []
    columns = base_columns(air)
    for part, (_, following) in columns.items():
        name = f"next_{part.value}_{number}"
        pointers.append(name if following else "nullptr")
        if following:
            tables.append(f"const u16 {name}[] = {_list(following)};")
    uses = Counter(term.bus.number for term in air.bus_terms)
    if uses:
        rows = ", ".join(_list((buses.index(bus), count)) for bus, count in sorted(uses.items()))
        tables.append(f"const BusUse buses_{number}[] = {{{rows}}};")
    arity = max((len(term.values) for term in air.bus_terms), default=0)
    fields = [
        _list(width for width, _ in columns.values()),
        _list(len(following) for _, following in columns.values()),
        "{" + ", ".join(pointers) + "}",
        *(str(each) for each in (len(air.all_constraints), len(air.bus_terms), arity, len(uses))),
        f"buses_{number}" if uses else "nullptr",
        f"Presence::{chip.presence.name.lower()}",
        str(chip.min_log_height),
        str(chip.max_log_height),
        f"{chip.max_job_rows}ull",
        f"constraints_{number}",
    ]
    return "\n".join(tables) + "\n", "{" + ", ".join(fields) + f"}}  /* {air.name} */"


# --- the boundary -------------------------------------------------------------------


class Symbol:
    """A word that is not known yet: what is done to it is written down as C++ over u64."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __add__(self, other: Symbol | int) -> Symbol:
        return Symbol(f"({self.text} + {text_of(other)})")

    __radd__ = __add__

    def __and__(self, mask: int) -> Symbol:
        return Symbol(f"({self.text} & {mask}ull)")

    def __lshift__(self, count: int) -> Symbol:
        return Symbol(f"({self.text} << {count})")

    def __rshift__(self, count: int) -> Symbol:
        return Symbol(f"({self.text} >> {count})")

    def __floordiv__(self, divisor: int) -> Symbol:
        return Symbol(f"({self.text} / {divisor}ull)")

    def __bool__(self) -> bool:
        raise TypeError("a boundary may not depend on the values of the statement but by arithmetic")

    def __eq__(self, other: object) -> bool:
        raise TypeError("a boundary may not compare the values of the statement")

    __hash__ = None  # type: ignore[assignment]


def text_of(value: Symbol | int) -> str:
    """A value of a boundary term in C++."""
    return value.text if isinstance(value, Symbol) else word(value)


class _Claim:
    """A statement and the key's entry, of symbols."""

    vk = tuple(Symbol(f"statement.vk[{i}]") for i in range(4))
    outputs = tuple(Symbol(f"statement.outputs[{i}]") for i in range(statement.OUTPUT_WORDS))
    exit_code = Symbol("statement.exit_code")
    final_ts = Symbol("statement.final_ts")
    entry = Symbol("entry")


@dataclass(frozen=True)
class SymbolicTerm:
    """A ``BoundaryTerm`` whose values may be symbols."""

    bus: Bus
    values: tuple[Symbol | int, ...]
    times: int


def boundary_terms(chip_set: ChipSet) -> list[SymbolicTerm]:
    """The boundary of a chip set as expressions in the statement and the key's entry."""
    claim: Any = _Claim()
    return [SymbolicTerm(term.bus, cast("Any", term.values), term.times) for term in chip_set.boundary(claim, claim)]


def _boundary(chip_set: ChipSet) -> str:
    lines = []
    for term in boundary_terms(chip_set):
        values = ", ".join(text_of(value) for value in term.values)
        lines.append(f"    {{\n        const u64 values[] = {{{values}}};")
        lines.append(f"        terms.add(terms.sum, {term.bus.number}, values, {len(term.values)}, {word(term.times)});\n    }}")
    body = "\n".join(lines)
    return f"void boundary(const Statement& statement, u64 entry, const Terms& terms) {{\n    (void)statement, (void)entry;\n{body}\n}}\n"
