"""Links inside one process: the same promises as ZeroMQ's, for tests of actors in virtual time.

Rules of this file:
* It passes the conformance suite that ZeroMQ passes (tests/unit/transport/test_conformance.py).
* Like ZeroMQ it hides a peer's death: a cut link delivers nothing and says nothing. Only closing tells the listening side, at its next
  send.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from zisk_actors.transport.accounts import Account
from zisk_actors.transport.base import Limits, LinkClosed, Peer, Refusals


class MemoryLink:
    """One end of a pair."""

    def __init__(self, peer: Peer, limits: Limits) -> None:
        self._refusals = Refusals()
        self._account = Account(limits.rates, trio.current_time())
        self._peer = peer
        self._put, self._get = trio.open_memory_channel[list[bytes]](limits.inbox)
        self._other: MemoryLink | None = None
        self._closed = False
        self._cut = False

    @property
    def peer(self) -> Peer:
        return self._peer

    async def send(self, frames: Sequence[bytes]) -> None:
        await trio.lowlevel.checkpoint()
        other = self._other
        if self._closed or other is None:
            raise LinkClosed(f"the link to {self._peer.address} is closed")
        if other._closed:
            raise LinkClosed(f"{self._peer.address} is gone")
        if not self._cut:
            try:
                await other._put.send(list(frames))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise LinkClosed(f"{self._peer.address} is gone") from None

    async def receive(self) -> list[bytes]:
        try:
            return await self._get.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise LinkClosed(f"the link to {self._peer.address} is closed") from None

    def refuse(self, reason: str) -> int:
        if self._account.misbehaved(trio.current_time()):
            self._close()
        return self._refusals.refuse(reason)

    async def aclose(self) -> None:
        self._close()
        await trio.lowlevel.checkpoint()

    def _close(self) -> None:
        self._closed = True
        self._put.close()
        self._get.close()

    def cut(self) -> None:
        """From now on nothing passes in either direction, and neither end is told."""
        self._cut = True
        if self._other is not None:
            self._other._cut = True


def memory_pair(client: Peer, server: Peer, limits: Limits) -> tuple[MemoryLink, MemoryLink]:
    """Two ends of one link: the first is the client's and sees `server` as its peer, the second is the server's and sees `client`."""
    near, far = MemoryLink(server, limits), MemoryLink(client, limits)
    near._other, far._other = far, near
    return near, far


class MemoryListener:
    """A listener that is dialled by calling `dial`."""

    def __init__(self, endpoint: str, limits: Limits | None = None) -> None:
        self._refusals = Refusals()
        self.refused = self._refusals.refused
        self._endpoint = endpoint
        self._limits = limits or Limits()
        self._new, self._accepted = trio.open_memory_channel[MemoryLink](self._limits.backlog)

    @property
    def endpoint(self) -> str:
        return self._endpoint

    async def run(self) -> None:
        await trio.sleep_forever()

    def refuse(self, reason: str) -> int:
        return self._refusals.refuse(reason)

    async def accept(self) -> MemoryLink:
        try:
            return await self._accepted.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise LinkClosed(f"{self._endpoint} is closed") from None

    async def dial(self, key: str = "") -> MemoryLink:
        """A link to this listener from a peer with that key. Raises `LinkClosed` where nobody listens."""
        near, far = memory_pair(Peer(key, "memory"), Peer("", self._endpoint), self._limits)
        far._refusals = self._refusals
        try:
            await self._new.send(far)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise LinkClosed(f"nobody listens at {self._endpoint}") from None
        return near

    async def aclose(self) -> None:
        self._new.close()
        self._accepted.close()
        await trio.lowlevel.checkpoint()
