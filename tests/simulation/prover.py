"""A prover of hashes, honest or not, as a device of a simulated machine: its verbs take virtual time and no other.

Rules of this file:
* A contribution holds a root that only the right computation of its share gives, a partial proof is bound to its contribution and to the
  challenge of all, a proof to all of its parts: each can be checked by who has no input, as with real proofs.
* `judge` is what the invariants check with. It knows nothing of the actors.
* A device lies as its `lies` say, and not otherwise; honest work is the same whoever does it, and no two make up the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import trio

from tests.simulation.disk import SimBlobs
from zisk_actors.actors.device import CallFailed
from zisk_actors.errors import BeyondBudget, NotFoundError
from zisk_actors.wire.blobs import unpack_bundle
from zisk_actors.wire.codec import encode_record
from zisk_actors.wire.compute import AggregateCall, Call, CompareCall, ContributeCall, Done, ExecuteCall, ProveCall, SetupCall, VerifyCall
from zisk_actors.wire.values import ExecutionReport, Failure, FailureKind, Trap, VerifiedReport

LEAST = 10
STEPS = 1000
LIES = (
    "malformed contribution",
    "false contribution",
    "false partial",
    "false aggregate",
    "false accusation",
    "another proof",
    "another input",
    "false trap",
    "false report",
)
ANOTHER = b"what nobody asked for"
TRAP = Trap("access-outside-map", 0x80000010, "main", "ld a0, 0(a1)", 0x10)
"""Of every run that traps."""


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def statement_of(elf: bytes, stdin: bytes, weights: Sequence[int]) -> str:
    """What stands for the statement; it says nothing of the input but the output."""
    return digest("statement", elf, output_of(stdin), tuple(weights))


def key_of(elf: bytes, params: str) -> bytes:
    return digest("vk", elf, params).encode()


def work_of(stdin: bytes) -> int:
    """How much memory all shares of a run need together, without `LEAST`, which each needs."""
    return 50 + hashlib.sha256(stdin).digest()[0]


def output_of(stdin: bytes) -> tuple[int, ...]:
    return tuple(hashlib.sha256(stdin).digest()) + (0,) * 32


def report_of(stdin: bytes) -> ExecutionReport:
    """What every run on this input does."""
    return ExecutionReport(steps=STEPS, exit_code=0, output=output_of(stdin), trap=TRAP if b"trap" in stdin else None)


def trapped(trap: Trap) -> Failure:
    return Failure(kind=FailureKind.GUEST, code="guest-trapped", message="the guest trapped", trap=trap)


def _pack(**fields: object) -> bytes:
    return json.dumps(fields, sort_keys=True).encode()


def _proof_failure(code: str, message: str, share: int | None = None) -> CallFailed:
    return CallFailed(Failure(kind=FailureKind.PROOF, code=code, message=message, share=share, exit_code=10), retryable=False)


def _contributions(contents: Sequence[bytes]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for share, content in enumerate(contents):
        try:
            listed.append(json.loads(content))
            if listed[-1]["share"] != share:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise _proof_failure("proof-encoding", f"the contribution of share {share} is none", share) from None
    return listed


def _fields(content: bytes, otherwise: str, share: int | None = None) -> dict[str, Any]:
    """What bytes of a worker say. Raises `CallFailed` where they say nothing."""
    try:
        fields = json.loads(content)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise _proof_failure("proof-encoding", otherwise, share)
    return fields


def seal_of(vk: str, statement: str, contributions: Sequence[bytes], roots: Sequence[str]) -> str:
    return digest("seal", vk, statement, tuple(roots), digest(*contributions))


def judge(proof: bytes, elf: bytes, stdin: bytes, params: str, weights: Sequence[int]) -> str:
    """Why bytes are no proof that this program ran on this input; empty where they are one."""
    wanted = proof_of(elf, stdin, params, weights)
    return "" if proof == wanted else f"{proof[:80]!r} is not {wanted[:80]!r}"


def proof_of(elf: bytes, stdin: bytes, params: str, weights: Sequence[int]) -> bytes:
    """The one proof of a run that was cut so."""
    statement, output = statement_of(elf, stdin, weights), output_of(stdin)
    roots = [digest("root", statement, share) for share in range(len(weights))]
    contributions = [_pack(share=share, statement=statement, root=root, output=output) for share, root in enumerate(roots)]
    vk = key_of(elf, params).decode()
    seal = seal_of(vk, statement, contributions, roots)
    return _pack(vk=vk, params=params, shares=len(weights), statement=statement, roots=roots, output=output, seal=seal)


@dataclass
class SimDevice:
    """A `Caller`. `pace` is how many virtual seconds a share takes, `memory` what it has for one, `lies` what it is dishonest about, `dies`
    how often a call ends with the death of its child, `hangs` whether calls never return, `name` whose it is."""

    store: SimBlobs
    chance: Random
    pace: float = 1.0
    memory: int = 0
    lies: frozenset[str] = frozenset()
    dies: float = 0.0
    hangs: bool = False
    name: str = ""
    calls: int = 0
    verified: set[tuple[str, str]] = field(default_factory=set)
    _lock: trio.Lock = field(default_factory=trio.Lock)

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    async def call(self, call: Call, *, seconds: float = 0, on_progress: Callable[[str, float], None] | None = None) -> Done:
        async with self._lock:
            self.calls += 1
            with trio.move_on_after(seconds or float("inf")) as limit:
                if self.hangs:
                    await trio.sleep_forever()
                takes = self.pace * (0.5 + self.chance.random()) * (0.1 if isinstance(call, VerifyCall | SetupCall | CompareCall) else 1.0)
                for part in range(2):
                    if on_progress is not None:
                        on_progress("work", part / 2)
                    await trio.sleep(takes / 2)
                if self.chance.random() < self.dies:
                    raise _lost(FailureKind.MEMORY, "compute-killed", "the compute process died (signal 9)")
                return self._perform(call)
            if limit.cancelled_caught:
                raise _lost(FailureKind.TIMEOUT, "call-timeout", f"{type(call).__name__} took longer than {seconds:g} s")
            raise AssertionError("a call returns or raises")

    def _perform(self, call: Call) -> Done:
        read = self.store.at
        try:
            match call:
                case SetupCall():
                    return Done(key_of(read(call.elf), call.params))
                case ExecuteCall():
                    return self._execute(read(call.stdin), call.max_steps)
                case ContributeCall():
                    return Done(self._contribute(call))
                case ProveCall():
                    return Done(self._prove(call))
                case AggregateCall():
                    return Done(self._aggregate(call))
                case VerifyCall():
                    return self._verify(call)
                case CompareCall():
                    contents = unpack_bundle(read(call.contributions)).contents
                    return Done(b"", shares=tuple(_other_runs(contents, list(call.output))))
        except NotFoundError as error:
            raise _lost(FailureKind.INTERNAL, "internal", error.message) from None

    def _execute(self, stdin: bytes, max_steps: int) -> Done:
        if 0 < max_steps < STEPS:
            raise _lost(FailureKind.WORKER, BeyondBudget.code, f"the run is beyond the budget of {max_steps} steps")
        self._invent(stdin)
        report = report_of(self._made_up() if "false report" in self.lies else stdin)
        return Done(encode_record(report), trapped=trapped(report.trap) if report.trap is not None else None)

    def _invent(self, stdin: bytes) -> None:
        """Raises `CallFailed` where this device says that the guest traps where it does not, or not so."""
        if "false trap" in self.lies:
            trap = Trap("access-outside-map", int(digest(self.name)[:8], 16), "main", "ld a0, 0(a1)", 0x20)
            raise CallFailed(trapped(trap), retryable=False)

    def _made_up(self) -> bytes:
        return ANOTHER + self.name.encode()

    def _read_input(self, path: str) -> bytes:
        return self._made_up() if "another input" in self.lies else self.store.at(path)

    def _contribute(self, call: ContributeCall) -> bytes:
        elf, stdin = self.store.at(call.elf), self._read_input(call.stdin)
        self._invent(stdin)
        if b"trap" in stdin:
            raise CallFailed(trapped(TRAP), retryable=False)
        self._admit(call, stdin)
        if "malformed contribution" in self.lies:
            return b"no contribution at all"
        statement = statement_of(elf, stdin, call.weights)
        root = digest("root", statement, call.share)
        root = digest("another", root) if "false contribution" in self.lies else root
        return _pack(share=call.share, statement=statement, root=root, output=output_of(stdin))

    def _admit(self, call: ContributeCall, stdin: bytes) -> None:
        """Refuse a share that is larger than the memory, as the real one does before it begins."""
        needed = work_of(stdin) * call.weights[call.share] // sum(call.weights)
        room = self.memory - LEAST
        if self.memory and needed > room:
            failure = Failure(kind=FailureKind.MEMORY, code="memory-short", message="too large", pieces=max(2, -(-needed // room)))
            raise CallFailed(failure, retryable=True)

    def _prove(self, call: ProveCall) -> bytes:
        contents = unpack_bundle(self.store.at(call.contributions)).contents
        if "false accusation" in self.lies:
            raise _proof_failure("proof-encoding", "something is wrong, believe me", self.chance.randrange(len(contents)))
        listed = _contributions(contents)
        statement = statement_of(self.store.at(call.elf), self._read_input(call.stdin), call.weights)
        if any(each["statement"] != listed[0]["statement"] for each in listed):
            raise _proof_failure("proof-shares", "the shares saw different runs of the same program and input")
        root = digest("root", statement, call.share)
        if listed[call.share]["root"] != root and "false contribution" not in self.lies:
            raise _proof_failure("contribution-mismatch", f"share {call.share} computed here differs from what was contributed for it")
        challenge = "a lie" if "false partial" in self.lies else digest(*contents)
        pad = "x" * 700_000 if statement.startswith("00") else ""
        return _pack(share=call.share, challenge=challenge, root=root, pad=pad)

    def _aggregate(self, call: AggregateCall) -> bytes:
        contents = unpack_bundle(self.store.at(call.contributions)).contents
        if "false accusation" in self.lies:
            raise _proof_failure("proof-encoding", "something is wrong, believe me", self.chance.randrange(len(contents)))
        listed = _contributions(contents)
        if any(each["statement"] != listed[0]["statement"] for each in listed):
            raise _proof_failure("proof-shares", "the shares saw different runs of the same program and input")
        if "another proof" in self.lies:
            return proof_of(self.store.at(call.elf), self._made_up(), call.params, (1,) * len(contents))
        challenge = digest(*contents)
        for share, path in enumerate(call.partials):
            partial = _fields(self.store.at(path), f"share {share}: the partial proof is none", share)
            right = digest("root", listed[share]["statement"], share)
            if (partial["share"], partial["challenge"], partial["root"]) != (share, challenge, right) or listed[share]["root"] != right:
                raise _proof_failure("proof-invalid", f"share {share}: the partial proof does not verify", share)
        if len(call.partials) != len(contents):
            raise _proof_failure("proof-missing-share", "partial proofs are missing")
        vk, statement = key_of(self.store.at(call.elf), call.params).decode(), listed[0]["statement"]
        roots = [each["root"] for each in listed]
        seal = "a lie" if "false aggregate" in self.lies else seal_of(vk, statement, contents, roots)
        output = listed[0]["output"]
        return _pack(vk=vk, params=call.params, shares=len(contents), statement=statement, roots=roots, output=output, seal=seal)

    def _verify(self, call: VerifyCall) -> Done:
        said = _fields(self.store.at(call.proof), "the proof is none")
        statement, output = said["statement"], said["output"]
        contributions = [_pack(share=share, statement=statement, root=root, output=output) for share, root in enumerate(said["roots"])]
        vk = self.store.at(call.key).decode()
        if (said["vk"], said["params"], said["seal"]) != (vk, call.level, seal_of(vk, said["statement"], contributions, said["roots"])):
            raise _proof_failure("proof-invalid", "the proof does not verify")
        if contributions != list(unpack_bundle(self.store.at(call.contributions)).contents):
            raise _proof_failure("proof-other-answer", "the proof is of other contributions")
        self.verified.add((call.proof.rpartition("/")[2], call.key.rpartition("/")[2]))
        run = {"exit_code": 0, "output": tuple(output), "steps": STEPS}
        return Done(b"", VerifiedReport(program=said["vk"], params=call.level, bits=128.0, shares=said["shares"], **run))


def _other_runs(contents: Sequence[bytes], output: list[int]) -> list[int]:
    """The shares whose contribution is none, or is to a run with another output."""
    wrong = []
    for share, content in enumerate(contents):
        try:
            said = json.loads(content)
            right = (said["share"], said["output"]) == (share, output)
        except (ValueError, KeyError, TypeError):
            right = False
        if not right:
            wrong.append(share)
    return wrong


def _lost(kind: FailureKind, code: str, message: str) -> CallFailed:
    return CallFailed(Failure(kind=kind, code=code, message=message), retryable=True)
