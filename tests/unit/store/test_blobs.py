"""The folder of blobs: complete or not there, and what rotted is never handed out. The memory twin keeps the same promises."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zisk_actors.ids import BlobId, JobId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.errors import BlobMissing, DiskFull, StoreCorrupt, StoreUnwritable
from zisk_actors.store.memory import MemoryBlobs
from zisk_actors.store.partial import PartialInputs
from zisk_actors.store.resuming import RESUMED_BYTES
from zisk_actors.store.space import Reserve
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.errors import WrongBlob
from zisk_actors.wire.values import BlobRef


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


def test_what_rotted_is_served_to_nobody_and_good_bytes_are_taken_again(tmp_path: Path) -> None:
    noticed: list[str] = []
    store = BlobStore(tmp_path, rotten=noticed.append)
    blob = store.put(b"content")
    path = store.path(blob.sha256)
    assert store.read_chunk(blob.sha256, 0, 3) == b"con"
    path.write_bytes(b"c0ntent")
    with pytest.raises(BlobMissing):
        store.read_chunk(blob.sha256, 0, 3)  # the beginning of another transfer
    assert not store.has(blob)
    assert noticed == [blob.sha256]
    store.keep(blob, b"content")
    path.write_bytes(b"c0ntent")
    assert not BlobStore(tmp_path).sound(blob.sha256)
    assert not store.sound(blob.sha256)
    store.keep(blob, b"content")
    assert store.sound(blob.sha256)
    assert not store.must_hash(blob.sha256, 3)
    assert store.get(blob) == b"content"


def test_a_reserve_is_kept_free(tmp_path: Path) -> None:
    free = 1_000_000
    store = BlobStore(tmp_path, reserve_bytes=900_000)
    store.reserve = Reserve(tmp_path, 900_000, free=lambda path: free)
    store.put(bytes(100_000))
    large = reference(bytes(100_001))
    for ask in (lambda: store.put(bytes(100_001)), lambda: store.incoming(large)):
        with pytest.raises(DiskFull, match="100,001 bytes do not fit: 1,000,000 are free"):
            ask()
    inputs = PartialInputs(store)
    job = JobId("01234567-89ab-4def-8123-456789abcdef")
    assert inputs.write(job, 0, bytes(50_000)) == 50_000
    free = 950_000
    with pytest.raises(DiskFull):
        inputs.write(job, 50_000, bytes(50_001))
    assert inputs.size(job) == 50_000
    assert not store.broken, "others, who need less, are served"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_what_a_full_disk_does_not_take_is_dropped_and_said_as_that(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    content = bytes(RESUMED_BYTES)
    incoming = store.incoming(reference(content))
    with incoming:
        incoming._file.close()
        incoming._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - the blob's own file, which it closes
        with pytest.raises(DiskFull, match="cannot store a blob: the disk is full"):
            incoming.write(content)
    assert store.broken
    assert list((tmp_path / "incoming").iterdir()) == []


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


OLD, LIMIT = 1_000.0, 5_000.0
"""Wall-clock times: of blobs that nobody has asked for, and before which blobs go."""


def test_a_sweep_takes_what_is_old_and_not_what_is_kept_young_or_no_blob(tmp_path: Path) -> None:
    now = OLD
    store = BlobStore(tmp_path, clock=lambda: now)
    blobs = [store.put(b"%d" % index) for index in range(4)]
    kept, asked, rotten, old = blobs
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "notes").write_text("not ours")
    os.utime(tmp_path / "ab" / "notes", (OLD, OLD))
    now = LIMIT + 1
    assert store.has(asked)
    store.path(rotten.sha256).write_bytes(b"x")
    with pytest.raises(StoreCorrupt):
        store.get(rotten)
    assert store.sweep({kept.sha256}, LIMIT) == (1, 1)
    assert [store.has(blob) for blob in blobs] == [True, True, False, False]
    assert store.path(rotten.sha256).with_suffix(".corrupt").exists(), "for somebody to look at"
    assert store.sweep({kept.sha256}, LIMIT + 2) == (2, 2), "in its time: what was moved aside, and what was asked for"
    assert (tmp_path / "ab" / "notes").exists()
    assert not store.has(old)


def test_what_somebody_puts_or_finds_while_a_sweep_goes_on_is_there_after_it(tmp_path: Path) -> None:
    """In real threads, each blob as a race between three: who finds it or puts it may refer to it, so it stays."""
    now = OLD
    store = BlobStore(tmp_path, durable=False, clock=lambda: now)
    contents = [b"blob %d" % index for index in range(400)]
    blobs = [store.put(content) for content in contents]
    now = LIMIT + 1
    start = threading.Barrier(3)

    def find() -> list[BlobRef]:
        start.wait()
        return [blob for blob in blobs[0::2] if store.has(blob)]

    def put() -> list[BlobRef]:
        start.wait()
        return [store.put(content) for content in contents[1::2]]

    def sweep() -> int:
        start.wait()
        return store.sweep((), LIMIT)[0]

    with ThreadPoolExecutor(3) as threads:
        found, given, swept = threads.submit(find), threads.submit(put), threads.submit(sweep)
    assert all(store.has(blob) for blob in found.result() + given.result())
    assert len(found.result()) + swept.result() >= len(blobs) // 2
