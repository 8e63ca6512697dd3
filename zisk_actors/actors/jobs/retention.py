"""What is forgotten, and when: jobs some time after their end, programs that nobody uses, and blobs that nothing refers to any more.

Rules of this file:
* A job is forgotten on disk first, then here. One whose end is still owed to the webhook, or whose workers are still being told, waits.
* A few jobs at a time, each few a turn of the journal of their own: what is recorded meanwhile waits for no more than that.
* A blob goes only where no job, program or key refers to it, and nobody has put it or asked whether it is there for `GRACE_SECONDS`. Who
  is about to refer to a blob has done one or the other just before, so it stays; the references are taken before the first blob is looked
  at, and the store looks at a blob's age and removes it in one step.
* While the journal cannot be written, and some time after, no blob goes: somebody may hold one whose event waits for the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import trio

from zisk_actors import log
from zisk_actors.actors.jobs.programs import Programs
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.threads import in_thread
from zisk_actors.core.job import JobRecord
from zisk_actors.core.summary import blobs_of
from zisk_actors.errors import ZiskError
from zisk_actors.ids import JobId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.errors import StoreUnwritable
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Past
from zisk_actors.wire.blobs import unpack_manifest

SWEEP_SECONDS: Final = 30.0
BLOBS_SECONDS: Final = 600.0
GRACE_SECONDS: Final = 3600.0
BATCH: Final = 50
AT_ONCE: Final = 1000


class Retention:
    """The sweeps of one coordinator. `ttl_seconds` is how long a job is kept after its end; 0 is until the next sweep."""

    def __init__(
        self,
        *,
        ttl_seconds: float,
        recorder: Recorder,
        store: BlobStore,
        jobs: JobTable,
        programs: Programs,
        clock: Callable[[], float],
    ) -> None:
        self.ttl_seconds = ttl_seconds
        self._recorder = recorder
        self._store = store
        self._jobs = jobs
        self._programs = programs
        self._clock = clock
        self._unwell_at = float("-inf")
        self._log = log.get()

    async def run(self) -> None:
        """Sweep until cancelled."""
        swept_at = trio.current_time()
        while True:
            await trio.sleep(SWEEP_SECONDS)
            if self._recorder.broken:
                self._unwell_at = trio.current_time()
                continue
            try:
                await self.sweep()
                await self._programs.expire(
                    {
                        (entry.client, entry.record.submitted.program.sha256)
                        for entry in self._jobs.entries.values()
                        if not entry.state.final
                    }
                )
                if trio.current_time() - swept_at >= BLOBS_SECONDS and trio.current_time() - self._unwell_at >= GRACE_SECONDS:
                    swept_at = trio.current_time()
                    await self.sweep_blobs()
            except StoreUnwritable as error:
                self._log.error("cannot forget what is over, trying again later", error=error.message)

    async def sweep(self) -> int:
        """Forget the jobs whose time has come; how many. Raises `StoreUnwritable`."""
        limit = self._clock() - self.ttl_seconds
        over: list[JobId] = []
        for number, (job, entry) in enumerate(list(self._jobs.entries.items())):
            if number % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()  # with many jobs a look at all of them keeps everybody else waiting
            if entry.state.final and entry.ended_at is not None and entry.ended_at <= limit and job not in self._jobs.supervised:
                over.append(job)
        gone = 0
        for start in range(0, len(over), BATCH):
            forgotten = await self._recorder.call(partial(Journal.forget, jobs=over[start : start + BATCH]))
            for job in forgotten:
                self._jobs.forget(job)
            gone += len(forgotten)
        if gone:
            self._log.info("jobs forgotten: job_ttl_seconds have passed since their ends", jobs=gone, ttl_seconds=self.ttl_seconds)
        return gone

    async def sweep_blobs(self) -> tuple[int, int]:
        """Remove the blobs that nothing needs; how many, and their bytes."""
        before = self._clock() - GRACE_SECONDS
        jobs = [entry.known for entry in self._jobs.entries.values()]
        kept = {
            blob for program in self._programs.known.values() for blob in (program.program, *(key.sha256 for key in program.keys.values()))
        }
        count, size = await in_thread(_sweep, self._store, jobs, kept, before)
        if count:
            self._log.info("blobs removed that nothing refers to", blobs=count, bytes=size)
        return count, size

    def what_became_of(self, job: str) -> str:
        """What to say to somebody who asks for a job that is not there."""
        return f"there is no job {job[:60]}; it may have been removed, job_ttl_seconds ({self.ttl_seconds:g} s) after its end"


def _sweep(store: BlobStore, jobs: Sequence[JobRecord | Past], kept: set[str], before: float) -> tuple[int, int]:
    for known in jobs:
        record = known.record() if isinstance(known, Past) else known
        kept |= blobs_of(record)
        if record.partials is not None and not record.state.final:
            with suppress(ZiskError):  # whoever needs it finds out that it cannot be read
                kept |= {blob.sha256 for blob in unpack_manifest(store.get(record.partials)).blobs}
    return store.sweep(kept, before)
