"""Blobs over one link, in both directions: serving chunks that the other side asks for, and asking for chunks that we need.

Rules of this file:
* The link's receive loop hands every transfer message to `take`; nothing here receives by itself.
* Who fetches has at most `CREDIT` chunks asked for; a chunk that was not asked for ends the fetch with an error.
* A large blob whose fetch broke off is fetched from there, by whoever fetches it next, also after a restart.
* A fetch that gets nothing for `STALL_SECONDS` is given up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec
import trio

from zisk_actors.actors.threads import in_thread
from zisk_actors.errors import NotFoundError, Unreachable, ZiskError
from zisk_actors.ids import BlobId
from zisk_actors.store.errors import BlobMissing
from zisk_actors.store.resuming import RESUMED_BYTES
from zisk_actors.transport.base import LinkClosed
from zisk_actors.wire.blobs import CREDIT, Assembly
from zisk_actors.wire.errors import WrongBlob
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk
from zisk_actors.wire.values import BlobRef

STALL_SECONDS: Final = 30.0

Send = Callable[[msgspec.Struct, bytes], Awaitable[None]]


class TransferStalled(Unreachable):
    """The other side stopped sending in the middle of a blob."""

    code = "transfer-stalled"


class BlobNotOffered(NotFoundError):
    """The other side does not have the blob that it spoke of."""

    code = "blob-not-offered"


class Receiving(Protocol):
    """A blob on its way into a shelf. The first `start` bytes are there from before."""

    start: int

    def digest(self) -> hashlib._Hash: ...
    def spoil(self) -> None: ...

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
    def write(self, content: bytes) -> None: ...
    def publish(self, blob: BlobRef) -> None: ...


class Shelf(Protocol):
    """Where blobs come from and go to: the folder of a daemon, or a client's memory."""

    def has(self, blob: BlobRef) -> bool: ...
    def must_hash(self, name: BlobId, offset: int) -> bool: ...
    def read_chunk(self, name: BlobId, offset: int, length: int) -> bytes: ...
    def incoming(self, blob: BlobRef | None = None, sender: str = "") -> Receiving: ...


def _anything(name: BlobId) -> bool:
    return True


class Exchange:
    """The transfers of one link. The other side gets those blobs that `may_read` lets it; to it there are no others. `sender` names it, so
    that what it has sent of a large blob is gone on with by itself only."""

    def __init__(self, send: Send, shelf: Shelf, *, may_read: Callable[[BlobId], bool] = _anything, sender: str = "") -> None:
        self._send = send
        self._shelf = shelf
        self._may_read = may_read
        self._sender = sender
        self._waiting: dict[str, trio.MemorySendChannel[tuple[Chunk | NoChunk, bytes]]] = {}
        self._busy: dict[str, trio.Event] = {}
        self._closed = False

    def close(self) -> None:
        """The link is gone: every fetch ends with `LinkClosed`."""
        self._closed = True
        for channel in self._waiting.values():
            channel.close()

    async def take(self, message: FetchChunk | Chunk | NoChunk, bulk: bytes) -> None:
        """Deal with a transfer message of the other side. Raises `LinkClosed` where an answer cannot be sent."""
        if isinstance(message, FetchChunk):
            wanted = (message.blob, message.offset, message.length)
            try:
                if not self._may_read(message.blob):
                    raise BlobMissing(f"there is no blob {message.blob}")
                long = self._shelf.must_hash(message.blob, message.offset)
                content = await in_thread(self._shelf.read_chunk, *wanted) if long else self._shelf.read_chunk(*wanted)
            except ZiskError as error:  # not there, or it cannot be read
                await self._send(NoChunk(message.blob, error.message), b"")
            else:
                await self._send(Chunk(message.blob, message.offset), content)
            return
        channel = self._waiting.get(message.blob)
        if channel is not None:
            try:
                channel.send_nowait((message, bulk))
            except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
                channel.close()  # more than was asked for

    async def fetch(self, blob: BlobRef, *, anew: bool = False) -> None:
        """Get a blob onto our shelf; `anew` also where it is there, which shows that the other side has it. Raises `LinkClosed`,
        `TransferStalled`, `BlobNotOffered`, `WrongBlob` and the shelf's own errors."""
        while anew or not self._shelf.has(blob):
            busy = self._busy.get(blob.sha256)
            if busy is not None:
                await busy.wait()
                continue
            busy = self._busy[blob.sha256] = trio.Event()
            put, get = trio.open_memory_channel[tuple[Chunk | NoChunk, bytes]](2 * CREDIT)
            self._waiting[blob.sha256] = put
            try:
                await self._pull(blob, get)
            finally:
                del self._waiting[blob.sha256], self._busy[blob.sha256]
                put.close()
                get.close()
                busy.set()
            anew = False

    async def _pull(self, blob: BlobRef, get: trio.MemoryReceiveChannel[tuple[Chunk | NoChunk, bytes]]) -> None:
        Assembly(blob)  # refuses one that is too large
        large = blob.size >= RESUMED_BYTES
        with await in_thread(self._shelf.incoming, blob, self._sender) if large else self._shelf.incoming(blob) as incoming:
            try:
                await self._fill(blob, incoming, get)
            except WrongBlob:
                incoming.spoil()
                raise
            await in_thread(incoming.publish, blob)

    async def _fill(self, blob: BlobRef, incoming: Receiving, get: trio.MemoryReceiveChannel[tuple[Chunk | NoChunk, bytes]]) -> None:
        assembly = Assembly(blob, incoming.start, incoming.digest())
        while True:
            for offset, length in assembly.ask():
                await self._send(FetchChunk(blob.sha256, offset, length), b"")
            if assembly.complete:
                return
            if self._closed:
                raise LinkClosed("the link closed in the middle of a blob")
            try:
                with trio.fail_after(STALL_SECONDS):
                    message, bulk = await get.receive()
            except trio.TooSlowError:
                raise TransferStalled(f"nothing came of blob {blob.sha256} for {STALL_SECONDS:.0f} s") from None
            except trio.EndOfChannel:
                raise LinkClosed("the link closed in the middle of a blob") from None
            if isinstance(message, NoChunk):
                raise BlobNotOffered(f"the other side does not have blob {blob.sha256}: {message.reason}")
            for piece in assembly.take(message.offset, bulk):
                incoming.write(piece)
