"""A prover for tests: the verbs of the real one over hashes, deterministic, and as slow or as broken as the input asks.

The input (`stdin`) is words separated by blanks: `sleep=S` makes each verb of a share take S seconds, `die=N` kills the process in the
contribution of share N, `raise=N` raises there, `trap` makes the guest trap, `hang=N` never returns. An ELF that does not begin with 7f
45 4c 46 is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zisk_actors.errors import JobFailed, ProofInvalid, UsageError


@dataclass(frozen=True)
class FakeTrap:
    kind: str = "access-outside-map"
    pc: int = 0x80000010
    symbol: str = "main"
    instruction: str = "ld a0, 0(a1)"
    value: int = 0x10


class FakeGuestTrapped(JobFailed):
    code = "guest-trapped"

    def __init__(self) -> None:
        super().__init__("the guest accesses 0x10, which is outside the memory map", hint="look at main")
        self.trap = FakeTrap()


class FakeElfError(UsageError):
    code = "elf-machine"


@dataclass(frozen=True)
class FakeRun:
    steps: int
    exit_code: int
    output: tuple[int, ...]
    console: bytes
    trap: FakeTrap | None


@dataclass(frozen=True)
class FakeVerified:
    program: str
    exit_code: int
    output: tuple[int, ...]
    params: str
    bits: float
    shares: int
    steps: int


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def output_of(stdin: bytes) -> tuple[int, ...]:
    words = hashlib.sha256(stdin).digest()
    return tuple(int.from_bytes(words[4 * i : 4 * i + 4], "little") for i in range(8)) + (0,) * 56


class FakeProver:
    def __init__(self, backend: str = "cpu", threads: int | None = None) -> None:
        self.on_progress: Callable[[str, float], None] = lambda step, part: None

    def setup(self, elf: bytes, params: str) -> bytes:
        self._check(elf)
        return digest("vk", elf, params).encode()

    def execute(self, elf: bytes, stdin: bytes) -> FakeRun:
        self._check(elf)
        self._spend(stdin)
        trap = FakeTrap() if b"trap" in stdin else None
        return FakeRun(1000 + len(stdin), 0, output_of(stdin), b"hello from the guest\n", trap)

    def contribute(self, elf: bytes, stdin: bytes, params: str, share: int, weights: Sequence[int]) -> bytes:
        self._check(elf)
        wishes = dict(word.split("=") for word in stdin.decode().split() if "=" in word)
        if b"trap" in stdin:
            raise FakeGuestTrapped
        if wishes.get("die") == str(share):
            os.kill(os.getpid(), signal.SIGKILL)
        if wishes.get("dieonce") == str(share) and not Path(wishes["mark"]).exists():
            Path(wishes["mark"]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if wishes.get("raise") == str(share):
            raise RuntimeError("a bug, as ordered")
        if wishes.get("hang") == str(share):
            time.sleep(10000)
        self._spend(stdin)
        return json.dumps({"share": share, "of": len(weights), "root": digest("root", elf, stdin, share, tuple(weights))}).encode()

    def prove(self, elf: bytes, stdin: bytes, params: str, share: int, weights: Sequence[int], contributions: Sequence[bytes]) -> bytes:
        own = json.loads(self.contribute(elf, b"", params, share, weights))
        listed = [json.loads(content) for content in contributions]
        assert [entry["share"] for entry in listed] == list(range(len(weights))), listed
        assert own["share"] == share
        self._spend(stdin)
        return json.dumps({"share": share, "challenge": digest(*contributions), "bulk": "x" * 1_500_000}).encode()

    def aggregate(self, elf: bytes, params: str, contributions: Sequence[bytes], partials: Sequence[bytes]) -> bytes:
        challenge = digest(*contributions)
        for content in partials:
            assert json.loads(content)["challenge"] == challenge
        return json.dumps({"vk": digest("vk", elf, params), "params": params, "shares": len(partials)}).encode()

    def verify(self, proof: bytes, vk: bytes, level: str) -> FakeVerified:
        said = json.loads(proof)
        if said["vk"] != vk.decode() or said["params"] != level:
            raise ProofInvalid("the proof is of another program")
        return FakeVerified(said["vk"], 0, (1,) * 64, level, 128.5, said["shares"], 1234)

    def _check(self, elf: bytes) -> None:
        if elf[:4] != b"\x7fELF":
            raise FakeElfError("this is no ELF file", hint="compile it for riscv64")

    def _spend(self, stdin: bytes) -> None:
        wishes = dict(word.split("=") for word in stdin.decode(errors="replace").split() if "=" in word)
        seconds = float(wishes.get("sleep", "0"))
        for part in range(10):
            self.on_progress("work", part / 10)
            time.sleep(seconds / 10)
        self.on_progress("work", 1.0)
