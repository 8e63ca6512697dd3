"""All jobs that this process knows: their records, their numbered changes, and who watches.

Rules of this file:
* `record` writes to the journal first; the job changes, and watchers hear of it, when that is on disk.
* Every change has a number that grows over restarts: the epoch is its upper half.
* Progress replaces progress; changes of state or phase are kept for who comes late.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec
import trio

from zisk_actors import log
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.forecast import Forecast
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.core.job import JobRecord, evolve
from zisk_actors.core.job_events import Event
from zisk_actors.core.phases import percent
from zisk_actors.core.scheduler import Waiting
from zisk_actors.core.summary import summarise
from zisk_actors.ids import JobId, ProgramId, WorkerId
from zisk_actors.store.errors import StoreUnwritable
from zisk_actors.store.rows import Ending, Past
from zisk_actors.wire.values import JobStatus, Lease, Phase, ShareStatus, State, VerifiedReport

MAX_CHANGES: Final = 64
UNWRITABLE_SECONDS: Final = 1.0
"""The pause before it is tried again to write something of a job."""
MAX_SHARES_SHOWN: Final = 64

ProgramName = Callable[[str], str]


class JobTable:
    """The jobs by id. `waiting` says where a queued job stands, `program_name` what a program is called. Where there is
    an `on_end`, each end is owed to the webhook, and it is told of it when that is on disk."""

    def __init__(
        self, recorder: Recorder, *, waiting: Callable[[JobId], Waiting | None], program_name: ProgramName, clock: Callable[[], float]
    ) -> None:
        self.recorder = recorder
        self.clock = clock
        self.entries: dict[JobId, JobEntry] = {}
        self.by_key: dict[tuple[str, str], JobId] = {}
        self.on_end: Callable[[JobRecord], None] | None = None
        self.on_change: Callable[[JobRecord, JobRecord, float], None] | None = None
        self.stopped: Callable[[JobId], tuple[tuple[WorkerId, ...], tuple[WorkerId, ...]]] = lambda job: ((), ())
        self.received: Callable[[JobId], int | None] = lambda job: None
        self.on_progress: Callable[[Lease, Phase, str, float], None] | None = None
        self.forecast: Forecast | None = None
        self._waiting = waiting
        self._program_name = program_name
        self._log = log.get()

    def adopt(self, record: JobRecord) -> JobEntry:
        """Know a job that the journal has."""
        request = record.submitted
        entry = self.entries[request.job] = JobEntry(record, self.recorder.epoch << 32)
        if request.key:
            self.by_key[request.client, request.key] = request.job
        return entry

    def adopt_past(self, past: Past) -> None:
        """Know a job that had ended before our start."""
        self.entries[past.job] = JobEntry(past, self.recorder.epoch << 32)
        if past.head.key:
            self.by_key[past.head.client, past.head.key] = past.job

    def record_of(self, job: JobId) -> JobRecord | None:
        """All that is known of a job; None where it is not known."""
        entry = self.entries.get(job)
        return None if entry is None else entry.record

    def forget(self, job: JobId) -> None:
        """Know a job no more; its key may be used again."""
        entry = self.entries.pop(job, None)
        if entry is not None and (key := entry.key):
            self.by_key.pop((entry.client, key), None)

    async def record(self, entry: JobEntry, event: Event) -> None:
        """Make an event true. Raises `IllegalTransition` before anything is written, and `StoreUnwritable` where nothing was."""
        with trio.CancelScope(shield=True):  # what is on disk must be true in memory too
            async with entry.lock:
                before = entry.record
                after = evolve(before, event)
                ending = Ending(summarise(after), self.on_end is not None) if after.state.final else None
                await self.recorder.append(before.job, event, ending)
                entry.record = after
        if after.state.final and self.on_end is not None:
            self.on_end(after)
        if self.on_change is not None:
            self.on_change(before, after, event.at)
        failure = after.failure
        detail = {} if failure is None else {"error": failure.message, "code": failure.code, "kind": failure.kind.value}
        self._log.info(f"[Job] {type(event).__name__}", job=after.job, stage=after.stage.value, **detail)
        if after.stage is not before.stage:
            entry.shares = {}
            self.tell(entry)

    def share_is(self, entry: JobEntry, lease: Lease, phase: Phase, step: str, fraction: float) -> None:
        """Note how far a share is, and tell the watchers."""
        if self.on_progress is not None:
            self.on_progress(lease, phase, step, fraction)
        shown = ShareStatus(share=lease.share, worker=lease.worker, attempt=lease.attempt, phase=phase, fraction=fraction, step=step[:200])
        seen = entry.shares.get(lease.share)
        if seen is not None and seen.phase is phase and lease.worker in (seen.worker, seen.second) and seen.second and step != "done":
            shown = msgspec.structs.replace(seen, fraction=max(seen.fraction, fraction), step=shown.step)
        entry.shares[lease.share] = shown
        self.tell(entry)

    def doubled(self, entry: JobEntry, lease: Lease) -> None:
        """A second worker is at a share beside its holder, and what is shown is the progress of who is further."""
        entry.shares[lease.share] = msgspec.structs.replace(entry.shares[lease.share], second=lease.worker)
        self.tell(entry)

    def alone(self, entry: JobEntry, lease: Lease, phase: Phase) -> None:
        """Of two workers at a share one is left."""
        entry.shares.pop(lease.share, None)
        self.share_is(entry, lease, phase, "work", 0.0)

    def status(self, entry: JobEntry) -> JobStatus:
        """What a client is told."""
        record, request = entry.record, entry.record.submitted
        shares = tuple(entry.shares[share] for share in sorted(entry.shares))
        done = percent(record, shares)
        received = self.received(record.job) if record.state is State.WAITING_FOR_INPUT else None
        waiting = self._waiting(record.job)
        why = waiting.reason if waiting is not None else f"the rest of its input, after {received} bytes" if received is not None else ""
        stopped, stopping = self.stopped(record.job) if record.state in (State.CANCELLED, State.FAILED) else ((), ())
        return JobStatus(
            job=record.job,
            kind=record.kind,
            state=record.state,
            program=ProgramId(request.program.sha256),
            program_name=request.name or self._program_name(request.program.sha256),
            params=request.params,
            phase=record.stage.phase,
            percent=done,
            eta_seconds=self.forecast.left(entry) if self.forecast is not None else None,
            position=waiting.position if waiting is not None else None,
            starts_in_seconds=self.forecast.starts_in(waiting.position) if self.forecast is not None and waiting is not None else None,
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

    def tell(self, entry: JobEntry) -> None:
        """Number the job as it is now, and wake who watches."""
        entry.number += 1
        status = self.status(entry)
        if len(entry.changes) > 1:
            kinds = [(seen.state, seen.phase) for _, seen in (entry.changes[-2], entry.changes[-1])]
            if kinds[0] == kinds[1] == (status.state, status.phase):
                entry.changes.pop()
        if len(entry.changes) == MAX_CHANGES:
            entry.changes.popleft()
        entry.changes.append((entry.number, status))
        entry.changed.set()
        entry.changed = trio.Event()

    async def changes(self, entry: JobEntry, after: int) -> AsyncGenerator[tuple[int, JobStatus], None]:
        """Each change numbered above `after`, until the job has ended. An ended job tells its end once, whatever `after` is."""
        while True:
            changed = entry.changed
            news = [(number, status) for number, status in entry.changes if number > after]
            if not news and entry.record.state.final:
                news = [(max(entry.number, after), self.status(entry))]
            for number, status in news:
                after = number
                yield number, status
                if status.state.final:
                    return
            if not news:
                await changed.wait()

    async def ended(self, entry: JobEntry) -> None:
        """Wait until a job has ended."""
        while not entry.record.state.final:
            await entry.changed.wait()

    async def written_down(self, entry: JobEntry) -> None:
        """Wait until a job has ended. Raises `StoreUnwritable` where that waits for the disk."""
        while not entry.record.state.final:
            if entry.unwritten is not None:
                raise entry.unwritten
            await entry.changed.wait()

    async def persist(self, entry: JobEntry, event: Event) -> None:
        """Make an event true, however long the disk takes to come back. Raises `IllegalTransition`."""
        while True:
            try:
                await self.record(entry, event)
            except StoreUnwritable as error:
                await self.disk_pause(entry, error)
            else:
                entry.unwritten = None
                return

    async def disk_pause(self, entry: JobEntry, error: StoreUnwritable) -> None:
        """Before something of a job is tried again that could not be written. Where we stop first, the job goes on at the next start."""
        if entry.unwritten is None:
            self._log.error("a job waits for the disk", job=entry.job, error=error.message)
        self.cannot_write(entry, error)
        await trio.sleep(UNWRITABLE_SECONDS)

    def cannot_write(self, entry: JobEntry, error: StoreUnwritable | None) -> None:
        """Note that the end of a job cannot be written down, or that it can again, for who waits for it."""
        entry.unwritten = error
        entry.changed.set()
        entry.changed = trio.Event()
