"""A whole cluster in one process: memory links, virtual time, the fake prover's verbs without a process.

Rules of this file:
* `vsleep=S` in the input makes each verb of a share take S seconds of virtual time; `vhang=N` makes the contribution of share N take for
  ever.
* The world checks on the way out that no lease is left without a job, and that every job that has ended has ended once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from tests.cluster.fake_prover import FakeProver
from zisk_actors.actors.compute import broke, perform
from zisk_actors.actors.coordinator.composition import Coordinator, compose
from zisk_actors.actors.coordinator.process import attend, recall_of
from zisk_actors.actors.device import CallFailed, OnProgress
from zisk_actors.actors.threads import RUNNER
from zisk_actors.actors.worker.connection import WorkerActor, WorkerFacts, WorkerRefused
from zisk_actors.actors.workers.roster import Roster
from zisk_actors.client.client import Client, attach
from zisk_actors.config import CoordinatorConfig, CoordinatorCore
from zisk_actors.errors import Unreachable
from zisk_actors.ids import WorkerId, new_incarnation
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Mark
from zisk_actors.transport.base import LinkClosed
from zisk_actors.transport.memory import MemoryLink, MemoryListener
from zisk_actors.web.cluster import Metrics
from zisk_actors.wire.compute import Call, ContributeCall, Done, MeasureCall
from zisk_actors.wire.values import State

VERSION = "1"
ELF = b"\x7fELF the program"
WALL_CLOCK = 1_800_000_000.0


class FakeDevice:
    """A device without a process. `log` is what it was asked; `lies` makes it prove something else."""

    def __init__(self, memory_bytes: int = 0, rate: float = 0.0) -> None:
        self.log: list[str] = []
        self.killed = 0
        self.memory_bytes = memory_bytes
        self.rate = rate

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    async def call(self, call: Call, *, seconds: float = 0, on_progress: OnProgress | None = None) -> Done:
        if isinstance(call, MeasureCall):
            await trio.sleep(1)
            return Done(b"", rate=self.rate)
        self.log.append(type(call).__name__)
        path = getattr(call, "stdin", None)
        wishes = dict(word.split("=") for word in Path(path).read_text().split() if "=" in word) if path else {}  # noqa: ASYNC240 - tiny
        try:
            if isinstance(call, ContributeCall) and wishes.get("vhang") == str(call.share):
                await trio.sleep_forever()
            for part in range(4):
                if on_progress is not None:
                    on_progress("work", part / 4)
                await trio.sleep(float(wishes.get("vsleep", "0")) / 4)
        except trio.Cancelled:
            self.killed += 1
            raise
        try:
            prover = FakeProver()
            prover.memory_bytes = self.memory_bytes
            return perform(prover, call)
        except Exception as error:
            reply = broke(error)
            raise CallFailed(reply.failure, retryable=reply.retryable) from None


@dataclass
class SimWorker:
    """One worker process of the world."""

    name: WorkerId
    device: FakeDevice
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    links: list[MemoryLink] = field(default_factory=list)
    refused: WorkerRefused | None = None
    offline: bool = False

    def cut(self) -> None:
        """Its link passes nothing any more, and nobody is told."""
        self.links[-1].cut()

    def kill(self) -> None:
        """As by `kill -9`: no goodbye."""
        self.cut()
        self.scope.cancel()


class World:
    """A coordinator, and any number of workers and clients."""

    def __init__(self, folder: Path, nursery: trio.Nursery, core: CoordinatorCore) -> None:
        self.folder = folder
        self.nursery = nursery
        self.core = core
        self.clients = MemoryListener("memory://client")
        self.port = MemoryListener("memory://worker")
        self.device = FakeDevice()
        self.executor = FakeDevice()
        self.roles: dict[str, str] = {}
        self.ahead = 0.0
        self._began = trio.current_time()
        self._looks = 0
        self.coordinator: Coordinator
        self.marks: Sequence[Mark] = ()
        self._scope = trio.CancelScope()
        self._down = trio.Event()

    async def start(self) -> None:
        """Start the coordinator on the world's folder."""
        self.clients, self.port = MemoryListener("memory://client"), MemoryListener("memory://worker")
        self._scope, self._down = trio.CancelScope(), trio.Event()
        await self.nursery.start(self._serve)

    def clock(self) -> float:
        """The coordinator's wall clock, which goes with virtual time, and never says the same twice; a test may set it `ahead`."""
        self._looks += 1
        return WALL_CLOCK + 1e-6 * self._looks + trio.current_time() - self._began + self.ahead

    async def stop(self) -> None:
        """Stop the coordinator; the workers and clients stay."""
        self._scope.cancel()
        await self._down.wait()

    async def _serve(self, task_status: trio.TaskStatus[None]) -> None:
        journal = Journal(self.folder / "journal")
        config = CoordinatorConfig(coordinator=self.core)
        coordinator = self.coordinator = compose(
            config,
            journal,
            BlobStore(self.folder / "blobs", clock=self.clock),
            self.device,
            self.executor,
            metrics=Metrics(),
            version=VERSION,
            roster=Roster(),
            ports={},
            clock=self.clock,
        )
        self.marks = await recall_of(coordinator)
        with self._scope:
            await attend(coordinator, self.marks, self.clients, self.port, self.role_of, task_status)
        journal.close()
        self._down.set()

    def worker(
        self, name: str, *, units: int = 10, version: str = VERSION, key: str | None = None, memory_bytes: int = 0, rate: float = 0.0
    ) -> SimWorker:
        """Start a worker; with a `rate` it measures its device, a second after its start."""
        it = SimWorker(WorkerId(name), FakeDevice(memory_bytes, rate))
        facts = WorkerFacts(
            it.name,
            new_incarnation(),
            units,
            version,
            "fake",
            1,
            reconnect_seconds=0.2,
            reconnect_max_seconds=2,
            memory_bytes=memory_bytes,
            measure=rate > 0,
        )
        store = BlobStore(self.folder / f"{name}-{facts.incarnation[:6]}", durable=False)

        async def dial() -> MemoryLink:
            if it.offline:
                raise Unreachable("no network")
            try:
                link = await self.port.dial(key or f"key of {name}")
            except LinkClosed as error:
                raise Unreachable(error.message) from None
            it.links.append(link)
            return link

        async def run() -> None:
            with it.scope:
                try:
                    await WorkerActor(facts, dial, it.device, store).run()
                except* WorkerRefused as group:
                    it.refused = group.exceptions[0]  # type: ignore[assignment]

        self.nursery.start_soon(run)
        return it

    def role_of(self, key: str) -> str:
        """What the allow-list would say of a key at the client port."""
        return self.roles.get(key, "operator")

    @asynccontextmanager
    async def client(self, key: str = "key of a client", role: str = "operator") -> AsyncIterator[Client]:
        self.roles[key] = role
        link = await self.clients.dial(key)
        async with attach(link) as client:
            yield client

    async def workers_are(self, *names: str) -> None:
        """Wait until exactly these workers are registered."""
        with trio.fail_after(1000):
            while sorted(self.coordinator.sessions) != sorted(names):  # noqa: ASYNC110 - virtual time
                await trio.sleep(0.1)

    def check(self) -> None:
        """What must hold at any quiet moment."""
        scheduler = self.coordinator.scheduler
        for job in scheduler.crews:
            assert not self.coordinator.jobs.entries[job].record.state.final, "a lease without a job"
        for entry in self.coordinator.jobs.entries.values():
            if entry.record.state is State.COMPLETED and entry.record.kind.value == "prove":
                assert entry.record.report is not None, "completed and not verified"


T = TypeVar("T")


async def at_once(function: Callable[[], T], /) -> T:
    """What would go to a thread is done on the spot: virtual time must not run on while the disk of this machine is slow."""
    await trio.lowlevel.checkpoint()
    return function()


OpenWorld = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def open_world(tmp_path: Path) -> OpenWorld:
    """`async with open_world(...) as world`: keyword arguments are settings of the coordinator's core."""

    @asynccontextmanager
    async def begin(**settings: float) -> AsyncIterator[World]:
        core = CoordinatorCore(**{"heartbeat_interval_seconds": 1, "worker_wait_seconds": 30, **settings})  # type: ignore[arg-type]
        RUNNER.set(at_once)
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            world = World(tmp_path / "world", nursery, core)
            await world.start()
            try:
                yield world
                world.check()
            except Exception as error:  # carried out of the nursery, which would wrap it in a group
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    return begin


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """Virtual time that jumps when everybody waits for it; no thread of ours is something else to wait for."""
    return trio.testing.MockClock(autojump_threshold=0)
