"""Buses and the LogUp argument that makes them balance.

A bus is a signed multiset of tuples shared by all tables of a job: an
interaction adds ``times`` copies of its tuple. The statement holds only if
every bus sums to nothing over all tables and the verifier's boundary terms.

``balance`` turns the interactions of one AIR into constraints of the same
expression language (Haboeck, "Multivariate lookups based on logarithmic
derivatives", 2022). The fingerprint of a tuple f on bus b is
``alpha + b + beta f_0 + beta^2 f_1 + ...``: the bus number is inside it, and
the arity of a bus is fixed, so no tuple aliases another one's.

Interactions are taken in pairs. Pair 0 lives in the accumulator phi (aux
column 0), each further pair j in a helper column h_j (aux column j):

    h_j d1 d2                                   = m1 d2 + m2 d1
    (phi' - phi - sum_j h_j + T/N) d1 d2        = m1 d2 + m2 d1     (pair 0)

on every row, cyclically; summed over the N rows the second line gives
T = sum of all fractions, with no boundary selector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zisk_actors.air.expr import CLAIM, Expr, Part, as_expr, cell, challenge, const

MAX_ARITY = 8
# The challenges an evaluator is given: alpha, beta, beta^2, ..., beta^MAX_ARITY.
CHALLENGE_COUNT = MAX_ARITY + 1


@dataclass(frozen=True)
class Bus:
    """A named channel. ``fields`` fixes the arity; ``number`` separates fingerprints."""

    name: str
    number: int
    fields: tuple[str, ...]
    meaning: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.fields) <= MAX_ARITY:
            raise ValueError(f"bus {self.name}: 1 to {MAX_ARITY} fields, not {len(self.fields)}")


@dataclass(frozen=True)
class Interaction:
    """``times`` copies of the tuple ``values`` put on ``bus`` (negative: taken off it)."""

    bus: Bus
    values: tuple[Expr, ...]
    times: Expr

    def fingerprint(self) -> Expr:
        """alpha + number + beta f_0 + beta^2 f_1 + ..."""
        total = challenge(0) + self.bus.number
        for power, value in enumerate(self.values, start=1):
            total = total + challenge(power) * value
        return total


def send(bus: Bus, *values: Expr | int, times: Expr | int = 1) -> Interaction:
    """Put ``values`` on the bus ``times`` times. The number of values must be the bus's."""
    if len(values) != len(bus.fields):
        raise ValueError(f"bus {bus.name} carries {bus.fields}, got {len(values)} values")
    return Interaction(bus, tuple(as_expr(value) for value in values), as_expr(times))


def receive(bus: Bus, *values: Expr | int, times: Expr | int = 1) -> Interaction:
    """Take ``values`` off the bus ``times`` times."""
    return send(bus, *values, times=const(0) - as_expr(times))


def pairs(interactions: Sequence[Interaction]) -> list[tuple[Interaction, ...]]:
    """Interactions two by two, in order; the last may stand alone."""
    return [tuple(interactions[i : i + 2]) for i in range(0, len(interactions), 2)]


def balance(interactions: Sequence[Interaction]) -> Iterator[tuple[str, Expr]]:
    """The constraints, named, that tie the aux columns of one AIR to its interactions."""
    grouped = pairs(interactions)
    helpers = const(0)
    for column in range(1, len(grouped)):
        helpers = helpers + cell(Part.AUX, column)
    for column, group in enumerate(grouped):
        names = " and ".join(item.bus.name for item in group)
        denominators = [item.fingerprint() for item in group]
        if len(group) == 2:
            product = denominators[0] * denominators[1]
            numerator = group[0].times * denominators[1] + group[1].times * denominators[0]
        else:
            product, numerator = denominators[0], group[0].times
        if column == 0:
            step = cell(Part.AUX, 0, 1) - cell(Part.AUX, 0) - helpers + CLAIM
            yield f"accumulator with {names}", step * product - numerator
        else:
            yield f"helper {column} is {names}", cell(Part.AUX, column) * product - numerator
