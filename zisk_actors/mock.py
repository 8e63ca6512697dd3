"""The verbs of the prover over hashes: for developing clients and trying a cluster out, without proving anything.

Rules of this file:
* What it makes in place of a proof begins with `MOCK_MAGIC` and goes on as text, which no verifier takes: `proving.verify` and
  `zisk verify` refuse it by name, and no change of its bytes makes it anything else.
* Deterministic: the same arguments give the same bytes, so that who knows them can say what has to come out (`expected_proof`).
* It says the parameter set `mock` and 0 bits wherever a real one says what it proves.
* Loads nothing heavy: it is quick to start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from zisk_actors.backends import MOCK
from zisk_actors.errors import ProofInvalid, UsageError
from zisk_actors.stark.magic import MOCK_MAGIC

BACKEND: Final = MOCK
PARAMS: Final = "mock"
NOTICE: Final = "MOCK: a mock backend made this; it proves nothing"
KEY_MAGIC: Final = b"zisk-MOCK-key\x01"
OUTPUT_WORDS: Final = 64


class NotAnElf(UsageError):
    """The program does not begin as an ELF file does."""

    code = "elf-not-elf"


class MockInvalid(ProofInvalid):
    """What was made from hashes does not fit together: a part is missing, or another worker made another."""

    code = "mock-invalid"

    def __init__(self, message: str, *, share: int | None = None) -> None:
        super().__init__(message)
        self.share = share


@dataclass(frozen=True)
class MockRun:
    """What the program is said to have done. It has not been run."""

    steps: int
    exit_code: int
    output: tuple[int, ...]
    console: bytes
    trap: None = None


@dataclass(frozen=True)
class MockVerified:
    """What is said of a mock proof where a verifier would speak of a proof."""

    program: str
    output: tuple[int, ...]
    exit_code: int
    steps: int
    params: str
    bits: float
    shares: int


def is_mock(proof: bytes) -> bool:
    """Whether a mock backend made these bytes."""
    return proof.startswith(MOCK_MAGIC)


def expected_proof(elf: bytes, stdin: bytes, params: str, weights: Sequence[int]) -> bytes:
    """The one mock proof of a run that was cut so."""
    prover = MockProver()
    contributions = [prover.contribute(elf, stdin, params, share, weights) for share in range(len(weights))]
    partials = [prover.prove(elf, stdin, params, share, weights, contributions) for share in range(len(weights))]
    return prover.aggregate(elf, params, contributions, partials)


class MockProver:
    """The verbs. Nothing is kept between calls."""

    def __init__(self, backend: str = BACKEND, threads: int | None = None) -> None:
        self.on_progress: Callable[[str, float], None] = lambda step, part: None

    def setup(self, elf: bytes, params: str) -> bytes:
        """What stands for the verifying key."""
        return KEY_MAGIC + _program(elf, params).encode()

    def execute(self, elf: bytes, stdin: bytes, max_steps: int = 0) -> MockRun:
        """An output made from hashes; the program is not run, whatever the limit of steps."""
        _check(elf)
        return MockRun(_steps(elf, stdin), 0, _output(elf, stdin), NOTICE.encode() + b"\n")

    def contribute(self, elf: bytes, stdin: bytes, params: str, share: int, weights: Sequence[int]) -> bytes:
        """What stands for a contribution: the claim, and a hash in place of a commitment."""
        self.on_progress(BACKEND, 0.0)
        root = _digest("root", elf, stdin, params, share, tuple(weights))
        return _pack({**_claim(elf, stdin, params), "share": share, "shares": len(weights), "root": root})

    def prove(self, elf: bytes, stdin: bytes, params: str, share: int, weights: Sequence[int], contributions: Sequence[bytes]) -> bytes:
        """What stands for a partial proof: the hash of the challenge."""
        self.on_progress(BACKEND, 0.0)
        _agree(contributions)
        if self.contribute(elf, stdin, params, share, weights) != contributions[share]:
            raise MockInvalid(f"share {share} computed here differs from what was contributed for it", share=share)
        return _pack({"share": share, "answer": _answer(share, _digest(*contributions))})

    def aggregate(self, elf: bytes, params: str, contributions: Sequence[bytes], partials: Sequence[bytes]) -> bytes:
        """What stands for a proof."""
        claim = _agree(contributions)
        challenge = _digest(*contributions)
        if len(partials) != len(contributions):
            raise MockInvalid(f"{len(partials)} partial proofs of {len(contributions)} shares")
        for share, partial in enumerate(partials):
            if partial != _pack({"share": share, "answer": _answer(share, challenge)}):
                raise MockInvalid(f"share {share}: the partial proof does not fit", share=share)
        body = {key: claim[key] for key in ("program", "params", "steps", "exit_code", "output", "shares")}
        return MOCK_MAGIC + _pack({"notice": NOTICE, **body, "challenge": challenge, "seal": _digest(challenge, *sorted(body.items()))})

    def verify(self, proof: bytes, vk: bytes, level: str, contributions: Sequence[bytes]) -> MockVerified:
        """What a coordinator with a mock backend says of a mock proof; nobody else asks this."""
        claim = _agree(contributions)
        try:
            said = json.loads(proof.removeprefix(MOCK_MAGIC)) if is_mock(proof) else {}
            body = {key: said[key] for key in ("program", "params", "steps", "exit_code", "output", "shares")}
            fits = said["seal"] == _digest(said["challenge"], *sorted(body.items())) and body["params"] == level
        except (ValueError, KeyError, TypeError, RecursionError):
            raise MockInvalid("this is not what a mock backend makes") from None
        if not fits or vk != KEY_MAGIC + str(body["program"]).encode():
            raise MockInvalid("this is the mock proof of something else")
        if said["challenge"] != _digest(*contributions) or body != {key: claim[key] for key in body}:
            raise MockInvalid("this is not the mock proof of what was contributed")
        output = tuple(int(body["output"][8 * word : 8 * word + 8], 16) for word in range(OUTPUT_WORDS))
        return MockVerified(body["program"], output, body["exit_code"], body["steps"], PARAMS, 0.0, body["shares"])

    def other_runs(self, contributions: Sequence[bytes], vk: bytes, steps: int, exit_code: int, output: Sequence[int]) -> list[int]:
        """The shares whose contribution is none, or is not one to this run of the key's program."""
        words = "".join(f"{word:08x}" for word in output)
        wanted = (vk.removeprefix(KEY_MAGIC).decode(), steps, exit_code, words)
        wrong = []
        for share, content in enumerate(contributions):
            try:
                said = json.loads(content)
                found = (said["program"], said["steps"], said["exit_code"], said["output"])
            except (ValueError, KeyError, TypeError, RecursionError):
                found = ("", 0, 0, "")
            if found != wanted:
                wrong.append(share)
        return wrong


def _claim(elf: bytes, stdin: bytes, params: str) -> dict[str, object]:
    output = "".join(f"{word:08x}" for word in _output(elf, stdin))
    return {"program": _program(elf, params), "params": params, "steps": _steps(elf, stdin), "exit_code": 0, "output": output}


def _agree(contributions: Sequence[bytes]) -> dict[str, object]:
    """The claim that all contributions share."""
    claims: list[dict[str, object]] = []
    for share, content in enumerate(contributions):
        try:
            claim = json.loads(content)
            right = claim["share"] == share and claim["shares"] == len(contributions) and content == _pack(claim)
        except (ValueError, KeyError, TypeError, RecursionError):
            right = False
        if not right:
            raise MockInvalid(f"the contribution of share {share} is none", share=share)
        claims.append({key: value for key, value in claim.items() if key not in ("share", "root")})
    if not claims or any(claim != claims[0] for claim in claims):
        raise MockInvalid("the shares are of different runs")
    return claims[0]


def _program(elf: bytes, params: str) -> str:
    _check(elf)
    return _digest("program", elf, params)


def _check(elf: bytes) -> None:
    if elf[:4] != b"\x7fELF":
        raise NotAnElf("the program is not an ELF file", hint="compile it for riscv64")


def _steps(elf: bytes, stdin: bytes) -> int:
    return len(elf) + len(stdin)


def _output(elf: bytes, stdin: bytes) -> tuple[int, ...]:
    """Eight words of a hash, and zeros."""
    words = bytes.fromhex(_digest("output", elf, stdin))
    return tuple(int.from_bytes(words[4 * word : 4 * word + 4], "little") for word in range(8)) + (0,) * (OUTPUT_WORDS - 8)


def _answer(share: int, challenge: str) -> str:
    return _digest("answer", share, challenge)


def _pack(value: dict[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(*parts: object) -> str:
    state = hashlib.sha256(b"zisk mock")
    for part in parts:
        content = part if isinstance(part, bytes) else repr(part).encode()
        state.update(len(content).to_bytes(8, "little") + content)
    return state.hexdigest()
