"""Blobs over a link: both ways, with losses of the link, liars, and silence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from zisk_actors.actors.transfer import BlobNotOffered, Exchange, TransferStalled
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.memory import MemoryBlobs
from zisk_actors.transport.base import Limits, LinkClosed, Peer
from zisk_actors.transport.memory import MemoryLink, memory_pair
from zisk_actors.wire.blobs import CHUNK_BYTES, reference
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.errors import WrongBlob
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk, Transfer


class End:
    """One end: a link, a shelf, and the loop that a session has."""

    def __init__(self, link: MemoryLink) -> None:
        self.link = link
        self.shelf = MemoryBlobs()
        self.exchange = Exchange(self.send, self.shelf)
        self.asked = 0
        self.lie = b""

    async def send(self, message: object, bulk: bytes) -> None:
        await self.link.send(pack(message, bulk))  # type: ignore[arg-type]

    async def run(self) -> None:
        unpacker: Unpacker[FetchChunk] = Unpacker(Transfer)
        try:
            while True:
                message, bulk, _ = unpacker.unpack(await self.link.receive())
                if isinstance(message, FetchChunk):
                    self.asked += 1
                if isinstance(message, FetchChunk) and self.lie:
                    await self.send(Chunk(message.blob, message.offset), self.lie)
                else:
                    await self.exchange.take(message, bulk)
        except LinkClosed:
            self.exchange.close()


@asynccontextmanager
async def two_ends() -> AsyncIterator[tuple[End, End]]:
    links = memory_pair(Peer("", "near"), Peer("", "far"), Limits())
    near, far = End(links[0]), End(links[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(near.run)
        nursery.start_soon(far.run)
        yield near, far
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, 7 * CHUNK_BYTES + 3])
async def test_a_blob_is_fetched_whole(size: int) -> None:
    async with two_ends() as (near, far):
        content = bytes(range(256)) * (size // 256 + 1)
        blob = far.shelf.put(content[:size])
        await near.exchange.fetch(blob)
        assert near.shelf.get(blob) == content[:size]
        await near.exchange.fetch(blob)


async def test_both_ways_at_once_and_the_same_blob_once() -> None:
    async with two_ends() as (near, far):
        down, up = far.shelf.put(b"d" * 3 * CHUNK_BYTES), near.shelf.put(b"u" * 3 * CHUNK_BYTES)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(near.exchange.fetch, down)
                nursery.start_soon(far.exchange.fetch, up)
        assert near.shelf.has(down)
        assert far.shelf.has(up)
        assert (near.asked, far.asked) == (3, 3)


async def test_what_the_other_side_has_not_is_said() -> None:
    async with two_ends() as (near, _):
        with pytest.raises(BlobNotOffered):
            await near.exchange.fetch(reference(b"nobody has it"))


async def test_wrong_bytes_are_refused_and_nothing_is_kept() -> None:
    async with two_ends() as (near, far):
        blob = far.shelf.put(b"right")
        far.lie = b"wrong"
        with pytest.raises(WrongBlob):
            await near.exchange.fetch(blob)
        assert not near.shelf.has(blob)
        far.lie = b""
        await near.exchange.fetch(blob)


async def test_chunks_of_another_size_are_refused() -> None:
    async with two_ends() as (near, far):
        blob = far.shelf.put(b"right")
        far.lie = b"too long by far"
        with pytest.raises(WrongBlob):
            await near.exchange.fetch(blob)


async def test_a_silent_other_side_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    async with two_ends() as (near, far):
        blob = far.shelf.put(b"x" * 100)
        near.link.cut()
        with pytest.raises(TransferStalled):
            await near.exchange.fetch(blob)


async def test_a_link_that_closes_ends_the_fetch() -> None:
    async with two_ends() as (near, far):
        blob = far.shelf.put(b"x" * 100)
        near.link.cut()
        async with trio.open_nursery() as nursery:

            async def fetch() -> None:
                with pytest.raises(LinkClosed):
                    await near.exchange.fetch(blob)

            nursery.start_soon(fetch)
            await trio.testing.wait_all_tasks_blocked()
            near.exchange.close()


async def test_unasked_chunks_change_nothing() -> None:
    async with two_ends() as (near, _):
        await near.exchange.take(Chunk(reference(b"x").sha256, 0), b"x")
        await near.exchange.take(NoChunk(reference(b"x").sha256, "why"), b"")
        assert not near.shelf.has(reference(b"x"))


@pytest.mark.parametrize("rotten", [False, True])
async def test_a_large_blob_is_gone_on_with_over_another_link_and_after_a_restart(rotten: bool, tmp_path: Path) -> None:
    content = bytes(range(251)) * (40 * CHUNK_BYTES // 251)
    blob = reference(content)
    async with two_ends() as (near, far):
        far.shelf.put(content)
        near.exchange = Exchange(near.send, BlobStore(tmp_path))
        async with trio.open_nursery() as nursery:

            async def fetch() -> None:
                with pytest.raises(LinkClosed):
                    await near.exchange.fetch(blob)

            nursery.start_soon(fetch)
            while far.asked < 20:  # noqa: ASYNC110 - what is asked for is what we count
                await trio.sleep(0.001)
            near.exchange.close()
    if rotten:
        (tmp_path / "incoming" / blob.sha256).write_bytes(bytes(10 * CHUNK_BYTES))
    async with two_ends() as (near, far):
        far.shelf.put(content)
        near.exchange = Exchange(near.send, store := BlobStore(tmp_path))
        if rotten:
            with pytest.raises(WrongBlob):
                await near.exchange.fetch(blob)
            far.asked = 0
        await near.exchange.fetch(blob)
        assert far.asked == 40 if rotten else far.asked < 30
    assert store.get(blob) == content
