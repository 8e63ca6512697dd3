"""The walk of an AIR to the verifier's evaluator: its constraints at one extension point, as a list of calls.

Rules: one walk over the same DAG that every other walk reads. At the out-of-domain point every cell is an extension
element, so nothing stays in the base field but constants. Values are kept in a scratch array, a place per node; what the
calls do is in native/verifier/evaluate.hpp.
"""

from __future__ import annotations

from dataclasses import dataclass

from zisk_actors.air.air import Air
from zisk_actors.air.expr import Expr, Kind, Part, topological
from zisk_actors.stark.field import P


@dataclass(frozen=True)
class Evaluator:
    """A C++ function: total = total * gamma^n + sum of gamma^k c_k over the n constraints. ``scratch``: values that it needs."""

    name: str
    text: str
    scratch: int


def emit_evaluator(air: Air, name: str) -> Evaluator:
    """The evaluator of ``air`` as a function called ``name``."""
    roots = [expr for _, expr in air.all_constraints]
    # A constant is written where it is used.
    nodes = [expr for expr in topological(roots) if expr.kind is not Kind.CONST or expr in roots]
    places = {expr: number for number, expr in enumerate(nodes)}
    lines = [_line(air, expr, places) for expr in nodes]
    # By Horner's rule, the last constraint first.
    for text, expr in reversed(air.all_constraints):
        lines.append(f"horner(total, gamma, t + {places[expr]});  // {' '.join(text.split())}")
    body = "\n".join(f"    {line}" for line in lines)
    signature = f"void {name}(const Cells& at, const Value& gamma, Value* t, Value* total)"
    return Evaluator(name, f"// {air.name}\n{signature} {{\n    (void)at, (void)gamma, (void)t, (void)total;\n{body}\n}}\n", len(nodes))


def _line(air: Air, expr: Expr, places: dict[Expr, int]) -> str:
    """The call that computes ``expr`` in its place."""
    to = f"t + {places[expr]}"
    match expr.kind:
        case Kind.CONST:
            return f"constant({to}, {word(expr.args[0])});"
        case Kind.CELL:
            part, column, rotation = expr.args
            if not rotation:
                return f"aux_now(at, {to}, {column});" if part is Part.AUX else f"now(at, {to}, {part.name}, {column});"
            place = air.next_columns[part].index(column)
            return f"aux_next(at, {to}, {place});" if part is Part.AUX else f"next(at, {to}, {part.name}, {place});"
        case Kind.CHALLENGE:
            return f"t[{places[expr]}] = at.challenges[{expr.args[0]}];"
        case Kind.CLAIM:
            return f"t[{places[expr]}] = at.claim;"
        case Kind.SELECTOR:
            return f"t[{places[expr]}] = at.{expr.args[0]};"
    left, right = expr.children
    if expr.kind is Kind.SUB:
        if left.kind is Kind.CONST:
            return f"word_minus({to}, {word(left.args[0])}, t + {places[right]});"
        if right.kind is Kind.CONST:
            return f"add_word({to}, t + {places[left]}, {word(-right.args[0])});"
        return f"subtract({to}, t + {places[left]}, t + {places[right]});"
    plain, with_word = ("add", "add_word") if expr.kind is Kind.ADD else ("multiply", "scale")
    for operand, other in ((left, right), (right, left)):
        if operand.kind is Kind.CONST:
            return f"{with_word}({to}, t + {places[other]}, {word(operand.args[0])});"
    return f"{plain}({to}, t + {places[left]}, t + {places[right]});"


def word(value: int) -> str:
    """A field element as a C++ literal."""
    return f"0x{value % P:x}ull"
