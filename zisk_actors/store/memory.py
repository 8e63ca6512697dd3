"""Blobs in memory, with the calls of the folder of blobs: what a client offers and fetches."""

from __future__ import annotations

import hashlib

from zisk_actors.ids import BlobId, blob_id
from zisk_actors.store.errors import BlobMissing
from zisk_actors.wire.errors import WrongBlob
from zisk_actors.wire.values import BlobRef


class MemoryBlobs:
    """Blobs by name, each kept until it is dropped as often as it was put."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._offers: dict[str, int] = {}

    def has(self, blob: BlobRef) -> bool:
        return blob.sha256 in self._contents

    def put(self, content: bytes) -> BlobRef:
        blob = BlobRef(blob_id(content), len(content))
        self._contents[blob.sha256] = content
        self._offers[blob.sha256] = self._offers.get(blob.sha256, 0) + 1
        return blob

    def get(self, blob: BlobRef) -> bytes:
        """Raises `BlobMissing`."""
        try:
            return self._contents[blob.sha256]
        except KeyError:
            raise BlobMissing(f"there is no blob {blob.sha256}") from None

    def must_hash(self, name: BlobId, offset: int) -> bool:
        """Whether reading begins with hashing: what is in memory was hashed when it came."""
        return False

    def read_chunk(self, name: BlobId, offset: int, length: int) -> bytes:
        """Raises `BlobMissing`."""
        content = self._contents.get(name, b"")[offset : offset + length]
        if len(content) != length:
            raise BlobMissing(f"there is no blob {name} with {length} bytes at {offset}")
        return content

    def drop(self, blob: BlobRef) -> None:
        """Take back one `put`."""
        self._offers[blob.sha256] = self._offers.get(blob.sha256, 0) - 1
        if self._offers[blob.sha256] <= 0:
            del self._offers[blob.sha256]
            self._contents.pop(blob.sha256, None)

    def forget(self, blob: BlobRef) -> None:
        """Let go of what was fetched, where it is not offered as well."""
        if blob.sha256 not in self._offers:
            self._contents.pop(blob.sha256, None)

    def incoming(self, blob: BlobRef | None = None, sender: str = "") -> MemoryIncoming:
        return MemoryIncoming(self._contents)


class MemoryIncoming:
    """A blob on its way in, from its beginning."""

    start = 0

    def digest(self) -> hashlib._Hash:
        """The hash of what is there: nothing."""
        return hashlib.sha256()

    def spoil(self) -> None:
        """Leave nothing of it: nothing is left anyhow."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self._contents = contents
        self._pieces: list[bytes] = []

    def __enter__(self) -> MemoryIncoming:
        return self

    def __exit__(self, *error: object) -> None:
        self._pieces.clear()

    def write(self, content: bytes) -> None:
        self._pieces.append(content)

    def publish(self, blob: BlobRef) -> None:
        """Raises `WrongBlob`."""
        content = b"".join(self._pieces)
        if hashlib.sha256(content).hexdigest() != blob.sha256:
            raise WrongBlob(f"the bytes received for blob {blob.sha256} hash to something else")
        self._contents[blob.sha256] = content
