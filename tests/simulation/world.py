"""A whole cluster in one process, from a seed: the real actors on a simulated network, disk, clock and prover.

Rules of this file:
* What is here carries the plan out (`faults.py`) and knows no law (`invariants.py`).
* All time is virtual and all chance is the seed's: run twice it is the same twice, to the last message.
* After the plan's last fault everything is healed, and the cluster must bring every job to its end within `PATIENCE_SECONDS`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import trio
import trio.testing

from tests.simulation.clients import SimClient
from tests.simulation.disk import Disk, Machine, SimBlobs, SimJournal, SimRoster
from tests.simulation.faults import Fault, Plan, lie_of
from tests.simulation.ghost import haunt
from tests.simulation.invariants import Laws
from tests.simulation.network import Network, SimListener, Weather
from tests.simulation.prover import SimDevice
from tests.simulation.receiver import URL, Receiver
from tests.simulation.trace import Trace
from zisk_actors.actors.coordinator.composition import Coordinator, compose
from zisk_actors.actors.coordinator.process import attend, drain, recall_of
from zisk_actors.actors.threads import RUNNER
from zisk_actors.actors.worker.connection import WorkerActor, WorkerFacts, WorkerRefused
from zisk_actors.config import CoordinatorConfig, CoordinatorCore
from zisk_actors.ids import WorkerId, new_incarnation
from zisk_actors.store.errors import StoreCorrupt, StoreUnwritable
from zisk_actors.web.cluster import Metrics

VERSION = "1"
WALL_SECONDS = 1_700_000_000.0
PATIENCE_SECONDS = 400.0
REST_SECONDS = 12.0
STOP_SECONDS = 60.0
"""How long a killed or stopped process may take to be gone."""


@dataclass
class SimWorker:
    """One slot for a worker process, started again whenever it ends."""

    name: WorkerId
    units: int
    memory: int
    device: SimDevice | None = None
    machine: Machine | None = None
    actor: WorkerActor | None = None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    away: float = 1.0
    starts: int = 0


class World:
    """One seed's cluster. `run` is all of its life."""

    def __init__(self, seed: int | str, todo: Plan, say: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.todo = todo
        self.breaks: list[str] = []
        self.trace = Trace(say)
        self.scope = trio.CancelScope()
        self.network = Network(self.chance("network"), todo.weather, self.trace)
        self.disk = Disk()
        self.laws = Laws(self.disk.blobs, self.trace, self.broken, checked=todo.checked)
        self.disk.on_commit = self.laws.committed
        self.receiver = Receiver(self.laws, self.chance("receiver"))
        core = CoordinatorCore(webhook_url=URL if todo.webhook else "", **todo.settings)  # type: ignore[arg-type]
        self.config = CoordinatorConfig(coordinator=core)
        self.coordinator: Coordinator | None = None
        self.verifier_dies = 0.0
        self.own: tuple[SimDevice, ...] = ()
        self.epochs = 0
        self.healed = trio.Event()
        self._process = trio.CancelScope()
        self._machine: Machine | None = None
        self._away = 1.0
        self.workers = [SimWorker(WorkerId(f"w{index}"), *of) for index, of in enumerate(zip(todo.units, todo.memory, strict=True))]
        self.clients = [SimClient(self, index, order) for index, order in enumerate(todo.orders)]

    def chance(self, name: str) -> Random:
        """A stream of its own for each who draws."""
        return Random(f"{name} {self.seed}")

    def broken(self, text: str) -> None:
        self.breaks.append(text)
        self.scope.cancel()

    def wall(self) -> float:
        return WALL_SECONDS + trio.current_time()

    def role_of(self, key: str) -> str | None:
        return "client"

    async def run(self) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.network.run)
                nursery.start_soon(self.laws.inspect)
                nursery.start_soon(self._guard, "coordinator", self._coordinator_life)
                for worker in self.workers:
                    nursery.start_soon(self._guard, worker.name, self._worker_life, worker)
                nursery.start_soon(self._faults, nursery)
                with trio.move_on_after(self.todo.quiet_at + PATIENCE_SECONDS) as patience:
                    async with trio.open_nursery() as clients:
                        for client in self.clients:
                            clients.start_soon(self._guard, client.name, client.run)
                if patience.cancelled_caught:
                    waiting = [client.where for client in self.clients if client.where != "done"]
                    self.broken(f"not at rest {PATIENCE_SECONDS:g} s after the last fault: {waiting}")
                await trio.sleep(max(0.0, self.todo.quiet_at - trio.current_time()) + REST_SECONDS)
                await trio.testing.wait_all_tasks_blocked()
                await self._until_all_is_told()
                accepted = [client.job for client in self.clients if client.job is not None]
                self.laws.rest(accepted, [(worker.name, worker.actor) for worker in self.workers], webhook=self.todo.webhook)
                self.trace.note("at rest")
                nursery.cancel_scope.cancel()

    async def _until_all_is_told(self) -> None:
        """Wait for the webhook, whose pauses grow."""
        with trio.move_on_after(PATIENCE_SECONDS):
            while self.coordinator is not None and self.coordinator.outbox.owed:  # noqa: ASYNC110 - virtual time
                await trio.sleep(1)

    async def _guard(self, name: str, life: Callable[..., Any], *args: Any) -> None:
        """Whatever an actor does not catch is a break."""
        try:
            await life(*args)
        except Exception as error:
            self.broken(f"{name}: {''.join(traceback.format_exception(error))}")

    # ------------------------------------------------------------------------------------------------------------ the coordinator

    async def _coordinator_life(self) -> None:
        while True:
            machine = self._machine = Machine(self.disk, self.chance(f"machine {self.epochs}"))
            RUNNER.set(machine)
            self._away = 1.0
            try:
                with trio.CancelScope() as self._process:
                    await self._coordinate(machine)
            except Exception:
                if not machine.dead:
                    raise
            self.trace.note("coordinator is gone")
            self.coordinator = None
            self.laws.stopped()
            for port in list(self.network.ports.values()):
                port.close()
            await trio.sleep(self._away)

    async def _coordinate(self, machine: Machine) -> None:
        try:
            journal = SimJournal(machine)
        except (StoreUnwritable, StoreCorrupt):
            if not self.disk.full:
                raise
            return
        try:
            self.epochs += 1
            blobs = SimBlobs(machine, "coordinator")
            device = SimDevice(blobs, self.chance(f"verifier {self.epochs}"), pace=0.5, dies=self.verifier_dies)
            executor = SimDevice(blobs, self.chance(f"executor {self.epochs}"), pace=self.todo.pace, dies=self.verifier_dies)
            self.own = (device, executor)
            chance = self.chance(f"coordinator {self.epochs}")
            coordinator = compose(
                self.config,
                journal,
                blobs,
                device,
                executor,
                metrics=Metrics(),
                version=VERSION,
                roster=SimRoster(machine),
                ports={},
                clock=self.wall,
                chance=chance,
                post=self.receiver,
            )
            marks = await recall_of(coordinator)
            self.trace.note(f"coordinator of epoch {journal.epoch}")
            self.laws.law(journal.epoch == self.epochs, f"epoch {journal.epoch} at start {self.epochs}")
            self.laws.started(coordinator, device, journal.read())
            self.coordinator = coordinator
            clients, workers = SimListener(self.network, "clients"), SimListener(self.network, "workers")
            await attend(coordinator, marks, clients, workers, self.role_of)
        finally:
            journal.close()

    def kill_coordinator(self, away: float, break_links: float) -> None:
        """As by `kill -9`: nothing more is written, no port listens; some connections never come back."""
        self._away = away
        if self._machine is not None:
            self._machine.die()
        self.laws.stopped()
        for port in list(self.network.ports.values()):
            port.close()
        for wire in self.network.wires:
            if not wire.near.closed and self.network.chance.random() < break_links:
                wire.cut()
        self._process.cancel()

    async def stop_coordinator(self, away: float) -> None:
        """As by SIGTERM."""
        coordinator, process = self.coordinator, self._process
        if coordinator is not None:
            await drain(coordinator, 5.0)
            self._away = away
            if self.coordinator is coordinator:  # nobody has killed it meanwhile
                self.laws.leaving()
            process.cancel()

    # ---------------------------------------------------------------------------------------------------------------- the workers

    async def _worker_life(self, worker: SimWorker) -> None:
        chance = self.chance(worker.name)
        while True:
            worker.starts += 1
            machine = worker.machine = Machine(Disk(), chance)
            RUNNER.set(machine)
            store = SimBlobs(machine, worker.name)
            worker.device = SimDevice(store, chance, pace=self.todo.pace, memory=worker.memory, name=worker.name)
            worker.away = 1.0
            facts = WorkerFacts(
                worker=worker.name,
                incarnation=new_incarnation(chance),
                units=worker.units,
                version=VERSION,
                backend="simulated",
                threads=1,
                reconnect_seconds=0.2,
                reconnect_max_seconds=3.0,
                memory_bytes=worker.memory,
                pid=1,
            )
            dial = self._dialler("workers", worker.name)
            worker.actor = WorkerActor(facts, dial, worker.device, store, chance=chance)
            self.trace.note(f"{worker.name} starts as {facts.incarnation}")
            with trio.CancelScope() as worker.scope:
                try:
                    await worker.actor.run()
                except* WorkerRefused as group:
                    self.trace.note(f"{worker.name} was refused: {group.exceptions[0]}")
            for wire in self.network.of_host(worker.name):
                wire.near.close()
            with trio.move_on_after(worker.away):
                await self.healed.wait()

    def _dialler(self, port: str, host: str) -> Callable[[], Any]:
        async def dial() -> Any:
            return await self.network.dial(port, host, f"key of {host}")

        return dial

    def kill_worker(self, worker: SimWorker, away: float, *, silently: bool) -> None:
        """As by `kill -9`, or (silently) as when its machine loses power."""
        worker.away = away
        if worker.machine is not None:
            worker.machine.die()
        for wire in self.network.of_host(worker.name):
            if silently:
                wire.cut()
            wire.near.close()
        worker.scope.cancel()

    # ----------------------------------------------------------------------------------------------------------------- the faults

    async def _faults(self, nursery: trio.Nursery) -> None:
        for fault in self.todo.faults:
            await trio.sleep_until(fault.at)
            self.trace.note(f"fault {fault}")
            nursery.start_soon(self._guard, fault.what, self._strike, fault)
        await trio.sleep_until(self.todo.quiet_at)
        self._heal()

    async def _strike(self, fault: Fault) -> None:
        worker = self.workers[fault.who % len(self.workers)]
        device = worker.device
        match fault.what:
            case "kill worker":
                self.kill_worker(worker, fault.seconds, silently=fault.detail < 0.5)
            case "stop worker":
                worker.away = fault.seconds
                worker.scope.cancel()
            case "cut worker":
                for wire in self.network.of_host(worker.name):
                    wire.cut()
            case "hold worker":
                for wire in self.network.of_host(worker.name):
                    wire.hold(fault.seconds, up=fault.detail < 0.7, down=fault.detail > 0.3)
            case "isolate worker":
                self._isolate([worker.name], fault.seconds)
            case "slow worker" if device is not None:
                device.pace *= 3 + 10 * fault.detail
            case "dying child" if device is not None:
                device.dies = fault.detail
            case "hanging child" if device is not None:
                device.hangs = True
                await trio.sleep(fault.seconds)
                device.hangs = False
            case "liar" if device is not None and not self.healed.is_set():
                lie = lie_of(fault)
                if self.todo.checked or lie != "another input":  # that nobody can find whom nobody checks, where it does all the shares
                    device.lies = frozenset([lie])
            case "kill coordinator":
                self.kill_coordinator(0.2 * fault.seconds, fault.detail)
            case "stop coordinator":
                await self.stop_coordinator(0.2 * fault.seconds)
            case "slow disk":
                self.disk.slow_until, self.disk.slow_seconds = trio.current_time() + fault.seconds, 2 * fault.detail
            case "full disk":
                self.disk.full = True
                await trio.sleep(fault.seconds)
                self.disk.full = False
            case "cut client" | "hold client":
                client = self.clients[fault.who % len(self.clients)]
                for wire in self.network.of_host(client.name):
                    if fault.what == "cut client":
                        wire.cut()
                    else:
                        wire.hold(fault.seconds)
            case "partition":
                names = [each.name for index, each in enumerate(self.workers) if (fault.who >> index) & 1]
                self._isolate(names, fault.seconds)
            case "broken verifier":
                self._break_own(fault.detail)
            case "ghost":
                await haunt(self, fault)

    def _break_own(self, dies: float) -> None:
        """How often the children of the coordinator die from now on."""
        self.verifier_dies = dies
        for device in self.own:
            device.dies = dies

    def _isolate(self, hosts: list[Any], seconds: float) -> None:
        """Short partitions delay, long ones break connections."""
        for host in hosts:
            self.network.block(host, seconds)
            for wire in self.network.of_host(host):
                wire.hold(seconds)
                if seconds > 10:
                    wire.cut()

    def _heal(self) -> None:
        self.trace.note("healed")
        self.healed.set()
        self.disk.full = False
        self.disk.slow_until = 0.0
        self.receiver.bad = 0.0
        self._break_own(0.0)
        self.network.weather = Weather(0.001, 0.005, 0.0)
        self.network.blocked.clear()
        for worker in self.workers:
            device = worker.device
            if device is not None:
                device.pace, device.dies, device.hangs = self.todo.pace, 0.0, False
                if device.lies:
                    self.kill_worker(worker, 0.5, silently=False)
