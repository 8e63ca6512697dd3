"""A prover for tests: the verbs of the real one over hashes, deterministic, and as slow or as broken as the input asks.

The input (`stdin`) is words separated by blanks: `sleep=S` makes each verb of a share take S seconds, `die=N` kills the process in the
contribution of share N, `raise=N` raises there, `exhaust=N` has no memory there, `large=N` refuses it with less than a billion bytes,
`cut=N` refuses all shares while there are fewer than N,
`trap` makes the guest trap, `hang=N` never returns. With `mark=PATH`, a file that makes it happen once: `dieonce=N` as `die=N`,
`lieonce=N` makes a partial proof of share N that does not verify, `miscontribute=N` a wrong contribution of share N, which who made it
does not notice. An ELF that does not begin with 7f 45 4c 46 is refused.
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

from zisk_actors.errors import BeyondBudget, JobFailed, MemoryShort, ProofInvalid, UsageError


@dataclass(frozen=True)
class FakeTrap:
    kind: str = "access-outside-map"
    pc: int = 0x80000010
    symbol: str = "main"
    instruction: str = "ld a0, 0(a1)"
    value: int = 0x10

    def error(self) -> FakeGuestTrapped:
        return FakeGuestTrapped()


class FakeGuestTrapped(JobFailed):
    code = "guest-trapped"

    def __init__(self) -> None:
        super().__init__("the guest accesses 0x10, which is outside the memory map", hint="look at main")
        self.trap = FakeTrap()


class FakeMismatch(ProofInvalid):
    code = "contribution-mismatch"


class FakeMissing(ProofInvalid):
    code = "proof-missing-share"


class FakeAnother(ProofInvalid):
    code = "proof-other-answer"


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


def steps_of(stdin: bytes) -> int:
    return 1000 + len(stdin)


class FakeProver:
    def __init__(self, backend: str = "cpu", threads: int | None = None) -> None:
        self.memory_bytes = 0
        self.on_progress: Callable[[str, float], None] = lambda step, part: None
        self._states: dict[tuple[bytes, int], str] = {}

    def rest(self) -> None:
        """It keeps nothing."""

    def setup(self, elf: bytes, params: str) -> bytes:
        self._check(elf)
        return digest("vk", elf, params).encode()

    def execute(self, elf: bytes, stdin: bytes, max_steps: int = 0) -> FakeRun:
        self._check(elf)
        if 0 < max_steps < steps_of(stdin):
            raise BeyondBudget(f"the run is beyond the budget of {max_steps} steps")
        self._spend(stdin)
        trap = FakeTrap() if b"trap" in stdin else None
        return FakeRun(steps_of(stdin), 0, output_of(stdin), b"hello from the guest\n", trap)

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
        if wishes.get("large") == str(share) and 0 < self.memory_bytes < 10**9:
            raise MemoryShort(f"share {share} needs about 1.0 GiB to be proved", hint="more workers make smaller shares")
        if len(weights) < int(wishes.get("cut", "0")):
            error = MemoryShort(f"share {share} is too large")
            error.pieces = 2
            raise error
        if wishes.get("exhaust") == str(share):
            raise MemoryError
        if wishes.get("raise") == str(share):
            raise RuntimeError("a bug, as ordered")
        if wishes.get("hang") == str(share):
            time.sleep(10000)
        self._spend(stdin)
        root = digest("root", elf, stdin, share, tuple(weights))
        if self._once(wishes, "miscontribute", share):
            root = digest("another", root)
        self._states[stdin, share] = root
        said = {"steps": steps_of(stdin), "output": output_of(stdin)}
        return json.dumps({"share": share, "of": len(weights), "root": root, **said}).encode()

    def _once(self, wishes: dict[str, str], wish: str, share: int) -> bool:
        if wishes.get(wish) != str(share) or Path(wishes["mark"]).exists():
            return False
        Path(wishes["mark"]).touch()
        return True

    def prove(self, elf: bytes, stdin: bytes, params: str, share: int, weights: Sequence[int], contributions: Sequence[bytes]) -> bytes:
        self._check(elf)
        listed = self._agree(contributions)
        assert len(listed) == len(weights), listed
        own = self._states.pop((stdin, share), None) or digest("root", elf, stdin, share, tuple(weights))
        if listed[share]["root"] != own:
            raise FakeMismatch(f"share {share} computed here differs from what was contributed for it")
        self._spend(stdin)
        wishes = dict(word.split("=") for word in stdin.decode().split() if "=" in word)
        challenge = "a lie" if self._once(wishes, "lieonce", share) else digest(*contributions)
        return json.dumps({"share": share, "challenge": challenge, "bulk": "x" * 1_500_000}).encode()

    def _agree(self, contributions: Sequence[bytes]) -> list[dict[str, object]]:
        listed: list[dict[str, object]] = []
        for share, content in enumerate(contributions):
            try:
                listed.append(json.loads(content))
                assert listed[-1]["share"] == share
            except (ValueError, AssertionError):
                error = ProofInvalid(f"the contribution of share {share} is none")
                error.share = share
                raise error from None
        if any(said["output"] != listed[0]["output"] for said in listed):
            raise ProofInvalid("the shares saw different runs of the same program and input")
        return listed

    def aggregate(self, elf: bytes, params: str, contributions: Sequence[bytes], partials: Sequence[bytes]) -> bytes:
        listed = self._agree(contributions)
        challenge = digest(*contributions)
        for share, content in enumerate(partials):
            if json.loads(content) | {"bulk": ""} != {"share": share, "challenge": challenge, "bulk": ""}:
                error = ProofInvalid(f"share {share}: the partial proof does not verify")
                error.share = share
                raise error
        if len(partials) != len(contributions):
            raise FakeMissing("partial proofs are missing")
        run = {"steps": listed[0]["steps"], "output": listed[0]["output"], "challenge": challenge}
        return json.dumps({"vk": digest("vk", elf, params), "params": params, "shares": len(partials), **run}).encode()

    def verify(self, proof: bytes, vk: bytes, level: str, contributions: Sequence[bytes]) -> FakeVerified:
        said = json.loads(proof)
        if said["vk"] != vk.decode() or said["params"] != level:
            raise ProofInvalid("the proof is of another program")
        if said["challenge"] != digest(*contributions):
            raise FakeAnother("the proof is of other contributions")
        return FakeVerified(said["vk"], 0, tuple(said["output"]), level, 128.5, said["shares"], said["steps"])

    def other_runs(self, contributions: Sequence[bytes], vk: bytes, steps: int, exit_code: int, output: Sequence[int]) -> list[int]:
        wrong = []
        for share, content in enumerate(contributions):
            try:
                said = json.loads(content)
                found = (said["share"], said["steps"], tuple(said["output"]))
            except ValueError:
                found = None
            if found != (share, steps, tuple(output)):
                wrong.append(share)
        return wrong

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
