"""What a client is told of a job: its record, what it waits for, how far its shares are, and when it will end.

Rule of this file: only what is there is read; nothing is decided or changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from zisk_actors.actors.dispatch.progress import ProgressTable
from zisk_actors.actors.dispatch.stopping import Stopping
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.forecast import Forecast
from zisk_actors.core.phases import percent
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.ids import ProgramId
from zisk_actors.wire.values import JobStatus, State, VerifiedReport

MAX_SHARES_SHOWN: Final = 64

ProgramName = Callable[[str, str], str]
"""What a client, the second, calls a program."""


class Statuses:
    """Makes statuses. `program_name` says what a program is called."""

    def __init__(
        self, *, scheduler: Scheduler, program_name: ProgramName, forecast: Forecast, progress: ProgressTable, stopping: Stopping
    ) -> None:
        self._scheduler = scheduler
        self._program_name = program_name
        self._forecast = forecast
        self._progress = progress
        self._stopping = stopping

    def of(self, entry: JobEntry) -> JobStatus:
        """The status of a job as it is now."""
        record, request = entry.record, entry.record.submitted
        shares = tuple(self._progress.shares(record.job, record.stage.phase).values())
        received = entry.received_bytes if record.state is State.WAITING_FOR_INPUT else None
        waiting = self._scheduler.waiting(record.job)
        why = waiting.reason if waiting is not None else f"the rest of its input, after {received} bytes" if received is not None else ""
        stopped, stopping = self._stopping.of(record.job) if record.state in (State.CANCELLED, State.FAILED) else ((), ())
        return JobStatus(
            job=record.job,
            kind=record.kind,
            state=record.state,
            program=ProgramId(request.program.sha256),
            program_name=request.name or self._program_name(request.program.sha256, request.client),
            params=request.params,
            phase=record.stage.phase,
            percent=percent(record, shares),
            eta_seconds=self._forecast.left(entry),
            position=waiting.position if waiting is not None else None,
            starts_in_seconds=self._forecast.starts_in(waiting.position) if waiting is not None else None,
            needed_units=waiting.needed if waiting is not None else None,
            free_units=waiting.free if waiting is not None else None,
            total_units=waiting.total if waiting is not None else None,
            waiting_for=why,
            submitted_at=request.at,
            started_at=record.started_at,
            ended_at=record.ended_at,
            deadline_at=request.deadline_at,
            weights=record.weights[:MAX_SHARES_SHOWN],
            shares=shares[:MAX_SHARES_SHOWN],
            result=record.result,
            key=record.key,
            verified=record.report if isinstance(record.report, VerifiedReport) else None,
            failure=record.failure,
            reason=record.reason,
            number=entry.number,
            stdin=record.stdin,
            received_bytes=received,
            stopped=stopped[:MAX_SHARES_SHOWN],
            stopping=stopping[:MAX_SHARES_SHOWN],
        )
