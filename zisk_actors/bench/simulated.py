"""Workers that compute nothing: each is a CURVE key and a link of its own, and speaks the protocol of a real worker.

Run as a process (`python -m zisk_actors.bench.simulated`): the first line of standard input is a `Troop`, each further line an `Order`,
each answered by one line with a `Report`. It ends with its standard input, and so with who started it.

Rules of this file:
* A simulated worker registers, beats, answers tasks with a result, serves it, and comes back after a break as a real one does. It leaves
  out fetching its inputs and starting a child.
* What a run does follows from the name of its input alone. The coordinator's own runs, which workers are held to, are real calls to a real
  child, in which `SimulatedProver` says the same.
* Times are of the system's monotonic clock, which all processes of one machine share.
* Beside each of its beats a worker asks for a blob that does not exist: the refusal is the round trip through the coordinator.
"""

from __future__ import annotations

import gc
import hashlib
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import trio

from zisk_actors.bench.figures import Spread, spread
from zisk_actors.errors import NotAuthorised, Unreachable
from zisk_actors.ids import BlobId, WorkerId, new_incarnation
from zisk_actors.transport.auth import KeyPair
from zisk_actors.transport.base import Link, LinkClosed
from zisk_actors.transport.curve import Network
from zisk_actors.wire.codec import Unpacker, encode_record, pack
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk
from zisk_actors.wire.values import ExecutionReport, Lease, Phase
from zisk_actors.wire.worker_link import (
    PHASE_OF,
    Answer,
    AnswerTaken,
    CancelDone,
    CancelJob,
    CoordinatorSays,
    ExecuteTask,
    Heartbeat,
    Hello,
    Refused,
    Reintroduce,
    Task,
    Welcome,
    answer,
)

NO_BLOB: Final = BlobId("0" * 64)
DIALS: Final = 32
"""Handshakes under way at a time."""
DIAL_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 0.5


PROVER: Final = "zisk_actors.bench.simulated:SimulatedProver"
"""What the coordinator's children compute with."""


def report_of(stdin: str) -> ExecutionReport:
    """What a run on the input of this SHA-256, in hexadecimal, does."""
    return ExecutionReport(steps=int(stdin[:15], 16), exit_code=0, output=(0,) * 64)


@dataclass(frozen=True)
class SimulatedRun:
    """A run that nobody has run."""

    steps: int
    exit_code: int
    output: tuple[int, ...]
    console: bytes = b""
    trap: None = None


class SimulatedProver:
    """Executes, and nothing else: the benchmark has no other jobs."""

    def __init__(self, backend: str, threads: int | None = None) -> None:
        self.on_progress: Callable[[str, float], None] = lambda step, part: None

    def execute(self, elf: bytes, stdin: bytes, max_steps: int = 0) -> SimulatedRun:
        """What the workers say too."""
        said = report_of(hashlib.sha256(stdin).hexdigest())
        return SimulatedRun(said.steps, said.exit_code, said.output)


class Troop(msgspec.Struct, frozen=True, kw_only=True):
    """The workers of one process: where they dial, and a key for each by name."""

    url: str
    server_key: str
    version: str
    keys: dict[str, tuple[str, str]]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a process of workers: a report; then, with `fresh`, to count anew and compute for `delay` seconds from now on,
    give or take half."""

    fresh: bool = False
    delay: float = 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the workers saw since they last began to count; `registered` and `epoch` are as things stand.

    `gap`: a worker's answer to its next task. `received`: when the first task of each job came.
    """

    registered: int
    epoch: int
    last_registered_at: float
    broken: int
    refused: list[str]
    tasks: int
    lateness: Spread
    round_trip: Spread
    gap: Spread
    received: dict[str, float]


@dataclass
class Tally:
    """What all workers of this process see, and how they are to behave."""

    delay: float = 0.0
    began: float = 0.0
    online: set[str] = field(default_factory=set)
    epoch: int = 0
    last_registered_at: float = 0.0
    broken: int = 0
    refused: list[str] = field(default_factory=list)
    tasks: int = 0
    lateness: list[float] = field(default_factory=list)
    round_trips: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    received: dict[str, float] = field(default_factory=dict)

    def report(self) -> Report:
        return Report(
            registered=len(self.online),
            epoch=self.epoch,
            last_registered_at=self.last_registered_at,
            broken=self.broken,
            refused=self.refused[:20],
            tasks=self.tasks,
            lateness=spread(self.lateness),
            round_trip=spread(self.round_trips),
            gap=spread(self.gaps),
            received=self.received,
        )

    def begin(self, delay: float) -> None:
        """Count anew."""
        self.delay = delay
        self.began = time.monotonic()
        self.broken = self.tasks = 0
        self.refused = []
        self.lateness, self.round_trips, self.gaps = [], [], []
        self.received = {}


class _Anew(Exception):
    """The coordinator does not know us: dial again."""


class SimulatedWorker:
    """One worker's life; `run` lasts until cancelled or refused for good."""

    def __init__(self, name: str, keys: KeyPair, troop: Troop, network: Network, tally: Tally, dials: trio.CapacityLimiter) -> None:
        self._name = WorkerId(name)
        self._keys = keys
        self._troop = troop
        self._network = network
        self._tally = tally
        self._dials = dials
        self._incarnation = new_incarnation()
        self._unpacker: Unpacker[Any] = Unpacker(CoordinatorSays)  # Any: the union has no type of its own
        self._results: dict[str, bytes] = {}
        self._outbox: dict[tuple[Lease, Phase], Answer] = {}
        self._working: set[tuple[Lease, Phase]] = set()
        self._epoch = 0
        self._asked_at: float | None = None
        self._answered_at: float | None = None

    async def run(self) -> None:
        while True:
            try:
                async with self._dials:
                    link = await self._network.dial(self._troop.url, self._troop.server_key, self._keys, seconds=DIAL_SECONDS)
            except (Unreachable, NotAuthorised):
                await trio.sleep(PAUSE_SECONDS)
                continue
            again = True
            try:
                again = await self._session(link)
            except* (LinkClosed, _Anew):
                self._tally.broken += 1
            finally:
                self._tally.online.discard(self._name)
                with trio.CancelScope(shield=True):
                    await link.aclose()
            if not again:
                return
            await trio.sleep(PAUSE_SECONDS * random.uniform(0.2, 0.5))

    async def _session(self, link: Link) -> bool:
        """One link; False where the coordinator will not have us. Raises `LinkClosed` and `_Anew`, in a group or not."""
        hello = Hello(
            worker=self._name,
            incarnation=self._incarnation,
            units=10,
            version=self._troop.version,
            backend="simulated",
            threads=1,
            pid=os.getpid(),
            held=tuple(dict.fromkeys(lease for lease, _ in (*self._outbox, *self._working))),
        )
        await self._send(link, hello)
        async with trio.open_nursery() as nursery:
            silence = trio.CancelScope(deadline=trio.current_time() + 10.0)
            limit, beat_at, period = 10.0, 0.0, 0.0
            with silence:
                while True:
                    message, _, epoch = self._unpacker.unpack(await link.receive())
                    now = time.monotonic()
                    silence.deadline = trio.current_time() + limit
                    match message:
                        case Heartbeat():
                            if beat_at:
                                self._tally.lateness.append(max(0.0, now - beat_at - period))
                            beat_at = now
                        case Welcome():
                            period, limit = message.heartbeat_seconds, message.heartbeat_seconds * message.heartbeat_max_missed
                            await self._joined(link, epoch)
                            nursery.start_soon(self._beat, link, period)
                        case Refused():
                            self._tally.refused.append(message.reason)
                            if message.permanent:
                                return False
                            break
                        case Reintroduce():
                            raise _Anew
                        case _:
                            await self._take(message, link, nursery, now)
            nursery.cancel_scope.cancel()
        raise LinkClosed("the coordinator is silent, or said to come back later")

    async def _joined(self, link: Link, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch = epoch
            self._outbox.clear()
            self._results.clear()
            self._answered_at = None
        self._asked_at = None
        self._tally.epoch = epoch
        self._tally.online.add(self._name)
        self._tally.last_registered_at = time.monotonic()
        for said in list(self._outbox.values()):
            await self._send(link, said)

    async def _beat(self, link: Link, period: float) -> None:
        tick = 0
        await trio.sleep(random.uniform(0.0, period))  # workers do not start at the same instant, only these do
        while True:
            await self._send(link, Heartbeat(tick))
            if self._asked_at is None:
                self._asked_at = time.monotonic()
                await self._send(link, FetchChunk(NO_BLOB, 0, 1))
            await trio.sleep(period)
            tick += 1

    async def _take(self, message: Any, link: Link, nursery: trio.Nursery, now: float) -> None:
        match message:
            case FetchChunk():
                content = self._results.get(message.blob, b"")[message.offset : message.offset + message.length]
                if len(content) == message.length:
                    await self._send(link, Chunk(message.blob, message.offset), content)
                else:
                    await self._send(link, NoChunk(message.blob, "not here"))
            case NoChunk():
                if self._asked_at is not None:
                    if self._asked_at >= self._tally.began:
                        self._tally.round_trips.append(now - self._asked_at)
                    self._asked_at = None
            case AnswerTaken():
                said = self._outbox.pop((message.lease, message.phase), None)
                if said is not None:
                    self._results.pop(said.result.sha256, None)
            case CancelJob():
                await self._send(link, CancelDone(message.job))
            case _ if type(message) in PHASE_OF:
                key = (message.lease, PHASE_OF[type(message)])
                if key not in self._outbox and key not in self._working:
                    self._working.add(key)
                    self._tally.tasks += 1
                    self._tally.received.setdefault(message.lease.job, now)
                    if self._answered_at is not None and self._answered_at >= self._tally.began:
                        self._tally.gaps.append(now - self._answered_at)
                    nursery.start_soon(self._perform, link, message)

    async def _perform(self, link: Link, task: Task) -> None:
        """Wait as long as ordered, and answer with the report of the run."""
        key = (task.lease, PHASE_OF[type(task)])
        try:
            await trio.sleep(self._tally.delay * random.uniform(0.5, 1.5))
            if not isinstance(task, ExecuteTask):
                raise AssertionError("the benchmark has executions only")
            content = encode_record(report_of(task.stdin.sha256))
            said = self._outbox[key] = answer(*key, content)
            self._results[said.result.sha256] = content
        finally:
            self._working.discard(key)
        self._answered_at = time.monotonic()
        await self._send(link, said)

    async def _send(self, link: Link, message: msgspec.Struct, bulk: bytes = b"") -> None:
        await link.send(pack(message, bulk, epoch=self._epoch))


async def live(troop: Troop, tally: Tally) -> None:
    """Run all workers of a troop until cancelled."""
    dials = trio.CapacityLimiter(DIALS)
    with Network() as network:
        async with trio.open_nursery() as nursery:
            for name, (public, secret) in troop.keys.items():
                nursery.start_soon(SimulatedWorker(name, KeyPair(public, secret), troop, network, tally, dials).run)


def raise_file_limit() -> None:
    """Take as many open files as this process may: each link needs two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve() -> None:
    """The process: one troop, then orders until standard input ends."""
    tally = Tally()
    lines = _Lines(trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())))
    first = await lines.next()
    if first is None:
        return
    troop = msgspec.json.decode(first, type=Troop)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live, troop, tally)
        while (line := await lines.next()) is not None:
            order = msgspec.json.decode(line, type=Order)
            sys.stdout.buffer.write(msgspec.json.encode(tally.report()) + b"\n")
            sys.stdout.buffer.flush()
            if order.fresh:
                tally.begin(order.delay)
        nursery.cancel_scope.cancel()


class _Lines:
    """Lines of a stream."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._rest = bytearray()

    async def next(self) -> bytes | None:
        """The next line, or None where there is none."""
        while b"\n" not in self._rest:
            piece = await self._stream.receive_some(1 << 16)
            if not piece:
                return None
            self._rest += piece
        line, _, rest = bytes(self._rest).partition(b"\n")
        self._rest = bytearray(rest)
        return line


if __name__ == "__main__":
    raise_file_limit()
    gc.disable()  # a pause of ours to collect a thousand workers' cycles would be read as one of the coordinator's
    with suppress(KeyboardInterrupt):
        trio.run(serve)
