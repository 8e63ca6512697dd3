"""What is claimed, what shares contribute to it, and the challenge that binds all of it.

Rules: everything is validated where it enters (``check``); the encodings hashed
here are sequences of canonical words whose every variable part is preceded by
its length. Only this file decides what the global challenge covers.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from zisk_actors.air.evaluate import Ext
from zisk_actors.stark import poseidon2
from zisk_actors.stark.errors import BadStatement
from zisk_actors.stark.field import P

# Four words: a tree's root, a key, a challenge.
Digest = tuple[int, int, int, int]

# "zisk-actors stark" and the protocol's version; a new protocol is a new number.
PROTOCOL = (0x7A69736B, 0x61637473, 0x7374726B, 2)
OUTPUT_WORDS = 64
MAX_SHARES = 2**16


class Statement(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The program with this key, run on some input, halts with this exit code and these public outputs.

    ``vk``: digest of the verifying key. ``outputs``: 64 words of 32 bits. ``exit_code``: 64 bits.
    ``final_ts``: timestamp of the halting step, 4 * (number of steps).
    """

    vk: Digest
    outputs: tuple[int, ...]
    exit_code: int
    final_ts: int

    @property
    def steps(self) -> int:
        """Instructions executed, the halting one included."""
        return self.final_ts // 4

    def check(self) -> None:
        """Raise BadStatement unless every part is in range."""
        if not is_digest(self.vk):
            raise BadStatement("the key's digest is not four field elements")
        if len(self.outputs) != OUTPUT_WORDS or any(not 0 <= word < 2**32 for word in self.outputs):
            raise BadStatement(f"the outputs are not {OUTPUT_WORDS} words of 32 bits")
        if not 0 <= self.exit_code < 2**64:
            raise BadStatement("the exit code does not fit 64 bits")
        if not 4 <= self.final_ts < 2**48 or self.final_ts % 4:
            raise BadStatement("the final time is not that of a step")


class InstanceShape(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One table of a share: the number of its chip and log2 of its height."""

    chip: int
    log_height: int


class Contribution(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a share commits to before any challenge.

    ``root``: of its stage-1 tree. ``bindings``: per height, largest first, the value at a point drawn from
    ``root`` of a random combination of the height's main columns (see ``stark/verifier.py``, step 1): it ties the share to
    one set of polynomials before LogUp's challenges are known, whatever the number of shares.
    """

    share: int
    instances: tuple[InstanceShape, ...]
    root: Digest
    bindings: tuple[Ext, ...]


def is_digest(words: Sequence[int]) -> bool:
    """Whether these are four canonical words."""
    return len(words) == poseidon2.DIGEST and all(0 <= word < P for word in words)


def instance_words(share: int, instances: Sequence[InstanceShape]) -> list[int]:
    """Share index, number of instances, and each one's chip and log height."""
    words = [share, len(instances)]
    for instance in instances:
        words += [instance.chip, instance.log_height]
    return words


def canonical_order(instances: Sequence[InstanceShape]) -> bool:
    """By chip number, then larger height first."""
    keys = [(instance.chip, -instance.log_height) for instance in instances]
    return keys == sorted(keys)


def heights(instances: Sequence[InstanceShape]) -> list[int]:
    """The distinct log heights, largest first: the order of ``Contribution.bindings``."""
    return sorted({instance.log_height for instance in instances}, reverse=True)


def global_challenge(parameters_id: int, statement: Statement, contributions: Sequence[Contribution]) -> Digest:
    """The hash of the whole claim and of all shares' commitments, from which every transcript of the job starts.

    Raises BadStatement for anything out of range, so that two different claims never hash the same words.
    """
    statement.check()
    words = [*PROTOCOL, parameters_id, *statement.vk, len(statement.outputs), *statement.outputs]
    words += [statement.exit_code & 0xFFFFFFFF, statement.exit_code >> 32, statement.final_ts, len(contributions)]
    for contribution in contributions:
        words += instance_words(contribution.share, contribution.instances)
        words += contribution.root
        words.append(len(contribution.bindings))
        words += [word for value in contribution.bindings for word in value]
    if any(not 0 <= word < P for word in words):
        raise BadStatement("a contribution has a word that is not a field element")
    return poseidon2.digest_of(words)


def outputs_from_words(words: Sequence[int]) -> tuple[int, ...]:
    """Output memory as 64-bit words (32 of them) to the 32-bit outputs of a statement."""
    return tuple(half for word in words for half in (word & 0xFFFFFFFF, word >> 32))
