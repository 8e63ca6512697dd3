"""The coordinator process: opens what it owns, starts the actors, stops them in order.

Rules of this file:
* State first, then ports, then "listening": whatever is wrong with keys, state or ports is said before anything is promised.
* Asked to leave, it takes nothing new and lets running jobs end, as long as `server.shutdown_timeout_seconds`; what does not end by
  then goes on at the next start. A stop lets what is under way be written, and leaves no process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from random import Random

import trio

from zisk_actors import log, mock
from zisk_actors.actors.clients.admission import Limits
from zisk_actors.actors.clients.gateway import serve_client
from zisk_actors.actors.clients.rights import RoleOf
from zisk_actors.actors.coordinator.access import AccessControl
from zisk_actors.actors.coordinator.backend_mode import claim
from zisk_actors.actors.coordinator.coordinator import Coordinator
from zisk_actors.actors.coordinator.disk import look_after_disk
from zisk_actors.actors.coordinator.effects import carry_out
from zisk_actors.actors.coordinator.heartbeat import monitor
from zisk_actors.actors.coordinator.mock_workers import run_mock_workers
from zisk_actors.actors.coordinator.ports import accept, bind, pages_of, refusals_of, say_reach
from zisk_actors.actors.coordinator.ready import Ready
from zisk_actors.actors.coordinator.roster import Roster
from zisk_actors.actors.coordinator.session import serve_worker
from zisk_actors.actors.device import Caller, Device, DeviceSettings
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.jobs.supervisor import supervise
from zisk_actors.actors.mock_device import MockDevice
from zisk_actors.actors.threads import in_thread
from zisk_actors.config import CoordinatorConfig
from zisk_actors.core.budget import Budget
from zisk_actors.core.events import Restarted
from zisk_actors.core.policy import Policy
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.stages import Stage
from zisk_actors.ids import CHANCE
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.journal import Journal
from zisk_actors.transport.allowlist import AllowList
from zisk_actors.transport.auth import KeyPair
from zisk_actors.transport.base import Link, Listener
from zisk_actors.transport.curve import Network
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.server import serve_listeners
from zisk_actors.web.webhook import Post, post, read_target
from zisk_actors.wire.values import Phase

LAST_WORDS_SECONDS = 0.2
"""For those who wait for a job that was the last to end to hear of it."""


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

        def own(name: str) -> MockDevice | Device:
            return MockDevice(0.0, name) if mocked else Device(device, name)

        async with own("verifier") as verifier, own("executor") as executor:
            coordinator = make_coordinator(config, journal, store, verifier, executor)
            coordinator.roster = Roster(folder / "workers.json")
            await recall(coordinator, journal)
            with Network() as network:
                await _serve(config, network, coordinator, keys, allowed, version, ready, leave, folder)
    finally:
        journal.close()
    words.info("stopped gracefully")


async def recall(coordinator: Coordinator, journal: Journal) -> None:
    """Know again what the journal has; jobs that have not ended go on with `attend`."""
    known = await in_thread(journal.recall)
    for past in known.ended:
        coordinator.jobs.adopt_past(past)
    for record in known.live:
        coordinator.jobs.adopt(record)
    coordinator.marks = known.marks
    await coordinator.programs.load()
    waiting = {record.job for record in known.live if record.stage is Stage.WAITING_FOR_INPUT}
    await in_thread(coordinator.inputs.keep_only, waiting)
    unfinished = sum(not record.state.final for record in known.live)
    if unfinished:  # they wait until the workers that were there are back, as long as we wait at all
        awaited = await in_thread(coordinator.roster.read)
        coordinator.handle(Restarted(trio.current_time() + coordinator.limits.settle_seconds, frozenset(awaited)))
    coordinator.log.info("journal read", jobs=len(coordinator.jobs.entries), unfinished=unfinished, epoch=coordinator.epoch)


def make_coordinator(
    config: CoordinatorConfig,
    journal: Journal,
    store: BlobStore,
    verifier: Caller,
    executor: Caller,
    *,
    clock: Callable[[], float] = time.time,
    chance: Random = CHANCE,
    post: Post = post,
) -> Coordinator:
    """The coordinator's state, from its settings. Raises `UsageError` where the webhook's secret cannot be read."""
    metrics = Metrics()
    core = config.coordinator
    scheduler = Scheduler(
        heartbeat_seconds=core.heartbeat_interval_seconds,
        max_missed=core.heartbeat_max_missed,
        max_workers=core.max_total_workers,
        policy=Policy(core.max_workers_per_job, core.min_compute_units, core.default_compute_units),
    )
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
        core.check_execution_steps,
    )
    return Coordinator(
        scheduler=scheduler,
        recorder=Recorder(journal, metrics.journal_commit),
        store=store,
        device=verifier,
        executor=executor,
        limits=limits,
        supervise=supervise,
        carry_out=carry_out,
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
        nursery.start_soon(look_after_disk, coordinator)
        nursery.start_soon(coordinator.roster.run, coordinator.registered)
        nursery.start_soon(accept, clients, partial(serve_client, coordinator=coordinator, role_of=role_of))
        nursery.start_soon(accept, workers, _worker_side(coordinator, config, version))
        nursery.start_soon(coordinator.device.warm)
        if core.check_execution_steps:
            nursery.start_soon(coordinator.executor.warm)
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
) -> None:
    words = log.get()
    mocked = config.backend.mode == mock.BACKEND
    access = AccessControl(allowed)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.serve_zap, allowed.role_at, access.refused)
        clients, workers, http = await bind(config, network, keys)
        access.open("client", clients)
        access.open("worker", workers)
        nursery.start_soon(access.watch_list)
        nursery.start_soon(access.sum_up)
        about = coordinator.about
        about.folder, about.backend = folder, mock.BACKEND if mocked else config.verifier.backend
        about.refusals = partial(refusals_of, coordinator, access.ports, {})
        await nursery.start(attend, coordinator, config, clients, workers, partial(allowed.role_at, "client"), version)
        if mocked:
            nursery.start_soon(run_mock_workers, config.backend, _worker_side(coordinator, config, version), folder, version)
        url = ""
        if http:
            pages = pages_of(coordinator, access)
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
        say_reach(config, workers.endpoint)
        ready(Ready(os.getpid(), clients.endpoint, workers.endpoint, keys.public, url))
        await leave.wait()
        await drain(coordinator, config.server.shutdown_timeout_seconds)
        nursery.cancel_scope.cancel()


async def drain(coordinator: Coordinator, seconds: float) -> None:
    """Let running jobs end, for so long."""
    words = log.get()
    words.info("draining", running=len(coordinator.supervised), queued=len(coordinator.scheduler.queue), limit_seconds=seconds)
    told = bool(coordinator.supervised)
    with trio.move_on_after(seconds) as patience:
        await coordinator.drain()
        if told:
            await trio.sleep(min(seconds, LAST_WORDS_SECONDS))
    if patience.cancelled_caught:
        words.warning("graceful drain timeout", unfinished=len(coordinator.supervised), limit_seconds=seconds)
