"""The walk of an AIR to C++: one header that g++ and nvcc compile, with its constraints and its bus fractions.

Rules of this file:
* One walk over the same DAG that every other walk reads; nothing about a chip is known here.
* Base-field subexpressions stay in the base field. What reads no cell (challenges, powers of gamma, the claim) is the same
  on every row: it is not computed in C++ but handed over in a list of *uniforms*, which ``Emitted`` describes.
* Straight-line code in functions of bounded size: compilers take more than linear time over long ones. Constraints are
  cut between constraints, fractions between pairs; a subexpression that two pieces share is computed in both. Base-field
  operations are written out, products of the extension are calls (kernels/air.hpp): they are most of the instructions.
* Leaves are canonical words, so an addition with a leaf on one side takes the cheaper form.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from zisk_actors.air.air import Air
from zisk_actors.air.bus import pairs
from zisk_actors.air.evaluate import Ext, PointValues, at_point, ext_mul
from zisk_actors.air.expr import Expr, Kind, Part, topological
from zisk_actors.stark.field import P

# Field operations written out in one function.
MAX_OPERATIONS = 600
# kernels/logup.hpp keeps the fractions of one row in arrays of this size.
MAX_PAIRS = 32

_INVERSE_2_32 = pow(2, -32, P)


@dataclass
class Emitted:
    """The C++ of one AIR and the lists of its uniforms, in the order in which the code numbers them.

    ``constraint_uniforms`` come after one power of gamma per constraint; ``fraction_uniforms`` stand alone.
    """

    air: Air
    identifier: str
    header: str
    constraint_uniforms: list[Expr] = field(default_factory=list)
    fraction_uniforms: list[Expr] = field(default_factory=list)

    @property
    def digest(self) -> bytes:
        """What a library calls the compiled code: the AIR and the text it became, so that old code is never fed new uniforms."""
        return hashlib.sha256(self.air.digest + self.header.encode()).digest()


def identifier(air: Air) -> str:
    """The AIR's name as a C++ identifier."""
    return re.sub(r"\W", "_", air.name)


def reads_selectors(air: Air) -> bool:
    """Whether a constraint reads the first or last row's selector."""
    return any(expr.kind is Kind.SELECTOR for expr in topological(expr for _, expr in air.all_constraints))


def fraction_terms(air: Air) -> list[tuple[Expr, Expr]]:
    """Per pair of interactions, numerator and denominator of the sum of their fractions, as in ``bus.balance``."""
    terms: list[tuple[Expr, Expr]] = []
    for group in pairs(air.bus_terms):
        prints = [item.fingerprint() for item in group]
        if len(group) == 2:
            terms.append((group[0].times * prints[1] + group[1].times * prints[0], prints[0] * prints[1]))
        else:
            terms.append((group[0].times, prints[0]))
    return terms


def uniform_values(uniforms: Sequence[Expr], challenges: Sequence[Ext], claim: Ext) -> list[Ext]:
    """The values of uniforms for the challenges of a proof."""

    def no_cell(part: Part, column: int, rotation: int) -> Ext:
        raise AssertionError("a uniform reads no cell")

    zero: Ext = (0, 0, 0)
    return at_point(uniforms, PointValues(no_cell, challenges, claim, zero, zero))


def gamma_powers(gamma: Ext, count: int) -> list[Ext]:
    """1, gamma, gamma^2, ... (count of them)."""
    powers: list[Ext] = [(1, 0, 0)]
    while len(powers) < count:
        powers.append(ext_mul(powers[-1], gamma))
    return powers[:count]


class _Uniforms:
    """Numbers what is the same on every row, in order of first use, and says what an emitted line reads."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.numbers: dict[Expr, int] = {}
        self._uniform: dict[Expr, bool] = {}
        self._operands: dict[Expr, tuple[Expr, ...]] = {}

    def is_uniform(self, expr: Expr) -> bool:
        """Whether ``expr`` is an extension value that reads no cell and no selector."""
        known = self._uniform.get(expr)
        if known is None:
            if expr.children:
                known = expr.is_extension and all(child.kind is Kind.CONST or self.is_uniform(child) for child in expr.children)
            else:
                known = expr.kind in (Kind.CHALLENGE, Kind.CLAIM)
            self._uniform[expr] = known
        return known

    def number(self, expr: Expr) -> int:
        """The index under which the code reads it."""
        return self.numbers.setdefault(expr, self.start + len(self.numbers))

    def operands(self, expr: Expr) -> tuple[Expr, ...]:
        """The nodes whose values the line of ``expr`` names; none for leaves and uniforms."""
        known = self._operands.get(expr)
        if known is None:
            if self.is_uniform(expr):
                known = ()
            else:
                fused = self.product(expr)
                known = (fused[0], fused[2]) if fused else expr.children
            self._operands[expr] = known
        return known

    def product(self, expr: Expr) -> tuple[Expr, Expr, Expr] | None:
        """(a, uniform, b) if ``expr`` is a + uniform * b with a in the extension and b in the base field: fingerprints are."""
        if expr.kind is not Kind.ADD or not all(child.is_extension for child in expr.children):
            return None
        for total, other in (expr.children, expr.children[::-1]):
            if other.kind is Kind.MUL:
                for factor, value in (other.children, other.children[::-1]):
                    if self.is_uniform(factor) and not value.is_extension:
                        return total, factor, value
        return None


class _Function:
    """The body of one emitted function: a temporary per node, operands before their users."""

    def __init__(self, uniforms: _Uniforms) -> None:
        self.uniforms = uniforms
        self.lines: list[str] = []
        self.names: dict[Expr, str] = {}
        self.canonical: set[Expr] = set()
        self.operations = 0

    def missing(self, roots: Sequence[Expr]) -> list[Expr]:
        """The nodes still to be computed for ``roots``, operands first."""
        order: list[Expr] = []
        seen: set[Expr] = set()
        stack = [(root, False) for root in reversed(roots)]
        while stack:
            expr, ready = stack.pop()
            if ready:
                order.append(expr)
            elif expr not in seen and expr not in self.names:
                seen.add(expr)
                stack.append((expr, True))
                stack.extend((child, False) for child in reversed(self.uniforms.operands(expr)))
        return order

    def cost(self, nodes: Sequence[Expr]) -> int:
        """Operations that computing ``nodes`` would add."""
        return sum(_operations(expr) for expr in nodes if self.uniforms.operands(expr))

    def compute(self, nodes: Sequence[Expr]) -> None:
        """Write the lines of ``nodes``, operands first."""
        self.operations += self.cost(nodes)
        for expr in nodes:
            name = f"t{len(self.names)}"
            self.names[expr] = name
            self.lines.append(f"const auto {name} = {self._text(expr)};")

    def _text(self, expr: Expr) -> str:
        if self.uniforms.is_uniform(expr):
            self.canonical.add(expr)
            return f"at.uniform({self.uniforms.number(expr)})"
        if not expr.children:
            self.canonical.add(expr)
            return _leaf(expr)
        fused = self.uniforms.product(expr)
        if fused:
            total, factor, value = fused
            return f"plus_product({self.names[total]}, at.words({self.uniforms.number(factor)}), {self.names[value]})"
        left, right = expr.children
        a, b = self.names[left], self.names[right]
        if expr.kind is Kind.MUL:
            for factor, other in ((left, b), (right, a)):
                cheap = _times_constant(factor, other)
                if cheap:
                    return cheap
            if not expr.is_extension:
                return f"{a} * {b}"
            if left.is_extension and right.is_extension:
                return f"product({a}, {b})"
            return f"scaled({a}, {b})" if left.is_extension else f"scaled({b}, {a})"
        if expr.kind is Kind.ADD:
            if right in self.canonical and (left.is_extension or not right.is_extension):
                return f"add_canonical({a}, {b})"
            if left in self.canonical and (right.is_extension or not left.is_extension):
                return f"add_canonical({b}, {a})"
            return f"{a} + {b}"
        if right in self.canonical and (left.is_extension or not right.is_extension):
            return f"sub_canonical({a}, {b})"
        return f"{a} - {b}"


def _operations(expr: Expr) -> int:
    """Base operations written out in line: extension products are calls."""
    left, right = expr.children
    if expr.kind is Kind.MUL and expr.is_extension:
        return 1
    return 3 if left.is_extension and right.is_extension else 1


def _leaf(expr: Expr) -> str:
    match expr.kind:
        case Kind.CONST:
            return f"F::splat(0x{expr.args[0]:x}ull)"
        case Kind.SELECTOR:
            return f"at.{expr.args[0]}()"
        case Kind.CELL:
            part, column, rotation = expr.args
            return f"at.{part.value}({column}, at.{'next' if rotation else 'row'})"
    raise AssertionError(f"{expr.kind} is not a leaf that reads a row")


def _times_constant(factor: Expr, other: str) -> str | None:
    """A product with a power of two (or 1/2^32) is a shift."""
    if factor.kind is not Kind.CONST:
        return None
    value: int = factor.args[0]
    if value == _INVERSE_2_32:
        return f"over_2_32({other})"
    if value == 2:
        return f"{other} + {other}"
    if value.bit_count() == 1 and 0 < value.bit_length() - 1 <= 32:
        return f"times_power_of_two<{value.bit_length() - 1}>({other})"
    return None


def _pieces(items: Iterable[tuple[int, list[Expr]]], uniforms: _Uniforms) -> list[tuple[_Function, list[int]]]:
    """Items (number, its roots) cut into functions of at most MAX_OPERATIONS, each with at least one item."""
    pieces: list[tuple[_Function, list[int]]] = [(_Function(uniforms), [])]
    for number, roots in items:
        function, members = pieces[-1]
        nodes = function.missing(roots)
        if members and function.operations + function.cost(nodes) > MAX_OPERATIONS:
            function, members = _Function(uniforms), []
            pieces.append((function, members))
            nodes = function.missing(roots)
        function.compute(nodes)
        members.append(number)
    return pieces


def _emit(name: str, pieces: Sequence[tuple[_Function, list[int]]], target: str, statement: Callable[[_Function, int], str]) -> str:
    """The pieces as function templates ``name_0``, ``name_1``, ... that write through ``target``, and one that calls them all."""
    text: list[str] = []
    arguments = f"const AirView& view, size_t row, size_t next, {target}"
    for number, (function, members) in enumerate(pieces):
        lines = [*function.lines, *(statement(function, member) for member in members)]
        body = "\n".join(f"    {line}" for line in lines)
        text.append(
            f"template <class F>\nZK_EMITTED void {name}_{number}({arguments}) {{\n    const Leaves<F> at{{view, row, next}};\n{body}\n}}\n"
        )
    calls = "\n".join(f"    {name}_{number}<F>(view, row, next, result);" for number in range(len(pieces)))
    text.append(f"template <class F>\nZK_EMITTED void {name}({arguments}) {{\n{calls}\n}}\n")
    return "\n".join(text)


def emit(air: Air) -> Emitted:
    """The header of ``air``. ValueError if it has more pairs of interactions than the kernels hold."""
    if air.aux_width > MAX_PAIRS:
        raise ValueError(f"{air.name}: {air.aux_width} pairs of interactions, more than {MAX_PAIRS}")
    name = identifier(air)
    roots = [expr for _, expr in air.all_constraints]
    constraint_uniforms = _Uniforms(len(roots))
    pieces = _pieces(((number, [root]) for number, root in enumerate(roots)), constraint_uniforms)

    def add_constraint(function: _Function, number: int) -> str:
        value = function.names[roots[number]]
        return f"accumulate(result, at.words({number}), {value});  // {_comment(air.all_constraints[number][0])}"

    constraints = _emit(f"{name}_constraints", pieces, "Fp3<F>& result", add_constraint)

    terms = fraction_terms(air)
    fraction_uniforms = _Uniforms(0)
    fraction_pieces = _pieces(((number, list(term)) for number, term in enumerate(terms)), fraction_uniforms)

    def put_fraction(function: _Function, number: int) -> str:
        numerator, denominator = terms[number]
        top = function.names[numerator]
        if not numerator.is_extension:
            top = f"Fp3<F>{{{top}, F::splat(0), F::splat(0)}}"
        return f"result[{number}] = {{{top}, {function.names[denominator]}}};"

    fractions = _emit(f"{name}_fractions", fraction_pieces, "Fraction<F>* result", put_fraction)
    header = (
        f"// {air.name}, written by zisk_actors/air/emit.py.\n#pragma once\n\n"
        '#include "kernels/air.hpp"\n\nnamespace zk {\ninline namespace ZK_ISA {\n\n'
        f"{constraints}\n{fractions}\n}}  // namespace ZK_ISA\n}}  // namespace zk\n"
    )
    return Emitted(air, name, header, list(constraint_uniforms.numbers), list(fraction_uniforms.numbers))


def _comment(text: str) -> str:
    return " ".join(text.split()).replace("\\", "/")


def emit_source(emitted: Emitted) -> str:
    """The translation unit of one AIR, compiled once per instruction set: exports ``zk_air_<identifier>_<set>``."""
    name = emitted.identifier
    return f"""// {emitted.air.name}, written by zisk_actors/air/emit.py.
#include "cpu/vector.hpp"
#include "air_{name}.hpp"

#define ZK_JOIN2(a, b) a##b
#define ZK_JOIN(a, b) ZK_JOIN2(a, b)

namespace {{

using F = zk::Vector;

void constraints(const zk::AirView& view, size_t row, size_t next, void* total) {{
    zk::Fp3<F>& result = *(zk::Fp3<F>*)total;
    result = zk::zero3<F>();
    zk::{name}_constraints<F>(view, row, next, result);
}}

void fractions(const zk::AirView& view, size_t row, size_t next, void* fractions) {{
    zk::{name}_fractions<F>(view, row, next, (zk::Fraction<F>*)fractions);
}}

}}  // namespace

extern const zk::AirFunctions ZK_JOIN(zk_air_{name}_, ZK_ISA) = {{constraints, fractions}};
"""


# The evaluators of an entry of kernels/air.hpp, in the order of its fields.
ENTRY_SETS = ("scalar", "avx2", "avx512")


def emit_table(airs: Sequence[Emitted], sets: Sequence[str]) -> str:
    """The source of the table ``zk_airs`` of all ``airs``; ``sets``: the instruction sets that the build has their evaluators for."""
    declarations: list[str] = []
    rows: list[str] = []
    for each in airs:
        declarations += [f"extern const zk::AirFunctions zk_air_{each.identifier}_{isa};" for isa in sets]
        digest = ", ".join(str(byte) for byte in each.digest)
        functions = [f"&zk_air_{each.identifier}_{isa}" if isa in sets else "nullptr" for isa in ENTRY_SETS]
        rows.append(f'    {{{{{digest}}}, "{each.air.name}", {each.air.aux_width}, {", ".join(functions)}}},')
    listing = "\n".join(rows) if rows else "    {{0}, nullptr, 0, nullptr, nullptr, nullptr},"
    return "\n".join(
        [
            "// Written by zisk_actors/air/emit.py.",
            '#include "kernels/air.hpp"',
            "",
            *declarations,
            "",
            f'extern "C" const zk::AirEntry zk_airs[] = {{\n{listing}\n}};',
            f'extern "C" const size_t zk_air_count = {len(airs)};',
            "",
        ]
    )
