"""The worker's connection: dial the coordinator, say hello, pass on what it says to the workload, and notice when it is gone.

Rules of this file:
* Tasks and answers outlive a link: a worker whose link breaks computes on, and offers its answers again when it is back.
* A coordinator in a new epoch is told what is held, and says what of that it does not want; all else is kept.
* A coordinator that is silent for as many heartbeats as it dictates is dead: the link is closed and dialled again.
* A permanent refusal ends the worker with its reason; everything else is tried again, with longer and longer pauses.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from zisk_actors import log
from zisk_actors.actors.device import CallFailed, ComputeDevice
from zisk_actors.actors.threads import in_thread
from zisk_actors.actors.transfer import Exchange, Send
from zisk_actors.actors.worker.workload import Workload
from zisk_actors.errors import NotAuthorised, RefusedRetryLater, Unreachable
from zisk_actors.ids import CHANCE, Incarnation, WorkerId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.transport.base import Link, LinkClosed
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.compute import MeasureCall
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.operating import LogLevel
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk
from zisk_actors.wire.values import BlobRef
from zisk_actors.wire.worker_link import (
    AggregateTask,
    AnswerTaken,
    CancelDone,
    CancelJob,
    CancelLease,
    ContributeTask,
    CoordinatorSays,
    ExecuteTask,
    Goodbye,
    Heartbeat,
    Hello,
    Measured,
    ProveTask,
    Refused,
    Reintroduce,
    SetupTask,
    Welcome,
)

if TYPE_CHECKING:  # prometheus_client takes a tenth of a second to load, and most workers have no use for it
    from zisk_actors.web.worker import WorkerMetrics, WorkerView

HELLO_SECONDS: Final = 10.0
FETCH_SECONDS: Final = 300.0
MEASURE_SECONDS: Final = 30.0

Dial = Callable[[], Awaitable[Link]]


class WorkerRefused(RefusedRetryLater):
    """The coordinator will not have this worker."""

    code = "worker-refused"
    exit_code = 8


class _Again(Exception):
    """End this session and dial again; not an error."""


@dataclass(frozen=True)
class WorkerFacts:
    """What the worker says of itself; `measure`, whether it finds out how fast its device is."""

    worker: WorkerId
    incarnation: Incarnation
    units: int
    version: str
    backend: str
    threads: int
    reconnect_seconds: float = 1.0
    reconnect_max_seconds: float = 30.0
    cache_bytes: int = 8 * 10**8
    memory_bytes: int = 0
    measure: bool = False
    pid: int = field(default_factory=os.getpid)


class WorkerActor:
    """The state of one worker process; `run` is its life. `chance` is where the jitter of its pauses comes from."""

    def __init__(
        self,
        facts: WorkerFacts,
        dial: Dial,
        device: ComputeDevice,
        store: BlobStore,
        metrics: WorkerMetrics | None = None,
        chance: Random = CHANCE,
    ) -> None:
        self._facts = facts
        self._chance = chance
        self._dial = dial
        self._device = device
        self._store = store
        self._log = log.get(worker=facts.worker)
        self._unpacker: Unpacker[Any] = Unpacker(CoordinatorSays)  # Any: the union has no type of its own
        self._workload = Workload(device, store, self._path, self._try_send, self._log, metrics)
        self._epoch = 0
        self._send: Send | None = None
        self._exchange: Exchange | None = None
        self._online = trio.Event()
        self._metrics = metrics
        self._heard_at: float | None = None
        self._measured = 0.0

    def view(self) -> WorkerView:
        """How things stand now."""
        from zisk_actors.web.worker import WorkerView

        facts = self._facts
        return WorkerView(
            version=facts.version,
            worker=facts.worker,
            backend=facts.backend,
            connected=self._send is not None,
            units=facts.units,
            phase=self._workload.phase,
            shares_held=len(self._workload.held()),
            results_kept=len(self._workload.outbox),
            heartbeat_age_seconds=None if self._heard_at is None else trio.current_time() - self._heard_at,
        )

    async def run(self) -> None:
        """Work until cancelled. Raises `WorkerRefused` when the coordinator says that there is no use."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._measure if self._facts.measure else self._device.warm)
            nursery.start_soon(self._workload.run)
            nursery.start_soon(self._stay_connected)

    async def _measure(self) -> None:
        """Start the device and find out how fast it is, once; whoever is connected meanwhile is told then."""
        try:
            self._measured = (await self._device.call(MeasureCall(), seconds=MEASURE_SECONDS)).rate
        except CallFailed as error:
            self._log.warning("the device was not measured", error=error.message, code=error.failure.code)
        else:
            self._log.info("device measured", cells_per_second=round(self._measured), compute_units=self._facts.units)
            await self._try_send(Measured(self._measured))

    # --------------------------------------------------------------------------------------------------------- the connection

    async def _stay_connected(self) -> None:
        pause = self._facts.reconnect_seconds
        while True:
            try:
                link = await self._dial()
            except (Unreachable, NotAuthorised) as error:
                if self._metrics is not None:
                    self._metrics.connected(success=False)
                wait = pause * self._chance.uniform(0.5, 1.0)
                self._log.warning("Connection failed", code=error.code, error=error.message, hint=error.hint, retry_seconds=round(wait, 2))
                await trio.sleep(wait)
                pause = min(2 * pause, self._facts.reconnect_max_seconds)
                continue
            if self._metrics is not None:
                self._metrics.connected(success=True)
            try:
                served = await self._session(link)
            finally:
                with trio.CancelScope(shield=True):
                    await link.aclose()
            if served:
                pause = self._facts.reconnect_seconds
            await trio.sleep(pause * self._chance.uniform(0.2, 0.5))
            pause = min(2 * pause, self._facts.reconnect_max_seconds)

    async def _session(self, link: Link) -> bool:
        """One link's life; True where the coordinator took us. Raises `WorkerRefused`."""

        async def send(message: msgspec.Struct, bulk: bytes) -> None:
            await link.send(pack(message, bulk, epoch=self._epoch))

        served = False
        exchange = Exchange(send, self._store)
        try:
            welcome = await self._introduce(link, send)
            if welcome is None:
                return False
            served = True
            self._send, self._exchange = send, exchange
            self._online.set()
            for answer in list(self._workload.outbox.values()):
                await send(answer, b"")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._beat, send, welcome.heartbeat_seconds)
                with trio.CancelScope() as silence:
                    limit = welcome.heartbeat_seconds * welcome.heartbeat_max_missed
                    silence.deadline = trio.current_time() + limit
                    while True:
                        message, bulk, _ = self._unpacker.unpack(await link.receive())
                        self._heard_at = trio.current_time()
                        silence.deadline = self._heard_at + limit
                        await self._take(message, bulk, send, exchange)
                self._log.warning("Stream closed, will reconnect", error=f"no sign of the coordinator for {limit:g} s")
                nursery.cancel_scope.cancel()
        except* (LinkClosed, _Again) as group:
            self._log.warning("Stream closed, will reconnect", error=str(group.exceptions[0]))
        except* WireError as group:
            self._log.error("Stream closed, will reconnect", error=f"the coordinator says what we do not understand: {group.exceptions[0]}")
        finally:
            self._online = trio.Event()
            self._send = self._exchange = None
            exchange.close()
            if served:
                await self._say_goodbye(send)
        return served

    async def _introduce(self, link: Link, send: Send) -> Welcome | None:
        """Say hello; the welcome, or None where the coordinator does not answer or says to come back later. Raises `WorkerRefused`."""
        facts = self._facts
        hello = Hello(
            worker=facts.worker,
            incarnation=facts.incarnation,
            units=facts.units,
            version=facts.version,
            backend=facts.backend,
            threads=facts.threads,
            pid=facts.pid,
            held=self._workload.held(),
            memory_bytes=facts.memory_bytes,
            measured=self._measured,
            programs=tuple(self._workload.programs),
        )
        await send(hello, b"")
        with trio.move_on_after(HELLO_SECONDS):
            while True:
                message, _, epoch = self._unpacker.unpack(await link.receive())
                if isinstance(message, Refused):
                    self._log.error("Registration rejected", reason=message.reason, code=message.code, permanent=message.permanent)
                    if message.permanent:
                        raise WorkerRefused(message.reason, hint="give each worker an id of its own" if "duplicate" in message.code else "")
                    return None
                if isinstance(message, Welcome):
                    self._epoch = epoch
                    self._log.info(
                        "Registration accepted: registered with the coordinator",
                        compute_units=facts.units,
                        backend=facts.backend,
                        epoch=epoch,
                    )
                    return message
        self._log.warning("Registration failed", error=f"no answer to our hello in {HELLO_SECONDS:g} s")
        return None

    async def _beat(self, send: Send, seconds: float) -> None:
        tick = 0
        while True:
            await send(Heartbeat(tick), b"")
            await trio.sleep(seconds)
            tick += 1

    async def _say_goodbye(self, send: Send) -> None:
        """Where the process is ending, tell the coordinator, so that it need not find out."""
        if trio.current_effective_deadline() == -float("inf"):
            with trio.CancelScope(shield=True), trio.move_on_after(0.5), suppress(LinkClosed):
                await send(Goodbye("the worker stops"), b"")
                await trio.sleep(0.05)  # for ZeroMQ to hand it over before the socket closes

    async def _take(self, message: Any, bulk: bytes, send: Send, exchange: Exchange) -> None:
        match message:
            case FetchChunk() | Chunk() | NoChunk():
                await exchange.take(message, bulk)
            case SetupTask() | ExecuteTask() | ContributeTask() | ProveTask() | AggregateTask():
                await self._workload.accept(message, send)
            case AnswerTaken():
                self._workload.outbox.pop((message.lease, message.phase), None)
                if not self._workload.outbox and not self._workload.tasks:
                    await in_thread(self._store.trim, self._facts.cache_bytes)
            case CancelJob():
                await self._workload.cancel(lambda lease: lease.job == message.job, message.reason)
                await send(CancelDone(message.job), b"")
            case CancelLease():
                await self._workload.cancel(lambda lease: lease == message.lease, message.reason)
            case Reintroduce():
                raise _Again("the coordinator does not know us any more")
            case LogLevel():
                log.set_level(message.level)
                self._log.warning("log level changed by an operator", now=message.level)
            case Heartbeat() | Welcome() | Refused():
                pass

    # ------------------------------------------------------------------------------------------------ what the workload needs of it

    async def _path(self, blob: BlobRef) -> str:
        """The path of a blob, fetched where we lack it; waits through breaks of the link. Raises what the transfer raises."""
        with trio.move_on_after(FETCH_SECONDS):
            while not self._store.has(blob):
                await self._online.wait()
                if self._exchange is None:
                    await trio.lowlevel.checkpoint()
                    continue
                try:
                    await self._exchange.fetch(blob)
                except LinkClosed:
                    await trio.sleep(0.05)
            return str(self._store.path(blob.sha256))
        raise Unreachable(f"blob {blob.sha256} did not come in {FETCH_SECONDS:.0f} s")

    async def _try_send(self, message: msgspec.Struct) -> None:
        """Send where there is a link. A progress that is lost is no loss, and an answer is offered again."""
        if self._send is not None:
            with suppress(LinkClosed):
                await self._send(message, b"")
