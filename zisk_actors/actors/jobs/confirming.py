"""Whose word counts: what workers say that a guest did is held against our own run of it, and where that does not reach, against what
another worker says.

Rules of this file:
* Our own run decides, where there is one: who says anything else is wrong, and everybody else may be as well.
* Where there is none, two workers that say the same decide; who differs from them is wrong. The same worker twice is one.
* Where nobody else is there to be asked, what one worker says is told, and that nobody has confirmed it.
* A statement that was proved for a run that is not known is told with the reason why it is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import msgspec
import trio

from zisk_actors import log
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.dispatch.tasks import ShareLost, Tasks
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.faults import Faults, JobEnds
from zisk_actors.actors.jobs.limits import JobLimits
from zisk_actors.actors.jobs.own_run import RunOutcome
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.threads import in_thread
from zisk_actors.core.budget import attempts
from zisk_actors.core.events import Finished, FoundFaulty, GaveUp
from zisk_actors.core.kinds import LEGS
from zisk_actors.core.phases import PHASES
from zisk_actors.core.stages import Stage
from zisk_actors.ids import Incarnation, WorkerId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.values import BlobRef, ExecutionReport, Failure, FailureKind, Lease, Phase, VerifiedReport

SECOND_SECONDS: Final = 600.0
"""What a second worker has for a run, for a phase that has no limit."""


class GuestFails(JobEnds):
    """The guest fails by our own run. Whatever was contributed to a proof of it is wrong."""


def same(word: Failure, other: Failure) -> bool:
    """Whether two say the same of a guest."""
    return (word.code, word.trap) == (other.code, other.trap)


def unconfirmed(word: Failure, workers: Collection[WorkerId], why: str) -> Failure:
    """A guest's failure that only some workers speak of, each of another."""
    names = ", ".join(sorted(workers))
    words = f"unconfirmed: worker{'s' * (len(workers) > 1)} {names} said so, and no second one the same; {why}"
    return msgspec.structs.replace(word, message=f"{word.message[:2000]} ({words[:1900]})")


class Confirmation:
    """Holds what workers say against what is known; `faults` takes back what is wrong. `clock` is the wall clock."""

    def __init__(
        self,
        *,
        jobs: JobTable,
        dispatcher: Dispatcher,
        tasks: Tasks,
        faults: Faults,
        store: BlobStore,
        limits: JobLimits,
        clock: Callable[[], float],
    ) -> None:
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._tasks = tasks
        self._faults = faults
        self._store = store
        self._limits = limits
        self._clock = clock
        self._log = log.get()

    async def refute(self, entry: JobEntry, lease: Lease, phase: Phase, word: Failure) -> str | None:
        """Hold a worker's word that the guest fails against our own run. Where that says the same, raises `GuestFails`; where it says
        something else, the worker is found faulty, and the reason returned; None where it is not known."""
        own = await entry.own.outcome()
        failure = await entry.own.failure()
        if failure is None and own.unknown:
            return None
        reason = f"worker {lease.worker} says that the guest fails, and by the coordinator's own run it does not so: {word.message}"[:4000]
        if failure is None or not same(word, failure):
            self._dispatcher.handle(GaveUp(lease))
            await self._reject(entry, phase, lease.share, (lease.worker, lease.incarnation), reason)
        if failure is not None:
            raise GuestFails(msgspec.structs.replace(failure, phase=phase))
        return reason

    async def confirm_statement(self, entry: JobEntry, statement: VerifiedReport) -> str | None:
        """Hold the statement of a proof that verifies against our own run. Returns why it cannot be, empty where it is the same; None where
        it is not: what was contributed to it is taken back. Raises `GuestFails` where the run has no proof, and `JobEnds`."""
        own = await entry.own.outcome()
        if own.unknown:
            return f"the coordinator has not run it: {own.unknown}"[:4000]
        if own.failure is not None:
            raise GuestFails(msgspec.structs.replace(own.failure, phase=Phase.VERIFY))
        run = own.report
        if run is not None and (run.output, run.exit_code, run.steps) == (statement.output, statement.exit_code, statement.steps):
            return ""
        if not await self._faults.reject_contributions(entry, own):
            message = "the proof is of another run than ours, and none of its contributions is"
            raise JobEnds(Failure(kind=FailureKind.PROOF, code="proof-other-answer", message=message, exit_code=10, phase=Phase.VERIFY))
        return None

    async def confirm_report(self, entry: JobEntry, report: BlobRef) -> str | None:
        """Hold the report of an execution against our own run, or where that is not known, against what another worker reports. Returns why
        nobody vouches for it, empty where somebody does; None where it was wrong, and is asked for again. Raises `JobEnds`."""
        given = entry.record.answers[Phase.EXECUTE, 0]
        giver = (WorkerId(given.worker), given.incarnation)
        reported = await self._report_of(report)
        own = await entry.own.outcome()
        if own.unknown and reported is not None:
            return await self._second(entry, report, giver, own)
        if reported is None or reported != own.report:
            reason = f"the report of the run that worker {given.worker} gave is not what the coordinator's own run says"
            reason = reason if reported is not None else f"worker {given.worker} gave no report"
            await self._reject(entry, Phase.EXECUTE, 0, giver, reason)
            if own.report is None and own.failure is not None:
                raise JobEnds(msgspec.structs.replace(own.failure, phase=Phase.EXECUTE))
            return None
        return ""

    async def _report_of(self, report: BlobRef) -> ExecutionReport | None:
        """What a worker reports; None where that is no report."""
        content = await in_thread(self._store.get, report)
        try:
            run: ExecutionReport = decode_record(content, ExecutionReport)
        except WireError:
            return None
        return run

    async def _second(self, entry: JobEntry, report: BlobRef, giver: tuple[WorkerId, Incarnation], own: RunOutcome) -> str | None:
        """Ask others for the report, until two have said the same or there is nobody left."""
        reports: dict[tuple[WorkerId, Incarnation], BlobRef] = {giver: report}
        asked = {giver[0]}
        while True:
            lease = await self._another(entry, asked)
            if lease is None:
                break
            asked.add(WorkerId(lease.worker))
            other = await self._ask(entry, lease)
            if other is None:
                continue
            reports[WorkerId(lease.worker), lease.incarnation] = other
            if list(reports.values()).count(other) > 1:
                for who in [who for who, gave in reports.items() if gave != other]:
                    reason = f"the report of the run that worker {who[0]} gave is wrong: two others agree on another"
                    await self._reject(entry, Phase.EXECUTE, 0, who, reason)
                return "" if other == report else None
        workers = ", ".join(sorted(worker for worker, _ in reports))
        if len(reports) > 1:
            message = f"workers {workers} report different things of the same run, and nobody is left who could tell who is wrong"
            raise JobEnds(
                Failure(
                    kind=FailureKind.WORKER, code="reports-differ", message=message, phase=Phase.EXECUTE, attempts=attempts(entry.record)
                )
            )
        return f"unconfirmed: only worker {workers} has run it; {own.unknown}"[:4000]

    async def _another(self, entry: JobEntry, asked: Collection[WorkerId]) -> Lease | None:
        """A lease of the run for a worker that was not asked yet; None where there is none in time."""
        try:
            return await self._dispatcher.holder(entry.job, 0, never=frozenset(asked))
        except ShareLost:
            return None

    async def _ask(self, entry: JobEntry, lease: Lease) -> BlobRef | None:
        """What this worker reports of the run; None where it does not."""
        limit = self._limits.seconds.get(Phase.EXECUTE, 0.0)
        task = PHASES[Stage.EXECUTE].task(entry.record, lease, limit)
        given: BlobRef | None = None
        with trio.move_on_after(limit or SECOND_SECONDS):
            try:
                given = await self._tasks.ask(lease, task, cross_check=True)
            except ShareLost as lost:
                self._log.warning("a second worker cannot say what the run does", job=entry.job, worker=lease.worker, reason=lost.reason)
        self._dispatcher.handle(Finished(lease))
        if given is None:
            self._dispatcher.stop_work(lease, "somebody else is asked")
        return given

    async def _reject(self, entry: JobEntry, phase: Phase, share: int, who: tuple[WorkerId, Incarnation], reason: str) -> None:
        """Take back what a worker gave, and quarantine it."""
        rejected = LEGS[phase].rejected
        if rejected is None:
            raise AssertionError("no worker gives anything for a phase of our own")
        await self._jobs.persist(entry, rejected(self._clock(), share, *who, reason))
        self._dispatcher.handle(FoundFaulty(*who, entry.job, share, reason))
