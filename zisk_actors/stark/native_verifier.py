"""The native verifier: native/verifier with the types and errors of ``verifier.py``.

Rules: as verifier.py, no backend and no prover. The core says a verdict; which error that is, is said by its code. What it
accepts is taken from the bytes it has read, never from another decoding of them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from zisk_actors import native
from zisk_actors.errors import ProofInvalid, ZiskError
from zisk_actors.stark import errors, keys, params
from zisk_actors.stark.chipset import ChipSet
from zisk_actors.stark.params import Shape
from zisk_actors.stark.poseidon2 import DIGEST
from zisk_actors.stark.statement import Statement
from zisk_actors.stark.verifier import Verified


class VerifierMemory(ZiskError):
    """The verifier was given less memory than the proof's shape asks for. The functions here give what any proof needs."""

    code = "verifier-memory"


class NativeVerifier:
    """The core with the tables of one chip set. ``library``: what ``backends.build.build_chip_set`` made; None for the shipped set.

    Raises NativeUnavailable.
    """

    def __init__(self, library: Path | None = None) -> None:
        self._core = native.load()
        self._tables = self._core if library is None else native.Library(library, self._core.header)
        self._chips: int = self._tables.zk_chip_set()
        self.memory_bytes: int = self._core.zk_verifier_memory(self._chips)

    @property
    def digest(self) -> tuple[int, ...]:
        """The digest of the chip set."""
        words = np.empty(DIGEST, dtype=np.uint64)
        self._core.zk_verifier_digest(self._chips, words)
        return tuple(words.tolist())

    def verify(self, proof: bytes, vk: bytes, minimum_level: int = 128, *, memory_bytes: int | None = None) -> Verified:
        """``proof.decode``, ``keys.decode_key`` and ``verifier.verify`` in one: the same result, and the same errors.

        ``memory_bytes``: what the core may use beside its stack; VerifierMemory if that does not reach.
        """
        size = self.memory_bytes if memory_bytes is None else memory_bytes
        memory = np.empty(size, dtype=np.uint8)
        found = self._core.record("zk_verified")
        level = max(minimum_level, 0)
        self._core.zk_verify(bytes(proof), len(proof), bytes(vk), len(vk), level, self._chips, memory, size, found)
        if found.verdict:
            raise self._error(found.verdict)
        a, b, c, d = found.vk
        statement = Statement((a, b, c, d), tuple(found.outputs), found.exit_code, found.final_ts)
        parameters = params.BY_NUMBER[found.parameters]
        shape = Shape(found.log_rows, found.columns, found.constraints, found.interactions, found.arity, found.shares)
        return Verified(statement, parameters, params.security(parameters, shape))

    def code(self, verdict: int) -> str:
        """The code of the error that a verdict's number stands for; "accepted" for 0."""
        code: str = self._core.zk_verdict_code(verdict)
        return code

    def _error(self, verdict: int) -> ZiskError:
        code = self.code(verdict)
        kind = by_code()[code]
        said = (kind.__doc__ or code).strip().splitlines()[0]
        return kind(f"{said[0].lower()}{said[1:].rstrip('.')}")


@cache
def by_code() -> dict[str, type[ZiskError]]:
    """The errors of a verifier by their codes."""
    kinds: list[Any] = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ProofInvalid)]
    return {kind.code: kind for kind in (*kinds, keys.BadKey, VerifierMemory)}


def for_chip_set(chip_set: ChipSet, library: Path | None = None) -> NativeVerifier:
    """The verifier of a chip set, whose tables must be those of the library; NativeUnavailable where they are others."""
    verifier = NativeVerifier(library)
    if verifier.digest != chip_set.digest:
        raise native.NativeUnavailable(
            "the native library is of another version: its chips differ", hint="run `python -m zisk_actors.backends.build`"
        )
    return verifier
