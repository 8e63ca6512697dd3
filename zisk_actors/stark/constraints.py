"""The constraints at the out-of-domain point: what the verifier checks, and the prover checks of itself.

Rules: for every instance, sum of gamma^k c_k(zeta) = Q(zeta) (zeta^N - 1), with
the opened values for the cells. One walk over the same expressions that the
tables are made from.
"""

from __future__ import annotations

from zisk_actors.air.evaluate import Ext, PointValues, at_point, ext_add, ext_mul, ext_sub
from zisk_actors.air.expr import Part
from zisk_actors.stark import domain
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.layout import Layout, TreeKind

BASIS: tuple[Ext, Ext, Ext] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


class OpenedCells:
    """An instance's cells at zeta, and on the next row, by their place in the share's openings."""

    def __init__(self, layout: Layout, number: int, opened: list[Ext]) -> None:
        self._layout, self._place, self._opened = layout, layout.places[number], opened

    def _at(self, kind: TreeKind, matrix: int | None, column: int, rotation: int) -> Ext:
        assert matrix is not None, "a chip reads columns that it does not have"
        return self._opened[self._layout.position[kind, matrix, column, rotation]]

    def _extension(self, kind: TreeKind, matrix: int | None, first: int, rotation: int) -> Ext:
        """Three base columns as one extension column."""
        total: Ext = (0, 0, 0)
        for c in range(3):
            total = ext_add(total, ext_mul(BASIS[c], self._at(kind, matrix, first + c, rotation)))
        return total

    def cell(self, part: Part, column: int, rotation: int) -> Ext:
        """What ``PointValues`` asks for."""
        match part:
            case Part.AUX:
                return self._extension(TreeKind.AUX, self._place.aux, 3 * column, rotation)
            case Part.MAIN:
                return self._at(TreeKind.MAIN, self._place.main, column, rotation)
            case Part.FIXED:
                return self._at(TreeKind.FIXED, self._place.fixed, column, rotation)

    def quotient(self, power: Ext) -> Ext:
        """Q(zeta) = Q0(zeta) + zeta^N Q1(zeta), ``power`` being zeta^N."""
        low, high = (self._extension(TreeKind.QUOTIENT, self._place.quotient, first, 0) for first in (0, 3))
        return ext_add(low, ext_mul(power, high))


def failing_chip(layout: Layout, openings: U64, sums: U64, challenges: U64, gamma: U64, zeta: U64) -> str | None:
    """The name of the first chip whose constraints do not hold at zeta; None if all hold.

    ``openings``: (opening_count, 3); ``sums``: (instances, 3), the claimed bus sums; ``challenges``: as the transcript
    gives them.
    """
    opened = [domain.ext_scalar(value) for value in openings]
    scalars = [domain.ext_scalar(value) for value in challenges]
    point, factor = domain.ext_scalar(zeta), domain.ext_scalar(gamma)
    for number, (instance, air) in enumerate(zip(layout.instances, layout.airs, strict=True)):
        cells = OpenedCells(layout, number, opened)
        height = 1 << instance.log_height
        claim = ext_mul(domain.ext_scalar(sums[number]), (pow(height, P - 2, P), 0, 0))
        power = domain.ext_pow(point, height)
        first, last = domain.selectors_at(point, instance.log_height)
        values = at_point([expr for _, expr in air.all_constraints], PointValues(cells.cell, scalars, claim, first, last))
        total: Ext = (0, 0, 0)
        for value in reversed(values):
            total = ext_add(ext_mul(total, factor), value)
        if total != ext_mul(cells.quotient(power), ext_sub(power, (1, 0, 0))):
            return air.name
    return None
