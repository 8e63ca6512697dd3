"""Big things in a folder, each in a file named by the SHA-256 of its content.

Rules of this file:
* A file under its name is complete: bytes go to a temporary file, are flushed to disk, and the name appears atomically.
* Nothing is handed out whose hash is not checked. What is read whole is hashed; what is read in parts is hashed as a whole with the first
  part, and again after `TRUSTED_SECONDS`. A file that rotted is moved aside and reported: the blob is not there then, and good bytes are
  taken.
* A reserve of the disk is kept free: what does not fit is refused before a byte of it is taken, and what cannot be written is dropped.
* Names are checked before they touch a path.
* Who asks whether a blob is there, or puts it, makes it young again: `sweep` removes only what nobody has asked for in a while, and looks
  at the age and removes in one step.
* These are plain blocking calls; whoever runs in a loop calls the long ones in a thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from zisk_actors.ids import BlobId, blob_id, is_blob_id
from zisk_actors.store import resuming
from zisk_actors.store.errors import BlobMissing, StoreCorrupt, StoreUnwritable
from zisk_actors.store.files import flush_folder
from zisk_actors.store.space import Reserve, unwritable
from zisk_actors.wire.errors import WrongBlob
from zisk_actors.wire.values import BlobRef

CHECK_BYTES: Final = 65536
ASIDE: Final = ".corrupt"
YOUNG_SECONDS: Final = 600.0
"""A blob that was asked for so recently need not be made young again."""
TRUSTED_SECONDS: Final = 300.0
"""A blob that was hashed so recently is read on without being hashed again."""
MAX_TRUSTED: Final = 10_000


class BlobStore:
    """A folder of blobs. `durable=False` leaves out the flush to disk, for a worker's cache, which need not survive. So many bytes of its
    disk are kept free as `reserve_bytes` says. `rotten` is told of each blob that is moved aside. `broken` says that the last write
    failed."""

    broken: bool = False

    def __init__(
        self,
        root: Path,
        *,
        durable: bool = True,
        clock: Callable[[], float] = time.time,
        reserve_bytes: int = 0,
        rotten: Callable[[BlobId], None] | None = None,
    ) -> None:
        self._root = root
        self.reserve = Reserve(root, reserve_bytes)
        self._rotten = rotten
        self._hashed: dict[BlobId, float] = {}
        self._clock = clock
        self._sweeping = threading.Lock()
        self._durable = durable
        self._incoming = root / "incoming"
        try:
            self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            resuming.clear(self._incoming)
        except OSError as error:
            raise StoreUnwritable(f"cannot use {root} for blobs: {error}") from None

    @property
    def partial_folder(self) -> Path:
        """Where inputs are until they are complete; made when first asked for."""
        folder = self._root / "partial"
        try:
            folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreUnwritable(f"cannot use {folder} for inputs: {error}") from None
        return folder

    def path(self, name: BlobId) -> Path:
        """Where a blob is or would be. Raises `BlobMissing` for what is no name of a blob."""
        if not is_blob_id(name):
            raise BlobMissing(f"{name[:80]!r} is not the name of a blob")
        return self._root / name[:2] / name

    def has(self, blob: BlobRef) -> bool:
        """Whether a blob is there; one that is stays for a while, whatever refers to it."""
        path = self.path(blob.sha256)
        with self._sweeping:
            try:
                status = path.stat()
                now = self._clock()
                if abs(now - status.st_mtime) > YOUNG_SECONDS:
                    with contextlib.suppress(PermissionError):
                        os.utime(path, (now, now))
            except FileNotFoundError:
                return False
            except OSError as error:
                raise StoreUnwritable(f"cannot read the blobs: {error}") from None
        return status.st_size == blob.size

    def sweep(self, keep: Collection[str], before: float) -> tuple[int, int]:
        """Remove blobs that are not among `keep` and that nobody has put or asked for since the wall-clock time `before`, and what was
        moved aside before then; how many, and their bytes."""
        count = size = 0
        for path in self._root.glob("??/*"):
            if path.suffix != ASIDE and (not is_blob_id(path.name) or path.name in keep):
                continue
            with self._sweeping, contextlib.suppress(OSError):
                status = path.stat()
                if status.st_mtime < before:
                    path.unlink()
                    count, size = count + 1, size + status.st_size
        return count, size

    def put(self, content: bytes) -> BlobRef:
        """Keep these bytes; keeping them twice is the same as once. Raises `StoreUnwritable`."""
        blob = BlobRef(blob_id(content), len(content))
        self.keep(blob, content)
        return blob

    def keep(self, blob: BlobRef, content: bytes) -> None:
        """Keep the bytes of a blob as somebody else names it. Raises `StoreUnwritable` and `WrongBlob`."""
        if not self.has(blob):
            self.reserve.check(blob.size)
            with self.incoming() as incoming:
                incoming.write(content)
                incoming.publish(blob)

    def get(self, blob: BlobRef) -> bytes:
        """The bytes of a blob. Raises `BlobMissing`, and `StoreCorrupt` where they do not hash to the name any more."""
        path = self.path(blob.sha256)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise BlobMissing(f"there is no blob {blob.sha256}") from None
        except OSError as error:
            raise StoreUnwritable(f"blob {blob.sha256} cannot be read: {error}") from None
        if blob_id(content) != blob.sha256:
            raise self._set_aside(blob.sha256)
        return content

    def sound(self, name: BlobId) -> bool:
        """Whether a blob is there and hashes to its name; one that does not is moved aside. Reads all of it. Raises `StoreUnwritable`."""
        path = self.path(name)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreUnwritable(f"blob {name} cannot be read: {error}") from None
        if digest.hexdigest() != name:
            self._set_aside(name)
            return False
        self._trust(name)
        return True

    def _trust(self, name: BlobId) -> None:
        """The bytes of a blob were hashed just now."""
        if len(self._hashed) >= MAX_TRUSTED:
            self._hashed.clear()
        self._hashed[name] = time.monotonic()

    def must_hash(self, name: BlobId, offset: int) -> bool:
        """Whether reading this part begins with hashing the whole, which for a large blob is for a thread."""
        return not offset or time.monotonic() - self._hashed.get(name, -TRUSTED_SECONDS) >= TRUSTED_SECONDS

    def _set_aside(self, name: BlobId) -> StoreCorrupt:
        """Have a blob that rotted not be there any more; the error that says so."""
        path = self.path(name)
        self._hashed.pop(name, None)
        with contextlib.suppress(OSError):
            os.utime(path, (self._clock(), self._clock()))  # somebody may want to look at it, for as long as at a blob
            path.rename(path.with_suffix(ASIDE))
        if self._rotten is not None:
            self._rotten(name)
        return StoreCorrupt(f"blob {name} has rotted on disk; it was moved aside", hint="it is fetched or made again where that can be")

    def read_chunk(self, name: BlobId, offset: int, length: int) -> bytes:
        """A part of a blob, which is hashed as a whole before where it `must_hash`. Raises `BlobMissing` where that part is not there, and
        `StoreUnwritable`."""
        if self.must_hash(name, offset) and not self.sound(name):
            raise BlobMissing(f"there is no blob {name}")
        try:
            with self.path(name).open("rb") as file:
                file.seek(offset)
                content = file.read(length)
        except FileNotFoundError:
            raise BlobMissing(f"there is no blob {name}") from None
        except OSError as error:
            raise StoreUnwritable(f"blob {name} cannot be read: {error}") from None
        if len(content) != length:
            raise BlobMissing(f"blob {name} has no {length} bytes at {offset}")
        return content

    def trim(self, limit: int) -> None:
        """Remove what was used longest ago until at most `limit` bytes are left; for a cache whose blobs can be had again."""
        files = []
        for path in self._root.glob("??/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                files.append((max(status.st_atime, status.st_mtime), status.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= limit:
                break
            path.unlink(missing_ok=True)
            total -= size

    def adopt(self, path: Path, blob: BlobRef) -> None:
        """Give a file of ours, which hashes to the blob and is on disk, the blob's name."""
        target, now = self.path(blob.sha256), self._clock()
        self._trust(blob.sha256)
        os.utime(path, (now, now))
        target.parent.mkdir(exist_ok=True, mode=0o700)
        path.replace(target)
        if self._durable:
            flush_folder(target.parent)

    def check_writable(self) -> None:
        """Write something that is never published. Raises `StoreUnwritable`."""
        with self.incoming() as incoming:
            incoming.write(bytes(CHECK_BYTES))
            incoming.flush()
        self.broken = False

    def incoming(self, blob: BlobRef | None = None, sender: str = "") -> Incoming:
        """A blob that is yet to come. Of a large one that is named, what the same `sender` has left is there already; reading that may take
        a while. Raises `DiskFull` where it does not fit, and `StoreUnwritable`."""
        if blob is not None:
            self.reserve.check(blob.size)
        try:
            if blob is not None and blob.size >= resuming.RESUMED_BYTES:
                resuming.clear(self._incoming, leave_unnamed=True)
                if (left := resuming.reopen(self._incoming, blob, sender)) is not None:
                    file, path, start, digest = left
                    return Incoming(self, file, path, durable=self._durable, start=start, digest=digest)
            handle, name = tempfile.mkstemp(dir=self._incoming)
        except OSError as error:
            self.broken = True
            raise unwritable("cannot store a blob", error) from None
        return Incoming(self, os.fdopen(handle, "wb"), Path(name), durable=self._durable)


class Incoming:
    """A blob on its way in, whose first `start` bytes, with the hash `digest`, are there; leaving the `with` block without `publish` leaves
    nothing behind, or, where `digest` is given, what has come so far."""

    def __init__(
        self, store: BlobStore, file: BinaryIO, path: Path, *, durable: bool, start: int = 0, digest: hashlib._Hash | None = None
    ) -> None:
        self.start = start
        self._kept = digest is not None
        self._store = store
        self._file = file
        self._path = path
        self._durable = durable
        self._hash = hashlib.sha256() if digest is None else digest

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *error: object) -> None:
        if not self._kept:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # closing writes what is left, and a full disk has said so before
            self._file.close()

    def digest(self) -> hashlib._Hash:
        """The hash of what is there."""
        return self._hash.copy()

    def spoil(self) -> None:
        """What is there is not the beginning of the blob: leave nothing of it."""
        self._kept = False

    def write(self, content: bytes) -> None:
        """Raises `StoreUnwritable`."""
        try:
            self._file.write(content)
        except OSError as error:
            self._failed(error)
        self._hash.update(content)

    def flush(self) -> None:
        """Have what was written on the disk. Raises `StoreUnwritable`."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> NoReturn:
        """What was written so far is dropped: a disk that is full needs the room."""
        self._store.broken = True
        self.spoil()
        raise unwritable("cannot store a blob", error) from None

    def publish(self, blob: BlobRef) -> None:
        """Give the blob its name. Raises `WrongBlob` where the bytes written do not hash to it."""
        if self._hash.hexdigest() != blob.sha256:
            self.spoil()
            raise WrongBlob(f"the bytes received for blob {blob.sha256} hash to {self._hash.hexdigest()}")
        try:
            self._file.flush()
            if self._durable:
                os.fsync(self._file.fileno())
            self._store.adopt(self._path, blob)
            self._store.broken = False
            self._kept = True
        except OSError as error:
            self._failed(error)
