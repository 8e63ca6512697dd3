"""Large blobs whose transfer broke off: gone on with, never trusted, and not touched while somebody writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.resuming import KEPT, RESUMED_BYTES
from zisk_actors.wire.blobs import CHUNK_BYTES, reference
from zisk_actors.wire.errors import WrongBlob

CONTENT = bytes(range(251)) * (RESUMED_BYTES // 251 + 1)
BLOB = reference(CONTENT)


def begin(store: BlobStore, count: int, content: bytes = CONTENT) -> None:
    """A transfer that breaks off after so many bytes."""
    with store.incoming(reference(content)) as incoming:
        incoming.write(content[incoming.start : count])


@pytest.mark.parametrize("restarted", [False, True])
def test_a_transfer_goes_on_from_the_last_whole_part(restarted: bool, tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    begin(store, 3 * CHUNK_BYTES + 5)
    store = BlobStore(tmp_path) if restarted else store
    with store.incoming(BLOB) as incoming:
        assert incoming.start == 3 * CHUNK_BYTES
        incoming.write(CONTENT[incoming.start :])
        incoming.publish(BLOB)
    assert store.get(BLOB) == CONTENT
    assert list((tmp_path / "incoming").iterdir()) == []


def test_what_is_there_and_wrong_costs_one_transfer(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    begin(store, 2 * CHUNK_BYTES)
    path = tmp_path / "incoming" / BLOB.sha256
    path.write_bytes(bytes(2 * CHUNK_BYTES))
    with store.incoming(BLOB) as incoming:
        incoming.write(CONTENT[incoming.start :])
        with pytest.raises(WrongBlob):
            incoming.publish(BLOB)
    with store.incoming(BLOB) as incoming:
        assert incoming.start == 0


def test_more_than_the_blob_has_is_from_elsewhere(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    (tmp_path / "incoming" / BLOB.sha256).write_bytes(CONTENT + bytes(CHUNK_BYTES))
    with store.incoming(BLOB) as incoming:
        assert incoming.start == 0


def test_who_comes_second_writes_a_file_of_its_own(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    begin(store, 2 * CHUNK_BYTES)
    with store.incoming(BLOB) as first, store.incoming(BLOB) as second:
        assert (first.start, second.start) == (2 * CHUNK_BYTES, 0)
        second.write(CONTENT)
        second.publish(BLOB)
        first.write(CONTENT[first.start :])
        first.publish(BLOB)
    assert store.get(BLOB) == CONTENT


def test_small_blobs_begin_anew_and_few_large_ones_are_kept(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    begin(store, 10, b"a small blob")
    assert list((tmp_path / "incoming").iterdir()) == []
    for number in range(KEPT + 3):
        begin(store, CHUNK_BYTES, b"%04d" % number + CONTENT)
    BlobStore(tmp_path)
    assert len(list((tmp_path / "incoming").iterdir())) == KEPT
