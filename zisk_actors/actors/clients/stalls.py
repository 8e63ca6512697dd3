"""What an operator is told of a running coordinator that does not get on, and how much it logs.

Rules of this file:
* Only what is there is read; nothing is decided or changed.
* What a job waits for is said in words that name who or what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import trio

from zisk_actors import log
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.dispatch.progress import ProgressTable
from zisk_actors.actors.dispatch.sessions import Sessions
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.measures import Measures
from zisk_actors.core.phases import PHASES
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.worker import WorkerHealth
from zisk_actors.errors import NotFoundError
from zisk_actors.ids import JobId, WorkerId
from zisk_actors.wire.operating import Level, LogLevel, Stall
from zisk_actors.wire.values import State

MAX_STALLS: Final = 200


class WorkerNotFound(NotFoundError):
    """No worker of that name is connected."""

    code = "worker-not-found"


async def set_level(sessions: Sessions, level: Level, worker: str) -> None:
    """Have the coordinator, or the worker that is named, log so much from now on. Raises `WorkerNotFound`."""
    if not worker:
        log.set_level(level)
        log.get().warning("log level changed by an operator", now=level)
    elif not await sessions.send(WorkerId(worker), LogLevel(level)):
        raise WorkerNotFound(f"no worker {worker[:60]} is connected", hint="`zisk status --workers` names those that are")


class Stalls:
    """Finds what does not get on. `clock` is the wall clock."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        sessions: Sessions,
        progress: ProgressTable,
        measures: Measures,
        clock: Callable[[], float],
    ) -> None:
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._sessions = sessions
        self._progress = progress
        self._measures = measures
        self._clock = clock

    def of(self, jobs: Mapping[JobId, JobEntry], seconds: float) -> list[Stall]:
        """What of these jobs has not got on for so long, the longest first."""
        found = [
            stall
            for entry in jobs.values()
            if not entry.record.state.final
            for stall in self._of_job(entry)
            if stall.still_seconds >= seconds
        ]
        return sorted(found, key=lambda stall: (-stall.still_seconds, stall.job, stall.share or 0))[:MAX_STALLS]

    def _of_job(self, entry: JobEntry) -> Iterator[Stall]:
        """Everything that a job waits for."""
        record = entry.record
        job, now = record.job, self._clock()
        since = max(0.0, now - self._measures.since(job, record.submitted.at))
        waiting = self._scheduler.waiting(job)
        if waiting is not None:
            yield Stall(job=job, kind=record.kind, still_seconds=max(0.0, now - record.submitted.at), waiting_for=waiting.reason)
        elif record.stage in PHASES:
            for share in PHASES[record.stage].shares(record):
                if (PHASES[record.stage].name, share) not in record.answers:
                    yield self._of_share(entry, share, since)
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

    def _of_share(self, entry: JobEntry, share: int, phase_seconds: float) -> Stall:
        record = entry.record
        phase = PHASES[record.stage].name
        lease = self._scheduler.lease(record.job, share)
        if lease is None:
            return Stall(
                job=record.job,
                kind=record.kind,
                phase=phase,
                share=share,
                still_seconds=phase_seconds,
                waiting_for=f"a worker to take the share; {self._dispatcher.pool()}",
            )
        now = trio.current_time()
        attempt = self._progress.find(lease)
        seen = self._progress.shares(record.job, phase).get(share)
        known = self._scheduler.registry.records.get(lease.worker)
        silent = now - known.heard_at if known is not None else 0.0
        waiting_for = f"worker {lease.worker} to {phase.value} share {share}"
        if lease.worker not in self._sessions:
            waiting_for = f"worker {lease.worker} to come back; its link is gone"
        elif known is not None and known.health is WorkerHealth.SUSPECT:
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
            held_seconds=max(0.0, now - attempt.held_since) if attempt is not None else 0.0,
            still_seconds=max(0.0, now - attempt.moved_at) if attempt is not None else 0.0,
            fraction=seen.fraction if seen is not None else 0.0,
            step=seen.step if seen is not None else "",
            waiting_for=waiting_for,
        )
