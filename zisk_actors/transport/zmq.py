"""ZeroMQ sockets for trio, and the dialling end of a link. All that imports zmq is in this folder.

Rules of this file:
* ZMQ_FD is edge-triggered and stands for both directions; any call on the socket may swallow its edge. So every call passes through
  `_attempt`, which looks at EVENTS afterwards and wakes whoever was robbed (tests/unit/transport/test_zmq.py shows the loss without it).
* A call either happens entirely or not at all: it is made without blocking between two checkpoints, so a cancelled `recv` has taken no
  message.
* trio lets one task wait for a file descriptor: the first waiter leads, the others wait for events; a leader that stops hands over.
* A ROUTER says that it is writable even when the peer's queue is full; then we ask again after a pause, up to a deadline.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import trio
import zmq

from zisk_actors.transport.base import KeyRefused, Limits, LinkClosed, Peer, Refusals

T = TypeVar("T")

SEND_SECONDS: Final = 10.0
"""How long a full queue to a peer is waited for before the link is given up."""

QUEUED_MESSAGES: Final = 64
"""What ZeroMQ keeps for a peer in each direction. A message may have a megabyte, so this bounds what one that does not read costs us."""

MOST_AT_ONCE: Final = 16
"""Messages that are taken from a socket before other tasks run."""

LOOK_SECONDS: Final = 0.5
"""How long the dialling end waits for a message before it looks whether it is still let in."""

_NUMBERS: Final = itertools.count()
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
        return (await self.recv_some(1))[0]

    async def recv_some(self, most: int) -> list[list[zmq.Frame]]:
        """Receive what is there, at least one message and at most so many. Raises `trio.ClosedResourceError`."""

        def take() -> list[list[zmq.Frame]]:
            taken = [self.raw.recv_multipart(zmq.NOBLOCK, copy=False)]
            with suppress(zmq.Again):
                while len(taken) < most:
                    taken.append(self.raw.recv_multipart(zmq.NOBLOCK, copy=False))
            return taken

        return await self._attempt(take, zmq.POLLIN)

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
    raw.reconnect_ivl_max = 500  # shorter than a restarted coordinator waits for its workers, with the jitter that libzmq adds


class Monitor:
    """Receives the events of a socket.

    The monitored socket is silenced before its listener closes: libzmq sends events with a blocking call, which without a peer, or with a
    full queue, never returns.
    """

    def __init__(self, watched: Socket, events: int) -> None:
        self._watched = watched
        address = f"inproc://monitor-{next(_NUMBERS)}"  # never one that was used before: libzmq lets go of them late
        watched.raw.monitor(address, events)
        self._socket = Socket(watched.raw.context, zmq.PAIR)
        self._socket.raw.rcvhwm = 0
        self._socket.raw.connect(address)

    async def next(self, most: int = MOST_AT_ONCE) -> list[tuple[int, int]]:
        """The next events, at most so many, each with its value. Raises `trio.ClosedResourceError`."""
        return [event_of(frames) for frames in await self._socket.recv_some(most)]

    def so_far(self) -> list[tuple[int, int]]:
        """The events that have come, without waiting."""
        found: list[tuple[int, int]] = []
        with suppress(zmq.Again):
            while not self._socket.closed:
                found.append(event_of(self._socket.raw.recv_multipart(zmq.NOBLOCK, copy=False)))
        return found

    def close(self) -> None:
        if not self._watched.closed:
            self._watched.raw.disable_monitor()
        self._socket.close()


def event_of(frames: Sequence[zmq.Frame]) -> tuple[int, int]:
    """The event and its value, from a message of a monitor."""
    event, value = struct.unpack("=HI", frames[0].bytes)
    return event, value


class DealerLink:
    """The dialling end. ZeroMQ reconnects by itself; the coordinator sees each new connection as a new peer, and asks it to introduce
    itself. When it is not let in any more, who waits for a message is told within `LOOK_SECONDS`."""

    def __init__(self, socket: Socket, peer: Peer, monitor: Monitor, refused: Callable[[int], KeyRefused]) -> None:
        self._refusals = Refusals()
        self._socket = socket
        self._peer = peer
        self._monitor = monitor
        self._refused = refused

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
        while True:
            try:
                with trio.move_on_after(LOOK_SECONDS):
                    return [frame.bytes for frame in await self._socket.recv()]
            except trio.ClosedResourceError:
                raise LinkClosed(f"the link to {self._peer.address} is closed") from None
            for event, value in self._monitor.so_far():
                if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                    await self.aclose()
                    raise self._refused(value)

    def refuse(self, reason: str) -> int:
        return self._refusals.refuse(reason)

    async def aclose(self) -> None:
        self._monitor.close()
        self._socket.close()
        await trio.lowlevel.checkpoint()
