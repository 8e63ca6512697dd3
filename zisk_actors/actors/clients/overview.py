"""How things stand in a coordinator: for its gauges and health pages, and for an operator who asks.

Rules of this file:
* It is read from the state itself at each request; nothing is decided or changed here but our own counts.
* Labels get short words of ours, never a sentence or a peer's text.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import trio

from zisk_actors import log
from zisk_actors.actors.dispatch.progress import DONE, ProgressTable
from zisk_actors.actors.jobs.admission import Admission
from zisk_actors.actors.jobs.limits import JobLimits
from zisk_actors.actors.jobs.outbox import Outbox
from zisk_actors.actors.jobs.programs import Programs
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.threads import in_thread
from zisk_actors.actors.workers.heartbeat import HeartbeatMonitor
from zisk_actors.core.phases import PHASES
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.worker import WorkerHealth
from zisk_actors.store.blobs import BlobStore
from zisk_actors.transport.base import Refusals
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.cluster_view import ClusterView, WorkerSeen, WorkerState
from zisk_actors.web.health import Health, Standing
from zisk_actors.wire.operating import ClusterStatus
from zisk_actors.wire.values import State

MAX_REASONS: Final = 100
MOST_FLUSH_SECONDS: Final = 5.0
"""A journal that takes longer for a write is not ready: the disk hangs."""
MOST_OWED_SECONDS: Final = 600.0
"""A webhook that is owed the end of a job for longer is warned of."""


class Overview:
    """What is told of the whole. `ports` count what they refuse, by role; `folder` is where the state is, None where that is no folder."""

    def __init__(
        self,
        *,
        version: str,
        backend: str,
        scheduler: Scheduler,
        progress: ProgressTable,
        jobs: JobTable,
        programs: Programs,
        admission: Admission,
        outbox: Outbox,
        recorder: Recorder,
        store: BlobStore,
        heartbeat: HeartbeatMonitor,
        metrics: Metrics,
        limits: JobLimits,
        clock: Callable[[], float],
        ports: Mapping[str, Refusals],
        folder: Path | None,
    ) -> None:
        self.version = version
        self.backend = backend
        self._scheduler = scheduler
        self._progress = progress
        self._jobs = jobs
        self._programs = programs
        self._admission = admission
        self._outbox = outbox
        self._recorder = recorder
        self._store = store
        self._heartbeat = heartbeat
        self._metrics = metrics
        self._limits = limits
        self._clock = clock
        self._ports = ports
        self._folder = folder
        self._counted: dict[tuple[str, str], int] = {}
        self._began_at = trio.current_time()

    def refusals(self) -> dict[str, int]:
        """All refusals so far, those of the ports among them from now on: these count for themselves."""
        for role, port in self._ports.items():
            for reason, count in port.refused.items():
                before, self._counted[role, reason] = self._counted.get((role, reason), 0), count
                self._metrics.refused("worker" if role == "worker" else "client", reason, times=count - before)
        return dict(self._metrics.refusals)

    def view(self) -> ClusterView:
        """How things stand now."""
        entries = self._jobs.entries.values()
        phases = Counter(phase for entry in entries if entry.state is State.RUNNING and (phase := entry.record.stage.phase) is not None)
        waiting, running, done = self._shares()
        queue = self._scheduler.queue
        oldest = min((each.submitted_at for each in queue), default=None)
        return ClusterView(
            version=self.version,
            backend=self.backend,
            ready=self.health().ready,
            epoch=self._recorder.epoch,
            programs=len(self._programs.known),
            jobs=tuple(Counter(entry.state for entry in entries).items()),
            phases=tuple(phases.items()),
            queue_depth=len(queue),
            queue_oldest_age_seconds=0.0 if oldest is None else max(0.0, self._clock() - oldest),
            shares_waiting=waiting,
            shares_running=running,
            shares_done=done,
            workers=self._workers(),
            webhooks_owed=len(self._outbox.owed),
        )

    def health(self) -> Health:
        """Whether new work is taken, and if not, why."""
        problems: list[str] = []
        if self._recorder.broken:
            problems.append("the journal cannot be written")
        elif (waits := self._recorder.waits_seconds) > MOST_FLUSH_SECONDS:
            problems.append(f"the journal has not taken what was given to it {waits:.0f} s ago")
        if self._store.broken:
            problems.append("blobs cannot be written")
        if len(self._scheduler.queue) >= self._limits.queued and self._admission.standing is Standing.SERVING:
            problems.append("the queue is full")
        workers = len(self._scheduler.registry.records)
        warnings = [] if workers else ["no worker is connected: new jobs wait for one"]
        if (owed := self._outbox.oldest(self._clock())) > MOST_OWED_SECONDS:
            warnings.append(f"the webhook has not been told of {len(self._outbox.owed)} ends, the oldest of {owed / 60:.0f} minutes ago")
        return Health(
            standing=self._admission.standing,
            version=self.version,
            uptime_seconds=trio.current_time() - self._began_at,
            problems=tuple(problems),
            warnings=tuple(warnings),
            loop_lag_seconds=self._heartbeat.loop_lag,
            workers=workers,
            backend=self.backend,
        )

    async def status(self, role: str) -> ClusterStatus:
        """How the cluster stands, for somebody with that role."""
        view, health = self.view(), self.health()
        free, total = (0, 0) if self._folder is None else await in_thread(_disk, self._folder)
        refusals = sorted(self.refusals().items(), key=lambda item: (-item[1], item[0]))[:MAX_REASONS]
        return ClusterStatus(
            version=self.version,
            backend=self.backend,
            role=role,
            epoch=self._recorder.epoch,
            now=self._clock(),
            uptime_seconds=max(0.0, health.uptime_seconds),
            standing=self._admission.standing.value,
            problems=tuple(health.reasons),
            loop_lag_seconds=max(0.0, self._heartbeat.loop_lag),
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

    def _shares(self) -> tuple[int, int, int]:
        """How many shares of running jobs wait for a holder, are held, and have answered in their job's phase."""
        waiting = running = done = 0
        for job, entry in self._jobs.entries.items():
            if entry.state is not State.RUNNING or entry.record.stage not in PHASES:
                continue
            seen = self._progress.shares(job, entry.record.stage.phase)
            for share in PHASES[entry.record.stage].shares(entry.record):
                if share in seen and seen[share].step == DONE:
                    done += 1
                elif self._scheduler.lease(job, share) is not None:
                    running += 1
                else:
                    waiting += 1
        return waiting, running, done

    def _workers(self) -> tuple[WorkerSeen, ...]:
        busy = self._scheduler.busy()
        now = trio.current_time()
        seen: list[WorkerSeen] = []
        for name, record in self._scheduler.registry.records.items():
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


def _disk(folder: Path) -> tuple[int, int]:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return 0, 0
    return usage.free, usage.total
