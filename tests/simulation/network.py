"""A network in memory that loses connections, holds messages back, and says some of them twice.

It behaves as ZeroMQ does (`zisk_actors/transport/zmq.py`): the dialling end survives a coordinator that starts anew, the listening end is
made by the first message that comes, and who sends to a peer that is gone is told, where the network knows.

Rules of this file:
* On one connection messages arrive in order or not at all, as `transport/base.py` promises. Over two connections of one host they overtake
  each other: what an old connection held back arrives after what was said on the new one.
* A message that is said twice comes the second time later, after others. Chunks of blobs and hellos are not doubled: a connection does not
  do that, and those who speak over it count on that.
* Every delay comes from one seed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import msgpack
import trio

from tests.simulation.trace import Trace
from zisk_actors.errors import Unreachable
from zisk_actors.transport.base import LinkClosed, Peer, Refusals

NOT_DOUBLED = frozenset({"fetch-chunk", "chunk", "no-chunk", "hello", "welcome", "goodbye", "leave"})
DIAL_SECONDS = 2.0


@dataclass
class Weather:
    """How this network treats messages: seconds on the way, and how often one is said twice."""

    least: float = 0.001
    jitter: float = 0.01
    doubled: float = 0.0


def type_of(frames: Sequence[bytes]) -> str:
    """The name of a message, for the trace."""
    try:
        return str(msgpack.unpackb(frames[0])["body"]["type"])
    except (ValueError, KeyError, TypeError, msgpack.UnpackException):
        return "?"


class Network:
    """All connections. `run` carries the messages."""

    def __init__(self, chance: Random, weather: Weather, trace: Trace) -> None:
        self.chance = chance
        self.weather = weather
        self.trace = trace
        self.wires: list[Wire] = []
        self.ports: dict[str, SimListener] = {}
        self.blocked: dict[str, float] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._sooner = trio.Event()
        self._until = float("inf")

    async def run(self) -> None:
        """Deliver what is due, until cancelled."""
        while True:
            now = trio.current_time()
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
            self._sooner = trio.Event()
            self._until = self._due[0][0] if self._due else float("inf")
            with trio.move_on_at(self._until):
                await self._sooner.wait()

    def at(self, when: float, deliver: Callable[[], None]) -> None:
        """Have something happen at a time."""
        heapq.heappush(self._due, (when, next(self._numbers), deliver))
        if self._due[0][0] == when and when < self._until:
            self._sooner.set()

    def delay(self) -> float:
        return self.weather.least + self.chance.random() * self.weather.jitter

    async def dial(self, port: str, host: str, key: str) -> NearLink:
        """A connection from a host. Raises `Unreachable` where nobody listens, or the host is cut off."""
        give_up = trio.current_time() + DIAL_SECONDS
        await trio.sleep(self.delay())
        while port not in self.ports or self.blocked.get(host, 0.0) > trio.current_time():
            if trio.current_time() >= give_up:
                raise Unreachable(f"nothing answers at {port}")
            await trio.sleep(0.25)
        wire = Wire(self, port, host, key)
        self.wires.append(wire)
        self.trace.note(f"net {wire.name} dialled")
        return wire.near

    def of_host(self, host: str) -> list[Wire]:
        return [wire for wire in self.wires if wire.host == host and not wire.near.closed and not wire.dead]

    def block(self, host: str, seconds: float) -> None:
        """Nobody on this host gets a new connection for so long."""
        self.blocked[host] = trio.current_time() + seconds


@dataclass
class _Way:
    """One direction of a connection: nothing arrives before `held`, and nothing overtakes what was sent before it."""

    last: float = 0.0
    held: float = 0.0


class Wire:
    """One connection: the end that dialled, and the listening end while there is one."""

    def __init__(self, network: Network, port: str, host: str, key: str) -> None:
        self.network = network
        self.port = port
        self.host = host
        self.key = key
        self.name = f"{host}>{port}#{sum(wire.host == host for wire in network.wires)}"
        self.near = NearLink(self)
        self.far: FarLink | None = None
        self.dead = False
        self.up, self.down = _Way(), _Way()

    def cut(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self.dead = True

    def hold(self, seconds: float, *, up: bool = True, down: bool = True) -> None:
        """Let nothing arrive for so long; it comes then, in order."""
        until = trio.current_time() + seconds
        for way, chosen in ((self.up, up), (self.down, down)):
            if chosen:
                way.held = max(way.held, until)

    def send(self, way: _Way, frames: Sequence[bytes], deliver: Callable[[list[bytes], str], None]) -> None:
        network = self.network
        kind = type_of(frames)
        copy = list(frames)
        now = trio.current_time()
        way.last = max(way.last, way.held, now + network.delay())
        network.at(way.last, lambda: self._arrive(deliver, copy, kind))
        if kind not in NOT_DOUBLED and network.weather.doubled and network.chance.random() < network.weather.doubled:
            again = way.last + 0.01 + 2.0 * network.chance.random()
            network.at(again, lambda: self._arrive(deliver, copy, kind + " (again)"))

    def _arrive(self, deliver: Callable[[list[bytes], str], None], frames: list[bytes], kind: str) -> None:
        if not self.dead:
            deliver(frames, kind)

    def arrive_up(self, frames: list[bytes], kind: str) -> None:
        """A message for the listening side; the first one makes its link."""
        listener = self.network.ports.get(self.port)
        if listener is None:
            return
        if self.far is None:
            self.far = FarLink(self, listener)
            listener.offer(self.far)
        self.network.trace.note(f"net {self.name} up {kind} {sum(map(len, frames))}")
        self.far.inbox.append(frames)

    def arrive_down(self, frames: list[bytes], kind: str) -> None:
        """A message for the end that dialled."""
        if not self.near.closed:
            self.network.trace.note(f"net {self.name} down {kind} {sum(map(len, frames))}")
            self.near.inbox.append(frames)


@dataclass
class _Inbox:
    """Messages that wait to be read."""

    messages: list[list[bytes]] = field(default_factory=list)
    closed: bool = False
    lot: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    def append(self, frames: list[bytes]) -> None:
        if not self.closed:
            self.messages.append(frames)
            self.lot.unpark()

    def close(self) -> None:
        self.closed = True
        self.lot.unpark_all()

    async def receive(self, address: str) -> list[bytes]:
        while not self.messages and not self.closed:
            await self.lot.park()
        if not self.messages:
            raise LinkClosed(f"the link to {address} is closed")
        return self.messages.pop(0)


class _End:
    """What both ends have."""

    def __init__(self, wire: Wire, peer: Peer, refusals: Refusals) -> None:
        self.wire = wire
        self.peer = peer
        self.inbox = _Inbox()
        self._refusals = refusals

    @property
    def closed(self) -> bool:
        return self.inbox.closed

    async def receive(self) -> list[bytes]:
        await trio.lowlevel.checkpoint()
        return await self.inbox.receive(self.peer.address)

    def refuse(self, reason: str) -> int:
        return self._refusals.refuse(reason)

    def close(self) -> None:
        self.inbox.close()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()


class NearLink(_End):
    """The end that dialled."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, Peer("", f"sim://{wire.port}"), Refusals())

    async def send(self, frames: Sequence[bytes]) -> None:
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise LinkClosed(f"the link to {self.peer.address} is closed")
        self.wire.send(self.wire.up, frames, self.wire.arrive_up)


class FarLink(_End):
    """The listening end."""

    def __init__(self, wire: Wire, listener: SimListener) -> None:
        super().__init__(wire, Peer(wire.key, f"sim://{wire.name}"), listener.refusals)

    async def send(self, frames: Sequence[bytes]) -> None:
        await trio.lowlevel.checkpoint()
        wire = self.wire
        if self.closed or wire.far is not self:
            raise LinkClosed(f"the link to {self.peer.address} is closed")
        if wire.near.closed and not wire.dead:
            self.close()
            raise LinkClosed(f"{self.peer.address} is gone")
        wire.send(wire.down, frames, wire.arrive_down)

    def close(self) -> None:
        super().close()
        if self.wire.far is self:
            self.wire.far = None


class SimListener:
    """A port of the coordinator."""

    def __init__(self, network: Network, port: str) -> None:
        self.refusals = Refusals()
        self.refused = self.refusals.refused
        self._network = network
        self._port = port
        self._new: _Inbox = _Inbox()
        self._links: list[FarLink] = []
        network.ports[port] = self

    @property
    def endpoint(self) -> str:
        return f"sim://{self._port}"

    async def run(self) -> None:
        await trio.sleep_forever()

    def refuse(self, reason: str) -> int:
        return self.refusals.refuse(reason)

    def offer(self, link: Any) -> None:
        """A new peer has said something."""
        self._links.append(link)
        self._new.append(link)

    async def accept(self) -> FarLink:
        link: Any = await self._new.receive(self.endpoint)
        return link

    def close(self) -> None:
        """As when the process ends: nobody listens, and all its ends are gone."""
        if self._network.ports.get(self._port) is self:
            del self._network.ports[self._port]
        self._new.close()
        for link in self._links:
            link.close()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()
