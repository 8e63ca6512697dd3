"""The constraints at the out-of-domain point: what the verifier checks, and the prover checks of itself.

Rules: with the constraints of all instances numbered on in their order, the sum of
gamma^k c_k(z) / (z^N - 1) is Q(zeta), N being the height of constraint k's instance
and z the point of that height, with the opened values for the cells. One walk over
the same expressions that the tables are made from.
"""

from __future__ import annotations

from zisk_actors.air.evaluate import Ext, PointValues, at_point, ext_add, ext_mul, ext_sub
from zisk_actors.air.expr import Part
from zisk_actors.stark import domain
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.layout import Layout, TreeKind

BASIS: tuple[Ext, Ext, Ext] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def _opened(layout: Layout, opened: list[Ext], kind: TreeKind, matrix: int | None, column: int, rotation: int) -> Ext:
    assert matrix is not None, "a chip reads columns that it does not have"
    return opened[layout.position[kind, matrix, column, rotation]]


def _extension(layout: Layout, opened: list[Ext], kind: TreeKind, matrix: int | None, first: int, rotation: int) -> Ext:
    """Three base columns as one extension column."""
    total: Ext = (0, 0, 0)
    for c in range(3):
        total = ext_add(total, ext_mul(BASIS[c], _opened(layout, opened, kind, matrix, first + c, rotation)))
    return total


class OpenedCells:
    """An instance's cells at its point, and on the next row, by their place in the share's openings."""

    def __init__(self, layout: Layout, number: int, opened: list[Ext]) -> None:
        self._layout, self._place, self._opened = layout, layout.places[number], opened

    def cell(self, part: Part, column: int, rotation: int) -> Ext:
        """What ``PointValues`` asks for."""
        match part:
            case Part.AUX:
                return _extension(self._layout, self._opened, TreeKind.AUX, self._place.aux, 3 * column, rotation)
            case Part.MAIN:
                return _opened(self._layout, self._opened, TreeKind.MAIN, self._place.main, column, rotation)
            case Part.FIXED:
                return _opened(self._layout, self._opened, TreeKind.FIXED, self._place.fixed, column, rotation)


def constraints_hold(layout: Layout, openings: U64, sums: U64, challenges: U64, gamma: U64, zeta: U64) -> bool:
    """Whether the quotient at zeta is what the constraints of all instances give.

    ``openings``: (opening_count, 3); ``sums``: (instances, 3), the claimed bus sums; ``challenges``: as the transcript
    gives them. zeta is not in the base field, so no height's point is in its trace's domain.
    """
    opened = [domain.ext_scalar(value) for value in openings]
    scalars = [domain.ext_scalar(value) for value in challenges]
    factor = domain.ext_scalar(gamma)
    points = {number: domain.ext_scalar(group.point(zeta)) for group in layout.groups for number in group.members}
    total: Ext = (0, 0, 0)
    power: Ext = (1, 0, 0)
    for number, (instance, air) in enumerate(zip(layout.instances, layout.airs, strict=True)):
        cells = OpenedCells(layout, number, opened)
        height, point = 1 << instance.log_height, points[number]
        claim = ext_mul(domain.ext_scalar(sums[number]), (pow(height, P - 2, P), 0, 0))
        first, last = domain.selectors_at(point, instance.log_height)
        values = at_point([expr for _, expr in air.all_constraints], PointValues(cells.cell, scalars, claim, first, last))
        vanishing = domain.ext_inverse(ext_sub(domain.ext_pow(point, height), (1, 0, 0)))
        for value in values:
            total = ext_add(total, ext_mul(ext_mul(value, power), vanishing))
            power = ext_mul(power, factor)
    return total == _quotient(layout, opened, domain.ext_scalar(zeta))


def _quotient(layout: Layout, opened: list[Ext], zeta: Ext) -> Ext:
    """Q(zeta) = Q0(zeta) + zeta^N Q1(zeta), N being the largest height."""
    low, high = (_extension(layout, opened, TreeKind.QUOTIENT, 0, first, 0) for first in (0, 3))
    return ext_add(low, ext_mul(domain.ext_pow(zeta, 1 << layout.groups[0].log_rows), high))
