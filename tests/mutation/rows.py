"""One row of an instruction chip, forged: a search for cells that all of the chip accepts except for one part.

Rules. The forged row takes what the honest row takes (its control token, its ROM row, its old tokens, all at the same times) and puts
something else. It holds every constraint and every lookup of the chip but ``part``. The search changes one cell or a few, then repairs
what broke: it solves a failing constraint for a cell in it, splits a number anew over the chunks that make it up, or takes what a lookup
table says. Everything is plain integers mod P, compiled from the chip's own expressions.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from tests.mutation.airs import Part
from zisk_actors.air.air import Air
from zisk_actors.air.bus import Bus
from zisk_actors.air.expr import Expr, Kind, topological
from zisk_actors.air.expr import Part as Matrix
from zisk_actors.chips.buses import AND8, EXEC, MSB16, PCMAP, POW32, POW64, PROGRAM, RANGE16, TOKEN
from zisk_actors.stark.field import P

Cells = list[int]
Function = Callable[[Cells], int]
LOOKUPS = (RANGE16, MSB16, AND8, POW64, POW32, PCMAP)
POWERS = frozenset(2**k for k in range(64))


def compiled(expr: Expr) -> Function:
    """A function of a row's main cells, for an expression without next row, fixed columns or selectors."""
    lines, names = [], {}
    for number, node in enumerate(topological([expr])):
        names[node] = f"v{number}"
        match node.kind:
            case Kind.CONST:
                value = str(node.args[0])
            case Kind.CELL:
                assert node.args[0] is Matrix.MAIN, "instruction chips have no fixed columns"
                assert not node.args[2], "instruction rows stand alone"
                value = f"m[{node.args[1]}]"
            case Kind.ADD | Kind.SUB | Kind.MUL:
                sign = {Kind.ADD: "+", Kind.SUB: "-", Kind.MUL: "*"}[node.kind]
                left, right = (names[child] for child in node.children)
                value = f"({left} {sign} {right}) % P"
            case _:
                raise AssertionError(node.kind)
        lines.append(f"    v{number} = {value}")
    scope: dict[str, Function] = {}
    exec("\n".join([f"def f(m, P={P}):", *lines, f"    return {names[expr]} % P"]), {}, scope)
    return scope["f"]


@lru_cache(2**16)
def inverse_of(value: int) -> int:
    """1 / value."""
    return pow(value, -1, P)


def columns_of(expr: Expr) -> frozenset[int]:
    """The main columns that an expression reads."""
    return frozenset(node.args[1] for node in topological([expr]) if node.kind is Kind.CELL)


@dataclass(frozen=True)
class Equation:
    """Something that must be 0. ``target`` is what the honest row gives where it must only stay the same."""

    value: Function
    columns: tuple[int, ...]
    target: int = 0
    factors: tuple[Equation, ...] = ()  # of which one must be 0, where the equation is a product

    def residue(self, row: Cells) -> int:
        return (self.value(row) - self.target) % P


def equation_of(expr: Expr) -> Equation:
    """A constraint as an equation."""
    factors = tuple(map(equation_of, expr.children)) if expr.kind is Kind.MUL else ()
    return Equation(compiled(expr), tuple(sorted(columns_of(expr))), 0, tuple(factor for factor in factors if factor.columns))


@dataclass(frozen=True)
class Term:
    """An interaction, compiled."""

    bus: Bus
    values: tuple[Function, ...]
    times: Function
    columns: tuple[int, ...]
    reads: tuple[tuple[int, ...], ...]  # by each value, then by times

    def tuple(self, row: Cells) -> tuple[int, ...]:
        return tuple(value(row) for value in self.values)

    def spoken(self, row: Cells) -> tuple[int, ...]:
        return (*self.tuple(row), self.times(row))


def holds(bus: Bus, values: Sequence[int], program: dict[int, int]) -> bool:
    """Whether a lookup table holds a tuple. ``program``: byte address -> ROM row."""
    first = values[0]
    if bus is PCMAP:
        return program.get(first) == values[1]
    if bus is AND8:
        return first < 256 and values[1] < 256 and values[2] == first & values[1]
    if first >= 2**16:
        return False
    if bus is MSB16:
        return values[1] == first >> 15
    if bus is POW32:
        return values[1] == 1 << first % 32
    if bus is POW64:
        power = 1 << first % 64
        return values[1] == power % 2**32 and values[2] == power >> 32
    return True


class Chip:
    """An AIR as equations and terms. ``left_out`` is not asked."""

    def __init__(self, air: Air, program: dict[int, int]) -> None:
        self.air, self.program = air, program
        self.names = air.main.column_names()
        self.constraints = [equation_of(expr) for _, expr in air.own_constraints]
        self.terms = []
        for term in air.bus_terms:
            reads = tuple(tuple(sorted(columns_of(expr))) for expr in (*term.values, term.times))
            columns = tuple(sorted({column for read in reads for column in read}))
            self.terms.append(Term(term.bus, tuple(map(compiled, term.values)), compiled(term.times), columns, reads))
        # What an op number is made of: flags, or bits.
        self.flags = next(columns_of(term.values[1]) for term in air.bus_terms if term.bus is PROGRAM)

    def column(self, name: str) -> int:
        return self.names.index(name)


class Search:
    """The search on one honest row, against one part. ``targets``: by number of the interaction, what the row takes in place of its own."""

    def __init__(
        self,
        chip: Chip,
        honest: Cells,
        part: Part,
        rng: random.Random,
        budget: int = 4000,
        each: int = 60,
        targets: Mapping[int, tuple[int, ...]] | None = None,
    ) -> None:
        self.chip, self.honest, self.part, self.rng, self.budget, self.each, self.left = chip, honest, part, rng, budget, each, each
        self.equations = [e for i, e in enumerate(chip.constraints) if part.bus is not None or i != part.index]
        self.lookups: list[Term] = []
        self.puts: list[Term] = []
        self.kept: list[Equation] = []
        for index, term in enumerate(chip.terms):
            if part.bus is not None and index == part.index:
                continue
            if term.bus in LOOKUPS:
                self.lookups.append(term)
            elif term.bus is PROGRAM or term.times(honest) == P - 1:
                self._keep(term, range(len(term.reads)), (targets or {}).get(index))
            else:
                # It counts as it did, and time goes on as it did.
                self._keep(term, [-1, -2] if term.bus in (TOKEN, EXEC) else [-1])
                self.puts.append(term)
        self.said = [term.tuple(honest) for term in self.puts]
        self.uses = Counter(column for item in (*self.equations, *self.lookups) for column in item.columns)
        # What no repair may change: cells that must stay the same on their own, and flags, which seeds set all at once.
        self.locked = frozenset(chip.flags) | {e.columns[0] for e in self.kept if len(e.columns) == 1}

    def _keep(self, term: Term, places: Iterable[int], target: tuple[int, ...] | None = None) -> None:
        functions = (*term.values, term.times)
        wanted = term.spoken(self.honest) if target is None else (*target, term.times(self.honest))
        kept = [Equation(functions[place], term.reads[place], wanted[place]) for place in places]
        self.kept += [equation for equation in kept if equation.columns]
        self.equations += [equation for equation in kept if equation.columns]

    def forged(self, seeds: Iterable[dict[int, int]]) -> Iterator[Cells]:
        """Rows that everything but the part accepts, and that put something else than the honest row."""
        for seed in seeds:
            if self.budget <= 0:
                return
            self.left = self.each * (10 if self.chip.flags >= set(seed) else 1)
            row = list(self.honest)
            for column, value in seed.items():
                row[column] = value % P
            yield from self._repair(row, frozenset(seed), 9)

    def completed(self, given: Iterable[int]) -> Iterator[Cells]:
        """The honest row with cells other than the ``given`` columns changed so that everything but the part accepts it."""
        self.left, self.said, self.locked = self.each, [], frozenset(given)
        yield from self._repair(list(self.honest), frozenset(given), 14)

    def accepts(self, row: Cells) -> bool:
        """Whether everything but the part accepts a row that puts something else than the honest one."""
        if any(e.residue(row) for e in self.equations) or all(t.tuple(row) == said for t, said in zip(self.puts, self.said, strict=True)):
            return False
        return all(not t.times(row) or holds(t.bus, t.tuple(row), self.chip.program) for t in self.lookups)

    def _repair(self, row: Cells, changed: frozenset[int], depth: int) -> Iterator[Cells]:
        self.budget -= 1
        self.left -= 1
        if self.budget <= 0 or self.left <= 0:
            return
        broken = next((e for e in self.equations if e.residue(row)), None)
        if broken is not None:
            if depth:
                for cells in self._solutions(broken, row, changed):
                    yield from self._with(row, cells, changed, depth)
            return
        missed = next((t for t in self.lookups if t.times(row) and not holds(t.bus, t.tuple(row), self.chip.program)), None)
        if missed is not None:
            if depth:
                for cells in self._hits(missed, row, changed):
                    yield from self._with(row, cells, changed, depth)
            return
        if not self.said or any(term.tuple(row) != said for term, said in zip(self.puts, self.said, strict=True)):
            yield row

    def _with(self, row: Cells, cells: dict[int, int], changed: frozenset[int], depth: int) -> Iterator[Cells]:
        new = list(row)
        for column, value in cells.items():
            new[column] = value
        yield from self._repair(new, changed | frozenset(cells), depth - 1)

    def _slopes(self, equation: Equation, row: Cells, changed: frozenset[int]) -> dict[int, int]:
        """Columns in which the equation is linear here, and the coefficient of each."""
        found = {}
        start = equation.residue(row)
        for column in equation.columns:
            if column in changed or column in self.locked:
                continue
            value = row[column]
            row[column] = (value + 1) % P
            once = (equation.residue(row) - start) % P
            if once:
                row[column] = (value + 2) % P
                if (equation.residue(row) - start - 2 * once) % P == 0:
                    found[column] = once
            row[column] = value
        return found

    def _solutions(self, equation: Equation, row: Cells, changed: frozenset[int]) -> Iterator[dict[int, int]]:
        """Changes of cells that make an equation hold."""
        if equation.factors:
            for factor in equation.factors:
                yield from self._solutions(factor, row, changed)
            return
        slopes = self._slopes(equation, row, changed)
        residue = equation.residue(row)
        found: list[dict[int, int]] = []
        for base in dict.fromkeys(slopes.values()):
            # Some chunks together, as the digits of what they must add up to.
            scale = inverse_of(base)
            scaled = ((slope * scale % P, column) for column, slope in slopes.items())
            digits = sorted(((weight, column) for weight, column in scaled if weight in POWERS), reverse=True)
            for most in (0, 1):  # all of them, or without the one that counts most
                if len(digits) - most > 1:
                    rest = (sum(weight * row[column] for weight, column in digits[most:]) - scale * residue) % P
                    cells = {}
                    for weight, column in digits[most:]:
                        cells[column], rest = divmod(rest, weight)
                    found.append(cells)
        order = list(slopes)
        self.rng.shuffle(order)
        found += [{column: (row[column] - residue * inverse_of(slopes[column])) % P} for column in order]
        # First what disturbs least.
        yield from sorted(found, key=lambda cells: max(self.uses[column] for column in cells))

    def _hits(self, term: Term, row: Cells, changed: frozenset[int]) -> Iterator[dict[int, int]]:
        """Changes of cells that make a lookup hit its table."""
        values = term.tuple(row)
        wanted: list[int | None] = [None] * len(values)
        if term.bus is MSB16 and values[0] < 2**16:
            wanted[1] = values[0] >> 15
        elif term.bus is AND8 and values[0] < 256 and values[1] < 256:
            wanted[2] = values[0] & values[1]
        elif term.bus is POW32 and values[0] < 2**16:
            wanted[1] = 1 << values[0] % 32
        elif term.bus is PCMAP:
            wanted[:] = self.rng.choice(list(self.chip.program.items()))
        elif term.bus is POW64 and values[0] < 2**16:
            wanted[1:] = [(1 << values[0] % 64) % 2**32, (1 << values[0] % 64) >> 32]
        cells: dict[int, int] = {}
        for function, want, value in zip(term.values, wanted, values, strict=True):
            if want is not None and want != value:
                slopes = self._slopes(Equation(function, term.columns, want), row, frozenset() if term.bus is PCMAP else changed)
                for column, slope in slopes.items():
                    cells[column] = (row[column] + (want - value) * inverse_of(slope)) % P
        if cells:
            yield cells
        if term.bus in (RANGE16, MSB16):
            # What is too large for one chunk goes into a neighbour that counts 2^16 times as much, or 2^16 times as little.
            for column, slope in self._slopes(Equation(term.values[0], term.columns), row, changed).items():
                if slope == P - 2**16 and values[0] < 2**48:
                    yield {column: row[column] + (values[0] >> 16)}
                elif slope == 1:
                    yield {column: self.rng.randrange(2**16)}

    # --- where to begin ------------------------------------------------------------

    def seeds(self, count: int) -> Iterator[dict[int, int]]:
        """Cells to change first: those that the part reads, then any, then flags and small groups of them."""
        mine = self._columns_of_part()
        if self.part.bus is None and set(mine) <= self.chip.flags and len(self.chip.flags) > 1:
            yield from self._flags()
        for rounds in range(count):
            yield from self._other_chunks(mine)
            columns = list(mine)
            self.rng.shuffle(columns)
            for column in columns:
                for value in self._others(self.honest[column]):
                    yield {column: value}
            anything = [c for c in range(len(self.honest)) if c not in mine and c not in self.locked]
            self.rng.shuffle(anything)
            for column in anything:
                yield {column: self.rng.choice(self._others(self.honest[column]))}
            for _ in range(10 + 10 * rounds if len(anything) > 1 else 0):
                for chosen in (self.rng.sample(anything, 2), [self.rng.choice(columns), self.rng.choice(anything)]):
                    yield {column: self.rng.choice(self._others(self.honest[column])) for column in chosen}

    def _other_chunks(self, mine: Sequence[int]) -> Iterator[dict[int, int]]:
        """For a lookup: values of its cells with which the other lookups of the same cells hit."""
        for term in self.lookups if self.part.bus is RANGE16 else ():
            for column in set(mine) & set(term.columns) - self.locked:
                slope = self._slopes(Equation(term.values[0], term.reads[0]), list(self.honest), frozenset()).get(column)
                if slope is not None:
                    for _ in range(4):
                        step = self.rng.randrange(2**16) - term.values[0](self.honest)
                        yield {column: (self.honest[column] + step * inverse_of(slope)) % P}

    def _columns_of_part(self) -> list[int]:
        part, chip = self.part, self.chip
        return list((chip.constraints if part.bus is None else chip.terms)[part.index].columns)

    def _others(self, value: int) -> list[int]:
        rng = self.rng
        some = [value + 1, value - 1, 1 - value, 2, P - 1, 0, value + 2**16, value + 2**32, value - 2**16, value - 2**32]
        some += [value + 2**15, value - 2**15]
        some += [rng.randrange(2**16), rng.randrange(2**32), rng.randrange(P), rng.randrange(P), (value + rng.randrange(2**16)) % 2**16]
        return [v % P for v in dict.fromkeys(some) if v % P != value]

    def _flags(self) -> Iterator[dict[int, int]]:
        """Other settings of all flags at once that give the same op: one is what it has to be, the others are bits."""
        flags = sorted(self.chip.flags)
        op = next(e for e in self.kept if set(e.columns) == set(flags))
        ours = [e for e in self.equations if set(e.columns) <= set(flags)]
        for free in self._columns_of_part():
            others = [column for column in flags if column != free]
            for values in product((0, 1), repeat=len(others)):
                row = list(self.honest)
                for column, value in zip(others, values, strict=True):
                    row[column] = value
                row[free] = 0
                start = op.residue(row)
                row[free] = 1
                row[free] = -start * inverse_of((op.residue(row) - start) % P) % P
                if row != self.honest and not any(e.residue(row) for e in ours):
                    yield {column: row[column] for column in flags}
