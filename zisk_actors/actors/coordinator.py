"""The coordinator process: opens what it owns, starts the actors, stops them in order.

Rules of this file:
* State first, then ports, then "listening": whatever is wrong with keys, state or ports is said before anything is promised.
* All ports that are taken are named at once.
* Asked to leave, it takes nothing new and lets running jobs end, as long as `server.shutdown_timeout_seconds`; what does not end by
  then goes on at the next start. A stop lets what is under way be written, and leaves no process.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from random import Random

import msgspec
import trio

from zisk_actors import log, mock
from zisk_actors.actors.admission import Limits
from zisk_actors.actors.backend_mode import claim
from zisk_actors.actors.device import Caller, Device, DeviceSettings
from zisk_actors.actors.doors import Doors, limits_of
from zisk_actors.actors.gateway import serve_client
from zisk_actors.actors.heartbeat import monitor
from zisk_actors.actors.measures import health_of, view_of
from zisk_actors.actors.mock_device import MockDevice
from zisk_actors.actors.mock_workers import run_mock_workers
from zisk_actors.actors.port_owner import owner_of
from zisk_actors.actors.recorder import Recorder
from zisk_actors.actors.rights import RoleOf
from zisk_actors.actors.roster import Roster
from zisk_actors.actors.scheduler import Coordinator
from zisk_actors.actors.session import serve_worker
from zisk_actors.actors.supervisor import supervise
from zisk_actors.actors.threads import in_thread
from zisk_actors.config import CoordinatorConfig
from zisk_actors.core.budget import Budget
from zisk_actors.core.registry import Registry
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.stages import Stage
from zisk_actors.errors import PortInUse, UsageError, ZiskError
from zisk_actors.ids import CHANCE
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.journal import Journal
from zisk_actors.transport.allowlist import AllowList
from zisk_actors.transport.auth import KeyPair
from zisk_actors.transport.base import Link, LinkClosed, Listener
from zisk_actors.transport.curve import Network, is_loopback
from zisk_actors.transport.router import RouterListener
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.cluster_view import ClusterView
from zisk_actors.web.health import Health, health_pages
from zisk_actors.web.metrics import metrics_page
from zisk_actors.web.server import Routes, listen_http, serve_listeners
from zisk_actors.web.webhook import Post, post, read_target
from zisk_actors.wire.values import Phase

LAST_WORDS_SECONDS = 0.2
"""For those who wait for a job that was the last to end to hear of it."""


class Ready(msgspec.Struct, frozen=True):
    """Where a coordinator listens; `metrics_url` is empty where metrics are off."""

    pid: int
    client_url: str
    worker_url: str
    server_key: str
    metrics_url: str


async def run_coordinator(
    config: CoordinatorConfig,
    *,
    folder: Path,
    keys: KeyPair,
    allowed: AllowList,
    version: str,
    device: DeviceSettings,
    ready: Callable[[Ready], None],
    leave: trio.Event,
) -> None:
    """Serve until cancelled, or until `leave` is set and running jobs have ended or had their time. `ready` is called when all ports
    listen.

    Raises `StoreLocked`, `StoreCorrupt`, `StoreUnwritable`, `OtherBackend` and `PortInUse`.
    """
    words = log.get()
    mocked = config.backend.mode == mock.BACKEND
    claim(folder, mocked=mocked)
    journal = await in_thread(Journal, folder / "journal")
    try:
        store = BlobStore(folder / "blobs")
        async with MockDevice(0.0, "verifier") if mocked else Device(device, "verifier") as verifier:
            coordinator = make_coordinator(config, journal, store, verifier)
            await recall(coordinator, journal)
            roster = Roster(folder / "workers.json")
            await _await_workers(coordinator, roster)
            with Network() as network:
                await _serve(config, network, coordinator, keys, allowed, version, ready, leave, folder, roster)
    finally:
        journal.close()
    words.info("stopped gracefully")


async def recall(coordinator: Coordinator, journal: Journal) -> None:
    """Know again what the journal has; jobs that have not ended go on with `attend`."""
    known = await in_thread(journal.recall)
    for past in known.ended:
        coordinator.book.adopt_past(past)
    for record in known.live:
        coordinator.book.adopt(record)
    coordinator.marks = known.marks
    await coordinator.programs.load()
    waiting = {record.job for record in known.live if record.stage is Stage.WAITING_FOR_INPUT}
    await in_thread(coordinator.inputs.keep_only, waiting)
    unfinished = sum(not record.state.final for record in known.live)
    if unfinished:
        coordinator.decide.opens_at = trio.current_time() + coordinator.limits.settle_seconds
    coordinator.log.info("journal read", jobs=len(coordinator.book.entries), unfinished=unfinished, epoch=coordinator.epoch)


async def _await_workers(coordinator: Coordinator, roster: Roster) -> None:
    """Where jobs wait to go on, wait with them until the workers that were there are back, as long as we wait at all."""
    if coordinator.decide.opens_at:
        coordinator.decide.awaited = await in_thread(roster.read)
    coordinator.on_roster = roster.changed


def make_coordinator(
    config: CoordinatorConfig,
    journal: Journal,
    store: BlobStore,
    verifier: Caller,
    *,
    clock: Callable[[], float] = time.time,
    chance: Random = CHANCE,
    post: Post = post,
) -> Coordinator:
    """The coordinator's state, from its settings. Raises `UsageError` where the webhook's secret cannot be read."""
    metrics = Metrics()
    core = config.coordinator
    registry = Registry(core.heartbeat_interval_seconds, core.heartbeat_max_missed, core.max_total_workers)
    decide = Scheduler(registry, core.max_workers_per_job, core.min_compute_units, default_compute_units=core.default_compute_units)
    seconds = {
        Phase.SETUP: core.phase1_timeout_seconds,
        Phase.EXECUTE: core.execution_timeout_seconds,
        Phase.CONTRIBUTE: core.phase1_timeout_seconds,
        Phase.PROVE: core.phase2_timeout_seconds,
        Phase.AGGREGATE: core.phase3_timeout_seconds,
    }
    limits = Limits(
        {phase: float(limit) for phase, limit in seconds.items()},
        core.max_queued_jobs,
        Budget(core.max_attempts_per_share, core.max_losses_per_share),
        float(core.worker_wait_seconds),
        float(core.restart_settle_seconds),
        core.max_input_bytes,
        float(core.input_timeout_seconds),
        core.straggler_factor,
        float(core.straggler_min_seconds),
        float(core.job_ttl_seconds),
        core.max_queued_jobs_per_client,
        float(core.webhook_give_up_seconds),
    )
    return Coordinator(
        decide=decide,
        recorder=Recorder(journal, metrics.journal_commit),
        store=store,
        device=verifier,
        limits=limits,
        supervise=supervise,
        metrics=metrics,
        clock=clock,
        chance=chance,
        webhook=read_target(core.webhook_url, core.webhook_secret_file),
        post=post,
    )


def _worker_side(coordinator: Coordinator, config: CoordinatorConfig, version: str) -> Callable[[Link], Awaitable[None]]:
    """What serves a worker's link."""
    core = config.coordinator
    return partial(
        serve_worker,
        coordinator=coordinator,
        version=version,
        heartbeat=(core.heartbeat_interval_seconds, core.heartbeat_max_missed),
        grace_seconds=core.reconnect_grace_period_ms / 1000,
        mocked=config.backend.mode == mock.BACKEND,
    )


async def attend(
    coordinator: Coordinator,
    config: CoordinatorConfig,
    clients: Listener,
    workers: Listener,
    role_of: RoleOf,
    version: str,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the actors behind the two ports until cancelled; they have started when the jobs that have not ended are taken up again."""
    core = config.coordinator
    async with trio.open_nursery() as nursery:
        coordinator.about.version, coordinator.about.began_at = version, trio.current_time()
        await nursery.start(coordinator.run)
        nursery.start_soon(accept, clients, partial(serve_client, coordinator=coordinator, role_of=role_of))
        nursery.start_soon(accept, workers, _worker_side(coordinator, config, version))
        nursery.start_soon(coordinator.device.warm)
        nursery.start_soon(monitor, coordinator, core.heartbeat_interval_seconds)
        coordinator.resume()
        task_status.started()


async def _serve(
    config: CoordinatorConfig,
    network: Network,
    coordinator: Coordinator,
    keys: KeyPair,
    allowed: AllowList,
    version: str,
    ready: Callable[[Ready], None],
    leave: trio.Event,
    folder: Path,
    roster: Roster,
) -> None:
    words = log.get()
    mocked = config.backend.mode == mock.BACKEND
    doors = Doors(allowed)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.serve_zap, allowed.role_at, doors.refused)
        clients, workers, http = await _bind(config, network, keys)
        doors.open("client", clients)
        doors.open("worker", workers)
        nursery.start_soon(doors.watch_list)
        nursery.start_soon(doors.sum_up)
        nursery.start_soon(roster.run, coordinator.roster)
        about = coordinator.about
        about.folder, about.backend = folder, mock.BACKEND if mocked else config.verifier.backend
        about.refusals = partial(_refusals, coordinator, doors.ports, {})
        await nursery.start(attend, coordinator, config, clients, workers, partial(allowed.role_at, "client"), version)
        if mocked:
            nursery.start_soon(run_mock_workers, config.backend, _worker_side(coordinator, config, version), folder, version)
        url = ""
        if http:
            pages = _pages(coordinator, doors)
            serve_pages = partial(serve_listeners, pages, http, refused=partial(coordinator.metrics.refused, "http"))
            url = await nursery.start(serve_pages)
        service = config.service
        words.info(
            "zisk-coordinator listening on",
            endpoint=clients.endpoint,
            role="client",
            version=version,
            service=service.name,
            environment=service.environment,
        )
        words.info(
            "cluster coordinator listening on",
            endpoint=workers.endpoint,
            role="worker",
            heartbeat_seconds=config.coordinator.heartbeat_interval_seconds,
        )
        if url:
            words.info("metrics server listening", url=url)
        _say_reach(config, workers.endpoint)
        ready(Ready(os.getpid(), clients.endpoint, workers.endpoint, keys.public, url))
        await leave.wait()
        await _drain(coordinator, config.server.shutdown_timeout_seconds)
        nursery.cancel_scope.cancel()


def _say_reach(config: CoordinatorConfig, endpoint: str) -> None:
    """Say who can reach the workers' port. That nobody from elsewhere can is worth a warning where such workers are to be expected."""
    host = config.coordinator.host or config.server.host
    port = endpoint.rpartition(":")[2]
    words = log.get()
    if is_loopback(host):
        say = words.info if config.service.environment == "development" else words.warning
        hint = 'for workers elsewhere set coordinator.host to an address of this machine, or to "0.0.0.0" for all of them'
        say("only workers on this machine can connect: the address is loopback", host=host, port=port, hint=hint)
    else:
        name = socket.gethostname() if host in ("0.0.0.0", "::") else host
        words.info("workers on other machines connect with coordinator.url", url=f"tcp://{name}:{port}", host=host)


async def _drain(coordinator: Coordinator, seconds: float) -> None:
    """Let running jobs end, for so long."""
    words = log.get()
    words.info("draining", running=len(coordinator.supervised), queued=len(coordinator.decide.queue), limit_seconds=seconds)
    told = bool(coordinator.supervised)
    with trio.move_on_after(seconds) as patience:
        await coordinator.drain()
        if told:
            await trio.sleep(min(seconds, LAST_WORDS_SECONDS))
    if patience.cancelled_caught:
        words.warning("graceful drain timeout", unfinished=len(coordinator.supervised), limit_seconds=seconds)


def _refusals(coordinator: Coordinator, ports: dict[str, RouterListener], counted: dict[tuple[str, str], int]) -> dict[str, int]:
    """All refusals so far, those of the ports among them from now on: these count for themselves, and `counted` is what we have of it."""
    for role, listener in ports.items():
        for reason, count in listener.refused.items():
            before, counted[role, reason] = counted.get((role, reason), 0), count
            coordinator.metrics.refused("worker" if role == "worker" else "client", reason, times=count - before)
    return dict(coordinator.metrics.refusals)


def _pages(coordinator: Coordinator, doors: Doors) -> Routes:
    """What the HTTP port shows."""
    about = coordinator.about

    def view() -> ClusterView:
        about.refusals()
        return view_of(coordinator, about.version, about.backend)

    def health() -> Health:
        said = health_of(coordinator, about.version, trio.current_time() - about.began_at, about.backend)
        return dataclasses.replace(said, warnings=said.warnings + doors.warnings)

    pages = health_pages(health)
    return {**pages, "/metrics": metrics_page(coordinator.metrics, view)}


async def _bind(
    config: CoordinatorConfig, network: Network, keys: KeyPair
) -> tuple[RouterListener, RouterListener, list[trio.SocketListener]]:
    """All ports, or an error that names each one that cannot be had. No HTTP listeners where metrics are off."""
    bound: list[RouterListener] = []
    limits = limits_of(config.security)
    problems: list[ZiskError] = []
    places = (
        ("client", config.server.host, config.server.port, "server.port, --api-port"),
        ("worker", config.coordinator.host or config.server.host, config.coordinator.port, "coordinator.port, --cluster-port"),
    )
    for role, host, port, setting in places:
        try:
            bound.append(network.bind(host, port, keys, role, limits))
        except UsageError as error:
            owner = owner_of(port) if isinstance(error, PortInUse) else ""
            problems.append(type(error)(f"{error.message} ({'; '.join(filter(None, (setting, owner)))})", hint=error.hint))
    http: list[trio.SocketListener] = []
    if config.metrics.enabled:
        try:
            http = await listen_http(config.metrics.host, config.metrics.port, "metrics.port, --metrics-port")
        except UsageError as error:
            owner = owner_of(config.metrics.port) if isinstance(error, PortInUse) else ""
            problems.append(type(error)(f"{error.message}{owner and f' ({owner})'}", hint=error.hint))
    if problems:
        for listener in bound:
            await listener.aclose()
        for place in http:
            await place.aclose()
        if len(problems) == 1:
            raise problems[0]
        raise PortInUse("; ".join(error.message for error in problems), hint=problems[0].hint)
    return bound[0], bound[1], http


async def accept(listener: Listener, serve: Callable[[Link], Awaitable[None]]) -> None:
    """Serve every link of a listener until cancelled."""
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.run)
            while True:
                try:
                    link = await listener.accept()
                except LinkClosed:
                    break
                nursery.start_soon(serve, link)
    finally:
        with trio.CancelScope(shield=True):
            await listener.aclose()


def write_ready_file(path: Path, ready: Ready) -> None:
    """Say where we listen, for who started us; the file appears whole."""
    temporary = path.with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(ready))
    temporary.replace(path)
