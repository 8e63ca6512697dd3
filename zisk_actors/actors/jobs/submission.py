"""How a job comes in: it is admitted, written down, and taken up.

Rules of this file:
* A job that is taken in is on disk before it is in the queue.
* A job that is not to wait is taken in only where it starts at once.
"""

from __future__ import annotations

from functools import partial

import trio

from zisk_actors import log
from zisk_actors.actors.background import Background
from zisk_actors.actors.jobs.admission import Admission
from zisk_actors.actors.jobs.deadlines import Deadlines
from zisk_actors.actors.jobs.ending import Endings
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.inputs import Inputs
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.jobs.supervision import Supervision, enqueue_of
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.core.job import begin
from zisk_actors.core.job_events import Submitted
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.stages import Stage


class Submissions:
    """Takes jobs in, and up again after a restart."""

    def __init__(
        self,
        *,
        admission: Admission,
        recorder: Recorder,
        jobs: JobTable,
        scheduler: Scheduler,
        supervision: Supervision,
        inputs: Inputs,
        ending: Endings,
        deadlines: Deadlines,
        background: Background,
    ) -> None:
        self._admission = admission
        self._recorder = recorder
        self._jobs = jobs
        self._scheduler = scheduler
        self._supervision = supervision
        self._inputs = inputs
        self._ending = ending
        self._deadlines = deadlines
        self._background = background
        self._log = log.get()

    async def submit(self, event: Submitted, *, may_wait: bool = True) -> JobEntry:
        """Take a job in; one that may not wait only where it starts at once. Raises `Draining`, `QueueFull`, `ClientQuota`,
        `WorkerUnavailable` and `StoreUnwritable`."""
        self._admission.check_open()
        record = begin(event)
        size = record.stdin.size if record.stdin is not None else 0
        with self._admission.enter(enqueue_of(record), input_bytes=size, may_wait=may_wait), trio.CancelScope(shield=True):
            await self._recorder.append(event.job, event)  # shielded: what is on disk must be in the queue too
        entry = self._jobs.adopt(record)
        self._log.info("[Job] submitted", job=event.job, kind=event.kind.value, program=event.program.sha256, params=event.params)
        self.take_up(entry)
        self._jobs.tell(entry)
        waits = self._scheduler.queue.find(entry.job)
        if waits is not None and not may_wait:  # another one was quicker while it was being written down
            self._log.info("[Job] is not to wait", job=event.job)
            await self._ending.cancel(entry, "it was to start at once, and another job was quicker")
            raise self._admission.would_wait(waits)
        return entry

    def take_up(self, entry: JobEntry) -> None:
        """See to a job that has not ended, from the stage that it is in."""
        if entry.record.stage is Stage.WAITING_FOR_INPUT:
            self._inputs.begin(entry)
            self._background.start(partial(self._inputs.attend, entry), f"input of {entry.record.job}")
        else:
            self._supervision.enqueue(entry)
        self._deadlines.watch(entry)
