"""What a hostile peer can send, from a seed, and a command that sends as much of it as wanted to a cluster of its own.

    python -m tests.faults.hostile --count 1000000 --seed 1

starts a coordinator and a worker (with the fake prover), sends so many mutated messages of an allowed client's key and of an allowed
worker's, and prints what was refused, the coordinator's memory, and how long an honest client waited for its answers before and
meanwhile.

Rules of this file:
* Everything that is sent follows from the seed.
* A mutant that is still a message which asks for a change (a submit, a hello) is not sent: that the cluster obeys those is no fault.
"""

from __future__ import annotations

import argparse
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import msgpack
import msgspec
import trio

from zisk_actors.client.blocking import BlockingClient
from zisk_actors.transport.auth import KeyPair
from zisk_actors.transport.base import Link, LinkClosed
from zisk_actors.transport.curve import Network
from zisk_actors.wire import messages as say
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.values import Failure, FailureKind, Kind, Lease, Phase

JOB: Final = "01234567-89ab-4cde-8f01-23456789abcd"
LEASE: Final = Lease("worker-1", "a" * 32, JOB, 0, 1)  # type: ignore[arg-type]
BLOB: Final = reference(b"a blob that nobody has")

CLIENT: Final[tuple[msgspec.Struct, ...]] = (
    say.Ping(1),
    say.Submit(request=2, kind=Kind.PROVE.value, program=BLOB, stdin=BLOB, params="test", name="name", key="key"),
    say.ShowJob(3, JOB),
    say.WaitJob(4, JOB, 0.5),
    say.WatchJob(5, JOB, 7),
    say.Unwatch(6),
    say.CancelRequest(7, JOB, "reason"),
    say.ListJobs(8, 10, "failed"),
    say.ListWorkers(9),
    say.AddProgram(10, BLOB, "name"),
    say.ListPrograms(11),
    say.FetchChunk(BLOB.sha256, 0, 1000),
    say.NoChunk(BLOB.sha256, "reason"),
)
WORKER: Final[tuple[msgspec.Struct, ...]] = (
    say.Hello(worker="mallory", incarnation="b" * 32, units=10, version="1", backend="cpu", threads=1, pid=1, held=(LEASE,)),  # type: ignore[arg-type]
    say.Heartbeat(1),
    say.Progress(LEASE, Phase.PROVE, "step", 0.5),
    say.Answer(LEASE, Phase.CONTRIBUTE, BLOB),
    say.Failed(LEASE, Phase.PROVE, Failure(kind=FailureKind.WORKER, code="code", message="message")),
    say.CancelDone(JOB),  # type: ignore[arg-type]
    say.Goodbye("reason"),
    say.FetchChunk(BLOB.sha256, 0, 1000),
    say.NoChunk(BLOB.sha256, "reason"),
)
CHANGES: Final = (say.Submit, say.AddProgram, say.CancelRequest, say.Hello)

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
    """An attack in a thread of its own; `error` is what ended it. `apart` is a process of its own, which leaves the honest client here its
    processor."""

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


def apart(at: str, url: str, server_key: str, keys: KeyPair, seed: int, count: int) -> Attack:
    """An attack with mutated messages on one port, from another process."""
    attack = Attack(url, server_key, keys, iter(()), 0)
    command = [sys.executable, "-m", "tests.faults.hostile", "--attack", at, url, server_key, keys.public, keys.secret]
    command += ["--seed", str(seed), "--count", str(count)]
    attack._task = lambda: int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return attack


def main() -> None:
    from tests.faults.stage import ELF, process, refusals
    from zisk_actors.client import local
    from zisk_actors.transport.auth import read_keypair

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="mutated messages, half to each port")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--attack", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        at, url, server_key, public, secret = options.attack
        samples, union = (CLIENT, say.ClientSays) if at == "client" else (WORKER, say.WorkerSays)
        print(trio.run(send_all, url, server_key, KeyPair(public, secret), mutants(samples, union, options.seed), options.count))
        return
    print(f"seed {options.seed}")
    with local.embedded(workers=1, prover="tests.cluster.fake_prover:FakeProver") as cluster, closing(cluster.connect()) as client:
        job = client.submit(Kind.EXECUTE, ELF)
        client.wait(job, seconds=30)
        pid = process(cluster, "coordinator").pid
        before, memory = waits(client, lambda count: count >= 500), resident(pid)
        worker = read_keypair(cluster.folder / "keys" / "worker-1.key")
        half = options.count // 2
        attacks = (
            apart("client", cluster.client_url, cluster.server_key, cluster.keys, options.seed, half),
            apart("worker", cluster.facts.worker_url, cluster.server_key, worker, options.seed, half),
        )
        began = time.perf_counter()
        during: list[float] = []
        for attack in attacks:
            attack.start()
            during += waits(client, lambda count, attack=attack: not attack.is_alive() and count >= 100)  # type: ignore[misc]
            if attack.error is not None:
                raise attack.error
        seconds = time.perf_counter() - began
        print(f"sent {sum(attack.sent for attack in attacks)} messages in {seconds:.1f} s")
        for at in ("client", "worker"):
            for reason, count in sorted(refusals(cluster, at).items()):
                print(f"refused at {at}: {reason} {count}")
        print(f"memory {memory / 2**20:.0f} MiB before, {resident(pid) / 2**20:.0f} MiB after")
        print(f"honest client: p50 {statistics.median(before) * 1e3:.2f} ms, p99 {p99(before) * 1e3:.2f} ms before")
        print(f"honest client: p50 {statistics.median(during) * 1e3:.2f} ms, p99 {p99(during) * 1e3:.2f} ms meanwhile")
        unchanged = [status.job for status in client.jobs()] == [job] and [each.worker for each in client.workers()] == ["worker-1"]
        print("state: " + ("unchanged" if unchanged else "CHANGED"))
        sys.exit(0 if unchanged else 1)


if __name__ == "__main__":
    main()
