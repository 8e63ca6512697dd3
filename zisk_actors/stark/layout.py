"""What a share's proof consists of, derived from its instances: trees, openings, FRI layers.

Rules: prover, verifier and decoder all read this and nothing else about sizes,
so nothing in a proof can say how large it is. Trees are in the order of
``TreeKind``; openings go by height, largest first, and within a height: every
column at zeta in the order of trees, matrices, columns; then, in the same
order, those that constraints read at the next row, at zeta * w.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from zisk_actors.air.expr import Part
from zisk_actors.stark.chipset import ChipSet
from zisk_actors.stark.domain import LOG_BLOWUP
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.merkle import cap_log
from zisk_actors.stark.params import FINAL_LOG_DEGREE, FOLD_LOG_ARITY
from zisk_actors.stark.statement import InstanceShape

QUOTIENT_WIDTH = 6
FINAL_LOG_SIZE = FINAL_LOG_DEGREE + LOG_BLOWUP


class TreeKind(IntEnum):
    """The trees of a share, in order."""

    FIXED = 0
    MAIN = 1
    AUX = 2
    QUOTIENT = 3


@dataclass(frozen=True)
class TreeShape:
    """A tree's matrices: log heights of the LDEs and widths, in order of commitment. May be empty (no such tree)."""

    log_heights: tuple[int, ...]
    widths: tuple[int, ...]

    @cached_property
    def log_height(self) -> int:
        """log2 of the number of leaves."""
        return max(self.log_heights)

    @property
    def cap_size(self) -> int:
        """Nodes in the cap; 0 for an empty tree."""
        return 1 << cap_log(self.log_height) if self.log_heights else 0

    @property
    def depth(self) -> int:
        """Nodes in a path."""
        return self.log_height - cap_log(self.log_height) if self.log_heights else 0


@dataclass(frozen=True)
class Slot:
    """A matrix whose columns are opened at zeta; ``following``: its base columns opened at the next row too."""

    tree: TreeKind
    matrix: int
    width: int
    following: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """All slots of one height; ``start``: where their openings begin in the share's list."""

    log_height: int  # of the LDE
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

    @property
    def main_slots(self) -> tuple[Slot, ...]:
        """The stage-1 matrices, which the contribution's binding covers."""
        return tuple(slot for slot in self.slots if slot.tree is TreeKind.MAIN)


@dataclass(frozen=True)
class Layer:
    """A FRI layer: a codeword of 2^log_size elements folded by 2^log_arity; ``joins``: a lower height rolls in after it."""

    log_size: int
    log_arity: int
    joins: bool

    @property
    def tree(self) -> TreeShape:
        """The tree over the codeword: one matrix, a leaf per folded element."""
        return TreeShape((self.log_size - self.log_arity,), (3 << self.log_arity,))


def fri_layers(log_heights: Sequence[int]) -> tuple[Layer, ...]:
    """The folding plan for codewords of these log sizes: arity 8, less where a height joins or the end is near."""
    joining = set(log_heights)
    layers = []
    size = max(joining)
    while size > FINAL_LOG_SIZE:
        stop = max((height for height in joining if height < size), default=FINAL_LOG_SIZE)
        arity = min(FOLD_LOG_ARITY, size - max(stop, FINAL_LOG_SIZE))
        layers.append(Layer(size, arity, size - arity in joining))
        size -= arity
    return tuple(layers)


@dataclass(frozen=True)
class Place:
    """Which matrix of each tree belongs to an instance; None where the chip has no such columns."""

    fixed: int | None
    main: int
    aux: int | None
    quotient: int


class Layout:
    """The layout of one share. The instances are taken as valid: the verifier checks them first."""

    def __init__(self, chip_set: ChipSet, vk: VerifyingKey, instances: Sequence[InstanceShape]) -> None:
        self.instances = tuple(instances)
        self.airs = [chip_set.chips[instance.chip].air for instance in instances]
        fixed_number = {shape.chip: number for number, shape in enumerate(vk.fixed)}
        fixed_airs = [chip_set.chips[shape.chip].air for shape in vk.fixed]
        aux_numbers = [number for number, air in enumerate(self.airs) if air.aux_width]
        self.places = tuple(
            Place(
                fixed=fixed_number[instance.chip] if air.fixed_width else None,
                main=number,
                aux=aux_numbers.index(number) if air.aux_width else None,
                quotient=number,
            )
            for number, (instance, air) in enumerate(zip(self.instances, self.airs, strict=True))
        )
        logs = [instance.log_height + LOG_BLOWUP for instance in self.instances]
        self.trees = {
            TreeKind.FIXED: TreeShape(
                tuple(shape.log_height + LOG_BLOWUP for shape in vk.fixed), tuple(air.fixed_width for air in fixed_airs)
            ),
            TreeKind.MAIN: TreeShape(tuple(logs), tuple(air.width for air in self.airs)),
            TreeKind.AUX: TreeShape(tuple(logs[n] for n in aux_numbers), tuple(3 * self.airs[n].aux_width for n in aux_numbers)),
            TreeKind.QUOTIENT: TreeShape(tuple(logs), (QUOTIENT_WIDTH,) * len(logs)),
        }
        self.log_domain = max(logs)
        self.groups = self._groups()
        self.opening_count = self.groups[-1].end
        self.layers = fri_layers([group.log_height for group in self.groups])

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
        for place in self.places:
            add(TreeKind.QUOTIENT, place.quotient, ())
        groups: list[Group] = []
        start = 0
        for log_height in sorted(slots, reverse=True):
            groups.append(Group(log_height, tuple(slots[log_height]), start))
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
