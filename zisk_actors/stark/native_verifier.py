"""The native verifier: native/verifier through ctypes, with the types and errors of ``verifier.py``.

Rules: as verifier.py, no backend and no prover. The core says a verdict; which error that is, is said by its code. What it
accepts is taken from the bytes it has read, never from another decoding of them.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from zisk_actors import native
from zisk_actors.errors import ProofInvalid, ZiskError
from zisk_actors.stark import errors, keys, params
from zisk_actors.stark.chipset import ChipSet
from zisk_actors.stark.params import Shape
from zisk_actors.stark.statement import OUTPUT_WORDS, Statement
from zisk_actors.stark.verifier import Verified

_u64 = ctypes.c_uint64


class VerifierMemory(ZiskError):
    """The verifier was given less memory than the proof's shape asks for. The functions here give what any proof needs."""

    code = "verifier-memory"


class _Outcome(ctypes.Structure):
    """`zk::Outcome` of native/verifier/verify.hpp."""

    _fields_ = (
        ("verdict", ctypes.c_uint32),
        ("parameters", ctypes.c_uint32),
        ("vk", _u64 * 4),
        ("outputs", _u64 * OUTPUT_WORDS),
        ("exit_code", _u64),
        ("final_ts", _u64),
        ("shape", _u64 * 6),
    )
    verdict: int
    parameters: int
    vk: ctypes.Array[ctypes.c_uint64]
    outputs: ctypes.Array[ctypes.c_uint64]
    exit_code: int
    final_ts: int
    shape: ctypes.Array[ctypes.c_uint64]


class NativeVerifier:
    """The core with the tables of one chip set. ``library``: what ``backends.build.build_chip_set`` made; None for the shipped set.

    Raises NativeUnavailable.
    """

    def __init__(self, library: Path | None = None) -> None:
        self._core = native.load()
        self._tables = self._core if library is None else ctypes.CDLL(str(library))
        self._tables.zk_chip_set.restype = ctypes.c_void_p
        self._chips = self._tables.zk_chip_set()
        self.memory_bytes: int = self._core.zk_verifier_memory(self._chips)

    @property
    def digest(self) -> tuple[int, ...]:
        """The digest of the chip set."""
        words = (_u64 * 4)()
        self._core.zk_verifier_digest(self._chips, words)
        return tuple(words)

    def verify(self, proof: bytes, vk: bytes, minimum_level: int = 128, *, memory_bytes: int | None = None) -> Verified:
        """``proof.decode``, ``keys.decode_key`` and ``verifier.verify`` in one: the same result, and the same errors.

        ``memory_bytes``: what the core may use beside its stack; VerifierMemory if that does not reach.
        """
        size = self.memory_bytes if memory_bytes is None else memory_bytes
        memory = np.empty(size, dtype=np.uint8)
        outcome = _Outcome()
        level = max(minimum_level, 0)
        self._core.zk_verify(proof, len(proof), vk, len(vk), level, self._chips, memory.ctypes.data, size, ctypes.byref(outcome))
        if outcome.verdict:
            raise self._error(outcome.verdict)
        a, b, c, d = outcome.vk
        statement = Statement((a, b, c, d), tuple(outcome.outputs), outcome.exit_code, outcome.final_ts)
        parameters = params.BY_NUMBER[outcome.parameters]
        return Verified(statement, parameters, params.security(parameters, Shape(*outcome.shape)))

    def code(self, verdict: int) -> str:
        """The code of the error that a verdict's number stands for; "accepted" for 0."""
        code: bytes = self._core.zk_verdict_code(verdict)
        return code.decode()

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
