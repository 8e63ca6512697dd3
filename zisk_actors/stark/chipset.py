"""Which tables a job may have, and how often: the verifier's list of allowed AIRs.

Rules: a chip's number is its place in the set. The set's digest covers every
AIR, every rule and the order; it is part of each verifying key. Interactions'
``times`` are, by the chips' own constraints, -1, 0 or 1, except the free
multiplicities that a lookup table subtracts; the sum of weights that could wrap
around the modulus therefore counts one per interaction and row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING

from zisk_actors.air.air import Air
from zisk_actors.air.bus import Bus
from zisk_actors.stark import domain, poseidon2
from zisk_actors.stark.field import P

if TYPE_CHECKING:
    from zisk_actors.stark.keys import VerifyingKey
    from zisk_actors.stark.statement import Digest, Statement


class Presence(IntEnum):
    """How often a chip occurs."""

    OPTIONAL = 0  # any number of instances in any share
    EVERY_SHARE = 1  # exactly one instance in each share
    SINGLETON = 2  # exactly one instance in the job, in share 0


@dataclass(frozen=True)
class Chip:
    """An AIR and the rules for its instances. ``max_job_rows`` bounds the sum of its heights over the job."""

    air: Air
    presence: Presence = Presence.OPTIONAL
    min_log_height: int = domain.MIN_LOG_HEIGHT
    max_log_height: int = domain.MAX_LOG_HEIGHT
    max_job_rows: int = 2**40

    def __post_init__(self) -> None:
        if not domain.MIN_LOG_HEIGHT <= self.min_log_height <= self.max_log_height <= domain.MAX_LOG_HEIGHT:
            raise ValueError(f"chip {self.air.name}: heights outside 2^{domain.MIN_LOG_HEIGHT} to 2^{domain.MAX_LOG_HEIGHT}")
        if not 0 < self.max_job_rows < P:
            raise ValueError(f"chip {self.air.name}: row bound out of range")


@dataclass(frozen=True)
class BoundaryTerm:
    """``times`` copies of a public tuple that the verifier itself puts on a bus."""

    bus: Bus
    values: tuple[int, ...]
    times: int


# What the statement itself adds to the buses.
Boundary = Callable[["Statement", "VerifyingKey"], Sequence[BoundaryTerm]]


@dataclass(frozen=True, eq=False)
class ChipSet:
    """The chips in canonical order, the boundary terms that belong to them, and the memory map that their constraints have: byte ranges
    [start, end), which each key repeats."""

    chips: tuple[Chip, ...]
    boundary: Boundary
    memory: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        names = [chip.air.name for chip in self.chips]
        if len(set(names)) != len(names):
            raise ValueError("two chips have the same name")
        # A number with two arities would let a short tuple pass for a longer one that ends in zeros.
        buses: dict[int, tuple[str, int]] = {}
        for term in (term for chip in self.chips for term in chip.air.bus_terms):
            known = buses.setdefault(term.bus.number, (term.bus.name, len(term.bus.fields)))
            if known != (term.bus.name, len(term.bus.fields)):
                raise ValueError(f"bus number {term.bus.number} is both {known[0]} and {term.bus.name}")

    def number(self, name: str) -> int:
        """The number of the chip with that name; KeyError if there is none."""
        for number, chip in enumerate(self.chips):
            if chip.air.name == name:
                return number
        raise KeyError(name)

    @cached_property
    def digest(self) -> Digest:
        """Hash of all AIR digests and rules, in order."""
        words = [len(self.chips)]
        for chip in self.chips:
            words += [int.from_bytes(chip.air.digest[i : i + 4], "little") for i in range(0, 32, 4)]
            words += [int(chip.presence), chip.min_log_height, chip.max_log_height, chip.max_job_rows]
        return poseidon2.digest_of(words)
