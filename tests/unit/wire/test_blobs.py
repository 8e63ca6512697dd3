"""Chunks: any order of arrival gives the same bytes, and nothing else is taken for them."""

from __future__ import annotations

import numpy as np
import pytest

from zisk_actors.wire.blobs import (
    CHUNK_BYTES,
    CREDIT,
    MAX_BLOB_BYTES,
    Assembly,
    Bundle,
    Manifest,
    chunks,
    pack_list,
    reference,
    unpack_bundle,
    unpack_manifest,
)
from zisk_actors.wire.errors import WireError, WrongBlob
from zisk_actors.wire.values import BlobRef


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES])
@pytest.mark.parametrize("seed", [1, 2])
def test_chunks_in_any_order_make_the_blob(size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    content = random.bytes(size)
    assembly = Assembly(reference(content))
    asked = assembly.ask()
    written = b""
    while not assembly.complete:
        assert 0 < len(asked) <= CREDIT, f"seed {seed}"
        offset, length = asked.pop(int(random.integers(len(asked))))
        written += b"".join(assembly.take(offset, content[offset : offset + length]))
        asked += assembly.ask()
    assert written == content


def test_chunks_cover_the_blob_without_overlap() -> None:
    size = 3 * CHUNK_BYTES + 17
    steps = list(chunks(size))
    assert [offset for offset, _ in steps] == [CHUNK_BYTES * number for number in range(4)]
    assert sum(length for _, length in steps) == size


def test_what_was_not_asked_for_is_refused() -> None:
    content = bytes(2 * CHUNK_BYTES)
    assembly = Assembly(reference(content))
    with pytest.raises(WrongBlob):
        assembly.take(0, content[:CHUNK_BYTES])
    assembly.ask()
    with pytest.raises(WrongBlob):
        assembly.take(0, b"short")
    with pytest.raises(WrongBlob):
        assembly.take(1, content[:CHUNK_BYTES])
    assembly.take(0, content[:CHUNK_BYTES])
    with pytest.raises(WrongBlob):
        assembly.take(0, content[:CHUNK_BYTES])


def test_other_bytes_are_refused_at_the_end() -> None:
    assembly = Assembly(reference(b"right"))
    assembly.ask()
    assembly.take(0, b"wrong")
    with pytest.raises(WrongBlob, match="hash to"):
        _ = assembly.complete


def test_a_blob_over_the_limit_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(WrongBlob):
        Assembly(BlobRef(reference(b"").sha256, MAX_BLOB_BYTES + 1))


def test_lists_of_contents_and_of_blobs_are_blobs() -> None:
    bundle = Bundle((b"a", b"", b"\xff" * 1000))
    assert unpack_bundle(pack_list(bundle)) == bundle
    manifest = Manifest((reference(b"a"), reference(b"b")))
    assert unpack_manifest(pack_list(manifest)) == manifest
    with pytest.raises(WireError):
        unpack_manifest(pack_list(bundle))
    with pytest.raises(WireError):
        unpack_bundle(b"junk")
