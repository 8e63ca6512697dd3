"""Whose fault it is that something does not verify, and what is done about it.

Rules of this file:
* A worker that accuses another is not believed: our own device looks at the same parts, and who is found wrong is quarantined, the accuser
  where it finds nothing.
* What is wrong is taken back in the job's record, on disk, before the worker is quarantined; the supervisor's loop then asks for it again.
* Two workers that have different contributions of a share are a matter of `actors/jobs/disputes.py`.
* Contributions that do not agree, and no share of which is found wrong by itself, are held against our own run of the job
  (`actors/jobs/own_run.py`).
* Where it cannot be told who is wrong, the job fails and names everyone who took part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from zisk_actors.actors.device import CallFailed, ComputeDevice
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.jobs.disputes import MISMATCH, Disputes, Unresolved, mismatch
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.own_run import RunOutcome
from zisk_actors.actors.jobs.programs import Programs
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.threads import in_thread
from zisk_actors.core.budget import attempts
from zisk_actors.core.events import FoundFaulty
from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import AggregateRejected, ContributionRejected, PartialRejected
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.store.blobs import BlobStore
from zisk_actors.wire.blobs import unpack_manifest
from zisk_actors.wire.compute import AggregateCall, CompareCall
from zisk_actors.wire.values import BlobRef, ExecutionReport, Failure, FailureKind, Lease, Phase

ACCUSING: Final = (Phase.PROVE, Phase.AGGREGATE)
JUDGE_SECONDS: Final = 600.0
JUDGE_TRIES: Final = 3


class JobEnds(Exception):
    """The job cannot go on."""

    def __init__(self, failure: Failure, report: BlobRef | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.report = report


class Accusation(Exception):
    """A worker says that a share's contribution or partial proof is wrong."""

    def __init__(self, accuser: Lease, phase: Phase, failure: Failure) -> None:
        super().__init__(failure.message)
        self.accuser = accuser
        self.phase = phase
        self.failure = failure


class Faults:
    """Finds out who is at fault. The `verifier` is our own device; `clock` is the wall clock."""

    def __init__(
        self,
        *,
        jobs: JobTable,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        disputes: Disputes,
        programs: Programs,
        store: BlobStore,
        verifier: ComputeDevice,
        clock: Callable[[], float],
    ) -> None:
        self._jobs = jobs
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._disputes = disputes
        self._programs = programs
        self._store = store
        self._verifier = verifier
        self._clock = clock

    async def judge(self, entry: JobEntry, accusation: Accusation) -> None:
        """Find out who is wrong, take back what they gave, and quarantine them. Raises `JobEnds` where that cannot be found out."""
        record, accuser = entry.record, accusation.accuser
        if accusation.failure.code == MISMATCH and accusation.phase is not Phase.AGGREGATE:
            await self._judge_mismatch(entry, accusation)
            return
        verdict = await self._look(record, accusation.phase)
        at = self._clock()
        if verdict is not None and verdict.share is None:
            if await self.reject_contributions(entry, await entry.own.outcome()):
                return
            raise JobEnds(_everyone(record, verdict, accusation.phase))
        if verdict is not None and verdict.share is not None:
            share = verdict.share
            wrong = Phase.CONTRIBUTE if accusation.phase is Phase.PROVE else Phase.PROVE
            giver = record.answers.get((wrong, share))
            if giver is None:
                raise JobEnds(_everyone(record, verdict, accusation.phase))
            what = "contribution" if wrong is Phase.CONTRIBUTE else "partial proof"
            reason = f"the {what} of share {share} that worker {giver.worker} made is wrong: {verdict.message}"[:4000]
            kind = ContributionRejected if wrong is Phase.CONTRIBUTE else PartialRejected
            await self._jobs.persist(entry, kind(at, share, giver.worker, giver.incarnation, reason))
            self._take_back(record, accusation.phase)
            self._dispatcher.handle(FoundFaulty(giver.worker, giver.incarnation, record.job, share, reason))
            return
        reason = f"worker {accuser.worker} says that something is wrong where nothing is: {accusation.failure.message}"[:4000]
        other = PartialRejected if accusation.phase is Phase.PROVE else AggregateRejected
        await self._jobs.persist(entry, other(at, accuser.share, accuser.worker, accuser.incarnation, reason))
        self._dispatcher.handle(FoundFaulty(accuser.worker, accuser.incarnation, record.job, accuser.share, reason))

    async def _judge_mismatch(self, entry: JobEntry, accusation: Accusation) -> None:
        """Two workers have different contributions of a share. Raises `JobEnds` where nobody can tell who is wrong."""
        record, accuser, phase = entry.record, accusation.accuser, accusation.phase
        share = accuser.share
        given = record.answers.get((Phase.CONTRIBUTE, share))
        if given is None:
            raise JobEnds(mismatch(share, "(unknown)", accuser.worker, phase))
        try:
            wrong = await self._disputes.resolve(record, accuser, given, phase)
        except Unresolved as error:
            raise JobEnds(msgspec.structs.replace(error.failure, attempts=attempts(record))) from None
        at = self._clock()
        if wrong == "giver":
            reason = f"the contribution of share {share} that worker {given.worker} made is wrong: worker {accuser.worker} has another"
            if given.worker != accuser.worker:
                reason += ", and a third worker the same as that"
            await self._jobs.persist(entry, ContributionRejected(at, share, given.worker, given.incarnation, reason))
            self._take_back(record, Phase.PROVE if phase is Phase.PROVE else Phase.CONTRIBUTE, share)
            self._dispatcher.handle(FoundFaulty(given.worker, given.incarnation, record.job, share, reason))
        elif wrong == "accuser":
            reason = f"the contribution of share {share} that worker {accuser.worker} computes is wrong: two others agree on another"
            if phase is Phase.PROVE:
                await self._jobs.persist(entry, PartialRejected(at, share, accuser.worker, accuser.incarnation, reason))
            self._dispatcher.handle(FoundFaulty(accuser.worker, accuser.incarnation, record.job, share, reason))

    async def reject_contributions(self, entry: JobEntry, own: RunOutcome) -> bool:
        """Take back every contribution that is not one to the run that we have seen ourselves, and quarantine who made it; of a run that
        has no proof that is all of them. False where there is none, or where our own run is not known. Raises `JobEnds`."""
        record = entry.record
        given = {share: done for (phase, share), done in record.answers.items() if phase is Phase.CONTRIBUTE}
        if own.unknown:
            return False
        if own.failure is None:
            if own.report is None or record.contributions is None:
                return False
            found = await self._other_runs(record, own.report)
            given = {share: done for share, done in given.items() if share in found}
        for share, done in sorted(given.items()):
            reason = (
                f"the contribution of share {share} that worker {done.worker} made is wrong: "
                "it is of another run than the coordinator's own"
            )
            at = self._clock()
            await self._jobs.persist(entry, ContributionRejected(at, share, done.worker, done.incarnation, reason))
            self._take_back(record, Phase.PROVE)
            self._dispatcher.handle(FoundFaulty(done.worker, done.incarnation, record.job, share, reason))
        return bool(given)

    async def _other_runs(self, record: JobRecord, run: ExecutionReport) -> tuple[int, ...]:
        """The shares whose contribution is not one to this run, found by our own device. Raises `JobEnds` where the device fails."""
        if record.contributions is None:
            raise AssertionError("a job that is looked at has contributions")
        try:
            key = await self._programs.key_of(record.submitted.program, record.submitted.params)
            bundle, vk = (str(self._store.path(blob.sha256)) for blob in (record.contributions, key))
            call = CompareCall(bundle, vk, run.steps, run.exit_code, run.output)
            return (await self._verifier.call(call, seconds=JUDGE_SECONDS)).shares
        except CallFailed as error:
            raise JobEnds(error.failure) from None

    async def reject_aggregate(self, entry: JobEntry, failure: Failure) -> None:
        """The proof that we have does not verify: it is made again by another. Raises `JobEnds` where nobody knows who made it."""
        record = entry.record
        share = len(record.weights)
        maker = record.answers.get((Phase.AGGREGATE, share))
        message = f"the proof that worker {maker.worker if maker else record.aggregator} aggregated does not verify: {failure.message}"[
            :4000
        ]
        if maker is None:
            raise JobEnds(Failure(kind=failure.kind, code=failure.code, message=message, hint=failure.hint, phase=Phase.VERIFY))
        event = AggregateRejected(self._clock(), share, maker.worker, maker.incarnation, message)
        await self._jobs.persist(entry, event)
        self._take_back(record, Phase.AGGREGATE)
        self._dispatcher.handle(FoundFaulty(maker.worker, maker.incarnation, record.job, share, message))

    async def _look(self, record: JobRecord, phase: Phase) -> Failure | None:
        """What our own device finds wrong with the parts of a job: its contributions, and from the aggregate on its partial proofs as well;
        None where all is well. Raises `JobEnds` where the device itself fails."""
        store = self._store
        if record.contributions is None:
            raise AssertionError("a job in these phases has contributions")
        partials: tuple[BlobRef, ...] = ()
        if phase is Phase.AGGREGATE and record.partials is not None:
            partials = unpack_manifest(await in_thread(store.get, record.partials)).blobs
        paths = tuple(str(store.path(blob.sha256)) for blob in partials)
        elf, bundle = (str(store.path(blob.sha256)) for blob in (record.submitted.program, record.contributions))
        call = AggregateCall(elf, record.submitted.params, bundle, paths)
        tries = 0
        while True:
            tries += 1
            try:
                await self._verifier.call(call, seconds=JUDGE_SECONDS)
            except CallFailed as error:
                found = error.failure
                if found.kind is FailureKind.PROOF:
                    return None if phase is Phase.PROVE and found.code == "proof-missing-share" and found.share is None else found
                if tries == JUDGE_TRIES:
                    raise JobEnds(found) from None
            else:
                return None

    def _take_back(self, record: JobRecord, phase: Phase, share: int | None = None) -> None:
        """End the leases of the phase that is begun again: of all shares where every proof is void, else of the one share, which is the
        aggregate unless another is named."""
        only = len(record.weights) if share is None else share
        crew = self._scheduler.crews.get(record.job)
        for lease in crew.all() if crew is not None else []:
            if phase is Phase.PROVE or lease.share == only:
                self._dispatcher.finish(lease, "what it is for is made again")


def _everyone(record: JobRecord, failure: Failure, phase: Phase) -> Failure:
    """A proof does not verify and nobody can be found faulty: all who took part are named."""
    givers = [
        f"share {share}: {done.worker}"
        for (of, share), done in sorted(record.answers.items(), key=lambda item: item[0][1])
        if of is Phase.CONTRIBUTE
    ]
    message = f"{failure.message}; contributed by {', '.join(givers[:50]) or 'nobody known'}"
    return Failure(kind=failure.kind, code=failure.code, message=message[:4000], hint=failure.hint, exit_code=10, phase=phase)
