"""The coordinator's state, and the one place where it changes: carries out what `core.scheduler` decides, records what jobs do, tells who
watches.

Rules of this file:
* `handle` is synchronous: an event is decided and its effects are begun before the next one is looked at.
* `record` writes to the journal first; the job changes, and watchers hear of it, when that is on disk.
* Leases are asked for and given up here; a session only carries messages.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio

from zisk_actors import log
from zisk_actors.actors.device import Device
from zisk_actors.actors.recorder import Recorder
from zisk_actors.core import scheduler as core
from zisk_actors.core.job import Cancelled, Event, JobRecord, Stage, Submitted, begin, evolve
from zisk_actors.core.phases import PHASES, percent, seconds_left
from zisk_actors.errors import RefusedRetryLater
from zisk_actors.ids import JobId, ProgramId, WorkerId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.transport.base import LinkClosed
from zisk_actors.wire.compute import SetupCall
from zisk_actors.wire.messages import PHASE_OF, CancelJob, Task
from zisk_actors.wire.values import (
    BlobRef,
    Failure,
    JobStatus,
    Lease,
    Phase,
    ProgramStatus,
    ShareStatus,
    State,
    VerifiedReport,
)

if TYPE_CHECKING:
    from zisk_actors.actors.session import Session

KEY_SECONDS: Final = 600.0
MAX_CHANGES: Final = 64
MAX_SHARES_SHOWN: Final = 64


class ShareLost(Exception):
    """The holder of a share is gone, or failed at it. Carries what the supervisor needs to decide."""

    def __init__(self, reason: str, failure: Failure | None = None, *, retryable: bool = True, lost: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.failure = failure
        self.retryable = retryable
        self.lost = lost


class QueueFull(RefusedRetryLater):
    """As many jobs wait as may."""

    code = "queue-full"


@dataclass(frozen=True)
class Limits:
    """Limits of jobs; a phase without an entry, or with 0, has none."""

    seconds: dict[Phase, float] = field(default_factory=dict)
    queued: int = 1000
    attempts: int = 3
    worker_wait_seconds: float = 60.0


@dataclass
class Pending:
    """A task that was given out, and its answer."""

    task: Task
    done: trio.Event = field(default_factory=trio.Event)
    answer: BlobRef | None = None
    lost: ShareLost | None = None


@dataclass
class JobEntry:
    """A job, and what only lives while this process does: its watchers' numbers, its shares' progress, its supervisor's scope."""

    record: JobRecord
    number: int
    changes: deque[tuple[int, JobStatus]] = field(default_factory=lambda: deque(maxlen=MAX_CHANGES))
    changed: trio.Event = field(default_factory=trio.Event)
    shares: dict[int, ShareStatus] = field(default_factory=dict)
    scope: trio.CancelScope | None = None
    cancel_reason: str = ""
    resumed_at: float = 0.0
    turn: trio.Lock = field(default_factory=trio.Lock)


class Coordinator:
    """The state of the coordinator process. `supervise` is given by who puts the process together, and runs one job."""

    def __init__(
        self,
        *,
        decide: core.Scheduler,
        recorder: Recorder,
        store: BlobStore,
        device: Device,
        limits: Limits,
        supervise: Callable[[Coordinator, JobEntry, core.Admit], Awaitable[None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.decide = decide
        self.recorder = recorder
        self.store = store
        self.device = device
        self.limits = limits
        self.clock = clock
        self.jobs: dict[JobId, JobEntry] = {}
        self.keys_of_submits: dict[tuple[str, str], JobId] = {}
        self.programs: dict[str, ProgramStatus] = {}
        self.sessions: dict[WorkerId, Session] = {}
        self.log = log.get()
        self._supervise = supervise
        self._nursery: trio.Nursery | None = None
        self._pending: dict[tuple[Lease, Phase], Pending] = {}
        self._wanted: dict[tuple[JobId, int], trio.Event] = {}
        self._granted: dict[tuple[JobId, int], Lease] = {}
        self._deriving: dict[tuple[str, str], trio.Lock] = {}

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the supervisors until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self.recorder.run)
            task_status.started()
            await trio.sleep_forever()

    @property
    def epoch(self) -> int:
        return self.recorder.epoch

    def spawn(self, function: Callable[[], Awaitable[None]], name: str) -> None:
        """Run something beside the jobs, as long as this process lives."""
        if self._nursery is not None:
            self._nursery.start_soon(function, name=name)

    # --------------------------------------------------------------------------------------------------------------- decisions

    def handle(self, event: core.Event) -> list[core.Effect]:
        """Have an event decided and begin its effects; returns them."""
        effects = self.decide.handle(event, trio.current_time())
        for effect in effects:
            self._begin(effect)
        return effects

    def _begin(self, effect: core.Effect) -> None:
        match effect:
            case core.Admit():
                for lease in effect.leases:
                    self._say_assigned(lease)
                if self._nursery is not None:
                    entry = self.jobs[effect.job]
                    self._nursery.start_soon(self._supervise, self, entry, effect, name=f"job {effect.job}")
            case core.Granted():
                self._say_assigned(effect.lease)
                key = (effect.lease.job, effect.lease.share)
                self._granted[key] = effect.lease
                if key in self._wanted:
                    self._wanted[key].set()
            case core.Revoked():
                for (lease, _), pending in list(self._pending.items()):
                    if lease == effect.lease:
                        pending.lost = ShareLost(effect.reason, lost=True)
                        pending.done.set()
            case core.Registered():
                record = effect.record
                self.log.info(
                    "worker registered" if effect.fresh else "worker registered again",
                    worker=record.worker,
                    incarnation=record.incarnation,
                    compute_capacity=record.units,
                    pool=self.pool(),
                )
            case core.Turned():
                self.log.error(
                    "worker refused to register",
                    worker=effect.worker,
                    reason=effect.refusal.reason,
                    code=effect.refusal.code,
                    permanent=effect.refusal.permanent,
                )
            case core.Lost():
                self.sessions.pop(effect.record.worker, None)
                self.log.warning("worker lost", worker=effect.record.worker, reason=effect.reason, pool=self.pool())

    def pool(self) -> str:
        """How many workers there are, with their units, in the words of the operator's manual."""
        records = self.decide.registry.records.values()
        busy = {lease.worker for crew in self.decide.crews.values() for lease in crew.leases.values()}
        free = sum(record.units for record in records if record.worker not in busy)
        return f"total: {len(records)} CC: {sum(record.units for record in records)}CU ACC: {free}CU"

    def _say_assigned(self, lease: Lease) -> None:
        self.log.info(
            "assigned share to worker",
            job=lease.job,
            share=lease.share,
            worker=lease.worker,
            attempt=lease.attempt,
            incarnation=lease.incarnation,
        )

    # ------------------------------------------------------------------------------------------------------------------- leases

    async def holder(self, job: JobId, share: int, prefer: WorkerId | None = None) -> Lease:
        """The lease of a share: the one in force, or a new one as soon as somebody can take it. Raises `ShareLost` where nobody can in
        time."""
        crew = self.decide.crews.get(job)
        lease = crew.leases.get(share) if crew is not None else None
        if lease is not None:
            return lease
        key = (job, share)
        granted = self._wanted[key] = trio.Event()
        try:
            self.handle(core.Wanted(job, share, prefer))
            with trio.move_on_after(self.limits.worker_wait_seconds):
                await granted.wait()
            lease = self._granted.pop(key, None)
        finally:
            del self._wanted[key]
        if lease is None:
            raise ShareLost(f"no worker to take share {share} within {self.limits.worker_wait_seconds:g} s", retryable=False)
        return lease

    async def ask(self, lease: Lease, task: Task) -> BlobRef:
        """Give a task out and wait for its answer. Raises `ShareLost`."""
        key = (lease, PHASE_OF[type(task)])
        pending = self._pending[key] = Pending(task)
        try:
            if not self.decide.holds(lease):
                raise ShareLost(f"worker {lease.worker} was lost", lost=True)
            session = self.sessions.get(lease.worker)
            if session is not None:
                try:
                    await session.send(task)
                except LinkClosed:
                    session.end()  # who has lost its link comes back within the grace and gets its tasks again, or is lost
            await pending.done.wait()
        finally:
            del self._pending[key]
        if pending.lost is not None:
            raise pending.lost
        if pending.answer is None:
            raise ShareLost(f"worker {lease.worker} was lost", lost=True)
        return pending.answer

    def tasks_of(self, worker: WorkerId) -> list[Task]:
        """What a worker was asked and has not answered."""
        return [pending.task for (lease, _), pending in self._pending.items() if lease.worker == worker and not pending.done.is_set()]

    def expects(self, lease: Lease, phase: Phase) -> bool:
        """Whether an answer under this lease would be used; if not, it is counted as late."""
        if self.decide.holds(lease) and (lease, phase) in self._pending:
            return True
        self.decide.late += 1
        self.log.info("late result dropped", job=lease.job, share=lease.share, attempt=lease.attempt, worker=lease.worker)
        return False

    def answered(self, lease: Lease, phase: Phase, answer: BlobRef) -> None:
        pending = self._pending.get((lease, phase))
        if pending is not None:
            pending.answer = answer
            pending.done.set()

    def failed(self, lease: Lease, phase: Phase, failure: Failure) -> None:
        pending = self._pending.get((lease, phase))
        if pending is not None:
            retryable = failure.kind.value in ("worker", "memory", "internal", "timeout")
            pending.lost = ShareLost(failure.message, failure, retryable=retryable)
            pending.done.set()

    def progressed(self, lease: Lease, phase: Phase, step: str, fraction: float) -> None:
        entry = self.jobs.get(lease.job)
        if entry is not None and self.decide.holds(lease) and (lease, phase) in self._pending:
            self.share_is(entry, lease, phase, step, fraction)

    def share_is(self, entry: JobEntry, lease: Lease, phase: Phase, step: str, fraction: float) -> None:
        """Note how far a share is, and tell the watchers."""
        entry.shares[lease.share] = ShareStatus(
            share=lease.share, worker=lease.worker, attempt=lease.attempt, phase=phase, fraction=fraction, step=step[:200]
        )
        self.tell(entry)

    async def release(self, job: JobId, reason: str) -> None:
        """Take all leases of a job back, and have its workers stop what they do for it."""
        crew = self.decide.crews.get(job)
        workers = {lease.worker for lease in crew.leases.values()} if crew is not None else set()
        self.handle(core.Ended(job))
        for worker in workers:
            session = self.sessions.get(worker)
            if session is not None:
                try:
                    await session.send(CancelJob(job, reason))
                except LinkClosed:
                    session.end()

    # --------------------------------------------------------------------------------------------------------------------- jobs

    async def submit(self, event: Submitted) -> JobEntry:
        """Take a job in: on disk first, then into the queue. Raises `QueueFull` and `StoreUnwritable`."""
        if len(self.decide.queue) >= self.limits.queued:
            raise QueueFull(f"{len(self.decide.queue)} jobs wait already", hint="try again when some have ended")
        await self.recorder.append(event.job, event)
        entry = self.adopt(begin(event))
        self.log.info("[Job] submitted", job=event.job, kind=event.kind.value, program=event.program.sha256, params=event.params)
        self.handle(self._enqueue(entry.record))
        self.tell(entry)
        return entry

    def adopt(self, record: JobRecord) -> JobEntry:
        """Know a job that the journal has."""
        said = record.submitted
        entry = self.jobs[said.job] = JobEntry(record, self.epoch << 32)
        if said.key:
            self.keys_of_submits[said.client, said.key] = said.job
        return entry

    def resume(self) -> None:
        """Queue the jobs that were not finished when the process ended, each in the phase that it was in."""
        for entry in list(self.jobs.values()):
            stage = entry.record.stage
            if entry.record.state.final:
                continue
            self.log.info("[Job] resumed", job=entry.record.job, stage=stage.value)
            if stage is Stage.VERIFY and self._nursery is not None:
                self._nursery.start_soon(self._supervise, self, entry, core.Admit(entry.record.job, entry.record.weights, ()))
            else:
                self.handle(self._enqueue(entry.record))

    def _enqueue(self, record: JobRecord) -> core.Enqueue:
        said = record.submitted
        needs = tuple(PHASES[record.stage].shares(record)) if record.stage in PHASES else ()
        return core.Enqueue(said.job, said.kind, said.priority, said.at, record.weights, needs)

    async def record(self, entry: JobEntry, event: Event) -> None:
        """Make an event true: journal, then the job, then the watchers. Raises `IllegalTransition` before anything is written."""
        with trio.CancelScope(shield=True):  # what is on disk must be true in memory too
            async with entry.turn:
                after = evolve(entry.record, event)
                await self.recorder.append(entry.record.job, event)
                entry.record = after
        words = f"[Job] {type(event).__name__}"
        detail = {"error": event.failure.message, "code": event.failure.code} if hasattr(event, "failure") else {}
        self.log.info(words, job=entry.record.job, stage=after.stage.value, **detail)
        if after.stage.phase is not None:
            entry.shares = {}
        self.tell(entry)

    async def cancel(self, entry: JobEntry, reason: str) -> bool:
        """End a job as cancelled; False where it had ended. Returns when it has."""
        if entry.record.state.final:
            return False
        entry.cancel_reason = reason
        if entry.scope is not None:
            entry.scope.cancel()
            async for _ in self.changes(entry, entry.number):
                pass
            return entry.record.state is State.CANCELLED
        await self.release(entry.record.job, reason)
        await self.record(entry, Cancelled(self.clock(), reason))
        return True

    # ----------------------------------------------------------------------------------------------------------------- watchers

    def status(self, entry: JobEntry) -> JobStatus:
        """What a client is told."""
        record, said = entry.record, entry.record.submitted
        shares = tuple(entry.shares[share] for share in sorted(entry.shares))
        done = percent(record, shares)
        waiting = self.decide.waiting(record.job)
        program = self.programs.get(said.program.sha256)
        running = record.state is State.RUNNING and entry.resumed_at > 0
        return JobStatus(
            job=record.job,
            kind=record.kind,
            state=record.state,
            program=ProgramId(said.program.sha256),
            program_name=said.name or (program.name if program is not None else ""),
            params=said.params,
            phase=record.stage.phase,
            percent=done,
            eta_seconds=seconds_left(done, trio.current_time() - entry.resumed_at) if running else None,
            position=waiting[0] if waiting is not None else None,
            waiting_for=waiting[1] if waiting is not None else "",
            submitted_at=said.at,
            started_at=record.started_at,
            ended_at=record.ended_at,
            weights=record.weights[:MAX_SHARES_SHOWN],
            shares=shares[:MAX_SHARES_SHOWN],
            result=record.result,
            key=record.key,
            verified=record.report if isinstance(record.report, VerifiedReport) else None,
            failure=record.failure,
            reason=record.reason,
        )

    def tell(self, entry: JobEntry) -> None:
        """Number the job as it is now, and wake who watches. Progress replaces progress; changes of state are kept."""
        entry.number += 1
        status = self.status(entry)
        if entry.changes:
            last = entry.changes[-1][1]
            if (last.state, last.phase) == (status.state, status.phase) and len(entry.changes) > 1:
                before = entry.changes[-2][1]
                if (before.state, before.phase) == (last.state, last.phase):
                    entry.changes.pop()
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

    # ----------------------------------------------------------------------------------------------------------------- programs

    async def add_program(self, program: BlobRef, name: str) -> ProgramStatus:
        """Keep a program. Raises `StoreUnwritable`."""
        known = self.programs.get(program.sha256)
        if known is None or (name and not known.name):
            await self.recorder.call(lambda journal: journal.add_program(program, name, self.clock()))
            await self.reload_programs()
        return self.programs[program.sha256]

    async def reload_programs(self) -> None:
        self.programs = {program.program: program for program in await self.recorder.call(lambda journal: journal.programs())}

    async def key_of(self, program: BlobRef, params: str) -> BlobRef:
        """The verifying key of a program, derived by our own device: nobody else's word is taken for it. Raises `CallFailed`."""
        lock = self._deriving.setdefault((program.sha256, params), trio.Lock())
        async with lock:
            known = self.programs.get(program.sha256)
            if known is not None and params in known.keys and self.store.has(known.keys[params]):
                return known.keys[params]
            done = await self.device.call(SetupCall(str(self.store.path(program.sha256)), params), seconds=KEY_SECONDS)
            key = await trio.to_thread.run_sync(self.store.put, done.content)
            await self.add_program(program, "")
            await self.recorder.call(lambda journal: journal.add_key(program.sha256, params, key))
            await self.reload_programs()
            return key
