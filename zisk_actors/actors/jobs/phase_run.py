"""One phase of one job: every share is asked for until it is answered, elsewhere where a worker fails at it or is gone, and of two workers
where the first is slow.

Rules of this file:
* An attempt that came to nothing is written down before the next one begins; the budget (`core.budget`) says whether there is a next one.
  The guest's own failure ends the job at once, where our own run says the same, or a second worker (`actors/jobs/confirming.py`).
* At most two workers are at a share. The first answer counts; the other is told to stop, and what it still says is late.
* The clock (`core.patience`) is each share's, and gives back what was lost with a worker; an attempt that stands still has failed.
* What is in the job's record is not asked for again: after a restart only the shares that were not answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import trio

from zisk_actors import log
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.dispatch.progress import AttemptProgress, ProgressTable
from zisk_actors.actors.dispatch.tasks import ShareLost, Tasks
from zisk_actors.actors.jobs.confirming import Confirmation, same, unconfirmed
from zisk_actors.actors.jobs.disputes import MISMATCH
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.failures import SharesTooLarge, phase_timeout, share_failure
from zisk_actors.actors.jobs.faults import ACCUSING, Accusation, JobEnds
from zisk_actors.actors.jobs.limits import JobLimits
from zisk_actors.actors.jobs.repairs import BeginAgain, Repairs
from zisk_actors.actors.jobs.running_share import RunningShare
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.transfer import BlobNotOffered
from zisk_actors.core.budget import Tally, tally
from zisk_actors.core.events import DoubleWanted, Finished, GaveUp
from zisk_actors.core.job_events import ShareFailed
from zisk_actors.core.patience import PhaseLimits, RunningAttempt, deadline, rate, stands_still, straggler
from zisk_actors.core.phases import PhaseSpec
from zisk_actors.core.policy import cut_finer
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.ids import WorkerId
from zisk_actors.store.errors import StoreUnwritable
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.series import Counter, Label
from zisk_actors.wire.values import BlobRef, Failure, FailureKind, Lease, Phase

WATCH_SECONDS: Final = (1.0, 5.0)
"""Between these, a quarter of what makes a straggler, is the pause between two looks; with a thousand jobs each look a second took a
tenth of the coordinator."""
MAX_DOUBLES: Final = 2
"""So often is a share begun beside its holder, in one phase."""

PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 10.0
"""Between attempts that fail for their workers: at first, and at most; each is twice as long as the one before."""

WORKER_GRACE_SECONDS: Final = 5.0
"""The worker stops by itself so long after its limit: the coordinator, which knows more, comes first."""

RETRIES: Final = Counter("coordinator_share_retries_total", "shares", "Shares given to another holder after a failure.", (Label("cause"),))
DOUBLED: Final = Counter("coordinator_stragglers_doubled_total", "shares", "Shares run a second time because the first takes long.")


class PhaseRun:
    """One phase under way; `run` is its life, after which `answers` has every share, and `first` who answered first."""

    def __init__(
        self,
        entry: JobEntry,
        spec: PhaseSpec,
        *,
        jobs: JobTable,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        tasks: Tasks,
        progress: ProgressTable,
        confirmation: Confirmation,
        repairs: Repairs,
        metrics: Metrics,
        limits: JobLimits,
        clock: Callable[[], float],
    ) -> None:
        record = entry.record
        self._jobs = jobs
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._tasks = tasks
        self._progress = progress
        self._confirmation = confirmation
        self._repairs = repairs
        self._metrics = metrics
        self._limits = limits
        self._clock = clock
        self._log = log.get()
        self._entry = entry
        self._spec = spec
        factor = limits.straggler_factor if spec.doubled else 0.0
        self._patience = PhaseLimits(limits.seconds.get(spec.name, 0.0), factor, limits.straggler_seconds)
        known = [done for (of, _), done in record.answers.items() if of is spec.name]
        self.answers: dict[int, BlobRef] = {done.share: done.answer for done in known}
        self.first: WorkerId | None = known[0].worker if known else None
        self._running: dict[int, RunningShare] = {}
        self._rates: list[float] = []
        self._unwritten: tuple[ShareFailed, ...] = ()
        self._reported_failures: dict[WorkerId, Failure] = {}
        self._end: JobEnds | Accusation | SharesTooLarge | BeginAgain | None = None
        self._scope = trio.CancelScope()
        self._began_at = trio.current_time()

    async def run(self) -> None:
        """Ask for all shares. Raises `JobEnds`, `Accusation`, `SharesTooLarge` and `BeginAgain`."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch)
                async with trio.open_nursery() as shares:
                    for share in self._spec.shares(self._entry.record):
                        if share not in self.answers:
                            self._progress.anew(self._entry.job, share)
                            shares.start_soon(self._ask, share)
                nursery.cancel_scope.cancel()
        if self._end is not None:
            raise self._end

    def _stop(self, end: JobEnds | Accusation | SharesTooLarge | BeginAgain) -> None:
        """The phase cannot end well; the first who finds that out says why."""
        self._end = self._end or end
        self._scope.cancel()

    # ------------------------------------------------------------------------------------------------------------------ one share

    async def _ask(self, number: int) -> None:
        """One share's answer, whoever gives it in the end."""
        record = self._entry.record
        share = self._running[number] = RunningShare(number)
        prefer = record.aggregator if self._spec.name is Phase.AGGREGATE else None
        while number not in self.answers and self._end is None:  # with an end the job may be in another phase, and nothing is asked
            if self._limits.budget.spent(self._tally(number)):
                self._stop(JobEnds(self._failure(share)))
                return
            try:
                lease = await self._dispatcher.holder(record.job, number, prefer, share.never)
            except ShareLost as nobody:
                share.last = nobody
                self._stop(JobEnds(await self._last_word(share)))
                return
            began = trio.current_time()
            async with trio.open_nursery() as share.nursery:
                self._begin(share, lease)
            own = share.last.failure if share.last is not None else None
            if own is not None and own.kind is FailureKind.TIMEOUT:
                share.still_seconds += trio.current_time() - began
            else:
                if own is not None and own.kind is FailureKind.WORKER and number not in self.answers:
                    await trio.sleep(min(MAX_PAUSE_SECONDS, PAUSE_SECONDS * 2 ** max(0, self._tally(number).failures - 1)))
                share.lost_seconds += trio.current_time() - began
        del self._running[number]

    def _begin(self, share: RunningShare, lease: Lease) -> None:
        if share.nursery is None:
            raise AssertionError("a share is begun in its nursery")
        share.attempts[lease] = self._progress.asked(lease, self._spec.name)
        share.nursery.start_soon(self._try, share, lease)

    async def _try(self, share: RunningShare, lease: Lease) -> None:
        """Have one worker try. The share's nursery is over with the first answer, or when no attempt is left."""
        entry, spec = self._entry, self._spec
        attempt = share.attempts[lease]
        limit = self._patience.limit and self._patience.limit + WORKER_GRACE_SECONDS
        if len(share.attempts) == 1:
            self._jobs.tell(entry)
        try:
            answer = await self._tasks.ask(lease, spec.task(entry.record, lease, limit), attempt)
        except ShareLost as lost:
            del share.attempts[lease]
            await self._lost(share, lease, lost)
        else:
            self._answered(share, lease, answer)

    def _answered(self, share: RunningShare, lease: Lease, answer: BlobRef) -> None:
        number = share.number
        if number in self.answers or share.nursery is None:
            return
        self.answers[number] = answer
        self._rates.append(rate(self._seen(share.attempts[lease]), trio.current_time()))
        self.first = self.first or lease.worker
        for other in share.attempts:
            if other != lease:
                self._dispatcher.finish(other, f"worker {lease.worker} has answered first")
        share.nursery.cancel_scope.cancel()
        self._progress.done(lease)
        self._jobs.tell(self._entry)
        self._let_go(lease)

    def _let_go(self, lease: Lease) -> None:
        """A worker of which the job needs nothing more is free for others, before what it answered is folded, checked and written down. So
        is one after its proof, except the first finisher, which aggregates; who that is, the job keeps one."""
        crew = self._scheduler.crews.get(lease.job)
        kept = crew is not None and any(held.worker == self.first for held in crew.all())
        proved = self._spec.name is Phase.PROVE and lease.worker != self.first and kept
        if self._spec.last or proved:
            self._dispatcher.handle(Finished(lease))

    # ---------------------------------------------------------------------------------------------------------- what goes wrong

    async def _lost(self, share: RunningShare, lease: Lease, lost: ShareLost) -> None:
        """An attempt came to nothing: count it, and have the share begun again, or the phase ended."""
        record, phase = self._entry.record, self._spec.name
        share.last = lost
        own = lost.failure
        if own is not None and own.kind is FailureKind.PROOF and (phase in ACCUSING or own.code == MISMATCH):
            self._stop(Accusation(lease, phase, own))
            return
        if own is not None and own.kind is FailureKind.GUEST:
            await self._weigh(share, lease, own)
            return
        if own is not None and own.code == BlobNotOffered.code and await self._repaired():
            return
        if own is not None and own.pieces and phase is Phase.CONTRIBUTE and not self._somebody_larger(lease):
            weights = cut_finer(record.weights, own.pieces)
            if weights is not None:
                self._stop(SharesTooLarge(own, weights))
                return
        self._dispatcher.handle(GaveUp(lease, short=own is not None and own.kind is FailureKind.MEMORY))
        if share.attempts:
            self._jobs.tell(self._entry)
        event = ShareFailed(self._clock(), phase, share.number, lease.worker, lease.incarnation, lost.reason[:4000], lost=own is None)
        try:
            await self._jobs.record(self._entry, event)
        except StoreUnwritable:  # logged by who writes; counted here as long as we live
            self._unwritten = (*self._unwritten, event)
        self._metrics.count(RETRIES, own.kind.value if own is not None else "lost")
        self._log.warning(
            "share failed, trying again" if own is not None else "share lost with its worker, trying again",
            job=record.job,
            share=share.number,
            phase=phase.value,
            worker=lease.worker,
            attempt=lease.attempt,
            so_far=str(self._tally(share.number)),
            reason=lost.reason,
        )

    async def _repaired(self) -> bool:
        """A worker did not get a blob from us: whether it is not good, and is made again, for which the phase ends."""
        try:
            if not await self._repairs.repair(self._entry):
                return False
        except JobEnds as end:
            self._stop(end)
        except StoreUnwritable:  # logged by who writes; the share is tried again as any other
            return False
        else:
            self._stop(BeginAgain())
        return True

    async def _weigh(self, share: RunningShare, lease: Lease, word: Failure) -> None:
        """A worker says that the guest fails. That is not an attempt at the share; it ends the phase where it is true."""
        entry, phase = self._entry, self._spec.name
        try:
            wrong = await self._confirmation.refute(entry, lease, phase, word)
        except JobEnds as end:
            self._stop(end)
            return
        if wrong is not None:
            failure = Failure(kind=FailureKind.WORKER, code="false-failure", message=wrong, phase=phase)
            share.last = ShareLost(wrong, worker=lease.worker, failure=failure)
            return
        word = msgspec.structs.replace(word, phase=phase)
        if any(worker != lease.worker and same(word, other) for worker, other in self._reported_failures.items()):
            self._stop(JobEnds(word))
            return
        self._log.warning("a worker says that the guest fails, and a second one is asked", job=entry.job, worker=lease.worker)
        self._reported_failures[lease.worker] = word
        share.never |= {lease.worker}
        self._dispatcher.handle(GaveUp(lease))
        if share.attempts:
            self._jobs.tell(entry)

    async def _last_word(self, share: RunningShare) -> Failure:
        """The job's failure where nobody is left for a share: what workers say of the guest, if some do, though nobody has confirmed it."""
        words = [(worker, word) for worker, word in self._reported_failures.items() if worker in share.never]
        if not words:
            return self._failure(share)
        own = await self._entry.own.outcome()
        return unconfirmed(words[-1][1], [worker for worker, _ in words], own.unknown)

    def _somebody_larger(self, lease: Lease) -> bool:
        """Whether there is a worker with more memory than a holder that has too little, as far as is known."""
        registry = self._scheduler.registry
        holder = registry.records.get(lease.worker)
        return any(holder is None or not each.memory_bytes or each.memory_bytes > holder.memory_bytes for each in registry.ready())

    def _tally(self, share: int) -> Tally:
        return tally(self._entry.record, self._unwritten, self._spec.name, share)

    def _failure(self, share: RunningShare) -> Failure:
        return share_failure(self._entry.record, self._unwritten, self._spec.name, share.number, share.last)

    # ------------------------------------------------------------------------------------------------------------------ the clock

    async def _watch(self) -> None:
        """Look after the attempts until cancelled: end the phase when it is over its limit, what stands still, and double what is slow."""
        pause = min(max(WATCH_SECONDS[0], self._patience.least_seconds / 4), WATCH_SECONDS[1])
        while True:
            now = trio.current_time()
            due = min(((self._deadline(share), number) for number, share in self._running.items()), default=(float("inf"), -1))
            if due[0] <= now:
                self._over(due[1], now)
                return
            for share in self._running.values():
                for lease, attempt in list(share.attempts.items()):
                    if stands_still(self._seen(attempt), self._patience, now):
                        self._give_up(lease, now)
            self._double(now)
            await trio.sleep_until(min(due[0], now + pause))

    def _seen(self, attempt: AttemptProgress) -> RunningAttempt:
        """An attempt as the rules of patience look at it."""
        lease, weights = attempt.lease, self._entry.record.weights
        weight = weights[lease.share] if lease.share < len(weights) else 1
        record = self._scheduler.registry.records.get(lease.worker)
        return RunningAttempt(lease, weight, record.units if record is not None else 1, attempt.began_at, attempt.moved_at)

    def _attempts(self, share: RunningShare) -> list[RunningAttempt]:
        return [self._seen(attempt) for attempt in share.attempts.values()]

    def _deadline(self, share: RunningShare) -> float:
        return deadline(self._attempts(share), share.lost_seconds, share.still_seconds, self._patience)

    def _over(self, number: int, now: float) -> None:
        """The phase is over its limit because of a share."""
        record, phase, missing = self._entry.record, self._spec.name, sorted(self._running)
        slow = {one.lease.worker: round(one.seconds(now), 1) for one in self._attempts(self._running[number])}
        elapsed = round(now - self._began_at, 1)
        self._log.error(
            "phase timeout",
            job=record.job,
            phase=phase.value,
            elapsed_seconds=elapsed,
            limit_seconds=self._patience.limit,
            share=number,
            worker=", ".join(slow),
            missing=missing[:20],
        )
        failure = phase_timeout(
            record,
            self._unwritten,
            phase,
            number,
            slow=slow,
            missing=missing,
            elapsed_seconds=elapsed,
            limit_seconds=self._patience.limit,
        )
        self._stop(JobEnds(failure))

    def _give_up(self, lease: Lease, now: float) -> None:
        """An attempt that stands still has failed, while there is time for another."""
        still = self._seen(self._running[lease.share].attempts[lease]).still_seconds(now)
        message = f"worker {lease.worker} has made no progress with share {lease.share} for {still:.0f} s"
        failure = Failure(kind=FailureKind.TIMEOUT, code="no-progress", message=message, phase=self._spec.name)
        self._tasks.failed(lease, self._spec.name, failure)
        self._dispatcher.stop_work(lease, message)

    def _double(self, now: float) -> None:
        """Have the slowest share tried by a second worker, where one is idle."""
        job = self._entry.record.job
        lone = [
            one
            for share in self._running.values()
            if len(share.attempts) == 1 and share.doubles < MAX_DOUBLES
            for one in self._attempts(share)
            if one.began_at is not None
        ]
        slow = straggler(lone, self._rates, self._patience, now)
        if slow is None or job not in self._scheduler.crews:
            return
        mine = {lease.worker for lease in self._scheduler.crews[job].all()}
        idle = frozenset(worker for worker in mine if not self._tasks.tasks_of(worker))
        share = self._running[slow.lease.share]
        lease = self._dispatcher.double(DoubleWanted(job, share.number, idle))
        if lease is None:
            return
        share.doubles += 1
        self._metrics.count(DOUBLED)
        self._log.warning(
            "straggler: share is slow and started a second time",
            job=job,
            share=share.number,
            phase=self._spec.name.value,
            worker=slow.lease.worker,
            elapsed_seconds=round(slow.seconds(now), 1),
            still_seconds=round(slow.still_seconds(now), 1),
            second=lease.worker,
        )
        self._begin(share, lease)
        self._jobs.tell(self._entry)
