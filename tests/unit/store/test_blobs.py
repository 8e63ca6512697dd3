"""The folder of blobs: complete or not there, and what rotted is never handed out. The memory twin keeps the same promises."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zisk_actors.ids import BlobId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.errors import BlobMissing, StoreCorrupt, StoreUnwritable
from zisk_actors.store.memory import MemoryBlobs
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.errors import WrongBlob


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore | MemoryBlobs:
    return BlobStore(tmp_path / "blobs") if request.param == "folder" else MemoryBlobs()


def test_what_is_put_is_there(store: BlobStore | MemoryBlobs) -> None:
    blob = store.put(b"content")
    assert blob == reference(b"content")
    assert store.has(blob)
    assert store.get(blob) == b"content"
    assert store.put(b"content") == blob
    assert store.read_chunk(blob.sha256, 2, 3) == b"nte"


def test_what_is_not_there_is_missing(store: BlobStore | MemoryBlobs) -> None:
    blob = reference(b"never put")
    assert not store.has(blob)
    with pytest.raises(BlobMissing):
        store.get(blob)
    with pytest.raises(BlobMissing):
        store.read_chunk(blob.sha256, 0, 1)
    short = store.put(b"short")
    with pytest.raises(BlobMissing):
        store.read_chunk(short.sha256, 3, 10)


def test_a_blob_on_its_way_is_not_there_before_it_is_published(store: BlobStore | MemoryBlobs) -> None:
    blob = reference(b"one two")
    with store.incoming() as incoming:
        incoming.write(b"one ")
        assert not store.has(blob)
        incoming.write(b"two")
        incoming.publish(blob)
    assert store.get(blob) == b"one two"


def test_a_blob_that_broke_off_leaves_nothing(store: BlobStore | MemoryBlobs) -> None:
    blob = reference(b"one two")
    with store.incoming() as incoming:
        incoming.write(b"one ")
    assert not store.has(blob)
    with store.incoming() as incoming:
        incoming.write(b"something else")
        with pytest.raises(WrongBlob):
            incoming.publish(blob)
    assert not store.has(blob)


def test_a_rotten_blob_is_moved_aside(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    blob = store.put(b"content")
    store.path(blob.sha256).write_bytes(b"c0ntent")
    with pytest.raises(StoreCorrupt, match="rotted"):
        store.get(blob)
    assert not store.has(blob)
    with pytest.raises(BlobMissing):
        store.get(blob)


def test_a_truncated_blob_is_not_there(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    blob = store.put(b"content")
    store.path(blob.sha256).write_bytes(b"cont")
    assert not store.has(blob)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "x" * 64, "AB" * 32])
def test_names_are_checked_before_they_touch_a_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(BlobMissing):
        BlobStore(tmp_path).path(BlobId(name))


def test_left_overs_of_a_crash_are_cleared(tmp_path: Path) -> None:
    BlobStore(tmp_path)
    (tmp_path / "incoming" / "half").write_bytes(b"half")
    BlobStore(tmp_path)
    assert list((tmp_path / "incoming").iterdir()) == []


def test_trim_removes_what_was_used_longest_ago(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, durable=False)
    blobs = [store.put(bytes([number]) * 1000) for number in range(5)]
    for age, blob in enumerate(blobs):
        os.utime(store.path(blob.sha256), (1000 + age, 1000 + age))
    store.trim(2500)
    assert [store.has(blob) for blob in blobs] == [False, False, False, True, True]


def test_a_folder_that_cannot_be_used_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnwritable):
        BlobStore(tmp_path / "file" / "blobs")
