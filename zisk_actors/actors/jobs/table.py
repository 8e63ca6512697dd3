"""All jobs that this process knows: their records, their numbered changes, and who watches.

Rules of this file:
* `record` writes to the journal first; the job changes, and watchers hear of it, when that is on disk.
* Every change has a number that grows over restarts: the epoch is its upper half.
* Progress replaces progress; changes of state or phase are kept for who comes late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from functools import partial
from typing import Final, NamedTuple

import trio

from zisk_actors import log
from zisk_actors.actors.dispatch.progress import ProgressTable
from zisk_actors.actors.dispatch.stopping import Stopping
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.forecast import Forecast
from zisk_actors.actors.jobs.measures import Measures
from zisk_actors.actors.jobs.outbox import Outbox
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.jobs.status import ProgramName, Statuses
from zisk_actors.actors.until_written import until_written
from zisk_actors.core.job import JobRecord, evolve
from zisk_actors.core.job_events import JobEvent
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.summary import summarise
from zisk_actors.ids import JobId
from zisk_actors.store.errors import StoreUnwritable
from zisk_actors.store.rows import Ending, Past
from zisk_actors.wire.values import JobStatus

MAX_CHANGES: Final = 64


class Kept(NamedTuple):
    """What is kept for one client: jobs, and bytes of the inputs of those that this process has seen run."""

    jobs: int = 0
    input_bytes: int = 0


class JobTable:
    """The jobs by id. Of each change the `measures` are told when it is on disk, and of an end the `outbox`."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        scheduler: Scheduler,
        program_name: ProgramName,
        progress: ProgressTable,
        stopping: Stopping,
        measures: Measures,
        outbox: Outbox,
    ) -> None:
        self._recorder = recorder
        self._measures = measures
        self._outbox = outbox
        self.entries: dict[JobId, JobEntry] = {}
        self.by_key: dict[tuple[str, str], JobId] = {}
        self._kept: dict[str, Kept] = {}
        self._versions: Counter[str] = Counter()
        self.supervised: set[JobId] = set()
        forecast = Forecast(measures.rates, progress, lambda: [self.entries[job] for job in self.supervised])
        self._statuses = Statuses(scheduler=scheduler, program_name=program_name, forecast=forecast, progress=progress, stopping=stopping)
        self._log = log.get()

    def adopt(self, record: JobRecord) -> JobEntry:
        """Know a job that the journal has."""
        request = record.submitted
        entry = self.entries[request.job] = JobEntry(record, self._recorder.epoch << 32)
        entry.counted_bytes = _input_bytes(record)
        self._count(request.client, 1, entry.counted_bytes)
        if request.key:
            self.by_key[request.client, request.key] = request.job
        return entry

    def adopt_past(self, past: Past) -> None:
        """Know a job that had ended before our start."""
        self.entries[past.job] = JobEntry(past, self._recorder.epoch << 32)
        self._count(past.head.client, 1, 0)
        if past.head.key:
            self.by_key[past.head.client, past.head.key] = past.job

    def record_of(self, job: JobId) -> JobRecord | None:
        """All that is known of a job; None where it is not known."""
        entry = self.entries.get(job)
        return None if entry is None else entry.record

    def forget(self, job: JobId) -> None:
        """Know a job no more; its key may be used again."""
        entry = self.entries.pop(job, None)
        if entry is None:
            return
        self._count(entry.client, -1, -entry.counted_bytes)
        if entry.key:
            self.by_key.pop((entry.client, entry.key), None)

    def kept_of(self, client: str) -> Kept:
        """What is kept for a client."""
        return self._kept.get(client, Kept())

    def version_of(self, client: str) -> int:
        """Grows with each change of what is kept for a client."""
        return self._versions[client]

    def _count(self, client: str, jobs: int, input_bytes: int) -> None:
        self._versions[client] += 1
        kept = self.kept_of(client)
        self._kept[client] = Kept(kept.jobs + jobs, kept.input_bytes + input_bytes)
        if not self._kept[client].jobs:
            del self._kept[client]

    async def record(self, entry: JobEntry, event: JobEvent) -> None:
        """Make an event true. Raises `IllegalTransition` before anything is written, and `StoreUnwritable` where nothing was."""
        with trio.CancelScope(shield=True):  # what is on disk must be true in memory too
            async with entry.lock:
                before = entry.record
                after = evolve(before, event)
                ending = Ending(summarise(after), self._outbox.wanted) if after.state.final else None
                await self._recorder.append(before.job, event, ending)
                entry.record = after
                self._count(entry.client, 0, _input_bytes(after) - entry.counted_bytes)
                entry.counted_bytes = _input_bytes(after)
        if after.state.final:
            self._outbox.ended(after)
        self._measures.changed(before, after, event.at)
        failure = after.failure
        detail = {} if failure is None else {"error": failure.message, "code": failure.code, "kind": failure.kind.value}
        self._log.info(f"[Job] {type(event).__name__}", job=after.job, stage=after.stage.value, **detail)
        if after.stage is not before.stage:
            self.tell(entry)

    def status(self, entry: JobEntry) -> JobStatus:
        """What a client is told."""
        return self._statuses.of(entry)

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

    async def persist(self, entry: JobEntry, event: JobEvent) -> None:
        """Make an event true, however long the disk takes to come back. Raises `IllegalTransition`."""
        await until_written(partial(self.record, entry, event), waits=partial(self.waits_for_disk, entry))
        entry.unwritten = None

    def waits_for_disk(self, entry: JobEntry, error: StoreUnwritable) -> None:
        """Something of a job cannot be written now, and is tried again. Where we stop first, the job goes on at the next start."""
        if entry.unwritten is None:
            self._log.error("a job waits for the disk", job=entry.job, error=error.message)
        entry.unwritten = error
        entry.changed.set()
        entry.changed = trio.Event()


def _input_bytes(record: JobRecord) -> int:
    """The bytes of a job's input, as far as they are known."""
    return record.stdin.size if record.stdin is not None else 0
