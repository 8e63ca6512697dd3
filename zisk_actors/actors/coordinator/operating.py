"""What an operator is told of a running coordinator: how the cluster stands, and what does not get on and why.

Rules of this file:
* Only what is there is read; nothing is decided or changed.
* What a job waits for is said in words that name who or what it is.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import trio

from zisk_actors import log
from zisk_actors.actors.coordinator.coordinator import Coordinator
from zisk_actors.actors.coordinator.view import health_of, view_of
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.threads import in_thread
from zisk_actors.core.phases import PHASES
from zisk_actors.core.worker import Health
from zisk_actors.errors import NotFoundError
from zisk_actors.ids import JobId, WorkerId
from zisk_actors.transport.base import LinkClosed
from zisk_actors.wire.operating import ClusterStatus, Level, LogLevel, Stall
from zisk_actors.wire.values import State

MAX_STALLS: Final = 200
MAX_REASONS: Final = 100


class WorkerNotFound(NotFoundError):
    """No worker of that name is connected."""

    code = "worker-not-found"


async def cluster_status(coordinator: Coordinator, role: str) -> ClusterStatus:
    """How the cluster stands."""
    about = coordinator.about
    view = view_of(coordinator, about.version, about.backend)
    uptime = trio.current_time() - about.began_at
    health = health_of(coordinator, about.version, uptime, about.backend)
    free, total = (0, 0) if about.folder is None else await in_thread(_disk, about.folder)
    refusals = sorted(about.refusals().items(), key=lambda item: (-item[1], item[0]))[:MAX_REASONS]
    return ClusterStatus(
        version=about.version,
        backend=about.backend,
        role=role,
        epoch=coordinator.epoch,
        now=coordinator.clock(),
        uptime_seconds=max(0.0, uptime),
        standing=coordinator.standing.value,
        problems=tuple(health.reasons),
        loop_lag_seconds=max(0.0, coordinator.loop_lag),
        log_level=log.level(),
        jobs={state.value: count for state, count in view.jobs},
        queue_depth=view.queue_depth,
        queue_oldest_seconds=view.queue_oldest_age_seconds,
        shares_waiting=view.shares_waiting,
        shares_running=view.shares_running,
        workers=dict(Counter(seen.state for seen in view.workers)),
        units=sum(seen.units for seen in view.workers),
        units_free=sum(seen.free_units for seen in view.workers),
        refusals={reason[:200]: count for reason, count in refusals},
        disk_free_bytes=free,
        disk_total_bytes=total,
    )


def _disk(folder: Path) -> tuple[int, int]:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return 0, 0
    return usage.free, usage.total


async def set_level(coordinator: Coordinator, level: Level, worker: str) -> None:
    """Have the coordinator, or the worker that is named, log so much from now on. Raises `WorkerNotFound`."""
    if not worker:
        log.set_level(level)
        coordinator.log.warning("log level changed by an operator", now=level)
        return
    session = coordinator.sessions.get(WorkerId(worker))
    if session is not None:
        try:
            await session.send(LogLevel(level))
        except LinkClosed:
            session.end()
        else:
            return
    raise WorkerNotFound(f"no worker {worker[:60]} is connected", hint="`zisk status --workers` names those that are")


def stalls(coordinator: Coordinator, jobs: Mapping[JobId, JobEntry], seconds: float) -> list[Stall]:
    """What of these jobs has not got on for so long, the longest first."""
    found = [
        stall
        for entry in jobs.values()
        if not entry.record.state.final
        for stall in _of_job(coordinator, entry)
        if stall.still_seconds >= seconds
    ]
    return sorted(found, key=lambda stall: (-stall.still_seconds, stall.job, stall.share or 0))[:MAX_STALLS]


def _of_job(coordinator: Coordinator, entry: JobEntry) -> Iterator[Stall]:
    """Everything that a job waits for."""
    record = entry.record
    job, now = record.job, coordinator.clock()
    since = max(0.0, now - coordinator.measures.since(job, record.submitted.at))
    waiting = coordinator.scheduler.waiting(job)
    if waiting is not None:
        yield Stall(job=job, kind=record.kind, still_seconds=max(0.0, now - record.submitted.at), waiting_for=waiting.reason)
    elif record.stage in PHASES:
        for share in PHASES[record.stage].shares(record):
            if (PHASES[record.stage].name, share) not in record.answers:
                yield _of_share(coordinator, entry, share, since)
    elif record.state is State.WAITING_FOR_INPUT:
        yield Stall(job=job, kind=record.kind, still_seconds=since, waiting_for="its client, to send the rest of the input")
    elif record.state is not State.QUEUED:
        yield Stall(
            job=job,
            kind=record.kind,
            phase=record.stage.phase,
            still_seconds=since,
            waiting_for="the coordinator's own check of the result, in its verifier process",
        )


def _of_share(coordinator: Coordinator, entry: JobEntry, share: int, phase_seconds: float) -> Stall:
    record = entry.record
    phase = PHASES[record.stage].name
    lease = coordinator.scheduler.lease(record.job, share)
    if lease is None:
        return Stall(
            job=record.job,
            kind=record.kind,
            phase=phase,
            share=share,
            still_seconds=phase_seconds,
            waiting_for=f"a worker to take the share; {coordinator.pool()}",
        )
    now = trio.current_time()
    held_since, moved_at = coordinator.progress.find(lease)
    seen = entry.shares.get(share)
    known = coordinator.scheduler.registry.records.get(lease.worker)
    silent = now - known.heard_at if known is not None else 0.0
    waiting_for = f"worker {lease.worker} to {phase.value} share {share}"
    if lease.worker not in coordinator.sessions:
        waiting_for = f"worker {lease.worker} to come back; its link is gone"
    elif known is not None and known.health is Health.SUSPECT:
        waiting_for += f"; it has not been heard for {silent:.0f} s and is suspected to be gone"
    if seen is not None and seen.second:
        waiting_for += f", or worker {seen.second}, which was started on it because it is slow"
    return Stall(
        job=record.job,
        kind=record.kind,
        phase=phase,
        share=share,
        worker=lease.worker,
        attempt=lease.attempt,
        held_seconds=max(0.0, now - held_since),
        still_seconds=max(0.0, now - moved_at),
        fraction=seen.fraction if seen is not None and seen.phase is phase else 0.0,
        step=seen.step if seen is not None and seen.phase is phase else "",
        waiting_for=waiting_for,
    )
