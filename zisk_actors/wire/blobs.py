"""Big things by the hash of their content: references, chunks, bundles and manifests.

Rules of this file:
* A blob is named by the SHA-256 of its bytes. Whoever receives one hashes it; a name that does not fit is refused.
* Blobs are pulled: who needs one asks for chunks, and has at most `CREDIT` requests open. So no queue on the way can fill up, and a slow
  receiver slows only its own transfer.
* Chunks are asked for in order of offset and may be answered in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from zisk_actors.ids import blob_id
from zisk_actors.wire.codec import decode_record, encode_record
from zisk_actors.wire.errors import WrongBlob
from zisk_actors.wire.values import BlobRef

CHUNK_BYTES: Final = 512 * 1024
CREDIT: Final = 4
MAX_BLOB_BYTES: Final = 4 * 1024**3


def reference(content: bytes) -> BlobRef:
    return BlobRef(blob_id(content), len(content))


def chunks(size: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """(offset, length) of the chunks that cover the bytes from `start` to `size`; none for an empty blob."""
    for offset in range(start, size, CHUNK_BYTES):
        yield offset, min(CHUNK_BYTES, size - offset)


class Assembly:
    """A blob on its way in: takes chunks in any order, gives them out in order to be written and hashed, and judges the whole at the end.

    At most `CREDIT` chunks wait here, because no more are asked for at a time. The first `start` bytes, whose hash is `digest`, are there.
    """

    def __init__(self, blob: BlobRef, start: int = 0, digest: hashlib._Hash | None = None) -> None:
        if blob.size > MAX_BLOB_BYTES:
            raise WrongBlob(f"a blob of {blob.size} bytes is over the limit of {MAX_BLOB_BYTES}")
        self.blob = blob
        self._hash = hashlib.sha256() if digest is None else digest
        self._written = start
        self._early: dict[int, bytes] = {}
        self._asked: set[tuple[int, int]] = set()
        self._plan = chunks(blob.size, start)
        self._plan_done = False

    def ask(self) -> list[tuple[int, int]]:
        """The chunks to ask for now: as many as the credit allows."""
        wanted: list[tuple[int, int]] = []
        while not self._plan_done and len(self._asked) + len(self._early) < CREDIT:
            step = next(self._plan, None)
            if step is None:
                self._plan_done = True
            else:
                self._asked.add(step)
                wanted.append(step)
        return wanted

    def take(self, offset: int, content: bytes) -> list[bytes]:
        """Accept a chunk; returns the run of chunks that can be written now, in order. Raises `WrongBlob` for one that was not asked
        for."""
        step = (offset, len(content))
        if step not in self._asked:
            raise WrongBlob(f"a chunk of {len(content)} bytes at {offset} of blob {self.blob.sha256} was not asked for")
        self._asked.discard(step)
        self._early[offset] = content
        ready: list[bytes] = []
        while (piece := self._early.pop(self._written, None)) is not None:
            self._hash.update(piece)
            self._written += len(piece)
            ready.append(piece)
        return ready

    @property
    def complete(self) -> bool:
        """True when every byte is in. Raises `WrongBlob` where they do not hash to the name."""
        if self._written < self.blob.size:
            return False
        if self._hash.hexdigest() != self.blob.sha256:
            raise WrongBlob(f"the bytes received for blob {self.blob.sha256} hash to {self._hash.hexdigest()}")
        return True


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list of blobs, itself a blob: the partial proofs of a job, in order of their shares."""

    blobs: tuple[BlobRef, ...]


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list of small contents in one blob: the contributions of a job, in order of their shares."""

    contents: tuple[bytes, ...]


def pack_list(value: Manifest | Bundle) -> bytes:
    return encode_record(value)


def unpack_manifest(content: bytes) -> Manifest:
    """Raises `WireError` for anything but a manifest."""
    manifest: Manifest = decode_record(content, Manifest)
    return manifest


def unpack_bundle(content: bytes) -> Bundle:
    """Raises `WireError` for anything but a bundle."""
    bundle: Bundle = decode_record(content, Bundle)
    return bundle
