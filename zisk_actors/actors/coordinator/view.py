"""How things stand in a coordinator, for its gauges and health pages: read from the state itself at each request.

Rules of this file:
* Nothing is decided or changed here.
* Labels get short words of ours, never a sentence or a peer's text.
"""

from __future__ import annotations

from collections import Counter

import trio

from zisk_actors.actors.coordinator.coordinator import Coordinator
from zisk_actors.core.phases import PHASES
from zisk_actors.core.worker import Health as WorkerHealth
from zisk_actors.web.cluster_view import ClusterView, WorkerSeen, WorkerState
from zisk_actors.web.health import Health, Standing
from zisk_actors.wire.values import State


def view_of(coordinator: Coordinator, version: str, backend: str) -> ClusterView:
    """How things stand now."""
    entries = coordinator.jobs.entries.values()
    phases = Counter(phase for entry in entries if entry.state is State.RUNNING and (phase := entry.record.stage.phase) is not None)
    waiting, running, done = _shares(coordinator)
    queue = coordinator.scheduler.queue
    oldest = min((each.submitted_at for each in queue), default=None)
    return ClusterView(
        version=version,
        backend=backend,
        ready=health_of(coordinator, version, 0.0, backend).ready,
        epoch=coordinator.epoch,
        programs=len(coordinator.programs.known),
        jobs=tuple(Counter(entry.state for entry in entries).items()),
        phases=tuple(phases.items()),
        queue_depth=len(queue),
        queue_oldest_age_seconds=0.0 if oldest is None else max(0.0, coordinator.clock() - oldest),
        shares_waiting=waiting,
        shares_running=running,
        shares_done=done,
        workers=_workers(coordinator),
        webhooks_owed=len(coordinator.webhooks.owed),
    )


def health_of(coordinator: Coordinator, version: str, uptime_seconds: float, backend: str) -> Health:
    """Whether new work is taken, and if not, why."""
    problems: list[str] = []
    if coordinator.recorder.broken:
        problems.append("the journal cannot be written")
    if coordinator.store.broken:
        problems.append("blobs cannot be written")
    if len(coordinator.scheduler.queue) >= coordinator.limits.queued and coordinator.standing is Standing.SERVING:
        problems.append("the queue is full")
    workers = len(coordinator.scheduler.registry.records)
    return Health(
        standing=coordinator.standing,
        version=version,
        uptime_seconds=uptime_seconds,
        problems=tuple(problems),
        warnings=() if workers else ("no worker is connected: new jobs wait for one",),
        loop_lag_seconds=coordinator.loop_lag,
        workers=workers,
        backend=backend,
    )


def _shares(coordinator: Coordinator) -> tuple[int, int, int]:
    """How many shares of running jobs wait for a holder, are held, and have answered in their job's phase."""
    waiting = running = done = 0
    for job, entry in coordinator.jobs.entries.items():
        if entry.state is not State.RUNNING or entry.record.stage not in PHASES:
            continue
        for share in PHASES[entry.record.stage].shares(entry.record):
            seen = entry.shares.get(share)
            if seen is not None and seen.step == "done":
                done += 1
            elif coordinator.scheduler.lease(job, share) is not None:
                running += 1
            else:
                waiting += 1
    return waiting, running, done


def _workers(coordinator: Coordinator) -> tuple[WorkerSeen, ...]:
    scheduler = coordinator.scheduler
    busy = scheduler.busy()
    now = trio.current_time()
    seen: list[WorkerSeen] = []
    for name, record in scheduler.registry.records.items():
        state: WorkerState = "computing" if name in busy else "idle"
        if record.health in (WorkerHealth.SUSPECT, WorkerHealth.QUARANTINED):
            state = "suspect" if record.health is WorkerHealth.SUSPECT else "quarantined"
        free = record.units if state == "idle" else 0
        age = max(0.0, now - record.heard_at)
        seen.append(
            WorkerSeen(
                worker=name,
                state=state,
                units=record.units,
                free_units=free,
                heartbeat_age_seconds=age,
                measured=record.measured,
                programs=record.programs,
            )
        )
    return tuple(seen)
