"""Proofs as values and as bytes.

Rules: a proof's bytes are a header and one msgpack array of typed fields; words
are little-endian 64-bit blobs whose lengths follow from the layout, never from
the proof. A value has exactly one encoding: decoding encodes again and compares,
so a flipped byte either fails here or changes a word that the verifier checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np

from zisk_actors.stark.errors import MockProof, NonCanonicalWord, NotCanonical, ProofTooLarge, Undecodable, UnknownFormat, WrongShape
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.layout import Layout, TreeKind, TreeShape
from zisk_actors.stark.magic import MOCK_MAGIC, PARTIAL_MAGIC, PROOF_MAGIC, VERSION, other_version
from zisk_actors.stark.params import Parameters
from zisk_actors.stark.statement import Contribution, Statement

MAX_PARTIAL_BYTES = 64 * 2**20
MAX_PROOF_BYTES = 2**31

S = TypeVar("S", bound=msgspec.Struct)


class Opened(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One tree at all queries. ``rows``: (q, sum of widths) words; ``paths``: (q, depth, 4) words. Empty for an empty tree."""

    rows: bytes
    paths: bytes


class PartialProof(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One share's proof. All blobs are words; their shapes are those of the share's ``Layout``.

    ``challenge``: the global challenge it answers (4 words). ``caps``: fixed, main, aux, quotient. ``sums``: per instance
    the claimed bus sum (3 words). ``openings``: (opening_count, 3). ``layers``: a cap per FRI layer. ``final``: (final_degree, 3).
    ``trees``: fixed, main, aux, quotient at the queries. ``layer_rows``: each FRI layer at the queries.
    """

    share: int
    challenge: bytes
    caps: tuple[bytes, bytes, bytes, bytes]
    sums: bytes
    openings: bytes
    layers: tuple[bytes, ...]
    final: bytes
    nonce: int
    trees: tuple[Opened, Opened, Opened, Opened]
    layer_rows: tuple[Opened, ...]


class Proof(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A whole job's proof: the claim, what every share committed to, and every share's proof.

    ``parameters``: number of the parameter set it was made with; the verifier takes its parameters from the key and
    only compares.
    """

    parameters: int
    statement: Statement
    contributions: tuple[Contribution, ...]
    partials: tuple[PartialProof, ...]


# --- bytes -----------------------------------------------------------------------


def _decode(data: bytes, magic: bytes, limit: int, kind: type[S]) -> S:
    if len(data) > limit:
        raise ProofTooLarge(f"{len(data)} bytes are more than the {limit} that a proof may have")
    if data.startswith(MOCK_MAGIC):
        raise MockProof("a mock backend made this: it proves nothing", hint="prove it on a cluster whose backend.mode is coordinator")
    if not data.startswith(magic):
        version = other_version(data, magic)
        if version is None:
            raise UnknownFormat("this is not a proof")
        raise UnknownFormat(
            f"this is a proof of protocol version {version}; this verifier is of version {VERSION[0]}", hint="prove it again"
        )
    try:
        value = msgspec.msgpack.decode(memoryview(data)[len(magic) :], type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(f"the proof does not decode: {error}") from None
    if magic + _pack(value) != data:
        raise NotCanonical("the proof is not in its canonical encoding")
    return value


def _pack(value: msgspec.Struct) -> bytes:
    try:
        return msgspec.msgpack.encode(value)
    except OverflowError:
        raise NotCanonical("an integer of the proof does not fit 64 bits") from None


def encode(proof: Proof) -> bytes:
    """A proof's bytes."""
    return PROOF_MAGIC + _pack(proof)


def decode(data: bytes, limit: int = MAX_PROOF_BYTES) -> Proof:
    """A proof from its bytes; a subclass of MalformedProof for anything ``encode`` would not have written."""
    return _decode(data, PROOF_MAGIC, limit, Proof)


def encode_partial(partial: PartialProof) -> bytes:
    """A partial proof's bytes."""
    return PARTIAL_MAGIC + _pack(partial)


def decode_partial(data: bytes, limit: int = MAX_PARTIAL_BYTES) -> PartialProof:
    """A partial proof from its bytes; errors as ``decode``."""
    return _decode(data, PARTIAL_MAGIC, limit, PartialProof)


# --- words ------------------------------------------------------------------------


def pack_words(words: U64) -> bytes:
    """Words as little-endian bytes."""
    return np.ascontiguousarray(words, dtype="<u8").tobytes()


def unpack_words(blob: bytes, shape: tuple[int, ...], what: str) -> U64:
    """Bytes as canonical words of that shape; WrongShape or NonCanonicalWord."""
    if len(blob) != 8 * int(np.prod(shape, dtype=np.int64)):
        raise WrongShape(f"{what}: {len(blob)} bytes where the instances ask for {shape} words")
    words = np.frombuffer(blob, dtype="<u8").astype(np.uint64).reshape(shape)
    if np.any(words >= np.uint64(P)):
        raise NonCanonicalWord(f"{what}: a word is not below the modulus")
    return words


@dataclass(frozen=True)
class OpenedTree:
    """``Opened`` as arrays: per matrix (q, width), and paths (q, depth, 4)."""

    rows: tuple[U64, ...]
    paths: U64


@dataclass(frozen=True)
class ShareProof:
    """``PartialProof`` as arrays of canonical words in the shapes of its layout (the challenge is compared as bytes)."""

    caps: dict[TreeKind, U64]  # absent for an empty tree
    sums: U64  # (instances, 3)
    openings: U64  # (opening_count, 3)
    layers: tuple[U64, ...]
    final: U64  # (final_degree, 3)
    nonce: int
    trees: dict[TreeKind, OpenedTree]
    layer_rows: tuple[OpenedTree, ...]


def pack_opened(rows: Sequence[U64], paths: U64) -> Opened:
    """A tree's opening as the proof carries it."""
    return Opened(pack_words(np.concatenate(list(rows), axis=1)), pack_words(paths))


EMPTY = Opened(b"", b"")


def _unpack_opened(opened: Opened, shape: TreeShape, queries: int, what: str) -> OpenedTree:
    joined = unpack_words(opened.rows, (queries, sum(shape.widths)), f"{what} rows")
    paths = unpack_words(opened.paths, (queries, shape.depth, 4), f"{what} paths")
    bounds = np.cumsum(shape.widths)[:-1]
    return OpenedTree(tuple(np.split(joined, bounds, axis=1)), paths)


def unpack(partial: PartialProof, layout: Layout, parameters: Parameters) -> ShareProof:
    """Every blob in the shape that the layout gives it; WrongShape or NonCanonicalWord otherwise."""
    queries = parameters.queries
    if len(partial.layers) != len(layout.layers) or len(partial.layer_rows) != len(layout.layers):
        raise WrongShape(f"{len(partial.layers)} FRI layers where the heights ask for {len(layout.layers)}")
    if not 0 <= partial.nonce < P:
        raise NonCanonicalWord("the nonce is not a field element")
    caps: dict[TreeKind, U64] = {}
    trees: dict[TreeKind, OpenedTree] = {}
    for kind in TreeKind:
        shape, name = layout.trees[kind], f"{kind.name.lower()} tree"
        cap = unpack_words(partial.caps[kind], (shape.cap_size, 4), f"{name} cap")
        if shape.widths:
            caps[kind] = cap
            trees[kind] = _unpack_opened(partial.trees[kind], shape, queries, name)
        elif partial.trees[kind] != EMPTY:
            raise WrongShape(f"{name}: there is no such tree in this share")
    return ShareProof(
        caps=caps,
        sums=unpack_words(partial.sums, (len(layout.instances), 3), "bus sums"),
        openings=unpack_words(partial.openings, (layout.opening_count, 3), "openings"),
        layers=tuple(
            unpack_words(blob, (layer.tree.cap_size, 4), "FRI cap") for blob, layer in zip(partial.layers, layout.layers, strict=True)
        ),
        final=unpack_words(partial.final, (layout.final_degree, 3), "final polynomial"),
        nonce=partial.nonce,
        trees=trees,
        layer_rows=tuple(
            _unpack_opened(opened, layer.tree, queries, "FRI layer")
            for opened, layer in zip(partial.layer_rows, layout.layers, strict=True)
        ),
    )
