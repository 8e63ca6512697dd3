"""Whether a job may come in: room in the queue, for all and for its client, and workers that can ever do it.

Rules of this file:
* A job is refused before anything of it is kept; each refusal says which limit it is, how things stand, and when to ask again.
* Jobs that are being written down count as waiting, so that many at once cannot pass one limit together.
* With no worker connected, or while workers have time to come back after a restart, nobody can say what is impossible: the job waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from zisk_actors.actors.jobs.inputs import Inputs
from zisk_actors.actors.jobs.limits import JobLimits
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.core import events
from zisk_actors.core.rates import Rates
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.errors import RefusedRetryLater
from zisk_actors.web.health import Standing


class QueueFull(RefusedRetryLater):
    """As many jobs wait as may."""

    code = "queue-full"


class ClientQueueFull(QueueFull):
    """As many jobs of one client wait as may."""

    code = "client-queue-full"


class ClientQuota(RefusedRetryLater):
    """As much is kept for one client as may be: jobs, or bytes of their inputs."""

    code = "client-quota"
    retry_after_seconds = 60.0


class CoordinatorDraining(RefusedRetryLater):
    """The coordinator finishes what runs, and ends."""

    code = "draining"


class WorkerUnavailable(RefusedRetryLater):
    """The workers are not enough: not all that are connected, or, for a job that is not to wait, not those that are free. `needed`, `free`
    and `total` are compute units."""

    code = "worker-unavailable"

    def __init__(self, message: str, *, hint: str, needed: int, free: int, total: int, retry_after_seconds: float | None) -> None:
        super().__init__(message, hint=hint)
        self.needed, self.free, self.total = needed, free, total
        self.retry_after_seconds = retry_after_seconds


class Admission:
    """Lets jobs in, as long as it is not closed. `inputs` are those of the jobs that wait for their input."""

    def __init__(self, *, scheduler: Scheduler, jobs: JobTable, limits: JobLimits, inputs: Inputs, rates: Rates) -> None:
        self._scheduler = scheduler
        self._jobs = jobs
        self._limits = limits
        self._inputs = inputs
        self._rates = rates
        self._entering: Counter[str] = Counter()
        self.standing = Standing.SERVING

    def close(self) -> None:
        """Nothing new is taken in from now on."""
        self.standing = Standing.DRAINING

    def check_open(self) -> None:
        """Raises `CoordinatorDraining` where nothing new is taken in any more."""
        if self.standing is Standing.DRAINING:
            raise CoordinatorDraining(
                "the coordinator is shutting down", hint="try again when it is back; jobs that were accepted go on then"
            )

    @contextmanager
    def enter(self, job: events.Enqueue, *, input_bytes: int, may_wait: bool) -> Iterator[None]:
        """While a job is being written down. Raises `QueueFull`, `ClientQuota` and `WorkerUnavailable`."""
        self._check_room(job)
        self._check_quota(job, input_bytes)
        self._check_units(job, may_wait=may_wait)
        self._entering[job.client] += 1
        try:
            yield
        finally:
            self._entering[job.client] -= 1
            if not self._entering[job.client]:
                del self._entering[job.client]

    def _check_room(self, job: events.Enqueue) -> None:
        queue, inputs = self._scheduler.queue, self._inputs.clients()
        waiting = len(queue) + len(inputs) + self._entering.total()
        mine = queue.waiting_of(job.client) + inputs.count(job.client) + self._entering[job.client]
        full: QueueFull | None = None
        if waiting >= self._limits.queued:
            full = QueueFull(f"{waiting} jobs wait already", hint="try again when some have started")
        elif self._limits.queued_per_client and mine >= self._limits.queued_per_client:
            full = ClientQueueFull(f"{mine} jobs of this client wait already", hint="try again when some of them have started")
        if full is not None:
            full.retry_after_seconds = self._rates.retry_seconds()
            raise full

    def _check_quota(self, job: events.Enqueue, input_bytes: int) -> None:
        limits, kept = self._limits, self._jobs.kept_of(job.client)
        count = kept.jobs + self._entering[job.client]
        if limits.kept_per_client and count >= limits.kept_per_client:
            raise ClientQuota(f"{count} jobs of this client are kept, of at most {limits.kept_per_client}", hint=self._hint())
        if limits.bytes_per_client and kept.input_bytes + input_bytes > limits.bytes_per_client:
            raise ClientQuota(
                f"inputs of {kept.input_bytes} bytes of this client are kept, of at most {limits.bytes_per_client}, and this one has "
                f"{input_bytes}",
                hint=self._hint(),
            )

    def _hint(self) -> str:
        return f"ended jobs are forgotten {self._limits.job_ttl_seconds:g} s after their ends; the limits are the coordinator's settings"

    def _check_units(self, job: events.Enqueue, *, may_wait: bool) -> None:
        scheduler, now = self._scheduler, trio.current_time()
        need, pool = scheduler.need(job), scheduler.pool
        known = len(pool) > 0 and now >= scheduler.opens_at
        if known and job.min_units and not scheduler.attainable(job):
            most = f"a job gets at most {need.workers} workers, and the largest have {pool.largest(need.workers)}"
            raise WorkerUnavailable(
                f"{need.least} compute units are needed, of {pool.total_units} that are connected: {most}",
                hint="ask for fewer units, or add workers; `zisk status --workers` shows those there are",
                needed=need.least,
                free=pool.free_units,
                total=pool.total_units,
                retry_after_seconds=None,
            )
        if not may_wait and not scheduler.starts_at_once(job, now):
            raise self.would_wait(job)

    def would_wait(self, job: events.Enqueue) -> WorkerUnavailable:
        """What a job is told that is not to wait, and has to."""
        need, pool, waiting = self._scheduler.need(job), self._scheduler.pool, len(self._scheduler.queue)
        return WorkerUnavailable(
            f"{need.least} compute units are needed now, {pool.free_units} are free of {pool.total_units}, and {waiting} jobs wait",
            hint="without --no-wait the job waits in the queue",
            needed=need.least,
            free=pool.free_units,
            total=pool.total_units,
            retry_after_seconds=self._rates.retry_seconds(),
        )
