"""What a hostile peer can send, from a seed, and a command that sends as much of it as wanted to a cluster of its own.

    python -m tests.faults.hostile --frames 1000000 --garbage 300 --half-open 500

starts a coordinator and a worker (with the fake prover), attacks them, and prints what was refused, the coordinator's memory, and how
long an honest client waited for its answers, quiet and under attack (`siege.py`). Its exit code is not 0 where something broke.

Rules of this file:
* Everything that is sent follows from the seed.
* A mutant that is still a message which asks for a change (a submit, a hello) is not sent: that the cluster obeys those is no fault.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgpack
import msgspec
import trio
import zmq

from zisk_actors.client.blocking import BlockingClient
from zisk_actors.transport.auth import KeyPair
from zisk_actors.transport.base import Link, LinkClosed
from zisk_actors.transport.curve import Network
from zisk_actors.wire import client_link, transfer, worker_link
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.values import Failure, FailureKind, Kind, Lease, Phase

JOB: Final = "01234567-89ab-4cde-8f01-23456789abcd"
LEASE: Final = Lease("worker-1", "a" * 32, JOB, 0, 1)  # type: ignore[arg-type]
BLOB: Final = reference(b"a blob that nobody has")

CLIENT: Final[tuple[msgspec.Struct, ...]] = (
    client_link.Ping(1),
    client_link.Submit(request=2, kind=Kind.PROVE.value, program=BLOB, stdin=BLOB, params="test", name="name", key="key"),
    client_link.Submit(request=12, kind="wrap", program=BLOB, streamed=True, params="test"),
    client_link.EndInput(13, JOB, BLOB),
    client_link.ShowJob(3, JOB),
    client_link.WaitJob(4, JOB, 0.5),
    client_link.WatchJob(5, JOB, 7),
    client_link.Unwatch(6),
    client_link.CancelRequest(7, JOB, "reason"),
    client_link.ListJobs(8, 10, "failed"),
    client_link.ListWorkers(9),
    client_link.AddProgram(10, BLOB, "name"),
    client_link.ListPrograms(11),
    transfer.FetchChunk(BLOB.sha256, 0, 1000),
    transfer.NoChunk(BLOB.sha256, "reason"),
)
WORKER: Final[tuple[msgspec.Struct, ...]] = (
    worker_link.Hello(worker="mallory", incarnation="b" * 32, units=10, version="1", backend="cpu", threads=1, pid=1, held=(LEASE,)),  # type: ignore[arg-type]
    worker_link.Heartbeat(1),
    worker_link.Progress(LEASE, Phase.PROVE, "step", 0.5),
    worker_link.Answer(LEASE, Phase.CONTRIBUTE, BLOB),
    worker_link.Failed(LEASE, Phase.PROVE, Failure(kind=FailureKind.WORKER, code="code", message="message")),
    worker_link.CancelDone(JOB),  # type: ignore[arg-type]
    worker_link.Goodbye("reason"),
    transfer.FetchChunk(BLOB.sha256, 0, 1000),
    transfer.NoChunk(BLOB.sha256, "reason"),
)
CHANGES: Final = (client_link.Submit, client_link.AddProgram, client_link.CancelRequest, worker_link.Hello)

AT_ONCE: Final = 48
"""Messages that are sent before waiting for all of them to be read."""

Frames = list[bytes]


def mutants(samples: Sequence[msgspec.Struct], union: Any, seed: int) -> Iterator[Frames]:
    """Messages that are almost right, without end; none of them asks for a change."""
    chance = random.Random(seed)
    unpacker: Unpacker[Any] = Unpacker(union)
    while True:
        frames = mutant(pack(chance.choice(samples)), chance)
        try:
            if isinstance(unpacker.unpack(frames).message, CHANGES):
                continue
        except WireError:
            pass
        yield frames


def mutant(frames: Frames, chance: random.Random) -> Frames:
    """One message, spoiled in one way."""
    header = frames[0]
    ways: list[Callable[[], Frames]] = [
        lambda: [_flip(header, chance)],
        lambda: [_flip(_flip(header, chance), chance)],
        lambda: [header[: chance.randrange(len(header))]],
        lambda: [header + chance.randbytes(chance.randrange(1, 20))],
        lambda: [_moved(header, chance)],
        lambda: [_changed(header, chance)],
        lambda: [_duplicated(header)],
        lambda: [nested(chance.choice((10, 600, 5000, 60_000)))],
        lambda: [header, chance.randbytes(chance.randrange(1, 1000))],
        lambda: [header] * chance.randrange(3, 10),
        lambda: [chance.randbytes(chance.randrange(0, 300))],
        lambda: [b""],
        lambda: [b"\xc1" + header],
        lambda: [b"\xdf\xff\xff\xff\xff" + header],
        lambda: [b"\xc7\x08\x05" + chance.randbytes(8)],
    ]
    return chance.choice(ways)()


def nested(depth: int) -> bytes:
    """A header whose body is lists in lists."""
    head: bytes = msgpack.packb({"v": 1, "epoch": 0})
    return b"\x83" + head[1:] + b"\xa4body" + b"\x91" * depth + b"\x90"


def _flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    if changed:
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _moved(content: bytes, chance: random.Random) -> bytes:
    """A piece repeated, left out, or put elsewhere."""
    first, last = sorted((chance.randrange(len(content)), chance.randrange(len(content))))
    piece = content[first:last]
    without = content[:first] + content[last:]
    where = chance.randrange(len(without) + 1)
    return chance.choice((without, content + piece, without[:where] + piece + without[where:]))


def _changed(content: bytes, chance: random.Random) -> bytes:
    """A field that is not known, is missing, or has another type or an extreme value."""
    tree = msgpack.unpackb(content)
    place = chance.choice((tree, tree["body"], tree["body"]))
    values = (None, True, -1, 2**63, 2**64 - 1, float("nan"), float("inf"), "", "\0", "x" * 5000, b"x", [], {}, [[]], "../../etc/passwd")
    if chance.random() < 0.3:
        place["surplus"] = chance.choice(values)
    elif chance.random() < 0.3:
        place.pop(chance.choice(list(place)))
    else:
        place[chance.choice(list(place))] = chance.choice(values)
    packed: bytes = msgpack.packb(tree)
    return packed


def _duplicated(content: bytes) -> bytes:
    """The version twice: a map of four where there were three."""
    return bytes([content[0] + 1]) + msgpack.packb("v") + msgpack.packb(1) + content[1:]


# ------------------------------------------------------------------------------------------------------------------- the sockets

GREETING: Final = b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(15) + bytes(32)


def address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("tcp://").rpartition(":")
    return host, int(port)


def knock(url: str, content: bytes) -> None:
    """One connection that says this and hangs up."""
    with suppress(OSError), socket.create_connection(address(url), timeout=10) as link:
        link.sendall(content)


def garbage(seed: int, count: int) -> Iterator[bytes]:
    """What port scanners, browsers and noise send."""
    chance = random.Random(seed)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00"
    for number in range(count):
        yield (
            chance.randbytes(chance.randrange(1, 2000)),
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(500),
            greeting + b"NULL".ljust(20, b"\0") + bytes(32) + chance.randbytes(100),
            greeting + b"CURVE".ljust(20, b"\0") + bytes(32) + b"\x04\xc8\x05HELLO" + chance.randbytes(194),
            greeting[: chance.randrange(1, 12)],
        )[number % 6]


async def send_all(url: str, server_key: str, keys: KeyPair, messages: Iterator[Frames], count: int) -> int:
    """Send so many messages over one connection with an allowed key, reading and ignoring what comes back; how many went."""
    sent = 0
    with Network() as network:
        link = await network.dial(url, server_key, keys, seconds=10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_ignore, link)
            for frames in messages:
                await link.send(frames)
                sent += 1
                if sent == count:
                    break
            await trio.sleep(0.5)  # for the last of them to leave this process
            nursery.cancel_scope.cancel()
        await link.aclose()
    return sent


async def send_and_wait(port: str, url: str, server_key: str, keys: KeyPair, seed: int, count: int) -> tuple[int, int]:
    """Send so many mutated messages, never more at once than an inbox holds; how many went, and how many of them can be read."""
    samples, union = (CLIENT, client_link.ClientSays) if port == "client" else (WORKER, worker_link.WorkerSays)
    unpacker: Unpacker[Any] = Unpacker(union)
    source = mutants(samples, union, seed)
    with Network() as network:
        link = await network.dial(url, server_key, keys, seconds=10)
        pace = _Pace(link, port)
        for number in range(count):
            frames = next(source)
            with suppress(WireError):
                unpacker.unpack(frames)
                pace.readable += 1
            await link.send(frames)
            if number % AT_ONCE == AT_ONCE - 1 or number == count - 1:
                await pace.wait()
        await link.aclose()
    return count, pace.readable


class _Pace:
    """Knows when everything that was sent has been read: at the client port by a ping's answer, at the worker port by the number of times
    that we are asked to introduce ourselves, which is once for each message that can be read."""

    def __init__(self, link: Link, port: str) -> None:
        self.readable = 0
        self._link = link
        self._port = port
        self._beats = 0
        self._asked = 0

    async def wait(self) -> None:
        for _ in range(20):
            self._beats += 1
            await self._link.send(pack(client_link.Ping(self._beats) if self._port == "client" else worker_link.Heartbeat(self._beats)))
            with trio.move_on_after(3):
                while not await self._is_answered():
                    pass
                return
            self._asked = self.readable + self._beats  # what was lost with a link that has ended is not waited for
        raise AssertionError("the coordinator does not answer")

    async def _is_answered(self) -> bool:
        frames = await self._link.receive()
        if self._port == "client":
            message = Unpacker[Any](client_link.GatewaySays).unpack(frames).message
            return isinstance(message, client_link.Pong) and message.request == self._beats
        self._asked += 1
        return self._asked >= self.readable + self._beats


def flood(port: str, url: str, server_key: str, keys: KeyPair, seed: int, seconds: float) -> int:
    """Send mutated messages as fast as can be, over a new connection when the last one takes none; how many were handed over."""
    samples, union = (CLIENT, client_link.ClientSays) if port == "client" else (WORKER, worker_link.WorkerSays)
    source = mutants(samples, union, seed)
    ready = [next(source) for _ in range(5000)]
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sent, peer = 0, None
    print("begins", flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if peer is None:
            peer = context.socket(zmq.DEALER)
            peer.linger, peer.sndtimeo, peer.reconnect_ivl = 0, 20, 10
            peer.curve_serverkey, peer.curve_publickey, peer.curve_secretkey = (
                each.encode() for each in (server_key, keys.public, keys.secret)
            )
            peer.connect(url)
        try:
            peer.send_multipart(ready[sent % len(ready)])
            sent += 1
        except zmq.Again:
            peer.close()
            peer = None
    context.destroy(linger=0)
    return sent


async def _ignore(link: Link) -> None:
    with suppress(LinkClosed):
        while True:
            await link.receive()


# --------------------------------------------------------------------------------------------------------------- the honest ones


def waits(client: BlockingClient, stop: Callable[[int], bool]) -> list[float]:
    """How many seconds each of an honest client's requests took, one after the other until told to stop."""
    found: list[float] = []
    while not stop(len(found)):
        began = time.perf_counter()
        client.jobs(limit=1)
        found.append(time.perf_counter() - began)
        time.sleep(0.005)
    return found


def p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]


def resident(pid: int) -> int:
    """The memory of a process, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no such process")


class Attack(threading.Thread):
    """An attack in a thread of its own; `error` is what ended it."""

    def __init__(self, url: str, server_key: str, keys: KeyPair, messages: Iterator[Frames], count: int) -> None:
        super().__init__(daemon=True)
        self._task: Callable[[], int] = lambda: trio.run(send_all, url, server_key, keys, messages, count)
        self.sent = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.sent = self._task()
        except BaseException as error:
            self.error = error


def attack(way: str, *words: str) -> None:
    """One attack, as `siege.py` starts it in a process of its own."""
    if way == "garbage":
        from tests.faults.siege import make_noise

        make_noise((words[0], words[1]), int(words[2]), int(words[3]))
        return
    port, url, server_key, public, secret, seed, much = words
    keys = KeyPair(public, secret)
    if way == "decode":
        sent, readable = trio.run(send_and_wait, port, url, server_key, keys, int(seed), int(much))
        print(json.dumps({"sent": sent, "readable": readable}))
    else:
        print(json.dumps({"sent": flood(port, url, server_key, keys, int(seed), float(much))}))


def main() -> None:
    if sys.argv[1:2] == ["--attack"]:
        attack(*sys.argv[2:])
        return
    from tests.faults.siege import Plan, siege

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_000_000, help="mutated messages for the decoder, half to each port")
    parser.add_argument("--garbage", type=int, default=300, help="connections of garbage in each window")
    parser.add_argument("--half-open", type=int, default=500, help="handshakes that do not end, in each window")
    parser.add_argument("--repeats", type=int, default=6, help="pairs of windows")
    parser.add_argument("--seconds", type=float, default=10, help="length of a window")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.exit(siege(Plan(options.seed, options.frames, options.garbage, options.half_open, options.repeats, options.seconds)))


if __name__ == "__main__":
    main()
