"""Inputs that come in while their jobs wait: each part is on disk before it is acknowledged, and an end makes the job one that can run.

Rules of this file:
* A job that waits for its input is in no queue and holds no worker.
* One part of one input is worked on at a time. What was acknowledged survives our death; the client goes on from there.
* An input that nothing comes of for `input_timeout_seconds` fails its job; after a restart the time begins anew.
* An end that does not fit what has come is refused, and the job waits on.
* A job that is being ended, cancelled for instance, is not queued any more when its input is complete: who ends it sees to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

import trio

from zisk_actors import log
from zisk_actors.actors.jobs.ending import Endings
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.limits import JobLimits
from zisk_actors.actors.jobs.supervision import Supervision
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.threads import in_thread
from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job_events import InputGiven, JobFailed
from zisk_actors.core.stages import Stage
from zisk_actors.errors import UsageError
from zisk_actors.ids import JobId
from zisk_actors.store.partial import PartialInputs
from zisk_actors.wire.values import BlobRef, Failure, FailureKind

HINT: Final = "submit the job again; `zisk prove ELF -i -` streams an input from a pipe"


class InputOverLimit(UsageError):
    """An input is larger than the coordinator takes."""

    code = "input-too-large"


class InputClosed(UsageError):
    """The job does not wait for input, or not any more."""

    code = "input-closed"


@dataclass
class _Open:
    """An input on its way in."""

    size: int
    heard_at: float
    lock: trio.Lock = field(default_factory=trio.Lock)


class Inputs:
    """The inputs of all jobs that wait for one. A job that has its input is queued (`supervision`); one that gets none is ended
    (`ending`)."""

    def __init__(
        self,
        *,
        jobs: JobTable,
        partials: PartialInputs,
        supervision: Supervision,
        ending: Endings,
        limits: JobLimits,
        clock: Callable[[], float],
    ) -> None:
        self._jobs = jobs
        self._partials = partials
        self._supervision = supervision
        self._ending = ending
        self._max_bytes = limits.input_bytes
        self._seconds = limits.input_seconds
        self._clock = clock
        self._open: dict[JobId, _Open] = {}
        self._log = log.get()

    def __len__(self) -> int:
        return len(self._open)

    def clients(self) -> list[str]:
        """Whose jobs they are, one by one."""
        return [self._jobs.entries[job].client for job in self._open]

    def check_size(self, size: int) -> None:
        """Raises `InputOverLimit`."""
        if size > self._max_bytes:
            raise InputOverLimit(
                f"an input of {size} bytes is over the limit of {self._max_bytes}", hint="the coordinator's max_input_bytes is the limit"
            )

    def keep_only(self, waiting: Collection[JobId]) -> None:
        """After a restart: keep what has come for jobs that wait still. A blocking call."""
        self._partials.keep_only(waiting)

    def begin(self, entry: JobEntry) -> None:
        """A job waits for its input, from now on or again after a restart; `attend` must run for it."""
        entry.received_bytes = self._partials.size(entry.record.job)
        self._open[entry.record.job] = _Open(entry.received_bytes, trio.current_time())

    async def attend(self, entry: JobEntry) -> None:
        """Until a job has its input, or has ended: fail it where nothing comes. Then forget what is not needed."""
        job = entry.record.job
        now = self._open[job]
        while entry.record.stage is Stage.WAITING_FOR_INPUT:
            left = now.heard_at + self._seconds - trio.current_time()
            if left <= 0:
                await self._ending.expire(entry, JobFailed(self._clock(), self._abandoned(now.size)))
                continue
            changed = entry.changed
            with trio.move_on_after(left):
                await changed.wait()
        del self._open[job]
        entry.received_bytes = None
        async with now.lock:
            await in_thread(self._partials.drop, job)

    def _abandoned(self, size: int) -> Failure:
        return Failure(
            kind=FailureKind.TIMEOUT,
            code="input-timeout",
            message=f"input timeout: nothing came of the input for {self._seconds:g} s; {size} bytes of it are there, and no end",
            hint=HINT,
            limit_seconds=self._seconds,
        )

    async def take(self, entry: JobEntry, offset: int, content: bytes) -> int:
        """Keep a part; how much there is then. Raises `InputClosed`, `InputOverLimit` and `StoreUnwritable`."""
        self.check_size(offset + len(content))
        now = self._of(entry)
        async with now.lock:
            self._of(entry)
            now.size = entry.received_bytes = await in_thread(self._partials.write, entry.record.job, offset, content)
            now.heard_at = trio.current_time()
        self._jobs.tell(entry)
        return now.size

    async def finish(self, entry: JobEntry, stdin: BlobRef) -> None:
        """The input is complete. Said again, it changes nothing. Raises `InputMismatch`, `InputClosed` and `StoreUnwritable`."""
        if entry.record.stdin == stdin:
            return
        self.check_size(stdin.size)
        now = self._of(entry)
        async with now.lock:
            if entry.record.stdin == stdin:
                return
            self._of(entry)
            with trio.CancelScope(shield=True):
                await in_thread(self._partials.publish, entry.record.job, stdin)
                try:
                    await self._jobs.record(entry, InputGiven(self._clock(), stdin))
                except IllegalTransition:
                    self._of(entry)  # it has ended meanwhile, and this says so
                    raise
                if entry.ending is None:
                    self._supervision.enqueue(entry)

    def _of(self, entry: JobEntry) -> _Open:
        """The input of a job that waits for it. Raises `InputClosed`."""
        record = entry.record
        now = self._open.get(record.job)
        if now is None or record.stage is not Stage.WAITING_FOR_INPUT or entry.ending is not None:
            word = "ends" if entry.ending is not None and not record.state.final else f"is {record.stage.value}"
            raise InputClosed(f"job {record.job} takes no input: it {word}", hint=f"`zisk job show {record.job}` says more")
        return now
