"""Provers that prove, and lie about what: each gives the same kind of bytes as the real one, of something that nobody asked for.

Rule of this file: a lie is well-formed in every other way. A proof is a valid proof of the same program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.guest_models import record
from zisk_actors.machine.events import MAX_STEPS, Trap, TrapKind
from zisk_actors.proving import Execution, Prover

NUMBER = 90
ANOTHER = record(NUMBER.to_bytes(8, "little"))
"""The input of the Fibonacci guest that the liars take in place of the job's."""


class Aggregator(Prover):
    """Does its shares right, and hands in the proof of another input as what was made of them."""

    def aggregate(self, elf: bytes, parameters: str, contributions: Sequence[bytes], partials: Sequence[bytes]) -> bytes:
        weights = (1,) * len(contributions)
        other = [self.contribute(elf, ANOTHER, parameters, share, weights) for share in range(len(weights))]
        parts = [self.prove(elf, ANOTHER, parameters, share, weights, other) for share in range(len(weights))]
        return super().aggregate(elf, parameters, other, parts)


class Substituter(Prover):
    """Takes another input from the beginning."""

    def contribute(self, elf: bytes, stdin: bytes, parameters: str, share: int, weights: Sequence[int]) -> bytes:
        return super().contribute(elf, ANOTHER, parameters, share, weights)

    def prove(self, elf: bytes, stdin: bytes, parameters: str, share: int, weights: Sequence[int], contributions: Sequence[bytes]) -> bytes:
        return super().prove(elf, ANOTHER, parameters, share, weights, contributions)


class Inventor(Prover):
    """Says that guests trap which do not, and makes up what an execution gives."""

    def contribute(self, elf: bytes, stdin: bytes, parameters: str, share: int, weights: Sequence[int]) -> bytes:
        raise Trap(TrapKind.ILLEGAL_INSTRUCTION, self.program(elf).entry, "main", "unimp", 0).error()

    def execute(self, elf: bytes, stdin: bytes, max_steps: int = MAX_STEPS) -> Execution:
        return replace(super().execute(elf, ANOTHER, max_steps), console=b"believe me\n")
