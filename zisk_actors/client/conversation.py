"""A client's side of its connection: numbered requests and their replies, said again where they may have been lost, and blobs beside them.

Rules of this file:
* Nothing here waits for ever: who is silent for `PATIENCE_SECONDS` is unreachable.
* Every request may be said twice. All that are open are said again when another coordinator process answers, or the same one over another
  connection: it has forgotten what it was asked over the old one. What was asked before anybody had answered at all may have gone to one
  that has ended since, and is said again as well.
* That the coordinator is silent, and that it is back, is a notice, not an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
import trio

from zisk_actors.actors.transfer import Exchange
from zisk_actors.client.arguments import check_request
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.errors import Unreachable, ZiskError
from zisk_actors.store.memory import MemoryBlobs
from zisk_actors.transport.base import Link, LinkClosed
from zisk_actors.wire.client_link import ErrorReply, GatewaySays, Leave, Ping, Pong
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.requests import Reply, Request, answer_of
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk

PING_SECONDS: Final = 2.0
NOTICE_SECONDS: Final = 7.0
PATIENCE_SECONDS: Final = 30.0
NOWHERE: Final = (0, 0)

A = TypeVar("A", bound=Reply)

Notice = Callable[[str], None]


class Overrun(Unreachable):
    """A request was answered with more than its reader took."""


class Conversation:
    """The requests and transfers over one link. `notice` is told when the coordinator is silent and when it is back."""

    def __init__(self, link: Link, notice: Notice | None = None) -> None:
        self.blobs = MemoryBlobs()
        self.epoch = 0
        self._here = NOWHERE
        self._link = link
        self._notice = notice or (lambda text: None)
        self._unpacker: Unpacker[Any] = Unpacker(GatewaySays)  # Any: the union has no type of its own
        self.exchange = Exchange(self._send, self.blobs)
        self._replies: dict[int, trio.MemorySendChannel[Any]] = {}
        self._requests: dict[int, tuple[msgspec.Struct, bytes]] = {}
        self._said_to: dict[int, tuple[int, int]] = {}
        self._number = 0
        self._heard_at = 0.0
        self._quiet = False
        self.broken: ZiskError | None = None

    async def run(self) -> None:
        """Receive until cancelled or the coordinator is gone."""
        self._heard_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_alive)
            try:
                while True:
                    await self._take(await self._link.receive())
            except WireError as error:
                self._break(Unreachable(f"the coordinator says what we do not understand: {error.message}", hint=error.hint))
            except ZiskError as error:
                self._break(error)
            nursery.cancel_scope.cancel()

    async def _take(self, frames: list[bytes]) -> None:
        message, bulk, epoch = self._unpacker.unpack(frames)
        self._heard_at = trio.current_time()
        if self._here == NOWHERE and self.epoch not in (0, epoch):
            self._here = (self.epoch, 0)  # it was another process that answered before the first pong
        self.epoch = epoch
        if isinstance(message, Pong):
            await self._met((epoch, message.connection))
        elif self._quiet:
            self._notice(f"the coordinator at {self._link.peer.address} answers again")
        self._quiet = False
        if isinstance(message, FetchChunk | Chunk | NoChunk):
            await self.exchange.take(message, bulk)
        elif (channel := self._replies.get(message.request)) is not None:
            try:
                channel.send_nowait(message)
            except trio.WouldBlock:  # a reader that is slow
                self._replies.pop(message.request).close()

    async def _met(self, here: tuple[int, int]) -> None:
        """A coordinator process has answered over a connection: what it was not asked over this one it is asked now."""
        before, self._here = self._here, here
        where = self._link.peer.address
        if before not in (NOWHERE, here):
            anew = before[0] != here[0]
            self._notice(f"the coordinator at {where} has started again; going on" if anew else f"connected to {where} again")
        elif self._quiet:
            self._notice(f"the coordinator at {where} answers again")
        for number, (request, content) in list(self._requests.items()):
            if self._said_to.get(number) != here:
                self._said_to[number] = here
                await self.try_send(request, content)

    async def _keep_alive(self) -> None:
        while True:
            await trio.sleep(PING_SECONDS)
            silent = trio.current_time() - self._heard_at
            where = self._link.peer.address
            if silent > PATIENCE_SECONDS:
                self._break(Unreachable(f"the coordinator at {where} has not answered for {silent:.0f} s"))
                return
            if silent > NOTICE_SECONDS and not self._quiet:
                self._quiet = True
                self._notice(f"the coordinator at {where} has not answered for {silent:.0f} s; waiting for it")
            await self.try_send(Ping(0))

    def _break(self, error: ZiskError) -> None:
        self.broken = error
        self.exchange.close()
        for channel in self._replies.values():
            channel.close()

    # -------------------------------------------------------------------------------------------------------------- requests

    def number(self) -> int:
        """A number for a request."""
        self._number += 1
        return self._number

    async def begin(self, request: Any, content: bytes = b"") -> trio.MemoryReceiveChannel[Any]:
        """Say a request, and again whenever that is needed, until `end`; what it is answered. Any: the requests share the field
        `request`. Raises `InvalidArgument` for what the coordinator would not read."""
        check_request(request)
        put, get = trio.open_memory_channel[Any](1000)
        self._replies[request.request] = put
        self._requests[request.request] = (request, content)
        self._said_to[request.request] = self._here
        if self.broken is not None:
            self.end(request.request)
            raise self.broken
        await self._send(request, content)
        return get

    def instead(self, request: Any) -> None:
        """What to say in place of an open request of that number, where it has to be said again."""
        self._requests[request.request] = (request, b"")

    def end(self, number: int) -> bool:
        """A request needs no answer any more; False where its answers had ended."""
        channel = self._replies.pop(number, None)
        if channel is not None:
            channel.close()
        self._requests.pop(number, None)
        self._said_to.pop(number, None)
        return channel is not None

    async def receive(self, get: trio.MemoryReceiveChannel[Any]) -> Any:
        """The next answer. Raises `ClusterRefused`, and what ended the connection."""
        try:
            message = await get.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise self.broken or Overrun("more was answered than was read") from None
        if isinstance(message, ErrorReply):
            raise ClusterRefused(message)
        return message

    async def ask(self, request: Request[A], content: bytes = b"") -> A:
        """The one answer of a request."""
        return (await self.ask_parts(request, content))[0]

    async def ask_parts(self, request: Request[A], content: bytes = b"") -> list[A]:
        """All parts of the answer."""
        kind: type[A] = answer_of(type(request))
        parts: list[A] = []
        try:
            get = await self.begin(request, content)
            while True:
                message = await self.receive(get)
                if isinstance(message, kind):
                    parts.append(message)
                    if getattr(message, "last", True):
                        return parts
        finally:
            self.end(request.request)

    async def leave(self) -> None:
        """Say that we go, so that the coordinator need not find out."""
        if self.broken is None:
            with trio.CancelScope(shield=True), trio.move_on_after(0.5):
                await self.try_send(Leave())

    async def try_send(self, message: msgspec.Struct, content: bytes = b"") -> None:
        """Say something once; where that cannot be done, the connection has ended."""
        try:
            await self._send(message, content)
        except LinkClosed as error:
            self._break(error)

    async def _send(self, message: msgspec.Struct, content: bytes) -> None:
        await self._link.send(pack(message, content))
