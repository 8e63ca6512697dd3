"""The pages of docs/chips/, written from the chips themselves: columns, constraints, bus terms.

`scripts/generate`, or `python -m zisk_actors.chips.pages` in the root of the repository, writes them; a test compares.

Rules of this file: a page says what the AIR says and nothing else. What a chip proves and why comes from the text at the top of its file;
the constraints that tie the LogUp columns to the bus terms are the same for every chip (air/bus.py) and are not repeated.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from zisk_actors.air.air import Air, Column, Row
from zisk_actors.air.bus import Interaction
from zisk_actors.air.expr import Expr, Kind, Part
from zisk_actors.chips import CHIP_SET, CHIPS
from zisk_actors.chips.base import Chip
from zisk_actors.chips.buses import BUSES
from zisk_actors.stark.chipset import Presence
from zisk_actors.stark.field import P

INDEX: Final = "README.md"
GENERATED: Final = "<!-- written by python -m zisk_actors.chips.pages -->"
PRESENCE: Final = {
    Presence.OPTIONAL: "any number of tables in any share",
    Presence.EVERY_SHARE: "exactly one table in each share",
    Presence.SINGLETON: "exactly one table in the job, in share 0",
}
_SIGN: Final = {Kind.ADD: "+", Kind.SUB: "-", Kind.MUL: "*"}
# Precedence of an operation: a product binds more tightly than a sum.
_SUM, _PRODUCT, _LEAF = 0, 1, 2


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    return {INDEX: _index(), **{f"{chip.name}.md": _page(number, chip) for number, chip in enumerate(CHIPS)}}


def formula(expr: Expr, air: Air) -> str:
    """An expression over the columns of ``air``, with as few brackets as it needs; the next row's cells have a prime."""
    return _text(expr, {Part.MAIN: air.main.column_names(), Part.FIXED: [f"fixed.{name}" for name in air.fixed.column_names()]})[0]


def _text(expr: Expr, names: dict[Part, list[str]]) -> tuple[str, int]:
    match expr.kind:
        case Kind.CONST:
            text = _number(expr.args[0])
            return text, _SUM if text.startswith("-") else _LEAF
        case Kind.CELL:
            part, column, rotation = expr.args
            return names[part][column] + "'" * rotation, _LEAF
        case Kind.SELECTOR:
            return f"{expr.args[0]}_row", _LEAF
        case Kind.ADD | Kind.SUB | Kind.MUL:
            (left, left_rank), (right, right_rank) = (_text(child, names) for child in expr.children)
            rank = _PRODUCT if expr.kind is Kind.MUL else _SUM
            # What is subtracted keeps its brackets if it is a sum.
            least = rank + (expr.kind is Kind.SUB)
            left = left if left_rank >= rank else f"({left})"
            right = right if right_rank >= least else f"({right})"
            if expr.kind is Kind.SUB and left == "0":
                return f"-{right}", _SUM
            return f"{left} {_SIGN[expr.kind]} {right}", rank
    raise ValueError(f"{expr.kind} stands in no chip's own constraint")


def _number(value: int) -> str:
    if value == pow(2, -32, P):
        return "2^-32"
    if value >= P // 2:
        return f"-{_number(P - value)}"
    if value > 2**10 and value & (value - 1) == 0:
        return f"2^{value.bit_length() - 1}"
    if value > 2**10 and value & (value + 1) == 0:
        return f"(2^{value.bit_length()} - 1)"
    return str(value)


def _index() -> str:
    lines = [
        "# The chips",
        "",
        GENERATED,
        "",
        "One page for each table of the proof system, in the order of their numbers: its columns, its constraints, and what it puts on the",
        "buses. [protocol.md](../protocol.md) says how they play together. Widths are in base field columns; each pair of bus terms is one",
        "column of the extension, that is three.",
        "",
        "| number | chip | what it is | main | fixed | LogUp | constraints | bus terms | tables |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for number, chip in enumerate(CHIPS):
        air = chip.air
        lines.append(
            f"| {number} | [{chip.name}]({chip.name}.md) | {air.doc} | {air.width} | {air.fixed_width} | {3 * air.aux_width} "
            f"| {len(air.own_constraints)} | {len(air.bus_terms)} | {PRESENCE[chip.presence]} |"
        )
    lines += ["", "## Buses", "", "| number | bus | fields | a tuple says |", "|---|---|---|---|"]
    lines += [f"| {bus.number} | {bus.name.upper()} | {', '.join(bus.fields)} | {bus.meaning} |" for bus in BUSES]
    lines += [
        "",
        "The verifier itself puts on the buses what the statement says (chips/boundary.py): EXEC (entry, 4). It takes off HALT (exit",
        "code, final time) and PUBLIC (address, value) of each of the 32 output words.",
        "",
    ]
    return "\n".join(lines)


def _page(number: int, chip: Chip) -> str:
    air, rules = chip.air, CHIP_SET.chips[number]
    narrative = sys.modules[air.constraints.__module__].__doc__ or ""
    lines = [
        f"# {chip.name}",
        "",
        GENERATED,
        "",
        f"Chip {number}: {air.doc}. A job has {PRESENCE[chip.presence]}, of 2^{rules.min_log_height} to 2^{rules.max_log_height} rows,",
        f"and at most {_number(rules.max_job_rows)} rows of it in all. The largest degree of a constraint is {air.degree}.",
        "",
        "```text",
        narrative.strip(),
        "```",
        "",
        "## Columns",
        "",
        "| column | width | meaning | bits |",
        "|---|---|---|---|",
        *_columns(air.main, ""),
        *_columns(air.fixed, "fixed."),
        "",
        "## Constraints",
        "",
        "Each expression is 0 on every row. A prime marks the next row; the row after the last is the first. 2^-32 is the inverse of 2^32.",
        "",
        "| name | expression |",
        "|---|---|",
        *(f"| {_cell(name)} | `{formula(expr, air)}` |" for name, expr in air.own_constraints),
        "",
        "## Bus terms",
        "",
        "| bus | times | tuple |",
        "|---|---|---|",
        *(f"| {term.bus.name.upper()} | `{formula(term.times, air)}` | {_tuple(term, air)} |" for term in air.bus_terms),
        "",
    ]
    return "\n".join(lines)


def _columns(row: type[Row[Any]], prefix: str) -> Iterator[str]:
    for name, item in row.columns.items():
        width = 1 if isinstance(item, Column) else item.width
        yield f"| `{prefix}{name}` | {width} | {_cell(item.doc)} | {item.bits or ''} |"


def _tuple(term: Interaction, air: Air) -> str:
    named = zip(term.bus.fields, term.values, strict=True)
    return ", ".join(f"{field} = `{formula(value, air)}`" for field, value in named)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def main() -> None:
    """Write the pages below docs/chips/, and remove those of chips that are gone."""
    folder = Path("docs") / "chips"
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for name, text in made.items():
        (folder / name).write_text(text)
    for path in folder.glob("*.md"):
        if path.name not in made:
            path.unlink()


if __name__ == "__main__":
    main()
