"""Proofs that were changed: at the level of the protocol, each with its own error; at the level of bytes, always refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec
import numpy as np
import pytest

from tests import both_verifiers, toy
from zisk_actors.backends.reference import ReferenceBackend
from zisk_actors.errors import ProofInvalid
from zisk_actors.stark import errors, proof
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.proof import Opened, PartialProof, Proof
from zisk_actors.stark.prover import Table, contribute, prove
from zisk_actors.stark.statement import InstanceShape, Statement, global_challenge

change = msgspec.structs.replace
BACKEND = ReferenceBackend()


def check(wrong: Proof, vk: VerifyingKey | None = None) -> None:
    """Both verifiers' answer."""
    check_bytes(proof.encode(wrong), vk)


def check_bytes(data: bytes, vk: VerifyingKey | None = None) -> None:
    both_verifiers.verify(data, (vk if vk is not None else toy.honest().key.vk).encode(), toy.CHIPS, 0)


def bump(blob: bytes, word: int = 0) -> bytes:
    """One word of a blob plus one (none of those used here is the last field element)."""
    words = np.frombuffer(blob, dtype="<u8").copy()
    words[word] += np.uint64(1)
    return words.tobytes()


def with_partial(**changes: object) -> Proof:
    job = toy.honest()
    return change(job.proof, partials=(change(job.partials[0], **changes), job.partials[1]))


def with_contribution(**changes: object) -> Proof:
    job = toy.honest()
    return change(job.proof, contributions=(change(job.contributions[0], **changes), job.contributions[1]))


def at(items: tuple[object, ...], index: int, item: object) -> tuple[object, ...]:
    return (*items[:index], item, *items[index + 1 :])


def first() -> PartialProof:
    return toy.honest().partials[0]


def instances() -> tuple[InstanceShape, ...]:
    return toy.honest().contributions[0].instances


# What is changed, how, and the error that must say so.
CHANGES: list[tuple[str, Callable[[], Proof], type[ProofInvalid]]] = [
    ("parameter set", lambda: change(toy.honest().proof, parameters=3), errors.WrongParameters),
    ("key digest", lambda: change(toy.honest().proof, statement=change(toy.honest().statement, vk=(1, 2, 3, 4))), errors.WrongProgram),
    ("output", lambda: claim(outputs=(1, *(0,) * 63)), errors.WrongChallenge),
    ("exit code", lambda: claim(exit_code=0), errors.WrongChallenge),
    ("final time", lambda: claim(final_ts=8), errors.WrongChallenge),
    ("output range", lambda: claim(outputs=(2**32, *(0,) * 63)), errors.BadStatement),
    ("number of outputs", lambda: claim(outputs=(1,) * 63), errors.BadStatement),
    ("one output more", lambda: claim(outputs=(*toy.OUTPUTS, 0)), errors.BadStatement),
    ("negative output", lambda: claim(outputs=(-1, *(0,) * 63)), errors.BadStatement),
    ("negative exit code", lambda: claim(exit_code=-1), errors.BadStatement),
    ("time between steps", lambda: claim(final_ts=6), errors.BadStatement),
    ("no time", lambda: claim(final_ts=0), errors.BadStatement),
    ("time too late", lambda: claim(final_ts=2**48), errors.BadStatement),
    ("negative time", lambda: claim(final_ts=-4), errors.BadStatement),
    ("share left out", lambda: change(toy.honest().proof, partials=toy.honest().partials[:1]), errors.MissingShare),
    ("share twice", lambda: change(toy.honest().proof, partials=(first(), first())), errors.MissingShare),
    ("shares swapped", lambda: change(toy.honest().proof, partials=toy.honest().partials[::-1]), errors.MissingShare),
    ("no shares", lambda: change(toy.honest().proof, partials=(), contributions=()), errors.BadContribution),
    ("contribution left out", lambda: change(toy.honest().proof, contributions=toy.honest().contributions[:1]), errors.MissingShare),
    ("instance left out", lambda: with_contribution(instances=(instances()[0], *instances()[2:])), errors.BadContribution),
    ("equal height left out", lambda: with_contribution(instances=(*instances()[:2], *instances()[3:])), errors.WrongChallenge),
    ("instance repeated", lambda: with_contribution(instances=(*instances()[:2], *instances()[1:])), errors.WrongChallenge),
    ("singleton repeated", lambda: with_contribution(instances=(instances()[0], *instances())), errors.WrongCount),
    ("instances swapped", lambda: with_contribution(instances=(instances()[0], *instances()[3:0:-1], instances()[4])), errors.NotInOrder),
    ("unknown chip", lambda: with_contribution(instances=(*instances(), InstanceShape(9, 5))), errors.UnknownChip),
    ("height", lambda: with_contribution(instances=at(instances(), 0, InstanceShape(0, 9))), errors.HeightNotAllowed),
    (
        "too many rows",
        lambda: with_contribution(
            instances=(InstanceShape(0, 6), *[InstanceShape(1, 6)] * 17, InstanceShape(2, 7)),
            bindings=toy.honest().contributions[0].bindings[:2],
        ),
        errors.TooManyRows,
    ),
    ("no instances", lambda: with_contribution(instances=()), errors.BadContribution),
    ("too many instances", lambda: with_contribution(instances=(InstanceShape(1, 6),) * 1025), errors.BadContribution),
    ("height of fixed columns", lambda: with_contribution(instances=(*instances()[:-1], InstanceShape(2, 6))), errors.HeightNotAllowed),
    ("word of a root", lambda: with_contribution(root=(2**64 - 1, 2, 3, 4)), errors.BadContribution),
    (
        "word of a binding",
        lambda: with_contribution(bindings=((2**64 - 1, 2, 3), *toy.honest().contributions[0].bindings[1:])),
        errors.BadContribution,
    ),
    ("bindings", lambda: with_contribution(bindings=toy.honest().contributions[0].bindings[1:]), errors.BadContribution),
    ("contributed root", lambda: with_contribution(root=(1, 2, 3, 4)), errors.WrongChallenge),
    (
        "contributed binding",
        lambda: with_contribution(bindings=((1, 2, 3), *toy.honest().contributions[0].bindings[1:])),
        errors.WrongChallenge,
    ),
    ("challenge", lambda: with_partial(challenge=bump(first().challenge)), errors.WrongChallenge),
    ("fixed root", lambda: with_partial(caps=at(first().caps, 0, bump(first().caps[0]))), errors.WrongRoot),
    ("main root", lambda: with_partial(caps=at(first().caps, 1, bump(first().caps[1]))), errors.WrongRoot),
    ("aux root", lambda: with_partial(caps=at(first().caps, 2, bump(first().caps[2]))), errors.QuotientMismatch),
    ("quotient root", lambda: with_partial(caps=at(first().caps, 3, bump(first().caps[3]))), errors.QuotientMismatch),
    ("claimed sum", lambda: with_partial(sums=bump(first().sums)), errors.QuotientMismatch),
    ("opening", lambda: with_partial(openings=bump(first().openings)), errors.QuotientMismatch),
    ("layer root", lambda: with_partial(layers=at(first().layers, 0, bump(first().layers[0]))), ProofInvalid),
    ("final polynomial", lambda: with_partial(final=bump(first().final)), ProofInvalid),
    ("another nonce", lambda: with_partial(nonce=worthless_nonce()), errors.GrindingMissing),
    ("a row of the main tree", lambda: with_partial(trees=at(first().trees, 1, rows(first().trees[1]))), errors.PathMismatch),
    ("a row of the fixed tree", lambda: with_partial(trees=at(first().trees, 0, rows(first().trees[0]))), errors.PathMismatch),
    ("a path of the aux tree", lambda: with_partial(trees=at(first().trees, 2, paths(first().trees[2]))), errors.PathMismatch),
    ("a path of the quotient tree", lambda: with_partial(trees=at(first().trees, 3, paths(first().trees[3]))), errors.PathMismatch),
    ("a FRI row", lambda: with_partial(layer_rows=at(first().layer_rows, 0, rows(first().layer_rows[0]))), errors.PathMismatch),
]


def claim(**changes: object) -> Proof:
    job = toy.honest()
    return change(job.proof, statement=change(job.statement, **changes))


def rows(opened: Opened) -> Opened:
    return Opened(bump(opened.rows), opened.paths)


def paths(opened: Opened) -> Opened:
    return Opened(opened.rows, bump(opened.paths))


def worthless_nonce() -> int:
    """A nonce without the proof of work (three in four are)."""
    for nonce in range(first().nonce + 1, first().nonce + 100):
        try:
            check(with_partial(nonce=nonce))
        except errors.GrindingMissing:
            return nonce
        except ProofInvalid:
            continue
    raise AssertionError("a hundred nonces in a row with two zero bits")


Blob = Callable[[bytes], bytes]


def opened(what: str, number: int, part: str) -> Callable[[Blob], dict[str, object]]:
    def change_blob(edit: Blob) -> dict[str, object]:
        items = getattr(first(), what)
        return {what: at(items, number, change(items[number], **{part: edit(getattr(items[number], part))}))}

    return change_blob


def listed(what: str, number: int) -> Callable[[Blob], dict[str, object]]:
    return lambda edit: {what: at(getattr(first(), what), number, edit(getattr(first(), what)[number]))}


def plain(what: str) -> Callable[[Blob], dict[str, object]]:
    return lambda edit: {what: edit(getattr(first(), what))}


# Every blob of a partial proof.
BLOBS: dict[str, Callable[[Blob], dict[str, object]]] = {
    **{f"cap {number}": listed("caps", number) for number in range(4)},
    **{name: plain(name) for name in ("sums", "openings", "final")},
    **{f"layer {number}": listed("layers", number) for number in range(2)},
    **{f"tree {number} {part}": opened("trees", number, part) for number in range(4) for part in ("rows", "paths")},
    "layer 0 rows": opened("layer_rows", 0, "rows"),
    "layer 0 paths": opened("layer_rows", 0, "paths"),
    "layer 1 rows": opened("layer_rows", 1, "rows"),  # its paths are empty: the tree is no higher than its cap
}


@pytest.mark.parametrize("name", list(BLOBS))
def test_every_blob_has_one_size_and_canonical_words(name: str):
    def with_modulus(blob: bytes) -> bytes:
        return blob[:-8] + (2**64 - 2**32 + 1).to_bytes(8, "little")

    for edit, error in (
        (lambda blob: blob[:-8], errors.WrongShape),
        (lambda blob: blob + bytes(8), errors.WrongShape),
        (lambda blob: blob[:-1], errors.WrongShape),
        (lambda blob: b"", errors.WrongShape),
        (with_modulus, errors.NonCanonicalWord),
    ):
        with pytest.raises(error):
            check(with_partial(**BLOBS[name](edit)))


def test_lists_of_layers_have_one_length_and_the_nonce_is_a_word():
    partial = first()
    for name in ("layers", "layer_rows"):
        items = getattr(partial, name)
        for wrong in (items[:-1], (*items, items[-1]), (), (*items, *[items[-1]] * 20)):
            with pytest.raises(errors.WrongShape):
                check(with_partial(**{name: wrong}))
    for nonce in (2**64 - 2**32 + 1, 2**64 - 1, -1):
        with pytest.raises(errors.NonCanonicalWord):
            check(with_partial(nonce=nonce))


@pytest.mark.parametrize(("wrong", "error"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
def test_each_change_has_its_error(wrong: Callable[[], Proof], error: type[ProofInvalid]):
    changed = wrong()
    assert changed != toy.honest().proof
    with pytest.raises(error):
        check(changed)


def test_another_nonce_with_its_own_proof_of_work_moves_the_queries():
    for nonce in range(first().nonce + 1, first().nonce + 12):
        with pytest.raises(ProofInvalid):
            check(with_partial(nonce=nonce))


def test_another_key():
    job = toy.honest()
    with pytest.raises(errors.WrongProgram):
        check(job.proof, change(job.key.vk, entry=3))
    with pytest.raises(errors.WrongProgram):
        check(job.proof, change(job.key.vk, fixed_root=(1, 2, 3, 4)))
    with pytest.raises(errors.WrongChipSet):
        check(job.proof, change(job.key.vk, chip_set=(1, 2, 3, 4)))
    with pytest.raises(errors.WrongParameters):
        check(job.proof, change(job.key.vk, parameters=3))
    # A forger who also renames the key in the statement still has the wrong fixed columns.
    other = change(job.key.vk, fixed_root=(1, 2, 3, 4))
    with pytest.raises(errors.WrongChallenge):
        check(change(job.proof, statement=change(job.statement, vk=other.digest)), other)


def test_a_stage_one_trace_chosen_after_the_challenge():
    """Heights and everything else as contributed, but other columns, proven honestly from there on."""
    job = toy.honest()
    shares = toy.shares()
    table = next(table for table in shares[0] if table.chip == 1)
    main = table.main.copy()
    main[0, 127] = 5  # a cell of an unused row: a trace as good as the other one
    tables = [Table(1, main) if other is table else other for other in shares[0]]
    state = contribute(BACKEND, job.key, 0, tables)
    late = prove(BACKEND, job.key, state, job.challenge)
    with pytest.raises(errors.WrongRoot):
        check(change(job.proof, partials=(late, job.partials[1])))
    # With the contribution changed as well, the challenge is another one.
    contributions = (state.contribution, job.contributions[1])
    with pytest.raises(errors.WrongChallenge):
        check(change(job.proof, partials=(late, job.partials[1]), contributions=contributions))


def test_a_binding_that_is_not_of_the_committed_columns():
    """The root is right and the binding false from the start: the DEEP codeword is not of low degree."""
    key = toy.honest().key
    states = [contribute(BACKEND, key, number, share) for number, share in enumerate(toy.shares())]
    state = states[0]
    state.bound[0][0, 0] ^= np.uint64(1)
    bindings = ((0, 1, 2), *state.contribution.bindings[1:])
    state.contribution = change(state.contribution, bindings=bindings)
    challenge = global_challenge(1, toy.honest().statement, [s.contribution for s in states])
    with pytest.raises(errors.UnsatisfiedTrace):
        prove(BACKEND, key, state, challenge)


def test_any_flipped_byte_is_refused():
    """A sample of all positions: those of the statement and contributions densely. Seed 20260801."""
    job = toy.honest()
    data = proof.encode(job.proof)
    rng = np.random.default_rng(20260801)
    positions = [*range(0, 600, 9), *rng.integers(0, len(data), size=50).tolist()]
    for position in positions:
        changed = bytearray(data)
        changed[position] ^= 1 << int(rng.integers(8))
        with pytest.raises(ProofInvalid):
            check_bytes(bytes(changed))


@cache
def small() -> tuple[bytes, VerifyingKey]:
    """A proof of one share with the smallest tables."""
    key = toy.proving_key(BACKEND)
    squares = toy.square_tables(0, [(10, 6)])
    claim = Statement(key.vk.digest, toy.OUTPUTS, toy.chain(10)[-1], 4 * 10)
    job = toy.run(BACKEND, key, [[toy.fib_table(), *squares, toy.lookup_table(squares)]], claim)
    return proof.encode(job.proof), key.vk


PARTS = 16


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_flipped_byte_is_refused(part: int):
    """Every position of a small proof, each with one bit that depends on the position."""
    data, vk = small()
    check_bytes(data, vk)
    accepted = []
    for position in range(part, len(data), PARTS):
        changed = bytearray(data)
        changed[position] ^= 1 << (position * 5 + position // 8) % 8
        try:
            check_bytes(bytes(changed), vk)
        except ProofInvalid:
            continue
        accepted.append(position)
    assert accepted == []
