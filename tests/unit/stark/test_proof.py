"""Encodings of proofs: one per value, everything else refused with the error that says why."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests import toy
from zisk_actors.errors import ProofInvalid
from zisk_actors.stark import params, proof
from zisk_actors.stark.errors import (
    MalformedProof,
    NonCanonicalWord,
    NotCanonical,
    ProofTooLarge,
    Undecodable,
    UnknownFormat,
    WrongShape,
)
from zisk_actors.stark.field import P
from zisk_actors.stark.layout import Layout
from zisk_actors.stark.proof import Opened, PartialProof

change = msgspec.structs.replace


def test_round_trips():
    job = toy.honest()
    assert proof.decode(proof.encode(job.proof)) == job.proof
    for partial in job.partials:
        assert proof.decode_partial(proof.encode_partial(partial)) == partial


def test_bytes_that_are_not_a_proof():
    data = proof.encode(toy.honest().proof)
    cases: list[tuple[bytes, type[MalformedProof]]] = [
        (b"", UnknownFormat),
        (data[1:], UnknownFormat),
        (b"zisk-stark\x01" + data[11:], UnknownFormat),
        (proof.encode_partial(toy.honest().partials[0]), UnknownFormat),
        (data[:-1], Undecodable),
        (data + b"\0", Undecodable),
        (proof.PROOF_MAGIC, Undecodable),
        (proof.PROOF_MAGIC + b"\xc0", Undecodable),
        (proof.PROOF_MAGIC + b"\x91" * 5000, Undecodable),
    ]
    for wrong, error in cases:
        with pytest.raises(error):
            proof.decode(wrong)
    with pytest.raises(ProofTooLarge):
        proof.decode(data, limit=len(data) - 1)
    assert proof.decode(data, limit=len(data))


def test_another_version_is_refused_by_name():
    data = proof.encode(toy.honest().proof)
    with pytest.raises(UnknownFormat, match="protocol version 1; this verifier is of version 2"):
        proof.decode(b"zisk-stark\x01" + data[11:])
    with pytest.raises(UnknownFormat, match="protocol version 3"):
        proof.decode_partial(b"zisk-part\x03")


def test_another_encoding_of_the_same_value_is_refused():
    data = proof.encode(toy.honest().proof)
    start = len(proof.PROOF_MAGIC)
    assert data[start : start + 2] == b"\x94\x01"  # an array of four, then the number of the parameter set
    longer = data[: start + 1] + b"\xcc\x01" + data[start + 2 :]
    with pytest.raises(NotCanonical):
        proof.decode(longer)
    wide = data[:start] + b"\xdc\x00\x04" + data[start + 1 :]
    with pytest.raises(NotCanonical):
        proof.decode(wide)


def test_numbers_too_large_to_encode():
    job = toy.honest()
    with pytest.raises(NotCanonical):
        proof.encode(change(job.proof, parameters=2**64))


def unpack(partial: PartialProof) -> proof.ShareProof:
    job = toy.honest()
    return proof.unpack(partial, Layout(toy.CHIPS, job.key.vk, job.contributions[0].instances), params.TEST)


BLOBS = ["sums", "openings", "final"]


@pytest.mark.parametrize("name", BLOBS)
def test_blobs_must_have_their_size_and_canonical_words(name: str):
    partial = toy.honest().partials[0]
    blob = getattr(partial, name)
    for wrong in (blob[:-8], blob + bytes(8), blob[:-1], b""):
        with pytest.raises(WrongShape):
            unpack(change(partial, **{name: wrong}))
    for word in (P, 2**64 - 1):
        with pytest.raises(NonCanonicalWord):
            unpack(change(partial, **{name: blob[:-8] + word.to_bytes(8, "little")}))


@pytest.mark.parametrize("tree", range(4))
def test_trees_must_have_their_size_and_canonical_words(tree: int):
    partial = toy.honest().partials[0]

    def with_cap(cap: bytes) -> PartialProof:
        return change(partial, caps=tuple(cap if n == tree else old for n, old in enumerate(partial.caps)))

    def with_opened(opened: Opened) -> PartialProof:
        return change(partial, trees=tuple(opened if n == tree else old for n, old in enumerate(partial.trees)))

    cap, opened = partial.caps[tree], partial.trees[tree]
    for wrong in (with_cap(cap[:-32]), with_opened(Opened(opened.rows[:-8], opened.paths)), with_opened(Opened(opened.rows, b""))):
        with pytest.raises(WrongShape):
            unpack(wrong)
    bad = b"\xff" * 8
    for wrong in (with_cap(bad + cap[8:]), with_opened(Opened(bad + opened.rows[8:], opened.paths))):
        with pytest.raises(NonCanonicalWord):
            unpack(wrong)


def test_layers_must_be_those_of_the_heights():
    partial = toy.honest().partials[0]
    wrong = [
        change(partial, layers=partial.layers[:-1]),
        change(partial, layers=(*partial.layers, partial.layers[0])),
        change(partial, layer_rows=partial.layer_rows[:-1]),
        change(partial, layers=(partial.layers[0][:-8], *partial.layers[1:])),
        change(partial, layer_rows=(Opened(b"", b""), *partial.layer_rows[1:])),
    ]
    for other in wrong:
        with pytest.raises(WrongShape):
            unpack(other)
    for nonce in (P, 2**64 - 1, -1):
        with pytest.raises(NonCanonicalWord):
            unpack(change(partial, nonce=nonce))


def test_words_are_little_endian():
    words = np.array([1, P - 1], dtype=np.uint64)
    assert proof.pack_words(words) == (1).to_bytes(8, "little") + (P - 1).to_bytes(8, "little")
    assert proof.unpack_words(proof.pack_words(words), (2,), "test").tolist() == words.tolist()


def test_every_malformed_proof_is_an_invalid_proof_with_its_own_code():
    kinds = [ProofTooLarge, UnknownFormat, Undecodable, NotCanonical, NonCanonicalWord, WrongShape]
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(issubclass(kind, ProofInvalid) and kind.exit_code == 10 for kind in kinds)
