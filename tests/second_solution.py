"""A search for a second solution of an instruction's row: the same inputs, another output.

Rules. The row's inputs are what it takes off the buses (control, tokens) and its ROM row; they are fixed. All other cells are unknown. The
chip's constraints are polynomials in them, and its lookups bound them. The search is complete: it only drops a case that it has shown to
be impossible, and says so (``stuck``) where it cannot decide. It knows nothing of any chip:

* a product that is 0 has a factor that is 0: both cases are looked at;
* an unbounded cell that stands alone in an equation is replaced by the rest of it;
* a linear equation of bounded cells is one of integers, up to a few multiples of p. It is solved digit by digit: the term of least weight
  is determined modulo the greatest common divisor of the other weights;
* two such equations that share a carry, and nobody else does, give one without it; cells that are digits of one number count as one number.

A solution must reproduce the honest row among its results, or the search itself is wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import gcd, prod

from tests.instruction_model import TEXT
from zisk_actors.air.air import Air
from zisk_actors.air.bus import Bus
from zisk_actors.air.expr import Expr, Kind, fold
from zisk_actors.chips.base import Chip
from zisk_actors.chips.buses import AND8, EXEC, MSB16, PCMAP, POW32, POW64, PROGRAM, RANGE16, TOKEN
from zisk_actors.machine import layout
from zisk_actors.stark.field import P

# A polynomial mod P: monomial (sorted cells) -> coefficient that is not 0.
Poly = dict[tuple[int, ...], int]
Bounds = dict[int, tuple[int, int]]

MOST_NODES = 4000  # of one row's search
MOST_CASES = 4  # solutions of one equation, or multiples of p, that are looked at one by one


class Contradiction(Exception):
    """The case has no solution."""


def add(a: Poly, b: Poly, times: int = 1) -> Poly:
    """a + times b."""
    total = dict(a)
    for monomial, c in b.items():
        value = (total.get(monomial, 0) + times * c) % P
        if value:
            total[monomial] = value
        else:
            total.pop(monomial, None)
    return total


def multiply(a: Poly, b: Poly) -> Poly:
    """a b."""
    total: Poly = {}
    for (m, c), (n, d) in itertools.product(a.items(), b.items()):
        key = tuple(sorted(m + n))
        total[key] = (total.get(key, 0) + c * d) % P
    return {m: c for m, c in total.items() if c}


def const(value: int) -> Poly:
    """A constant."""
    return {(): value % P} if value % P else {}


def value_of(a: Poly) -> int | None:
    """The value of a constant polynomial, None for any other."""
    return 0 if not a else a[()] if len(a) == 1 and () in a else None


def cells_of(a: Poly) -> set[int]:
    """The cells in it."""
    return {cell for monomial in a for cell in monomial}


def single(a: Poly) -> int | None:
    """The cell that ``a`` is, if it is one."""
    (monomial, c), *more = a.items() if a else [((), 0)]
    return monomial[0] if not more and len(monomial) == 1 and c == 1 else None


def replace(a: Poly, cell: int, by: Poly) -> Poly:
    """a with ``by`` in the place of a cell."""
    if not any(cell in monomial for monomial in a):
        return a
    total: Poly = {}
    for monomial, c in a.items():
        count = monomial.count(cell)
        term: Poly = {tuple(each for each in monomial if each != cell): c}
        for _ in range(count):
            term = multiply(term, by)
        total = add(total, term)
    return total


def polynomials(roots: Sequence[Expr]) -> list[Poly]:
    """Expressions over the cells of one row."""

    def visit(expr: Expr, operands: list[Poly]) -> Poly:
        match expr.kind:
            case Kind.CONST:
                return const(expr.args[0])
            case Kind.CELL:
                return {(expr.args[1],): 1}
            case Kind.ADD:
                return add(*operands)
            case Kind.SUB:
                return add(*operands, times=-1)
            case Kind.MUL:
                return multiply(*operands)
        raise ValueError(f"{expr!r} in a row of an instruction")

    return fold(roots, visit)


@dataclass
class Node:
    """A case: what is left to be satisfied. ``address``: the memory word's, if the row accesses memory."""

    equations: list[Poly]
    products: list[tuple[Poly, Poly]]
    lookups: list[tuple[Bus, tuple[Poly, ...]]]
    outputs: list[Poly]
    cells: dict[int, Poly]  # what each cell is known to be
    bounds: Bounds
    address: Poly | None = None
    honest_address: int = 0

    def copy(self) -> Node:
        """Another one that can be changed. Polynomials are shared: they never change."""
        parts = (list(self.equations), list(self.products), list(self.lookups), list(self.outputs))
        return Node(*parts, dict(self.cells), dict(self.bounds), self.address, self.honest_address)

    def put(self, cell: int, by: Poly) -> None:
        """``cell`` is ``by`` from now on."""
        low, high = self.bounds.pop(cell, (0, P - 1))
        value = value_of(by)
        if value is not None and not low <= value <= high:
            raise Contradiction
        self.equations = [replace(each, cell, by) for each in self.equations]
        self.products = [(replace(a, cell, by), replace(b, cell, by)) for a, b in self.products]
        self.lookups = [(bus, tuple(replace(each, cell, by) for each in values)) for bus, values in self.lookups]
        self.outputs = [replace(each, cell, by) for each in self.outputs]
        self.cells = {known: replace(each, cell, by) for known, each in self.cells.items()} | {cell: by}
        if self.address is not None:
            self.address = replace(self.address, cell, by)

    def bound(self, cell: int, low: int, high: int) -> None:
        """low <= cell <= high."""
        old = self.bounds.get(cell, (0, P - 1))
        new = max(low, old[0]), min(high, old[1])
        if new[0] > new[1]:
            raise Contradiction
        self.bounds[cell] = new


# --- equations of bounded integers ---------------------------------------------------


class Undecided(Exception):
    """More cases than are looked at one by one."""


@dataclass(frozen=True)
class Term:
    """weight * number. The number is made of ``digits``: cells with their numbers of values, least significant first."""

    weight: int
    digits: tuple[tuple[int, int], ...]
    low: int
    high: int


Line = tuple[dict[int, int], int]  # integer weights of cells, constant: their sum is 0
Numbers = dict[tuple[int, ...], tuple[int, int]]  # bounds of numbers made of cells


def lifted(equation: Poly, bounds: Bounds) -> list[Line]:
    """The integer equations of which one holds: the field's equation, scaled so that its sum spans least. Raises Undecided."""
    cells = [monomial[0] for monomial in equation if monomial]
    best: tuple[int, dict[int, int], int] | None = None
    for scale in [1, *(pow(equation[(cell,)], -1, P) for cell in cells)]:
        weights = {cell: _signed(equation[(cell,)] * scale % P) for cell in cells}
        span = sum(abs(w) * (bounds[cell][1] - bounds[cell][0]) for cell, w in weights.items())
        if best is None or span < best[0]:
            best = span, weights, _signed(equation.get((), 0) * scale % P)
    assert best is not None
    _, weights, constant = best
    least = constant + sum(w * bounds[cell][w < 0] for cell, w in weights.items())
    most = constant + sum(w * bounds[cell][w > 0] for cell, w in weights.items())
    if most // P - -(-least // P) >= MOST_CASES:
        raise Undecided
    return [(weights, constant - P * k) for k in range(-(-least // P), most // P + 1)]


def _signed(value: int) -> int:
    return value if value <= P // 2 else value - P


def terms_of(line: Line, bounds: Bounds, numbers: Numbers) -> tuple[list[Term], int]:
    """The terms in order of their weights, digits of one number joined; and what they sum to."""
    weights, constant = line
    for cell, weight in weights.items():
        constant += weight * bounds[cell][0]
    left = sorted(weights, key=lambda cell: (abs(weights[cell]), cell))
    terms = []
    while left:
        cell = left.pop(0)
        weight, count = weights[cell], bounds[cell][1] - bounds[cell][0] + 1
        digits = [(cell, count)]
        while count > 1:
            following = [each for each in left if weights[each] == weight * count]
            if not following:
                break
            cell = cell + 1 if cell + 1 in following else following[0]
            left.remove(cell)
            digits.append((cell, bounds[cell][1] - bounds[cell][0] + 1))
            count *= digits[-1][1]
        terms.append(Term(weight, tuple(digits), *_known(tuple(digits), numbers)))
    return terms, -constant


def _known(digits: tuple[tuple[int, int], ...], numbers: Numbers) -> tuple[int, int]:
    """The bounds of a number: its own, and those of the parts that it may be cut into."""
    low, high = 0, prod(count for _, count in digits) - 1
    own = numbers.get(tuple(cell for cell, _ in digits), (low, high))
    low, high = max(low, own[0]), min(high, own[1])
    for cut in range(1, len(digits)):
        (a, b), (c, d), scale = _known(digits[:cut], numbers), _known(digits[cut:], numbers), prod(count for _, count in digits[:cut])
        low, high = max(low, a + scale * c), min(high, b + scale * d)
    return low, high


def solutions(line: Line, bounds: Bounds, numbers: Numbers) -> list[dict[int, int]]:
    """All values of the cells that satisfy an integer equation; raises Undecided if they are many or cannot be told apart."""
    terms, total = terms_of(line, bounds, numbers)
    found = []
    for values in _values(terms, total):
        cells = {}
        for term, number in zip(terms, values, strict=True):
            for cell, count in term.digits:
                cells[cell] = bounds[cell][0] + number % count
                number //= count
        found.append(cells)
        if len(found) > MOST_CASES:
            raise Undecided
    return found


def _values(terms: list[Term], total: int) -> Iterator[list[int]]:
    """Numbers x with sum(weight x) = total."""
    if not terms:
        if total == 0:
            yield []
        return
    start, stop, step = _candidates(terms, total)
    if (stop - start) // step >= 64:
        raise Undecided
    for x in range(start, stop + 1, step):
        for rest in _values(terms[1:], total - terms[0].weight * x):
            yield [x, *rest]


def _candidates(terms: list[Term], total: int) -> tuple[int, int, int]:
    """First, last and step of what the first number may be, given the others' bounds and the divisor of their weights."""
    weight = terms[0].weight
    start, stop = _interval(terms, 0, total)
    modulus = gcd(*(term.weight for term in terms[1:]))
    if modulus == 0:
        return (start, stop, 1) if total % weight == 0 else (0, -1, 1)
    common = gcd(weight, modulus)
    if total % common:
        return 0, -1, 1
    step = modulus // common
    rest = total // common * pow(weight // common, -1, step) % step if step > 1 else 0
    return start + (rest - start) % step, stop, step


def _interval(terms: list[Term], place: int, total: int) -> tuple[int, int]:
    """What the bounds of the other numbers leave to one."""
    others = [(t.weight * t.low, t.weight * t.high) for i, t in enumerate(terms) if i != place]
    least, most = sum(min(pair) for pair in others), sum(max(pair) for pair in others)
    weight = terms[place].weight
    ends = (total - most, total - least) if weight > 0 else (least - total, most - total)
    return max(terms[place].low, -(-ends[0] // abs(weight))), min(terms[place].high, ends[1] // abs(weight))


def without_carries(lines: list[Line], by_place: bool) -> list[Line]:
    """What follows from pairs of lines that share a cell with no other line, the cell eliminated: first where most cells go with it, or
    first the last cell of the row. Neither order suits every row."""
    active, derived = list(lines), []
    while True:
        users: dict[int, list[int]] = {}
        for i, (weights, _) in enumerate(active):
            for cell in weights:
                users.setdefault(cell, []).append(i)
        options = []
        for cell, (i, *more) in users.items():
            if len(more) == 1 and (new := _eliminated(active[i], active[more[0]], cell)) is not None:
                gone = len(active[i][0].keys() | active[more[0]][0].keys()) - len(new[0])
                options.append((-cell if by_place else -gone, len(new[0]), i, more[0], new))
        if not options:
            return derived
        _, _, i, j, new = min(options, key=lambda option: option[:4])
        active = [line for k, line in enumerate(active) if k not in (i, j)] + [new]
        derived.append(new)


def _eliminated(a: Line, b: Line, cell: int) -> Line | None:
    """The lines' combination without ``cell``, None if neither weight divides the other."""
    small, large = sorted((a, b), key=lambda line: abs(line[0][cell]))
    times, rest = divmod(large[0][cell], small[0][cell])
    if rest:
        return None
    weights = {c: large[0].get(c, 0) - times * small[0].get(c, 0) for c in large[0].keys() | small[0].keys()}
    return {c: w for c, w in weights.items() if w}, large[1] - times * small[1]


# --- the search ------------------------------------------------------------------------


@dataclass
class Outcome:
    """Of one row: whether the honest solution was found, what else was (cells by name), and why cases were left undecided."""

    honest: bool = False
    others: list[dict[str, int]] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)


def search(chip: Chip, honest: Sequence[int], rom_rows: int, without: Sequence[str] = ()) -> Outcome:
    """All solutions of a row (``honest``: its cells) with its inputs, under a ROM of so many rows from TEXT on.

    ``without``: names of constraints and lookup buses that the search leaves out.
    """
    node, outputs = _start(chip.air, honest, without)
    outcome, nodes = Outcome(), [node]
    for _ in range(MOST_NODES):
        if not nodes:
            return outcome
        case = nodes.pop()
        try:
            _propagate(case, rom_rows)
            branches = _branch(case)
        except Contradiction:
            continue
        except Undecided:
            outcome.stuck.append(f"{len(case.equations)} equations, {len(case.products)} products, {len(case.lookups)} lookups are left")
            continue
        nodes += branches
        if not branches:
            _record(case, chip, outputs, outcome)
    outcome.stuck.append("too many cases")
    return outcome


def _start(air: Air, honest: Sequence[int], without: Sequence[str]) -> tuple[Node, list[int]]:
    """What is to be satisfied, and the honest outputs."""
    node = Node([], [], [], [], {}, {})
    for name, expr in air.own_constraints:
        if name in without:
            continue
        if expr.kind is Kind.MUL:
            a, b = polynomials(expr.children)
            node.products.append((a, b))
            cell = single(a)
            if cell is not None and add(add(const(1), a, -1), b, -1) == {}:
                node.bound(cell, 0, 1)
        else:
            node.equations += polynomials([expr])
    slack = itertools.count(len(honest))
    outputs = []
    for term in air.bus_terms:
        *values, times = polynomials([*term.values, term.times])
        weight = _at(times, honest)
        node.equations.append(add(times, const(weight), -1))
        if weight == 0:
            continue
        if term.bus in (RANGE16, MSB16, AND8, POW64, POW32, PCMAP):
            if term.bus.name not in without:
                node.lookups.append((term.bus, _bounded(node, term.bus, values, slack)))
        elif term.bus is PROGRAM or (term.bus in (EXEC, TOKEN) and weight == P - 1):
            for i, value in enumerate(values):
                known = _at(value, honest)
                if term.bus is TOKEN and i == 0 and known < layout.REGISTER_BASE:
                    node.address, node.honest_address = value, known
                else:
                    node.equations.append(add(value, const(known), -1))
        else:
            node.outputs += values
            outputs += [_at(value, honest) for value in values]
    return node, outputs


def _bounded(node: Node, bus: Bus, values: list[Poly], slack: Iterator[int]) -> tuple[Poly, ...]:
    """The tuple of a lookup, a bounded cell in the place of each entry that the table bounds."""
    count = {RANGE16: 1, MSB16: 1, AND8: 2, POW64: 1, POW32: 1, PCMAP: 0}[bus]
    result = list(values)
    for i in range(count):
        cell = single(values[i])
        if cell is None and value_of(values[i]) is None:
            cell = next(slack)
            node.equations.append(add(values[i], {(cell,): 1}, -1))
            result[i] = {(cell,): 1}
        if cell is not None:
            node.bound(cell, 0, 255 if bus is AND8 else 2**16 - 1)
    return tuple(result)


def _propagate(node: Node, rom_rows: int) -> None:
    """Draw conclusions until there are none."""
    while True:
        _simplify(node, rom_rows)
        if not _substitute(node) and not _conclude(node):
            return


def _simplify(node: Node, rom_rows: int) -> None:
    """Drop what holds, decide products and lookups that can be decided."""
    left = []
    for a, b in node.products:
        x, y = value_of(a), value_of(b)
        if x == 0 or y == 0:
            continue
        if x is not None:
            node.equations.append(b)
        elif y is not None:
            node.equations.append(a)
        else:
            left.append((a, b))
    node.products = left
    lookups = []
    for bus, values in node.lookups:
        done = _lookup(node, bus, values, rom_rows)
        if not done:
            lookups.append((bus, values))
    node.lookups = lookups
    equations = []
    for equation in node.equations:
        value = value_of(equation)
        if value is None:
            equations.append(equation)
        elif value:
            raise Contradiction
    node.equations = equations
    address = None if node.address is None else value_of(node.address)
    if address is not None and address != node.honest_address and not exists(address):
        raise Contradiction


def exists(address: int) -> bool:
    """Whether a token address below the registers' is one that some run has: a word of RAM, or one outside it that is read-only."""
    word = address - layout.READ_ONLY_BASE if address >= layout.READ_ONLY_BASE else address
    in_ram = layout.RAM_START <= word * layout.WORD < layout.RAM_END
    return word < 2**29 and in_ram == (address == word)


def _lookup(node: Node, bus: Bus, values: tuple[Poly, ...], rom_rows: int) -> bool:
    """Draw conclusions from a lookup; True if nothing is left of it but its cells' bounds."""
    known = [value_of(value) for value in values]
    first = known[0]
    if bus is PCMAP:
        if first is None:
            return False
        row, odd = divmod(first - TEXT, 4)
        if odd or not 0 <= row < rom_rows:
            raise Contradiction
        node.equations.append(add(values[1], const(row), -1))
        return True
    if bus is AND8:
        if first is None or known[1] is None:
            return known[1] == known[2] == 0 and single(values[0]) is not None
        if max(first, known[1]) > 255:
            raise Contradiction
        node.equations.append(add(values[2], const(first & known[1]), -1))
        return True
    if first is None:
        cell = single(values[0])
        assert cell is not None
        if bus is MSB16 and known[1] is not None:
            if known[1] > 1:
                raise Contradiction
            node.bound(cell, known[1] << 15, (known[1] << 15) + 2**15 - 1)
            return True
        if bus is MSB16 and (msb := single(values[1])) is not None:
            node.bound(msb, 0, 1)
        return bus is RANGE16
    if first >= 2**16:
        raise Contradiction
    power = 1 << first % 64
    results = {RANGE16: (), MSB16: (first >> 15,), POW64: (power & 0xFFFFFFFF, power >> 32), POW32: (1 << first % 32,)}[bus]
    for value, result in zip(values[1:], results, strict=True):
        node.equations.append(add(value, const(result), -1))
    return True


def _substitute(node: Node) -> bool:
    """Replace one unbounded cell by what an equation says it is: by the shortest, which are those of the inputs."""
    for i, equation in sorted(enumerate(node.equations), key=lambda item: len(item[1])):
        for monomial, c in equation.items():
            if len(monomial) == 1 and monomial[0] not in node.bounds and sum(monomial[0] in each for each in equation) == 1:
                del node.equations[i]
                inverse = pow(-c, -1, P)
                node.put(monomial[0], {m: d * inverse % P for m, d in equation.items() if m != monomial})
                return True
    return False


def _conclude(node: Node) -> bool:
    """Assign the cells of one equation that has one solution, or none."""
    for found in _decided(node):
        if not found:
            raise Contradiction
        if len(found) == 1:
            for cell, value in found[0].items():
                node.put(cell, const(value))
            return True
    for cell, (low, high) in node.bounds.items():
        if low == high:
            node.put(cell, const(low))
            return True
    return False


def _lines(node: Node) -> list[list[Line]]:
    """The linear equations of bounded cells as equations of integers: one of each list holds. Those derived come last."""
    lines = []
    for equation in node.equations:
        if all(len(monomial) <= 1 for monomial in equation) and all(cell in node.bounds for cell in cells_of(equation)):
            try:
                lines.append(lifted(equation, node.bounds))
            except Undecided:
                continue
    sure = [line[0] for line in lines if len(line) == 1]
    return lines + [[line] for by_place in (False, True) for line in without_carries(sure, by_place)]


def _decided(node: Node) -> Iterator[list[dict[int, int]]]:
    """The solutions of each equation of bounded cells whose solutions can be listed."""
    every = _lines(node)
    numbers = _numbers(node, every)
    for lines in every:
        try:
            found = [cells for line in lines for cells in solutions(line, node.bounds, numbers)]
        except Undecided:
            continue
        yield found


def _numbers(node: Node, lines: list[list[Line]]) -> Numbers:
    """What the equations say of numbers made of several cells."""
    numbers: Numbers = {}
    for line in (each[0] for each in lines if len(each) == 1):
        terms, total = terms_of(line, node.bounds, {})
        for place, term in enumerate(terms):
            key = tuple(cell for cell, _ in term.digits)
            low, high = _interval(terms, place, total)
            if low > high:
                raise Contradiction
            old = numbers.get(key, (low, high))
            numbers[key] = max(low, old[0]), min(high, old[1])
    return numbers


def _branch(node: Node) -> list[Node]:
    """The cases of what can be decided least; none if nothing is left. Raises Undecided."""
    choices: list[list[Node]] = []
    for found in _decided(node):
        cases = []
        for cells in found:
            case = node.copy()
            try:
                for cell, value in cells.items():
                    case.put(cell, const(value))
            except Contradiction:
                continue
            cases.append(case)
        choices.append(cases)
    for i, (a, b) in enumerate(node.products):
        cases = [node.copy(), node.copy()]
        for case, factor in zip(cases, (a, b), strict=True):
            del case.products[i]
            case.equations.append(factor)
        choices.append(cases)
    open_cells = {cell for equation in node.equations for cell in cells_of(equation)}
    open_cells |= {cell for _, values in node.lookups for value in values for cell in cells_of(value)}
    for cell in open_cells:
        low, high = node.bounds.get(cell, (0, P - 1))
        if high - low == 1:
            cases = [node.copy(), node.copy()]
            for case, value in zip(cases, (low, high), strict=True):
                case.put(cell, const(value))
            choices.append(cases)
    if choices:
        return min(choices, key=len)
    if node.equations or node.lookups:
        raise Undecided
    return []


def _record(node: Node, chip: Chip, outputs: list[int], outcome: Outcome) -> None:
    """A case with nothing left: every value of its cells within their bounds is a solution."""
    values: dict[int, int] = {}
    open_cells = sorted({cell for output in node.outputs for cell in cells_of(output)})
    for choice in (0, 1):
        values = {cell: node.bounds.get(cell, (0, P - 1))[choice] for cell in open_cells}
        now = [_at(output, values) for output in node.outputs]
        if now == outputs:
            outcome.honest = True
        elif len(outcome.others) < 8:
            outcome.others.append(_named(node, chip, values))


def _named(node: Node, chip: Chip, values: dict[int, int]) -> dict[str, int]:
    """The row's cells by name; those that no output needs have their least value."""
    names = chip.air.main.column_names()
    result = {}
    for number, name in enumerate(names):
        poly = node.cells.get(number, {(number,): 1})
        known = {cell: values.get(cell, node.bounds.get(cell, (0, P - 1))[0]) for cell in cells_of(poly)}
        result[name] = _at(poly, known)
    return result


def _at(poly: Poly, cells: Sequence[int] | dict[int, int]) -> int:
    total = 0
    for monomial, c in poly.items():
        for cell in monomial:
            c = c * cells[cell] % P
        total += c
    return total % P
