"""The scheduler's shell: an event is decided, and what was decided begins to happen: who is told, what is begun, counted and logged.

Rules of this file:
* `handle` is synchronous: an event is decided and its effects are begun before the next one is looked at.
* Nothing is decided here, and no effect is waited for: what takes time goes to the background.
* Effects are carried out in the order in which they were decided.
* That a job was admitted is the one thing that is told upwards (`admitted`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from zisk_actors import log
from zisk_actors.actors.background import Background
from zisk_actors.actors.dispatch.progress import ProgressTable
from zisk_actors.actors.dispatch.sessions import Sessions
from zisk_actors.actors.dispatch.stopping import Stopping
from zisk_actors.actors.dispatch.tasks import ShareLost, Tasks
from zisk_actors.core import events
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.worker import WorkerHealth
from zisk_actors.ids import JobId, WorkerId
from zisk_actors.transport.base import LinkClosed
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.series import Counter, Label
from zisk_actors.wire.values import Lease
from zisk_actors.wire.worker_link import CancelJob, CancelLease

LOOKS: Final = 20
"""So often is looked whether anybody lives, in the time that a share waits for somebody to: who comes and goes in between is not seen."""

JOINS: Final = Counter(
    "coordinator_worker_joins_total", "joins", "Workers that registered: new, or again after a break.", (Label("how", ("new", "again")),)
)
LOSSES: Final = Counter("coordinator_workers_lost_total", "workers", "Workers that went, by how that was known.", (Label("reason"),))
LATE: Final = Counter("coordinator_late_results_total", "results", "Results dropped because their lease was not in force any more.")


class Dispatcher:
    """Gives the scheduler its events. `admitted` is called for each job that is to start; `worker_wait_seconds` is how long a share waits
    for somebody who could take it."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        sessions: Sessions,
        tasks: Tasks,
        progress: ProgressTable,
        stopping: Stopping,
        metrics: Metrics,
        background: Background,
        worker_wait_seconds: float,
        admitted: Callable[[events.Admit], None],
    ) -> None:
        self._scheduler = scheduler
        self._sessions = sessions
        self._tasks = tasks
        self._progress = progress
        self._stopping = stopping
        self._metrics = metrics
        self._background = background
        self._worker_wait_seconds = worker_wait_seconds
        self._admitted = admitted
        self._waited_for: dict[tuple[JobId, int], trio.Event] = {}
        self._log = log.get()

    def handle(self, event: events.Event) -> list[events.Effect]:
        """Have an event decided and begin its effects; returns them."""
        effects = self._scheduler.handle(event, trio.current_time())
        for effect in effects:
            self._carry_out(effect)
        return effects

    def _carry_out(self, effect: events.Effect) -> None:
        match effect:
            case events.Admit():
                for lease in effect.leases:
                    self._assigned(lease, adopted=lease in effect.adopted)
                self._admitted(effect)
            case events.Granted():
                self._assigned(effect.lease)
                waits = self._waited_for.get((effect.lease.job, effect.lease.share))
                if waits is not None:
                    waits.set()
            case events.Doubled():
                self._assigned(effect.lease)
            case events.Revoked():
                self._tasks.revoked(effect.lease, effect.reason)
                self.stop_work(effect.lease, effect.reason)
            case events.Orphaned():
                self.stop_work(effect.lease, effect.reason)
            case events.Quarantined():
                self._log.error(
                    "worker quarantined: it gets no work until it is restarted",
                    worker=effect.record.worker,
                    incarnation=effect.record.incarnation,
                    reason=effect.reason,
                    pool=self.pool(),
                )
            case events.Registered():
                self._metrics.count(JOINS, "new" if effect.fresh else "again")
                self._log.info(
                    "worker registered" if effect.fresh else "worker registered again",
                    worker=effect.record.worker,
                    incarnation=effect.record.incarnation,
                    compute_capacity=effect.record.units,
                    cells_per_second=round(effect.record.measured) or "not measured yet",
                    pool=self.pool(),
                )
            case events.JoinRejected():
                refusal = effect.refusal
                self._metrics.refused("worker", refusal.code)
                self._log.error(
                    "worker refused to register",
                    worker=effect.worker,
                    reason=refusal.reason,
                    code=refusal.code,
                    permanent=refusal.permanent,
                )
            case events.Lost():
                self._sessions.close(effect.record.worker)
                self._metrics.count(LOSSES, effect.why.value)
                self._stopping.lost(effect.record.worker)
                self._log.warning("worker lost", worker=effect.record.worker, reason=effect.reason, pool=self.pool())

    def _assigned(self, lease: Lease, *, adopted: bool = False) -> None:
        self._progress.assigned(lease)
        self._log.info(
            "assigned share to worker, which holds it from before our restart" if adopted else "assigned share to worker",
            job=lease.job,
            share=lease.share,
            worker=lease.worker,
            attempt=lease.attempt,
            incarnation=lease.incarnation,
        )

    # ---------------------------------------------------------------------------------------------------------- holders of shares

    async def holder(self, job: JobId, share: int, prefer: WorkerId | None = None, never: frozenset[WorkerId] = frozenset()) -> Lease:
        """The lease of a share: the one in force, or a new one as soon as somebody can take it who is none of `never`. Raises `ShareLost`
        where nobody can in time, and at once where nobody else is there."""
        lease = self._scheduler.lease(job, share)
        if lease is not None:
            return lease
        registry = self._scheduler.registry
        if never and not self._others(never):
            await trio.lowlevel.checkpoint()
            raise ShareLost(f"there is no other worker that could take share {share}", worker=None)
        granted = self._waited_for[job, share] = trio.Event()
        wait = self._worker_wait_seconds
        seen_at = trio.current_time()
        try:
            self.handle(events.Wanted(job, share, prefer, never, patient_until=seen_at + wait))
            while not granted.is_set() and trio.current_time() - seen_at < wait:
                with trio.move_on_after(min(wait, max(0.1, wait / LOOKS))):
                    await granted.wait()
                if any(each.worker not in never for each in registry.ready()):
                    seen_at = trio.current_time()  # somebody lives who could, and is busy with another job
        finally:
            del self._waited_for[job, share]
            self.handle(events.Unwanted(job, share))  # nobody was found, or the job is over, whose end may take a while to be written
        lease = self._scheduler.lease(job, share)
        if lease is None:
            raise ShareLost(f"no worker could take share {share} within {wait:g} s", worker=None)
        return lease

    def _others(self, never: frozenset[WorkerId]) -> bool:
        """Whether there is a worker that is none of these, or may come back after a restart of ours."""
        if trio.current_time() < self._scheduler.opens_at < float("inf"):
            return True
        records = self._scheduler.registry.records.values()
        return any(each.worker not in never and each.health is not WorkerHealth.QUARANTINED for each in records)

    def double(self, event: events.DoubleWanted) -> Lease | None:
        """Have a second worker at a share; None where there is nobody for it."""
        return next((effect.lease for effect in self.handle(event) if isinstance(effect, events.Doubled)), None)

    # ------------------------------------------------------------------------------------------------------------------ its ends

    def stop_work(self, lease: Lease, reason: str) -> None:
        """Tell the holder of a lease that is not in force any more, where it is connected."""
        session = self._sessions.holder_of(lease)
        if session is None:
            return

        async def tell() -> None:
            try:
                await session.send(CancelLease(lease, reason[:4000]))
            except LinkClosed:
                session.end()

        self._background.start(tell, f"stop {lease.worker}")

    def finish(self, lease: Lease, reason: str) -> None:
        """End a lease whose work nobody needs any more."""
        self.handle(events.Finished(lease))
        self.stop_work(lease, reason)

    async def release(self, job: JobId, reason: str) -> None:
        """Take all leases of a job back, and have its workers stop what they do for it."""
        crew = self._scheduler.crews.get(job)
        workers = sorted({lease.worker for lease in crew.all()}) if crew is not None else []
        self.handle(events.Ended(job))
        self._progress.ended(job)
        for worker in workers:
            if worker in self._sessions:
                self._stopping.told(job, worker)
                await self._sessions.send(worker, CancelJob(job, reason))

    def drop_late(self, lease: Lease) -> None:
        """An answer came under a lease that nothing is asked under: it is counted, and dropped."""
        self.handle(events.LateResult(lease))
        self._metrics.count(LATE)
        self._log.info(
            "late result dropped",
            job=lease.job,
            share=lease.share,
            attempt=lease.attempt,
            worker=lease.worker,
            late_results=self._scheduler.late,
        )

    def pool(self) -> str:
        """How many workers there are, with their units, in the words of the operator's manual."""
        records = self._scheduler.registry.records.values()
        able = [record for record in records if record.health is not WorkerHealth.QUARANTINED]
        busy = self._scheduler.busy()
        free = sum(record.units for record in able if record.worker not in busy)
        return f"total: {len(records)} CC: {sum(record.units for record in records)}CU ACC: {free}CU"
