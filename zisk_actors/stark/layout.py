"""What a share's proof consists of, derived from its instances: trees, openings, FRI layers.

Rules: prover, verifier and decoder all read this and nothing else about sizes,
so nothing in a proof can say how large it is. Trees are in the order of
``TreeKind``; the quotient tree has one matrix, of the largest height. Openings go by
height, largest first, and within a height: every column at the height's point in
the order of trees, matrices, columns; then, in the same order, those that
constraints read at the next row, at that point times w. The point of the largest
height is zeta, see ``Group.point``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from zisk_actors.air.expr import Part
from zisk_actors.stark import domain, field
from zisk_actors.stark.chipset import ChipSet
from zisk_actors.stark.field import U64
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.merkle import cap_level
from zisk_actors.stark.params import FOLD_LOG_ARITY, fold_schedule
from zisk_actors.stark.statement import InstanceShape, heights

QUOTIENT_WIDTH = 6


class TreeKind(IntEnum):
    """The trees of a share, in order."""

    FIXED = 0
    MAIN = 1
    AUX = 2
    QUOTIENT = 3


@dataclass(frozen=True)
class TreeShape:
    """A tree's matrices: log heights of the LDEs and widths, in order of commitment. May be empty (no such tree).

    ``cap_log``: the parameter set's level of caps.
    """

    log_heights: tuple[int, ...]
    widths: tuple[int, ...]
    cap_log: int

    @cached_property
    def log_height(self) -> int:
        """log2 of the number of leaves."""
        return max(self.log_heights)

    @property
    def cap_size(self) -> int:
        """Nodes in the cap; 0 for an empty tree."""
        return 1 << cap_level(self.log_heights, self.cap_log) if self.log_heights else 0

    @property
    def depth(self) -> int:
        """Nodes in a path."""
        return self.log_height - cap_level(self.log_heights, self.cap_log) if self.log_heights else 0


@dataclass(frozen=True)
class Slot:
    """A matrix whose columns are opened at zeta; ``following``: its base columns opened at the next row too."""

    tree: TreeKind
    matrix: int
    width: int
    following: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """All slots of one height; ``start``: where their openings begin in the share's list.

    ``log_lift``: log2 of how many times lower it is than the largest height. ``members``: its instances' numbers, in order.
    """

    log_rows: int
    log_height: int  # of the LDE
    log_lift: int
    members: tuple[int, ...]
    slots: tuple[Slot, ...]
    start: int

    @cached_property
    def now_count(self) -> int:
        """Columns opened at zeta."""
        return sum(slot.width for slot in self.slots)

    @cached_property
    def following(self) -> tuple[tuple[int, int], ...]:
        """(slot, column) of every opening at zeta * w."""
        return tuple((number, column) for number, slot in enumerate(self.slots) for column in slot.following)

    @property
    def end(self) -> int:
        """Where the next group's openings begin."""
        return self.start + self.now_count + len(self.following)

    def point(self, top: U64) -> U64:
        """Where this height stands when the largest one stands at ``top``, (3,) both: 7 (top / 7)^(2^log_lift).

        For top = 7x it is 7 x^(2^log_lift), the point whose entry is lifted to that of ``top``.
        """
        return domain.lowered(top, self.log_lift)

    def next_point(self, top: U64) -> U64:
        """Where the next row of this height stands then, (3,): ``point`` times the generator of the trace's domain."""
        return field.ext_scale(self.point(top), np.uint64(field.root_of_unity(self.log_rows)))

    @property
    def main_slots(self) -> tuple[Slot, ...]:
        """The stage-1 matrices, which the contribution's binding covers."""
        return tuple(slot for slot in self.slots if slot.tree is TreeKind.MAIN)


@dataclass(frozen=True)
class Layer:
    """A FRI layer: a codeword of 2^log_size elements, folded by 2^FOLD_LOG_ARITY."""

    log_size: int
    cap_log: int

    @property
    def tree(self) -> TreeShape:
        """The tree over the codeword: one matrix, a leaf per folded element."""
        return TreeShape((self.log_size - FOLD_LOG_ARITY,), (3 << FOLD_LOG_ARITY,), self.cap_log)


@dataclass(frozen=True)
class Place:
    """Which matrix of each tree belongs to an instance; None where the chip has no such columns."""

    fixed: int | None
    main: int
    aux: int | None


class Layout:
    """The layout of one share. The instances are taken as valid: the verifier checks them first."""

    def __init__(self, chip_set: ChipSet, vk: VerifyingKey, instances: Sequence[InstanceShape]) -> None:
        self.instances = tuple(instances)
        parameters = vk.parameter_set
        log_blowup, cap_log = parameters.log_blowup, parameters.cap_log
        self.log_blowup = log_blowup
        self._log_rows = heights(instances)
        self.airs = [chip_set.chips[instance.chip].air for instance in instances]
        fixed_number = {shape.chip: number for number, shape in enumerate(vk.fixed)}
        fixed_airs = [chip_set.chips[shape.chip].air for shape in vk.fixed]
        aux_numbers = [number for number, air in enumerate(self.airs) if air.aux_width]
        self.places = tuple(
            Place(
                fixed=fixed_number[instance.chip] if air.fixed_width else None,
                main=number,
                aux=aux_numbers.index(number) if air.aux_width else None,
            )
            for number, (instance, air) in enumerate(zip(self.instances, self.airs, strict=True))
        )
        logs = [instance.log_height + log_blowup for instance in self.instances]
        tables = {
            TreeKind.FIXED: ([shape.log_height + log_blowup for shape in vk.fixed], [air.fixed_width for air in fixed_airs]),
            TreeKind.MAIN: (logs, [air.width for air in self.airs]),
            TreeKind.AUX: ([logs[n] for n in aux_numbers], [3 * self.airs[n].aux_width for n in aux_numbers]),
            TreeKind.QUOTIENT: ([max(logs)], [QUOTIENT_WIDTH]),
        }
        self.trees = {kind: TreeShape(tuple(log_heights), tuple(widths), cap_log) for kind, (log_heights, widths) in tables.items()}
        self.log_domain = max(logs)
        self.groups = self._groups()
        self.opening_count = self.groups[-1].end
        # Every column's openings, and one binding per height.
        self.batched = self.opening_count + len(self.groups)
        self.layers = tuple(Layer(log_rows + log_blowup, cap_log) for log_rows in fold_schedule(parameters, self._log_rows[0]))
        self.final_log_size = self.log_domain - FOLD_LOG_ARITY * len(self.layers)

    @property
    def final_degree(self) -> int:
        """Coefficients of FRI's last polynomial."""
        return 1 << (self.final_log_size - self.log_blowup)

    def _groups(self) -> tuple[Group, ...]:
        slots: dict[int, list[Slot]] = {}
        seen: set[int] = set()

        def add(kind: TreeKind, matrix: int, following: Sequence[int]) -> None:
            shape = self.trees[kind]
            slots.setdefault(shape.log_heights[matrix], []).append(Slot(kind, matrix, shape.widths[matrix], tuple(following)))

        for place, air in zip(self.places, self.airs, strict=True):
            if place.fixed is not None and place.fixed not in seen:
                seen.add(place.fixed)
                add(TreeKind.FIXED, place.fixed, air.next_columns[Part.FIXED])
        for place, air in zip(self.places, self.airs, strict=True):
            add(TreeKind.MAIN, place.main, air.next_columns[Part.MAIN])
        for place, air in zip(self.places, self.airs, strict=True):
            if place.aux is not None:
                add(TreeKind.AUX, place.aux, [3 * column + c for column in air.next_columns[Part.AUX] for c in range(3)])
        add(TreeKind.QUOTIENT, 0, ())
        groups: list[Group] = []
        start = 0
        for log_rows in self._log_rows:
            members = tuple(number for number, instance in enumerate(self.instances) if instance.log_height == log_rows)
            log_height = log_rows + self.log_blowup
            groups.append(Group(log_rows, log_height, self._log_rows[0] - log_rows, members, tuple(slots[log_height]), start))
            start = groups[-1].end
        return tuple(groups)

    @cached_property
    def position(self) -> dict[tuple[TreeKind, int, int, int], int]:
        """(tree, matrix, base column, rotation) to the place in the list of openings."""
        found: dict[tuple[TreeKind, int, int, int], int] = {}
        for group in self.groups:
            place = group.start
            for slot in group.slots:
                for column in range(slot.width):
                    found[slot.tree, slot.matrix, column, 0] = place
                    place += 1
            for number, column in group.following:
                slot = group.slots[number]
                found[slot.tree, slot.matrix, column, 1] = place
                place += 1
        return found
