"""The coordinator's state, and the one place where it changes: carries out what `core.scheduler` decides.

Rules of this file:
* `handle` is synchronous: an event is decided and its effects are begun before the next one is looked at.
* One supervisor task per running job, owned here; when this ends, they end.
* A job that is taken in is on disk before it is in the queue.
* While draining nothing new is taken in or started; what runs goes on.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

import trio

from zisk_actors import log
from zisk_actors.actors.clients.admission import Admission, Draining, Limits
from zisk_actors.actors.clients.inputs import Inputs
from zisk_actors.actors.coordinator.about import About
from zisk_actors.actors.coordinator.measures import Measures
from zisk_actors.actors.coordinator.programs import Programs
from zisk_actors.actors.coordinator.progress import ShareProgress
from zisk_actors.actors.coordinator.roster import Roster
from zisk_actors.actors.device import Caller
from zisk_actors.actors.jobs.answers import Answers
from zisk_actors.actors.jobs.deadlines import Deadlines
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.forecast import Forecast
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.jobs.retention import Retention
from zisk_actors.actors.jobs.stopping import Stopping
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.jobs.tasks import Connected, Tasks
from zisk_actors.actors.jobs.webhooks import Webhooks
from zisk_actors.actors.keyed_lock import KeyedLock
from zisk_actors.core import events
from zisk_actors.core.job import JobRecord, begin
from zisk_actors.core.job_events import Cancelled, JobFailed, Submitted
from zisk_actors.core.phases import PHASES
from zisk_actors.core.rates import Rates
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.stages import Stage
from zisk_actors.core.worker import Health
from zisk_actors.ids import CHANCE, JobId, WorkerId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.partial import PartialInputs
from zisk_actors.store.rows import Mark
from zisk_actors.transport.base import LinkClosed
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.health import Standing
from zisk_actors.web.webhook import Post, Target, post
from zisk_actors.wire.values import Lease, Phase, State
from zisk_actors.wire.worker_link import CancelJob, CancelLease

STOP_SECONDS = 10.0
"""How long a cancel waits for the workers to say that they have stopped."""


Supervise = Callable[["Coordinator", JobEntry, events.Admit], Awaitable[None]]
CarryOut = Callable[["Coordinator", events.Effect], None]


class Coordinator:
    """The state of the coordinator process. `supervise` runs one job, and `carry_out` has one effect begin; they are given by who puts the
    process together. The `device` derives keys and verifies, the `executor` runs the jobs' programs.

    `clock` is the wall clock, `chance` where ids and jitter come from: with both given, and virtual time, a run is repeated exactly.
    """

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        recorder: Recorder,
        store: BlobStore,
        device: Caller,
        executor: Caller,
        limits: Limits,
        supervise: Supervise,
        carry_out: CarryOut,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
        chance: Random = CHANCE,
        webhook: Target | None = None,
        post: Post = post,
    ) -> None:
        self.scheduler = scheduler
        self.clock = clock
        self.chance = chance
        self.recorder = recorder
        self.store = store
        self.device = device
        self.executor = executor
        self.limits = limits
        self.sessions: dict[WorkerId, Connected] = {}
        self.programs = Programs(recorder, store, device, clock)
        self.jobs = JobTable(recorder, waiting=scheduler.waiting, program_name=self.programs.name, clock=clock)
        self.metrics = metrics
        self.measures = Measures(metrics, Rates())
        self.jobs.on_change = self.measures.changed
        self.jobs.forecast = Forecast(self.measures.rates, lambda: [self.jobs.entries[job] for job in self.supervised])
        self.progress = ShareProgress()
        self.jobs.on_progress = self.progress.moved
        self.about = About()
        self.tasks = Tasks(scheduler, self.sessions, self.handle, limits.worker_wait_seconds, metrics.late_result)
        self.answers = Answers(scheduler, self.jobs, self.tasks)
        self.deadlines = Deadlines(clock, self._expire)
        self.supervised: set[JobId] = set()
        self.retention = Retention(
            ttl_seconds=limits.job_ttl_seconds,
            recorder=recorder,
            store=store,
            jobs=self.jobs,
            programs=lambda: self.programs.known.values(),
            supervised=self.supervised,
            clock=clock,
        )
        self.webhooks = Webhooks(
            target=webhook,
            give_up_seconds=limits.webhook_seconds,
            post=post,
            recorder=recorder,
            store=store,
            metrics=metrics,
            record_of=self.jobs.record_of,
            clock=clock,
            chance=chance,
        )
        if self.webhooks.wanted:
            self.jobs.on_end = self.webhooks.owe
        self.key_locks = KeyedLock()
        self.marks: list[Mark] = []
        self.inputs = Inputs(
            self.jobs,
            PartialInputs(store),
            max_bytes=limits.input_bytes,
            seconds=limits.input_seconds,
            given=self._queue,
            expire=self._expire,
        )
        self.jobs.received = self.inputs.received
        self.stopping = Stopping()
        self.jobs.stopped = self.stopping.of
        self.admission = Admission(scheduler, limits, self.inputs.clients, self.measures.rates)
        self.roster = Roster()
        self.standing = Standing.SERVING
        self.loop_lag = 0.0
        self._job_over = trio.Event()
        self.connections = itertools.count(1)
        self.log = log.get()
        self._supervise = supervise
        self._carry_out = carry_out
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the supervisors and the journal's writer until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self.recorder.run)
            nursery.start_soon(self.deadlines.run)
            nursery.start_soon(self.retention.run)
            nursery.start_soon(self.webhooks.run)
            task_status.started()
            await trio.sleep_forever()

    @property
    def epoch(self) -> int:
        return self.recorder.epoch

    def spawn(self, function: Callable[[], Awaitable[None]], name: str) -> None:
        """Run something beside the jobs, as long as this process lives."""
        if self._nursery is not None:
            self._nursery.start_soon(function, name=name)

    def handle(self, event: events.Event) -> list[events.Effect]:
        """Have an event decided and begin its effects; returns them."""
        effects = self.scheduler.handle(event, trio.current_time())
        for effect in effects:
            self._carry_out(self, effect)
        return effects

    async def submit(self, event: Submitted, *, may_wait: bool = True) -> JobEntry:
        """Take a job in; one that may not wait only where it starts at once. Raises `Draining`, `QueueFull`, `WorkerUnavailable` and
        `StoreUnwritable`."""
        self.check_open()
        record = begin(event)
        with self.admission.enter(_enqueue(record), may_wait=may_wait), trio.CancelScope(shield=True):
            await self.recorder.append(event.job, event)  # shielded: what is on disk must be in the queue too
        entry = self.jobs.adopt(record)
        self.log.info("[Job] submitted", job=event.job, kind=event.kind.value, program=event.program.sha256, params=event.params)
        self._take_up(entry)
        self.jobs.tell(entry)
        waits = self.scheduler.queue.find(entry.job)
        if waits is not None and not may_wait:  # another one was quicker while it was being written down
            self.log.info("[Job] is not to wait", job=event.job)
            await self.cancel(entry, "it was to start at once, and another job was quicker")
            raise self.admission.would_wait(waits)
        return entry

    def registered(self) -> set[WorkerId]:
        """The workers that are registered, and those that a restart still waits for."""
        return {*self.scheduler.registry.records, *(self.scheduler.awaited if trio.current_time() < self.scheduler.opens_at else ())}

    def check_open(self) -> None:
        """Raises `Draining` where nothing new is taken in any more."""
        if self.standing is Standing.DRAINING:
            raise Draining("the coordinator is shutting down", hint="try again when it is back; jobs that were accepted go on then")

    async def drain(self) -> None:
        """Take nothing in and start nothing from now on; returns when no job runs."""
        self.standing = Standing.DRAINING
        self.handle(events.Draining())
        while self.supervised:
            await self._job_over.wait()

    def resume(self) -> None:
        """Queue the jobs that were not finished when the process ended, each in the phase that it was in. Who was quarantined still is."""
        for mark in self.marks:
            self.handle(events.FoundFaulty(mark.worker, mark.incarnation, mark.job, mark.share, mark.reason))
        for entry in self.jobs.entries.values():
            for fault in entry.record.faults if entry.faulty else ():
                tried = fault.attempt
                self.handle(events.FoundFaulty(tried.worker, fault.incarnation, entry.job, tried.share, tried.reason))
        for entry in [entry for entry in self.jobs.entries.values() if not entry.state.final]:
            self.log.info("[Job] resumed", job=entry.job, stage=entry.record.stage.value)
            self._take_up(entry)

    def _take_up(self, entry: JobEntry) -> None:
        """See to a job that has not ended, from the stage that it is in."""
        if entry.record.stage is Stage.WAITING_FOR_INPUT:
            self.inputs.begin(entry)
            self.spawn(partial(self.inputs.attend, entry), f"input of {entry.record.job}")
        else:
            self._queue(entry)
        self.deadlines.watch(entry)

    def _queue(self, entry: JobEntry) -> None:
        """Have a job wait for workers; one that needs none goes on at once."""
        enqueue = _enqueue(entry.record)
        if entry.record.stage is not Stage.QUEUED and not enqueue.needs:
            self.start(entry, events.Admit(entry.record.job, entry.record.weights, ()))
        else:
            self.handle(enqueue)

    async def cancel(self, entry: JobEntry, reason: str) -> bool:
        """End a job as cancelled; False where it ended otherwise. Returns when it has, and its workers say that they have stopped or have
        had `STOP_SECONDS` for it.

        Raises `StoreUnwritable` where its end cannot be written down; the job does nothing more, and ends when it can.
        """
        if entry.record.state.final:
            return False
        self._end(entry, Cancelled(self.clock(), reason))
        await self.jobs.written_down(entry)
        while entry.job in self.supervised:
            await self._job_over.wait()
        await self.stopping.all_stopped(entry.job, STOP_SECONDS)
        return entry.record.state is State.CANCELLED

    async def _expire(self, entry: JobEntry, event: JobFailed) -> None:
        """End a job that is late; returns when that is written down."""
        if not entry.record.state.final:
            self.log.error("deadline passed", job=entry.record.job, stage=entry.record.stage.value, error=event.failure.message)
            self._end(entry, event)
            await self.jobs.ended(entry)

    def _end(self, entry: JobEntry, event: Cancelled | JobFailed) -> None:
        """Have the job's supervisor end it; one that waits in the queue gets a supervisor for that. Who comes first is heard."""
        if entry.ending is not None:
            return
        entry.ending = event
        if entry.scope is not None:
            entry.scope.cancel()
        elif entry.record.job not in self.supervised:
            self.handle(events.Ended(entry.record.job))
            self.start(entry, events.Admit(entry.record.job, (), ()))

    async def release(self, job: JobId, reason: str) -> None:
        """Take all leases of a job back, and have its workers stop what they do for it."""
        crew = self.scheduler.crews.get(job)
        workers = sorted({lease.worker for lease in crew.all()}) if crew is not None else []
        self.handle(events.Ended(job))
        self.progress.ended(job)
        for worker in workers:
            session = self.sessions.get(worker)
            if session is not None:
                self.stopping.told(job, worker)
                try:
                    await session.send(CancelJob(job, reason))
                except LinkClosed:
                    session.end()

    def stop_work(self, lease: Lease, reason: str) -> None:
        """Tell the holder of a lease that is not in force any more, where it is connected."""
        session = self.sessions.get(lease.worker)
        if session is None or session.incarnation != lease.incarnation:
            return

        async def tell() -> None:
            try:
                await session.send(CancelLease(lease, reason[:4000]))
            except LinkClosed:
                session.end()

        self.spawn(tell, f"stop {lease.worker}")

    def pool(self) -> str:
        """How many workers there are, with their units, in the words of the operator's manual."""
        records = self.scheduler.registry.records.values()
        able = [record for record in records if record.health is not Health.QUARANTINED]
        busy = self.scheduler.busy()
        free = sum(record.units for record in able if record.worker not in busy)
        return f"total: {len(records)} CC: {sum(record.units for record in records)}CU ACC: {free}CU"

    def start(self, entry: JobEntry, admit: events.Admit) -> None:
        """Have a job supervised, with the leases that it was given."""

        async def supervise() -> None:
            try:
                await self._supervise(self, entry, admit)
            finally:
                self.supervised.discard(admit.job)
                self._job_over.set()
                self._job_over = trio.Event()

        self.supervised.add(admit.job)
        self.spawn(supervise, f"job {admit.job}")


def _enqueue(record: JobRecord) -> events.Enqueue:
    request = record.submitted
    needs: tuple[int, ...] = ()
    if record.stage in PHASES:
        spec = PHASES[record.stage]
        needs = tuple(share for share in spec.shares(record) if (spec.name, share) not in record.answers)
    former = tuple((done.share, done.worker, done.incarnation) for (of, _), done in record.answers.items() if of is Phase.CONTRIBUTE)
    return events.Enqueue(
        request.job,
        request.kind,
        request.priority,
        request.at,
        record.weights,
        needs,
        former,
        request.client,
        request.program.sha256,
        request.min_units,
        request.units,
    )
