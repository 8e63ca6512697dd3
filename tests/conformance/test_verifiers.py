"""The native verifier and its specification: one verdict and one error for every proof and key, good or bad.

Rules: ``both_verifiers.verify`` compares; here are the proofs. Random changes come from a seed that a failure shows. That the
two agree where single places of a proof are changed is tested in tests/property/test_tamper_proof.py.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any

import msgspec
import pytest

from tests import both_verifiers, toy
from tests.asm import assemble, exit_with
from tests.edge_program import edge_program
from zisk_actors import native, proving
from zisk_actors.chips import CHIP_SET, NUMBER
from zisk_actors.errors import Incompatible, ProofInvalid, ZiskError
from zisk_actors.stark import emit_verifier, errors, keys, native_verifier, params, proof
from zisk_actors.stark.chipset import BoundaryTerm, ChipSet
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.magic import KEY_MAGIC, MOCK_MAGIC, PROOF_MAGIC
from zisk_actors.stark.native_verifier import VerifierMemory
from zisk_actors.stark.statement import Contribution, InstanceShape, Statement, heights

SEED = 20261125


def prove(elf: bytes, parameters: str, weights: tuple[int, ...], stdin: bytes = b"") -> tuple[bytes, bytes]:
    """A proof and its key."""
    prover = proving.Prover()
    contributions = [prover.contribute(elf, stdin, parameters, i, weights) for i in range(len(weights))]
    partials = [prover.prove(elf, stdin, parameters, i, weights, contributions) for i in range(len(weights))]
    return prover.aggregate(elf, parameters, contributions, partials), prover.setup(elf, parameters)


@pytest.fixture(scope="module")
def machine() -> tuple[bytes, bytes]:
    """A proof of two shares of a program that outputs something and exits with a code of both limbs."""
    code = ["li s1, 0xa0010000", "li a0, 77", "sd a0, 0(s1)", "sd a0, 248(s1)", "li a0, 1", "slli a0, a0, 33", "addi a0, a0, 5"]
    return prove(assemble([*code, "li a7, 93", "ecall"]), "test", (1, 1))


def said(data: bytes, vk: bytes, chip_set: ChipSet = CHIP_SET, level: int = 0) -> str:
    """The code that both give; "accepted" for an accepted proof."""
    try:
        both_verifiers.verify(data, vk, chip_set, level)
    except (ProofInvalid, Incompatible) as error:
        return error.code
    return "accepted"


# --- what there is to say ---------------------------------------------------------------------


def test_every_error_of_the_specification_has_a_verdict_and_none_has_two():
    library = native.load()
    codes = [code for number in range(100) if (code := library.zk_verdict_code(number)) is not None]
    assert codes[0] == "accepted"
    assert len(set(codes)) == len(codes)
    known = native_verifier.by_code()
    assert set(codes[1:]) <= set(known)
    # Of the errors that exist, only those of partial proofs and of proving stand in no verdict, and the bases of others.
    assert set(known) - set(codes) == {"proof-invalid", "proof-malformed", "contribution-mismatch"}


def test_a_machine_proof_is_accepted_by_both(machine: tuple[bytes, bytes]):
    verified = both_verifiers.verify(*machine, CHIP_SET, 0)
    assert verified.statement.exit_code == 2**33 + 5
    assert verified.statement.outputs[0] == verified.statement.outputs[62] == 77
    assert proving.verify(machine[0], vk=machine[1], level="test") == proving.verify(
        machine[0], vk=machine[1], level="test", specification=True
    )


def test_the_toy_proof_is_accepted_by_both():
    job = toy.honest()
    assert said(proof.encode(job.proof), job.key.vk.encode(), toy.CHIPS) == "accepted"


@pytest.mark.slow
def test_a_proof_with_every_instruction_is_accepted_by_both():
    assert said(*prove(edge_program(), "test", (2, 1))) == "accepted"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, each in params.BY_NAME.items() if each.is_secure])
def test_a_proof_of_every_secure_set(name: str):
    data, vk = prove(assemble(["li a0, 1", *exit_with(0)]), name, (1,))
    level = params.BY_NAME[name].level
    assert said(data, vk, level=level) == "accepted"
    assert said(data, vk, level=level + 1) == "proof-too-weak"


# --- the outside of a proof and of a key -------------------------------------------------------


def test_the_beginning_of_a_proof(machine: tuple[bytes, bytes]):
    data, vk = machine
    assert said(b"", vk) == "proof-format"
    assert said(PROOF_MAGIC, vk) == "proof-undecodable"
    assert said(MOCK_MAGIC + data, vk) == "proof-mock"
    assert said(PROOF_MAGIC[:-1] + b"\1" + data[len(PROOF_MAGIC) :], vk) == "proof-format"
    assert said(data + b"\0", vk) == "proof-undecodable"
    assert said(data[:-1], vk) == "proof-undecodable"
    assert said(vk, vk) == "proof-format"


def test_levels_and_sets(machine: tuple[bytes, bytes]):
    data, vk = machine
    assert said(data, vk, level=1) == "proof-too-weak"
    for number in params.BY_NUMBER:
        other = msgspec.structs.replace(keys.decode_key(vk), parameters=number).encode()
        assert said(data, other, level=100) in ("proof-too-weak", "proof-other-parameters")
    assert said(data, msgspec.structs.replace(keys.decode_key(vk), parameters=9).encode()) == "key-malformed"


def test_a_job_larger_than_its_set_keeps_its_level_for(machine: tuple[bytes, bytes]):
    """Found from the list of tables alone, before anything is computed."""
    whole, key = proof.decode(machine[0]), msgspec.structs.replace(keys.decode_key(machine[1]), parameters=params.LEVEL_128.number)
    least = whole.contributions[0].instances

    def job(tables: int) -> str:
        more = [InstanceShape(NUMBER["add"], 6)] * tables
        instances = tuple(sorted([*least, *more], key=lambda shape: (shape.chip, -shape.log_height)))
        contribution = Contribution(0, instances, (1, 2, 3, 4), ((1, 2, 3),) * len(heights(instances)))
        statement = msgspec.structs.replace(whole.statement, vk=key.digest)
        return said(proof.encode(proof.Proof(key.parameters, statement, (contribution,), ())), key.encode(), level=128)

    assert job(20) == "proof-missing-share"
    assert job(900) == "proof-too-weak"


def test_keys(machine: tuple[bytes, bytes]):
    data, vk = machine
    key = keys.decode_key(vk)
    shape = key.fixed[0]

    def changed(**changes: object) -> str:
        return said(data, msgspec.structs.replace(key, **changes).encode())

    assert said(data, b"") == said(data, vk[:-1]) == said(data, vk + b"\0") == said(data, KEY_MAGIC + bytes(70_000)) == "key-malformed"
    assert said(data, KEY_MAGIC[:-1] + b"\1" + vk[len(KEY_MAGIC) :]) == changed(memory=((0, 1),) * 40_000) == "key-malformed"
    assert changed(chip_set=(1, 2, 3, 4)) == "proof-other-chips"
    assert changed(chip_set=(1, 2, 3, 2**64 - 1)) == "key-malformed"
    assert changed(fixed=key.fixed[1:]) == changed(fixed=()) == "proof-other-chips"
    assert changed(fixed=key.fixed[::-1]) == "key-malformed"
    assert changed(fixed=(*key.fixed, msgspec.structs.replace(shape, chip=2**63))) == "proof-other-chips"
    assert changed(fixed=(msgspec.structs.replace(shape, log_height=23), *key.fixed[1:])) == "key-malformed"
    assert changed(fixed=(msgspec.structs.replace(shape, log_height=shape.log_height + 1), *key.fixed[1:])) == "proof-other-program"
    assert changed(entry=2**32) == changed(entry=-1) == changed(memory=((2, 1),)) == changed(memory=((0, 2**63),)) == "key-malformed"
    assert changed(memory=()) == changed(memory=((0, 1), *key.memory[1:])) == changed(memory=key.memory[:-1]) == "proof-other-memory"
    assert changed(entry=7) == changed(fixed_root=(1, 2, 3, 4)) == "proof-other-program"


def test_a_fixed_height_that_its_chip_does_not_allow():
    job = toy.honest()
    narrow = msgspec.structs.replace(job.key.vk, fixed=(msgspec.structs.replace(job.key.vk.fixed[0], log_height=22),))
    assert said(proof.encode(job.proof), narrow.encode(), toy.CHIPS) == "proof-other-program"


# --- encodings ----------------------------------------------------------------------------------


def head(code: int, size: int, value: int) -> bytes:
    """A msgpack head of one byte and a big-endian number."""
    return bytes([code]) + value.to_bytes(size, "big")


def encoded(value: Any, random: Random, odd: float) -> bytes:
    """msgpack of lists, integers and bytes; with probability ``odd`` a value takes another head than the shortest."""
    strange = random.random() < odd
    if isinstance(value, bytes):
        sizes = [each for each in (1, 2, 4) if len(value) < 256**each]
        size = random.choice(sizes) if strange else sizes[0]
        return head({1: 0xC4, 2: 0xC5, 4: 0xC6}[size], size, len(value)) + value
    if isinstance(value, int):
        if not strange:
            return msgspec.msgpack.encode(value)
        unsigned = [head(code, size, value) for code, size in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)) if 0 <= value < 256**size]
        signed = [
            head(code, size, value % 256**size)
            for code, size in ((0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8))
            if -(256**size) // 2 <= value < 256**size // 2
        ]
        return random.choice([*unsigned, *signed, b"\xc0", b"\xc3", b"\xca\x3f\x80\x00\x00"])
    lists = [bytes([0x90 | len(value)])] if len(value) < 16 else []
    lists += [head(code, size, len(value)) for code, size in ((0xDC, 2), (0xDD, 4)) if len(value) < 256**size]
    start = random.choice([*lists, head(0xDD, 4, 2**32 - 1), b"\x80"]) if strange else lists[0]
    return start + b"".join(encoded(item, random, odd) for item in value)


def changed_somewhere(value: Any, random: Random) -> Any:
    """A copy of nested lists with one place changed: an item left out, doubled, moved, or of another value or type."""
    if isinstance(value, list) and value and random.random() < 0.95:
        where = random.randrange(len(value))
        kind = random.randrange(12)
        if kind == 0:
            return value[:where] + value[where + 1 :]
        if kind == 1:
            return [*value[:where], value[where], *value[where:]]
        if kind == 2:
            other = random.randrange(len(value))
            copy = list(value)
            copy[where], copy[other] = copy[other], copy[where]
            return copy
        return [*value[:where], changed_somewhere(value[where], random), *value[where + 1 :]]
    if isinstance(value, bytes) and value and random.random() < 0.8:
        where = random.randrange(len(value) // 8) * 8 if len(value) >= 8 else 0
        word = random.choice([b"\xff" * 8, bytes(8), random.randbytes(8)])
        return random.choice([value[:-8], value + word, value[:-1], value[:where] + word + value[where + 8 :], b""])
    numbers = [
        0,
        1,
        5,
        31,
        32,
        63,
        64,
        255,
        256,
        2**16,
        2**31,
        2**32,
        2**63,
        2**64 - 2**32,
        2**64 - 2**32 + 1,
        2**64 - 1,
        -1,
        -33,
        -(2**63),
    ]
    return random.choice([*numbers, b"", b"12345678", [], [1, 2, 3]])


@pytest.mark.parametrize(("seed", "count"), [(SEED, 300), pytest.param(SEED + 1, 5000, marks=pytest.mark.slow)])
def test_strange_encodings_and_structures(seed: int, count: int):
    """Proofs and keys that are built wrongly: both say the same."""
    random = Random(seed)
    job = toy.honest()
    data, vk = proof.encode(job.proof), job.key.vk.encode()
    values = [msgspec.msgpack.decode(each[len(magic) :]) for each, magic in ((data, PROOF_MAGIC), (vk, KEY_MAGIC))]
    seen = set()
    for number in range(count):
        kind = random.randrange(4)
        tree = list(values)
        which = 1 if kind == 0 else 0
        if kind != 3:
            tree[which] = changed_somewhere(tree[which], random)
        odd = 0.002 if kind >= 2 else 0.0
        files = [PROOF_MAGIC + encoded(tree[0], random, odd), KEY_MAGIC + encoded(tree[1], random, 10 * odd)]
        try:
            seen.add(said(files[0], files[1], toy.CHIPS))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, change {number}: {error}") from error
    assert seen >= {"accepted", "key-malformed", "proof-undecodable", "proof-not-canonical", "proof-word", "proof-shape"}


def test_flipped_bytes_of_a_machine_proof(machine: tuple[bytes, bytes]):
    random = Random(SEED)
    data, vk = machine
    for number in range(60):
        flipped = bytearray(data)
        position = random.randrange(len(data))
        flipped[position] ^= 1 << random.randrange(8)
        assert said(bytes(flipped), vk) != "accepted", f"seed {SEED}, change {number}, position {position}"


# --- memory ---------------------------------------------------------------------------------------


def test_too_little_memory_is_an_error_at_any_size(machine: tuple[bytes, bytes]):
    data, vk = machine
    verifier = both_verifiers.native_for(CHIP_SET)
    refused = 0
    for size in [0, 1, 7, 8, 100, *range(1000, 400_000, 7919)]:
        try:
            verifier.verify(data, vk, 0, memory_bytes=size)
        except VerifierMemory:
            refused = size
    # Every size from some point on is enough, and the bound of any proof is far above it.
    assert 1000 < refused < verifier.memory_bytes
    verifier.verify(data, vk, 0)


# --- the boundary, which is written once in Python and run on symbols -------------------------------


def computed(text: str, names: dict[str, object]) -> int:
    """A C++ expression over u64, in Python."""
    return int(eval(re.sub(r"(0x[0-9a-f]+|\d+)ull", r"\1", text).replace("/", "//"), {}, names)) % 2**64


@pytest.mark.parametrize("chip_set", [CHIP_SET, toy.CHIPS], ids=["machine", "toy"])
def test_the_boundary_of_symbols_is_the_boundary(chip_set: ChipSet):
    random = Random(SEED)
    symbols = emit_verifier.boundary_terms(chip_set)
    for _ in range(50):
        outputs = tuple(random.choice([0, 2**32 - 1, random.randrange(2**32)]) for _ in range(64))
        exit_code = random.choice([0, 1, 2**32, 2**64 - 1, random.randrange(2**64)])
        statement = Statement((1, 2, 3, 4), outputs, exit_code, 4 * random.randrange(1, 2**46))
        key = VerifyingKey(1, (0, 0, 0, 0), (0, 0, 0, 0), (), random.randrange(2**32), ())
        terms = chip_set.boundary(statement, key)
        assert [(term.bus, term.times) for term in terms] == [(term.bus, term.times) for term in symbols]
        names: dict[str, object] = {"statement": statement, "entry": key.entry}
        for term, symbol in zip(terms, symbols, strict=True):
            assert list(term.values) == [computed(emit_verifier.text_of(value), names) for value in symbol.values]


def test_a_boundary_that_looks_at_values_is_refused():
    def looking(statement: Statement, vk: VerifyingKey) -> list[BoundaryTerm]:
        return [BoundaryTerm(toy.OUT, (1,), 1)] if statement.exit_code else []

    def comparing(statement: Statement, vk: VerifyingKey) -> list[BoundaryTerm]:
        return [BoundaryTerm(toy.OUT, (1,), 1)] if statement.final_ts == 4 else []

    for boundary in (looking, comparing):
        with pytest.raises(TypeError, match="values of the statement"):
            emit_verifier.chip_set_source(ChipSet(toy.CHIPS.chips, boundary))


# --- what the facade makes of it ---------------------------------------------------------------------


def test_a_refusal_is_told_in_the_words_of_the_specification(machine: tuple[bytes, bytes]):
    data, vk = machine
    with pytest.raises(errors.TooWeak, match="insecure"):
        proving.verify(data, vk=vk)
    flipped = bytearray(data)
    flipped[-1] ^= 1
    with pytest.raises(errors.PathMismatch, match="FRI layer"):
        proving.verify(bytes(flipped), vk=vk, level="test")


def test_what_the_native_verifier_refuses_is_refused_even_if_the_specification_accepts_it(
    machine: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
):
    def refuse(self: object, data: bytes, vk: bytes, level: int) -> None:
        raise errors.PathMismatch("no")

    monkeypatch.setattr(native_verifier.NativeVerifier, "verify", refuse)
    with pytest.raises(errors.PathMismatch):
        proving.verify(machine[0], vk=machine[1], level="test")


def test_without_the_native_library_the_specification_verifies(machine: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch):
    def missing(*_: object) -> None:
        raise native.NativeUnavailable("not there")

    expected = proving.verify(machine[0], vk=machine[1], level="test")
    monkeypatch.setattr(native_verifier, "for_chip_set", missing)
    proving._native_verifier.cache_clear()
    try:
        assert proving.verify(machine[0], vk=machine[1], level="test") == expected
    finally:
        proving._native_verifier.cache_clear()


def test_a_library_of_other_chips_is_not_used():
    with pytest.raises(ZiskError, match="chips differ"):
        native_verifier.for_chip_set(toy.CHIPS)
