"""The coordinator process: opens what it owns, starts the actors, stops them in order.

Rules of this file:
* State first, then ports, then "listening": whatever is wrong with keys, state or ports is said before anything is promised.
* Asked to leave, it takes nothing new and lets running jobs end, as long as `server.shutdown_timeout_seconds`; what does not end by
  then goes on at the next start. A stop lets what is under way be written, and leaves no process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import trio

from zisk_actors import log, mock
from zisk_actors.actors.clients.rights import RoleOf
from zisk_actors.actors.coordinator.access import AccessControl
from zisk_actors.actors.coordinator.backend_mode import claim
from zisk_actors.actors.coordinator.composition import Coordinator, compose
from zisk_actors.actors.coordinator.disk import look_after_disk
from zisk_actors.actors.coordinator.mock_workers import run_mock_workers
from zisk_actors.actors.coordinator.pages import pages_of
from zisk_actors.actors.coordinator.ports import accept, bind, say_reach
from zisk_actors.actors.coordinator.restart import recall, resume
from zisk_actors.actors.device import Device, DeviceSettings
from zisk_actors.actors.mock_device import MockDevice
from zisk_actors.actors.ready import Endpoints
from zisk_actors.actors.threads import in_thread
from zisk_actors.actors.workers.roster import Roster
from zisk_actors.config import CoordinatorConfig
from zisk_actors.core.events import Draining
from zisk_actors.ids import BlobId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Mark
from zisk_actors.transport.allowlist import AllowList
from zisk_actors.transport.auth import KeyPair
from zisk_actors.transport.base import Listener
from zisk_actors.transport.curve import Network
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.server import serve_listeners

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
    ready: Callable[[Endpoints], None],
    leave: trio.Event,
) -> None:
    """Serve until cancelled, or until `leave` is set and running jobs have ended or had their time. `ready` is called when all ports
    listen.

    Raises `StoreLocked`, `StoreCorrupt`, `StoreUnwritable`, `OtherBackend` and `PortInUse`.
    """
    mocked = config.backend.mode == mock.BACKEND
    claim(folder, mocked=mocked)
    journal = await in_thread(Journal, folder / "journal")
    try:
        metrics, access = Metrics(), AccessControl(allowed)

        def rotten(name: BlobId) -> None:
            metrics.blob_rotten()
            log.get().error("a blob has rotted on disk, and was moved aside", blob=name, folder=str(folder / "blobs"))

        store = BlobStore(folder / "blobs", reserve_bytes=config.store.reserve_bytes, rotten=rotten)

        def own(name: str) -> MockDevice | Device:
            return MockDevice(0.0, name) if mocked else Device(device, name)

        async with own("verifier") as verifier, own("executor") as executor:
            roster = Roster(folder / "workers.json")
            coordinator = compose(
                config,
                journal,
                store,
                verifier,
                executor,
                metrics=metrics,
                version=version,
                roster=roster,
                ports=access.ports,
                folder=folder,
            )
            marks = await recall_of(coordinator)
            with Network() as network:
                await _serve(config, network, coordinator, marks, keys, allowed, access, ready, leave, folder)
    finally:
        journal.close()
    log.get().info("stopped gracefully")


async def recall_of(coordinator: Coordinator) -> Sequence[Mark]:
    """Know again what the journal has; jobs that have not ended go on with `attend`, which is given what this returns."""
    return await recall(
        journal=coordinator.journal,
        jobs=coordinator.jobs,
        inputs=coordinator.inputs,
        programs=coordinator.programs,
        dispatcher=coordinator.dispatcher,
        roster=coordinator.roster,
        settle_seconds=coordinator.limits.settle_seconds,
    )


async def attend(
    coordinator: Coordinator,
    marks: Sequence[Mark],
    clients: Listener,
    workers: Listener,
    role_of: RoleOf,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the actors behind the two ports until cancelled; they have started when the jobs that have not ended are taken up again."""
    scheduler = coordinator.scheduler
    async with trio.open_nursery() as nursery:
        actors = (coordinator.recorder.run, coordinator.deadlines.run, coordinator.retention.run, coordinator.webhooks.run)
        await nursery.start(coordinator.background.run, *actors)
        nursery.start_soon(look_after_disk, coordinator.recorder, coordinator.store)
        nursery.start_soon(coordinator.roster.run, lambda: scheduler.expected(trio.current_time()))
        nursery.start_soon(accept, clients, partial(coordinator.client_port.serve, role_of=role_of))
        nursery.start_soon(accept, workers, coordinator.worker_port.serve)
        nursery.start_soon(coordinator.verifier.warm)
        if coordinator.limits.own_run_steps:
            nursery.start_soon(coordinator.executor.warm)
        nursery.start_soon(coordinator.heartbeat.run)
        resume(marks=marks, jobs=coordinator.jobs, dispatcher=coordinator.dispatcher, submissions=coordinator.submissions)
        task_status.started()


async def _serve(
    config: CoordinatorConfig,
    network: Network,
    coordinator: Coordinator,
    marks: Sequence[Mark],
    keys: KeyPair,
    allowed: AllowList,
    access: AccessControl,
    ready: Callable[[Endpoints], None],
    leave: trio.Event,
    folder: Path,
) -> None:
    words = log.get()
    version = coordinator.overview.version
    async with trio.open_nursery() as nursery:
        await nursery.start(network.serve_zap, allowed.role_at, access.refused)
        clients, workers, http = await bind(config, network, keys, access)
        access.open("client", clients)
        access.open("worker", workers)
        nursery.start_soon(access.watch_list)
        nursery.start_soon(access.sum_up)
        await nursery.start(attend, coordinator, marks, clients, workers, partial(allowed.role_at, "client"))
        if config.backend.mode == mock.BACKEND:
            nursery.start_soon(run_mock_workers, config.backend, coordinator.worker_port.serve, folder, version)
        url = ""
        if http:
            pages = pages_of(coordinator.overview, coordinator.metrics, access)
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
        ready(Endpoints(os.getpid(), clients.endpoint, workers.endpoint, keys.public, url))
        await leave.wait()
        await drain(coordinator, config.server.shutdown_timeout_seconds)
        nursery.cancel_scope.cancel()


async def drain(coordinator: Coordinator, seconds: float) -> None:
    """Take nothing in and start nothing from now on, and let running jobs end, for so long."""
    words = log.get()
    running, queue = coordinator.jobs.supervised, coordinator.scheduler.queue
    words.info("draining", running=len(running), queued=len(queue), limit_seconds=seconds)
    told = bool(running)
    with trio.move_on_after(seconds) as patience:
        coordinator.admission.close()
        coordinator.dispatcher.handle(Draining())
        await coordinator.supervision.idle()
        if told:
            await trio.sleep(min(seconds, LAST_WORDS_SECONDS))
    if patience.cancelled_caught:
        words.warning("graceful drain timeout", unfinished=len(running), limit_seconds=seconds)
