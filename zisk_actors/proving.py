"""The three verbs over a whole program: what a device's child process runs.

Rules: this is where the machine, the chips, the proof system and a backend
meet, and nothing else happens here. Every verb is deterministic: the same
arguments give the same bytes on every worker. Bytes in, bytes out, so that the
cluster carries them without knowing what they are. Whatever is kept between
calls is only a saving: a verb finds out again what it does not remember.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

import msgspec

from zisk_actors import memory
from zisk_actors.backends import DEFAULT, make_backend, proving_bytes
from zisk_actors.backends.capacity import measure
from zisk_actors.chips import CHIP_SET, NUMBER, witness
from zisk_actors.errors import BeyondBudget, MemoryShort, ProofInvalid, UsageError, ZiskError
from zisk_actors.machine import plan
from zisk_actors.machine.emulator import Emulator
from zisk_actors.machine.events import MAX_STEPS, Run, Trap, TrapKind
from zisk_actors.machine.rom import Program, load_program
from zisk_actors.stark import aggregate as aggregation
from zisk_actors.stark import keys, native_verifier, params, proof, prover, rules, verifier
from zisk_actors.stark.errors import BadContribution, ContributionMismatch, MissingShare
from zisk_actors.stark.setup import ProvingKey, setup
from zisk_actors.stark.statement import Contribution, Digest, Statement, global_challenge

V = TypeVar("V")


class AnotherAnswer(ProofInvalid):
    """A proof of something else than was asked: another statement, other contributions, or another number of shares."""

    code = "proof-other-answer"


@dataclass(frozen=True)
class Execution:
    """What a run did. ``output``: 64 words of 32 bits. ``trap``: why there is no proof of it, if there is none."""

    steps: int
    exit_code: int
    output: tuple[int, ...]
    console: bytes
    trap: Trap | None


@dataclass(frozen=True)
class Verified:
    """What an accepted proof says. ``program``: the verifying key's digest, hexadecimal. ``bits``: proven, 0 for an insecure set."""

    program: str
    output: tuple[int, ...]
    exit_code: int
    steps: int
    params: str
    bits: float
    shares: int


class Contributed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A share's contribution on the wire, with the public values of the run it saw."""

    statement: Statement
    contribution: Contribution


class Recent(Generic[V]):
    """The last ``limit`` values made, by key."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[object, V] = OrderedDict()

    def get(self, key: object, make: Callable[[], V]) -> V:
        """The value of ``key``, made if it is not there."""
        if key not in self._values:
            self.put(key, make())
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: object, value: V) -> None:
        """Keep ``value``, forgetting the oldest beyond the limit."""
        self._values.pop(key, None)
        self.make_room()
        self._values[key] = value

    def make_room(self) -> None:
        """Forget what the next new value would push out, before that value takes memory of its own."""
        while len(self._values) >= self._limit:
            self._values.popitem(last=False)

    def take(self, key: object) -> V | None:
        """The value of ``key``, which is forgotten; None if it is not there."""
        return self._values.pop(key, None)


@dataclass(frozen=True)
class Share:
    """Which part of a run: ``index`` of as many shares as there are ``weights``, cut in proportion to them."""

    index: int
    weights: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.index < len(self.weights) or min(self.weights) < 1:
            raise UsageError(f"there is no share {self.index} among the weights {self.weights}")


def public_statement(vk: keys.VerifyingKey, run: Run) -> Statement:
    """The statement that a finished run makes true."""
    return Statement(vk.digest, tuple(int(word) for word in run.output), run.exit_code, run.final_ts)


def decode_contribution(data: bytes) -> Contributed:
    """A contribution from its bytes; BadContribution for anything else."""
    try:
        value = msgspec.msgpack.decode(data, type=Contributed)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadContribution(f"this is not a contribution: {error}") from None
    value.statement.check()
    return value


def agree(contributions: Sequence[bytes]) -> tuple[Statement, list[Contribution]]:
    """The statement that all contributions share, and the contributions by share; BadContribution if they differ. A contribution that is
    none, or of another share than its place says, is named in the error."""
    decoded = []
    for number, data in enumerate(contributions):
        try:
            decoded.append(decode_contribution(data))
            if decoded[-1].contribution.share != number:
                raise BadContribution(f"the contribution of share {number} is of share {decoded[-1].contribution.share}")
        except ProofInvalid as error:
            error.share = number
            raise
    if not decoded:
        raise BadContribution("a job has at least one contribution")
    for item in decoded:
        if item.statement != decoded[0].statement:
            raise BadContribution(
                f"shares {decoded[0].contribution.share} and {item.contribution.share} saw different runs of the same program and input",
                hint="a worker computes wrongly, or was given another input",
            )
    return decoded[0].statement, [item.contribution for item in decoded]


def check_answers(made: proof.Proof, contributions: Sequence[bytes]) -> None:
    """Raise AnotherAnswer unless a proof is of exactly these contributions, in order, and of the statement that they share; BadContribution
    where they share none. Says nothing of whether the proof is valid."""
    statement, ordered = agree(contributions)
    if len(made.contributions) != len(ordered):
        raise AnotherAnswer(f"the proof is of {len(made.contributions)} shares, and the job of {len(ordered)}")
    if made.statement != statement:
        raise AnotherAnswer("the proof's statement is not the one that was contributed to: it is of another run")
    for share, (said, given) in enumerate(zip(made.contributions, ordered, strict=True)):
        if said != given:
            raise AnotherAnswer(f"the proof has another contribution of share {share} than was given")


def other_runs(contributions: Sequence[bytes], key: bytes, steps: int, exit_code: int, output: Sequence[int]) -> list[int]:
    """The shares whose contribution is none, or is one to another statement than: the program of this verifying key halts after so many
    steps with this exit code and output (64 words of 32 bits)."""
    vk = keys.decode_key(key)
    wanted = (vk.digest, tuple(output), exit_code, steps)
    wrong = []
    for number, data in enumerate(contributions):
        try:
            said = decode_contribution(data)
        except ProofInvalid:
            wrong.append(number)
            continue
        statement = said.statement
        if said.contribution.share != number or wanted != (statement.vk, statement.outputs, statement.exit_code, statement.steps):
            wrong.append(number)
    return wrong


class Prover:
    """A device's prover. One call at a time; calls may come in any order and for different programs."""

    def __init__(self, backend: str = DEFAULT, threads: int | None = None) -> None:
        self._name = backend
        self.backend = make_backend(backend, threads)
        self._memory_bytes = 0
        # Called with the name of a step and the part of the verb that is done, 0 to 1.
        self.on_progress: prover.Progress = lambda step, part: None
        self._programs: Recent[Program] = Recent(8)
        self._keys: Recent[ProvingKey] = Recent(4)
        self._runs: Recent[tuple[Emulator, Run]] = Recent(2)
        # A state holds a share's extended trace: the largest thing there is.
        self._states: Recent[prover.ShareState] = Recent(1)

    def measure(self) -> float:
        """How fast this device is: trace cells that it commits to in a second."""
        return measure(self.backend)

    @property
    def memory_bytes(self) -> int:
        """What a share may take, in bytes; 0 is no limit. It bounds the pool of this process as well (memory.py)."""
        return self._memory_bytes

    @memory_bytes.setter
    def memory_bytes(self, size: int) -> None:
        self._memory_bytes = size
        memory.limit(size)

    def rest(self) -> None:
        """Give memory that is kept for the next share back to the system: there is nothing to do. What is still needed stays."""
        memory.release()

    # --- programs and runs ---

    def program(self, elf: bytes) -> Program:
        """The loaded program; ElfError."""
        return self._programs.get(_hash(elf), lambda: load_program(elf))

    def proving_key(self, elf: bytes, parameters: str) -> ProvingKey:
        """Fixed columns extended and committed."""

        def make() -> ProvingKey:
            program = self.program(elf)
            fixed = {NUMBER[name]: columns for name, columns in witness.fixed_columns(program).items()}
            return setup(self.backend, CHIP_SET, params.by_name(parameters), fixed, entry=program.entry)

        return self._keys.get((_hash(elf), parameters), make)

    def setup(self, elf: bytes, parameters: str) -> bytes:
        """The encoded verifying key of a program."""
        return self.proving_key(elf, parameters).vk.encode()

    def _run(self, elf: bytes, stdin: bytes) -> tuple[Emulator, Run]:
        def make() -> tuple[Emulator, Run]:
            emulator = Emulator(self.program(elf), stdin)
            return emulator, emulator.run(MAX_STEPS)

        return self._runs.get((_hash(elf), _hash(stdin)), make)

    def execute(self, elf: bytes, stdin: bytes, max_steps: int = MAX_STEPS) -> Execution:
        """Run without proving. A trap is reported, not raised. With a lower limit of steps than the machine's own nothing is kept of the
        run, and a longer one raises BeyondBudget."""
        if max_steps < MAX_STEPS:
            with Emulator(self.program(elf), stdin, snapshot_bytes=0) as emulator:
                run = emulator.run(max_steps)
            if run.trap is not None and run.trap.kind is TrapKind.STEP_LIMIT:
                raise BeyondBudget(f"the run is beyond the budget of {max_steps} steps")
        else:
            _, run = self._run(elf, stdin)
        return Execution(run.steps, run.exit_code, tuple(int(word) for word in run.output), run.console, run.trap)

    # --- the three verbs ---

    def contribute(self, elf: bytes, stdin: bytes, parameters: str, share: int, weights: Sequence[int]) -> bytes:
        """Commit to a share. Raises GuestTrapped when the run has no proof."""
        self._states.make_room()
        statement, state = self._contribute(elf, stdin, parameters, Share(share, tuple(weights)))
        self._states.put(_state_key(elf, stdin, parameters, share, weights), state)
        return msgspec.msgpack.encode(Contributed(statement, state.contribution))

    def _contribute(self, elf: bytes, stdin: bytes, parameters: str, share: Share) -> tuple[Statement, prover.ShareState]:
        self.on_progress("execute", 0.0)
        key = self.proving_key(elf, parameters)
        emulator, run = self._run(elf, stdin)
        if run.trap is not None:
            raise run.trap.error()
        start, stop = plan.cut(run.steps, share.weights)[share.index]
        self._admit(elf, emulator, start, stop, share, key.parameters)
        self.on_progress("replay", 0.05)
        events = emulator.replay(start, stop, final=share.index == 0)
        self.on_progress("fill", 0.1)
        instances = witness.assemble(self.program(elf), events, events.final, share.index)
        tables = [prover.Table(instance.air_id, instance.main) for instance in instances]
        del events, instances
        state = prover.contribute(self.backend, key, share.index, tables, lambda step, part: self.on_progress(step, 0.2 + 0.8 * part))
        self.on_progress("contributed", 1.0)
        return public_statement(key.vk, run), state

    def _admit(self, elf: bytes, emulator: Emulator, start: int, stop: int, share: Share, parameters: params.Parameters) -> None:
        """Raises `MemoryShort` for a share that would take more memory than it may, before any of it is taken."""
        if not self.memory_bytes:
            return
        instructions = len(self.program(elf).rom)
        counted: tuple[dict[str, int], dict[str, int]] = (emulator.count(start, stop), {})
        needed, least = (proving_bytes(self._name, records, instructions, parameters.log_blowup) for records in counted)
        if needed > self.memory_bytes:
            error = MemoryShort(
                f"share {share.index} of {len(share.weights)} ({stop - start} steps) needs about {needed / 2**30:.1f} GiB to be proved; "
                f"this worker has {self.memory_bytes / 2**30:.1f} GiB for it",
                hint="more workers make smaller shares; worker.memory_bytes says what a worker may take",
            )
            if self.memory_bytes > least:
                error.pieces = min(stop - start, max(2, -(-(needed - least) // (self.memory_bytes - least))))
            raise error

    def prove(self, elf: bytes, stdin: bytes, parameters: str, share: int, weights: Sequence[int], contributions: Sequence[bytes]) -> bytes:
        """Prove a share for the challenge that all contributions make; an encoded partial proof. A job that is not allowed, as one with
        more rows than a chip may have, is refused before it is proved."""
        statement, ordered = agree(contributions)
        key = self.proving_key(elf, parameters)
        rules.check_job(CHIP_SET, key.vk, ordered)
        state = self._states.take(_state_key(elf, stdin, parameters, share, weights))
        if state is None:
            self._states.make_room()
            _, state = self._contribute(elf, stdin, parameters, Share(share, tuple(weights)))
        if state.contribution not in ordered:
            raise ContributionMismatch(f"share {share} computed here differs from what was contributed for it")
        challenge = global_challenge(key.vk.parameters, statement, ordered)
        partial = prover.prove(self.backend, key, state, challenge, lambda step, part: self.on_progress(step, part))
        self.on_progress("proven", 1.0)
        return proof.encode_partial(partial)

    def aggregate(self, elf: bytes, parameters: str, contributions: Sequence[bytes], partials: Sequence[bytes]) -> bytes:
        """Check all partial proofs, in order of shares, and make one proof of them; the proof file's bytes. The error of one that is wrong
        has its share."""
        statement, ordered = agree(contributions)
        key = self.proving_key(elf, parameters)
        collected = aggregation.Aggregation(statement, ordered, key.vk, CHIP_SET)
        for number, data in enumerate(partials):
            self.on_progress("check", number / len(partials))
            try:
                partial = proof.decode_partial(data)
                if partial.share != number:
                    raise MissingShare(f"the partial proof of share {number} is of share {partial.share}")
                collected.add(partial)
            except ProofInvalid as error:
                error.share = number
                raise
        return proof.encode(collected.finish())

    def verify(self, data: bytes, vk: bytes, level: str, contributions: Sequence[bytes]) -> Verified:
        """``verify`` below, with the key's bytes."""
        return verify(data, vk=vk, level=level, contributions=contributions)

    def other_runs(self, contributions: Sequence[bytes], vk: bytes, steps: int, exit_code: int, output: Sequence[int]) -> list[int]:
        """``other_runs`` above."""
        return other_runs(contributions, vk, steps, exit_code, output)


def verify(
    data: bytes,
    *,
    vk: bytes | None = None,
    elf: bytes | None = None,
    level: str = "128",
    contributions: Sequence[bytes] | None = None,
    specification: bool = False,
) -> Verified:
    """Check a proof file against a verifying key, or against an ELF whose key is made here.

    ``level``: the parameter set asked for; a proof of a weaker one is refused. ``contributions``: those that the proof has to be made of,
    encoded, in order; None where nobody knows them. ``specification``: by stark/verifier.py even where there is the native verifier.
    Raises a subclass of ProofInvalid for a proof that does not prove it, Incompatible for a key of another version, ElfError for a bad
    ELF.
    """
    asked = params.by_name(level)
    if contributions is not None:
        check_answers(proof.decode(data), contributions)
    if vk is None:
        if elf is None:
            raise UsageError("a proof is verified against a verifying key or an ELF: neither was given")
        vk = verifying_key(elf, proof.decode(data).parameters).encode()
    native = None if specification else _native_verifier()
    verified = _specified(data, vk, asked.level) if native is None else _native(native, data, vk, asked.level)
    statement = verified.statement
    return Verified(
        program=_digest_id(statement.vk),
        output=statement.outputs,
        exit_code=statement.exit_code,
        steps=statement.steps,
        params=verified.parameters.name,
        bits=verified.bits if verified.parameters.is_secure else 0.0,
        shares=verified.report.shares,
    )


@cache
def _native_verifier() -> native_verifier.NativeVerifier | None:
    """The native verifier; None where the library is not there."""
    try:
        return native_verifier.for_chip_set(CHIP_SET)
    except OSError:
        return None


def _specified(data: bytes, vk: bytes, level: int) -> verifier.Verified:
    return verifier.verify(proof.decode(data), keys.decode_key(vk), CHIP_SET, level)


def _native(native: native_verifier.NativeVerifier, data: bytes, vk: bytes, level: int) -> verifier.Verified:
    """The native verdict. What is refused is looked at again by the specification, whose error says more."""
    try:
        return native.verify(data, vk, level)
    except ZiskError as refusal:
        try:
            _specified(data, vk, level)
        except ZiskError as said:
            if said.code == refusal.code:
                raise said from None
        raise refusal


def verifying_key(elf: bytes, parameters: int) -> keys.VerifyingKey:
    """The key of an ELF for a parameter set's number, as the prover's setup makes it."""
    known = params.BY_NUMBER.get(parameters)
    if known is None:
        raise ProofInvalid(f"the proof names parameter set number {parameters}, which does not exist")
    return Prover().proving_key(elf, known.name).vk


def key_id(vk: keys.VerifyingKey) -> str:
    """A verifying key's digest, 64 hexadecimal digits."""
    return _digest_id(vk.digest)


def _digest_id(digest: Digest) -> str:
    return "".join(f"{word:016x}" for word in digest)


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _state_key(elf: bytes, stdin: bytes, parameters: str, share: int, weights: Sequence[int]) -> object:
    return _hash(elf), _hash(stdin), parameters, share, tuple(weights)
