"""The listening end: one ROUTER socket whose peers are links, each with its inbox and its key's account.

Rules of this file:
* A peer is known by the connection's own routing id, which says nothing about who it is; that is `Peer.key`, which CURVE has proved.
* What is refused costs as little as can be: it is counted here, before any task of its peer runs. Who is disconnected loses its link,
  and what is left of it in queues is dropped unread.
* Every message of a socket is taken in turns with all other tasks, `MOST_AT_ONCE` at a time; ZeroMQ takes from its peers in turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import trio
import zmq

from zisk_actors.transport.accounts import Account, Accounts
from zisk_actors.transport.base import Limits, LinkClosed, Peer, Refusals
from zisk_actors.transport.connections import Connection, Connections
from zisk_actors.transport.handshakes import EVENTS, Handshakes
from zisk_actors.transport.zmq import MOST_AT_ONCE, SEND_SECONDS, Monitor, Socket

SWEEP_SECONDS: Final = 1.0
EVENTS_SECONDS: Final = 0.05
"""How long events of connections are let gather: a flood of handshakes does not wake us for each."""
MOST_EVENTS: Final = 64
MOST_REMEMBERED: Final = 4096
"""Routes that were disconnected, of which messages may still be in queues."""

OnBan = Callable[[Peer, str], None]
"""Told of a key that is banned, once for each time, and why."""


class RouterLink:
    """The listening end of one peer's connection."""

    def __init__(self, listener: RouterListener, route: bytes, peer: Peer, connection: Connection, account: Account) -> None:
        self.connection = connection
        self.account = account
        self._listener = listener
        self._route = route
        self._peer = peer
        self._put, self._get = trio.open_memory_channel[list[bytes]](listener.limits.inbox)

    @property
    def peer(self) -> Peer:
        return self._peer

    async def send(self, frames: Sequence[bytes]) -> None:
        await self._listener.send(self._route, self, frames)

    async def receive(self) -> list[bytes]:
        throttled = False
        while (pause := self.account.pause(trio.current_time())) > 0:
            if not throttled:
                throttled = True
                self._listener.refuse("slowed-down")
            await trio.sleep(pause)
        try:
            frames = await self._get.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise LinkClosed(f"the link of {self._peer.address} is closed") from None
        self._taken(frames)
        return frames

    def refuse(self, reason: str) -> int:
        return self._listener.refuse_message(self._route, self, reason)

    async def aclose(self) -> None:
        self._listener.forget(self._route, self)
        self.drop("link-closed")
        self._get.close()
        await trio.lowlevel.checkpoint()

    def deliver(self, frames: list[bytes]) -> bool:
        """Put a message into the inbox; False when it is full."""
        size = sum(map(len, frames))
        if self.account.held_bytes + size > self._listener.limits.held_bytes:
            return False
        try:
            self._put.send_nowait(frames)
        except trio.WouldBlock:
            return False
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return True
        self.account.held_bytes += size
        return True

    def end(self) -> None:
        """No more messages will come; those in the inbox can still be read."""
        self._put.close()

    def drop(self, reason: str) -> None:
        """Count what is in the inbox as refused."""
        while True:
            try:
                self._taken(self._get.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
                return
            self._listener.refuse(reason)

    def _taken(self, frames: list[bytes]) -> None:
        size = sum(map(len, frames))
        self.account.held_bytes -= size
        self.account.spend(size, trio.current_time())


class RouterListener(Refusals):
    """A bound ROUTER whose peers are links. `refused` counts what was not let in, and what reached nobody.

    `allowed` says whether a key may be here at all: it may have been taken from the list since its handshake.
    """

    def __init__(self, socket: Socket, endpoint: str, limits: Limits, allowed: Callable[[str], bool], on_ban: OnBan) -> None:
        super().__init__()
        self.limits: Final = limits
        self._on_ban = on_ban
        self._monitor: Monitor | None = None
        self._socket = socket
        self._endpoint = endpoint
        self._allowed = allowed
        self._links: dict[bytes, RouterLink] = {}
        self._disconnected: dict[bytes, None] = {}
        self._accounts = Accounts(limits.rates)
        self._connections = Connections(limits.connections)
        self._new, self._accepted = trio.open_memory_channel[RouterLink](limits.backlog)

    @property
    def endpoint(self) -> str:
        return self._endpoint

    async def run(self) -> None:
        if self._socket.closed:
            return
        self._monitor = Monitor(self._socket, EVENTS)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, self._monitor)
                nursery.start_soon(self._sweep)
                while True:
                    try:
                        messages = await self._socket.recv_some(MOST_AT_ONCE)
                    except trio.ClosedResourceError:
                        break
                    for route, *frames in messages:
                        self._sort(route.bytes, frames)
                nursery.cancel_scope.cancel()
        finally:
            self._monitor.close()

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
        if self._monitor is not None:
            self._monitor.close()
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

    # ----------------------------------------------------------------------------------------------------------- who is let in

    def holds_off(self, key: str) -> str:
        """Why a key that is allowed may not come in now, empty where it may."""
        account = self._accounts.known(key)
        if account is None:
            return ""
        if account.is_banned(trio.current_time()):
            return "put-off"
        if account.connections >= self.limits.connections_per_key:
            self._settle()
        return "too-many-connections" if account.connections >= self.limits.connections_per_key else ""

    def revoke(self) -> int:
        """Disconnect every key that is not allowed any more; how many connections that were."""
        cut = 0
        for route, link in list(self._links.items()):
            if not self._allowed(link.peer.key):
                self._disconnect(route, link.connection, "revoked")
                cut += 1
        for connection in self._connections.known():
            if not self._allowed(connection.key) and connection.hang_up():
                self.refuse("revoked")
                cut += 1
        return cut

    def refuse_message(self, route: bytes, link: RouterLink, reason: str) -> int:
        """Count a message that its sender should not have sent; too many of them, and its key is banned."""
        self._charge(route, link.peer, link.connection, link.account)
        return self.refuse(reason)

    def _charge(self, route: bytes, peer: Peer, connection: Connection, account: Account) -> None:
        now = trio.current_time()
        before = account.is_banned(now)
        if account.misbehaved(now):
            self._disconnect(route, connection, "cut-off")
            if not before:
                self._on_ban(peer, "too many messages that cannot be read")

    def _disconnect(self, route: bytes, connection: Connection, reason: str, *, keep: bool = False) -> None:
        """Hang up on a peer, and drop what it has sent; with `keep` what is in its inbox can still be read."""
        if route in self._disconnected:
            return
        self.refuse(reason)
        self._disconnected[route] = None
        if len(self._disconnected) > MOST_REMEMBERED:
            del self._disconnected[next(iter(self._disconnected))]
        connection.hang_up()
        link = self._links.pop(route, None)
        if link is not None:
            link.end()
            if not keep:
                link.drop("put-off")

    async def _watch(self, monitor: Monitor) -> None:
        """Follow who comes and goes."""
        handshakes = Handshakes(self.refuse)
        while True:
            try:
                events = await monitor.next(MOST_EVENTS)
            except trio.ClosedResourceError:
                return
            now = trio.current_time()
            for event, value in events:
                handshakes.take(event, value, now)
                if event == zmq.EVENT_DISCONNECTED:
                    self._connections.went(value, now)
                elif event == zmq.EVENT_ACCEPTED and (surplus := self._connections.came(value, now)) is not None:
                    self._settle()
                    if len(self._connections) > self.limits.connections and surplus.hang_up():
                        self.refuse("crowded-out")
            if len(events) < MOST_EVENTS:
                await trio.sleep(EVENTS_SECONDS)

    async def _sweep(self) -> None:
        """Now and then: forget who has gone, and hang up on who has come and says nothing."""
        while True:
            await trio.sleep(SWEEP_SECONDS)
            self._settle()
            for connection in self._connections.silent(trio.current_time() - self.limits.silent_seconds):
                if connection.hang_up():
                    self.refuse("silent")

    def _settle(self) -> None:
        for connection in self._connections.settle(trio.current_time()):
            account = self._accounts.known(connection.key)
            if account is not None:
                account.connections -= 1

    # -------------------------------------------------------------------------------------------------------------- what comes

    def _sort(self, route: bytes, frames: list[zmq.Frame]) -> None:
        if route in self._disconnected:
            self.refuse("put-off")
            return
        link = self._links.get(route)
        reason = self._misshapen(frames)
        if link is None:
            link = self._open(route, frames, reason)
        elif reason:
            self.refuse_message(route, link, reason)
            return
        if link is not None and not link.deliver([frame.bytes for frame in frames]):
            self._disconnect(route, link.connection, "inbox-full", keep=True)

    def _misshapen(self, frames: list[zmq.Frame]) -> str:
        if len(frames) > self.limits.frames or not frames:
            return "frame-count"
        return "frame-size" if any(len(frame) > self.limits.frame_bytes for frame in frames) else ""

    def _open(self, route: bytes, frames: list[zmq.Frame], reason: str) -> RouterLink | None:
        """The link of a peer that speaks for the first time; none where it may not have one, or said what it should not."""
        now = trio.current_time()
        peer = Peer(_property(frames, "User-Id"), _property(frames, "Peer-Address"))
        account = self._accounts.of(peer.key, now)
        connection = self._connections.belongs(int(_property(frames, "__fd") or -1), peer.key, now, account)
        if account.is_banned(now):
            self._disconnect(route, connection, "put-off")
        elif not self._allowed(peer.key):
            self._disconnect(route, connection, "revoked")
        elif account.connections > self.limits.connections_per_key:
            self._disconnect(route, connection, "too-many-connections")
        elif reason:
            self._charge(route, peer, connection, account)
            self.refuse(reason)
        elif len(self._links) >= self.limits.links:
            self.refuse("too-many-links")
        else:
            link = RouterLink(self, route, peer, connection, account)
            try:
                self._new.send_nowait(link)
            except (trio.WouldBlock, trio.ClosedResourceError):
                self.refuse("backlog-full")
                return None
            self._links[route] = link
            return link
        return None


def _property(frames: list[zmq.Frame], name: str) -> str:
    try:
        return str(frames[-1].get(name))
    except (zmq.ZMQError, IndexError):  # no such property: a socket without authentication
        return ""
