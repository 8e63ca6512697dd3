"""Chips with one part left out: a constraint, or an interaction.

A *part* is named ``chip/constraint/NAME`` or ``chip/BUS/NUMBER``, where the number counts the chip's interactions on that bus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from zisk_actors.air.air import Air, Constraint, Window
from zisk_actors.air.bus import Bus, Interaction
from zisk_actors.chips import CHIPS


@dataclass(frozen=True)
class Part:
    """Constraint or interaction number ``index`` of a chip. ``bus`` is None for a constraint."""

    chip: str
    label: str
    index: int
    bus: Bus | None

    def __str__(self) -> str:
        return f"{self.chip}/{'constraint' if self.bus is None else self.bus.name}/{self.label}"


def parts(air: Air) -> Iterator[Part]:
    """Everything that can be left out of an AIR."""
    for index, (name, _) in enumerate(air.own_constraints):
        yield Part(air.name, name, index, None)
    seen: Counter[str] = Counter()
    for index, term in enumerate(air.bus_terms):
        yield Part(air.name, str(seen[term.bus.name]), index, term.bus)
        seen[term.bus.name] += 1


def without(air: Air, part: Part) -> Air:
    """The AIR with that part left out."""
    constraints = tuple(c for i, c in enumerate(air.own_constraints) if part.bus is not None or i != part.index)
    interactions = tuple(t for i, t in enumerate(air.bus_terms) if part.bus is None or i != part.index)

    def own(window: Window) -> Iterator[Constraint]:
        yield from constraints

    def terms(window: Window) -> Iterator[Interaction]:
        yield from interactions

    return Air(air.name, air.main, own, terms, air.fixed, doc=air.doc)


PARTS: tuple[Part, ...] = tuple(part for chip in CHIPS for part in parts(chip.air))
