"""ZeroMQ sockets for trio, and links on top of them. All that imports zmq is in this folder.

Rules of this file:
* ZMQ_FD is edge-triggered and stands for both directions; any call on the socket may swallow its edge. So every call passes through
  `_attempt`, which looks at EVENTS afterwards and wakes whoever was robbed (tests/unit/transport/test_zmq.py shows the loss without it).
* A call either happens entirely or not at all: it is made without blocking between two checkpoints, so a cancelled `recv` has taken no
  message.
* trio lets one task wait for a file descriptor: the first waiter leads, the others wait for events; a leader that stops hands over.
* A ROUTER says that it is writable even when the peer's queue is full; then we ask again after a pause, up to a deadline.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import trio
import zmq

from zisk_actors.transport.base import Limits, LinkClosed, Peer, Refusals
from zisk_actors.transport.handshakes import EVENTS, Handshakes

T = TypeVar("T")

SEND_SECONDS: Final = 10.0
"""How long a full queue to a peer is waited for before the link is given up."""

QUEUED_MESSAGES: Final = 64
"""What ZeroMQ keeps for a peer in each direction. A message may have a megabyte, so this bounds what one that does not read costs us."""

_DIRECTIONS: Final = (zmq.POLLIN, zmq.POLLOUT)


class Socket:
    """A ZeroMQ socket whose `send` and `recv` are trio calls. Any number of tasks may use it at once; use it from one thread only."""

    def __init__(self, context: zmq.Context[Any], kind: int) -> None:
        self.raw: zmq.Socket[bytes] = context.socket(kind)
        self.raw.linger = 0
        self._fd: int = self.raw.getsockopt(zmq.FD)
        self._ready: dict[int, trio.Event | None] = dict.fromkeys(_DIRECTIONS)
        self._leader: trio.CancelScope | None = None
        self._leads_for: trio.Event | None = None

    @property
    def closed(self) -> bool:
        return self.raw.closed

    async def send(self, frames: Sequence[bytes | zmq.Frame]) -> None:
        """Send one message. Raises `trio.ClosedResourceError`, and `zmq.ZMQError` EHOSTUNREACH on a mandatory ROUTER."""
        await self._attempt(lambda: self.raw.send_multipart(list(frames), zmq.NOBLOCK), zmq.POLLOUT)

    async def recv(self) -> list[zmq.Frame]:
        """Receive one message. Raises `trio.ClosedResourceError`."""
        return await self._attempt(lambda: self.raw.recv_multipart(zmq.NOBLOCK, copy=False), zmq.POLLIN)

    def close(self) -> None:
        """Close at once; every waiter gets `trio.ClosedResourceError`."""
        if not self.raw.closed:
            if self._leader is not None:
                trio.lowlevel.notify_closing(self._fd)
            self.raw.close()
        self._wake(_DIRECTIONS)

    async def _attempt(self, call: Callable[[], T], direction: int) -> T:
        await trio.lowlevel.checkpoint()
        pause = 0.001
        while True:
            if self.raw.closed:
                raise trio.ClosedResourceError
            try:
                return call()
            except zmq.Again:
                event = self._ready[direction]
                if event is None or event.is_set():
                    event = self._ready[direction] = trio.Event()
            finally:
                self._refresh()
            if event.is_set():  # EVENTS says ready and the call says not: a ROUTER with a full peer
                await trio.sleep(pause)
                pause = min(2 * pause, 0.02)
            else:
                await self._wait(event)

    def _refresh(self) -> None:
        """Read EVENTS and wake the waiters of each direction that is ready."""
        if self.raw.closed:
            return
        events: int = self.raw.getsockopt(zmq.EVENTS)  # type: ignore[assignment]  # an int for this option
        self._wake([direction for direction in _DIRECTIONS if events & direction])

    def _wake(self, directions: Sequence[int]) -> None:
        for direction in directions:
            event = self._ready[direction]
            if event is not None:
                event.set()
        if self._leader is not None and self._leads_for is not None and self._leads_for.is_set():
            self._leader.cancel()

    async def _wait(self, event: trio.Event) -> None:
        if self._leader is not None:
            await event.wait()
            return
        self._leads_for = event
        try:
            with trio.CancelScope() as self._leader:
                while not event.is_set():
                    await trio.lowlevel.wait_readable(self._fd)
                    self._refresh()
        finally:
            self._leader = self._leads_for = None
            self._wake(_DIRECTIONS)  # the followers look again, and one of them leads


def prepare(socket: Socket, limits: Limits) -> None:
    """Options that every socket of ours has."""
    raw = socket.raw
    raw.sndhwm = raw.rcvhwm = QUEUED_MESSAGES
    raw.maxmsgsize = 2 * limits.frame_bytes  # libzmq hangs up on more, and tells nobody; up to this the listener refuses and counts
    raw.handshake_ivl = 5000
    raw.tcp_keepalive = 1
    raw.reconnect_ivl = 100
    raw.reconnect_ivl_max = 5000


@asynccontextmanager
async def monitored(socket: Socket, events: int) -> AsyncIterator[Socket]:
    """A socket that receives the events of another one.

    The monitored socket is silenced before its listener closes: libzmq sends events with a blocking call, which without a peer, or with a
    full queue, never returns.
    """
    context = socket.raw.context
    address = f"inproc://monitor-{id(socket)}"
    socket.raw.monitor(address, events)
    monitor = Socket(context, zmq.PAIR)
    monitor.raw.rcvhwm = 0
    try:
        monitor.raw.connect(address)
        yield monitor
    finally:
        if not socket.closed:
            socket.raw.disable_monitor()
        monitor.close()


def event_of(frames: Sequence[zmq.Frame]) -> tuple[int, int]:
    """The event and its value, from a message of a monitor."""
    event, value = struct.unpack("=HI", frames[0].bytes)
    return event, value


class DealerLink:
    """The dialling end. ZeroMQ reconnects by itself; the coordinator sees each new connection as a new peer, and asks it to introduce
    itself."""

    def __init__(self, socket: Socket, peer: Peer, limits: Limits) -> None:
        self._refusals = Refusals()
        self._socket = socket
        self._peer = peer
        self._limits = limits

    @property
    def peer(self) -> Peer:
        return self._peer

    async def send(self, frames: Sequence[bytes]) -> None:
        try:
            with trio.fail_after(SEND_SECONDS):
                await self._socket.send(frames)
        except trio.ClosedResourceError:
            raise LinkClosed(f"the link to {self._peer.address} is closed") from None
        except trio.TooSlowError:
            await self.aclose()
            raise LinkClosed(f"{self._peer.address} takes no messages") from None

    async def receive(self) -> list[bytes]:
        try:
            frames = await self._socket.recv()
        except trio.ClosedResourceError:
            raise LinkClosed(f"the link to {self._peer.address} is closed") from None
        return [frame.bytes for frame in frames]

    def refuse(self, reason: str) -> int:
        return self._refusals.refuse(reason)

    async def aclose(self) -> None:
        self._socket.close()
        await trio.lowlevel.checkpoint()


class RouterLink:
    """The listening end of one peer's connection."""

    def __init__(self, listener: RouterListener, route: bytes, peer: Peer, inbox: int) -> None:
        self._listener = listener
        self._route = route
        self._peer = peer
        self._put, self._get = trio.open_memory_channel[list[bytes]](inbox)

    @property
    def peer(self) -> Peer:
        return self._peer

    async def send(self, frames: Sequence[bytes]) -> None:
        await self._listener.send(self._route, self, frames)

    async def receive(self) -> list[bytes]:
        try:
            return await self._get.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise LinkClosed(f"the link of {self._peer.address} is closed") from None

    def refuse(self, reason: str) -> int:
        return self._listener.refuse(reason)

    async def aclose(self) -> None:
        self._listener.forget(self._route, self)
        for _ in range(self._get.statistics().current_buffer_used):
            self._listener.refuse("link-closed")
        self._get.close()
        await trio.lowlevel.checkpoint()

    def deliver(self, frames: list[bytes]) -> bool:
        """Put a message into the inbox; False when it is full."""
        try:
            self._put.send_nowait(frames)
        except trio.WouldBlock:
            return False
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        return True

    def end(self) -> None:
        """No more messages will come; those in the inbox can still be read."""
        self._put.close()


class RouterListener(Refusals):
    """A bound ROUTER whose peers are links. `refused` counts what was not let in, and what reached nobody.

    A peer is known by the connection's own routing id, which says nothing about who it is; that is `Peer.key`, which CURVE has proved.
    """

    def __init__(self, socket: Socket, endpoint: str, limits: Limits) -> None:
        super().__init__()
        self._monitored = False
        self._socket = socket
        self._endpoint = endpoint
        self._limits = limits
        self._links: dict[bytes, RouterLink] = {}
        self._new, self._accepted = trio.open_memory_channel[RouterLink](limits.backlog)

    @property
    def endpoint(self) -> str:
        return self._endpoint

    async def run(self) -> None:
        if self._socket.closed:
            return
        async with monitored(self._socket, EVENTS) as monitor, trio.open_nursery() as nursery:
            self._monitored = True
            nursery.start_soon(self._count_handshakes, monitor)
            while True:
                try:
                    route, *frames = await self._socket.recv()
                except trio.ClosedResourceError:
                    break
                self._sort(route.bytes, frames)
            nursery.cancel_scope.cancel()

    async def _count_handshakes(self, monitor: Socket) -> None:
        handshakes = Handshakes(self.refuse)
        while True:
            handshakes.take(*event_of(await monitor.recv()), trio.current_time())

    async def accept(self) -> RouterLink:
        try:
            return await self._accepted.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise LinkClosed(f"{self._endpoint} is closed") from None

    async def aclose(self) -> None:
        for link in list(self._links.values()):
            link.end()
        self._links.clear()
        self._new.close()
        if not self._socket.closed and self._monitored:
            self._socket.raw.disable_monitor()
        self._socket.close()
        await trio.lowlevel.checkpoint()

    async def send(self, route: bytes, link: RouterLink, frames: Sequence[bytes]) -> None:
        """Send to one peer. Raises `LinkClosed` where it is gone, closed, or takes nothing for `SEND_SECONDS`."""
        address = link.peer.address
        if self._links.get(route) is not link:
            await trio.lowlevel.checkpoint()
            raise LinkClosed(f"the link of {address} is closed")
        try:
            with trio.fail_after(SEND_SECONDS):
                await self._socket.send([route, *frames])
        except trio.ClosedResourceError:
            raise LinkClosed(f"{self._endpoint} is closed") from None
        except trio.TooSlowError:
            self.forget(route, link)
            raise LinkClosed(f"{address} takes no messages") from None
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self.forget(route, link)
            raise LinkClosed(f"{address} is gone") from None

    def forget(self, route: bytes, link: RouterLink) -> None:
        if self._links.get(route) is link:
            del self._links[route]
        link.end()

    def _sort(self, route: bytes, frames: list[zmq.Frame]) -> None:
        if len(frames) > self._limits.frames or not frames:
            self.refuse("frame-count")
            return
        if any(len(frame) > self._limits.frame_bytes for frame in frames):
            self.refuse("frame-size")
            return
        link = self._links.get(route)
        if link is None:
            if len(self._links) >= self._limits.links:
                self.refuse("too-many-links")
                return
            link = RouterLink(self, route, _peer_of(frames[-1]), self._limits.inbox)
            try:
                self._new.send_nowait(link)
            except (trio.WouldBlock, trio.ClosedResourceError):
                self.refuse("backlog-full")
                return
            self._links[route] = link
        if not link.deliver([frame.bytes for frame in frames]):
            self.refuse("inbox-full")
            self.forget(route, link)


def _peer_of(frame: zmq.Frame) -> Peer:
    def text(name: str) -> str:
        try:
            return str(frame.get(name))
        except zmq.ZMQError:  # no such property: a socket without authentication
            return ""

    return Peer(text("User-Id"), text("Peer-Address"))
