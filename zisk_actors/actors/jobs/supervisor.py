"""One job's life: for each phase, ask the holders of its shares, fold their answers, record what came of it.

Rules of this file:
* A straight loop over the phases, entered by the stage that the job's record has; a job that was interrupted is the same loop begun later.
* How the shares of one phase are answered is `actors/jobs/phase_run.py`; whose fault something wrong is, `actors/jobs/faults.py`.
* Nothing is answered that our own verifier has not accepted, and nothing that our own run of the program contradicts
  (`actors/jobs/own_run.py`, `actors/jobs/confirming.py`).
* However this ends, the leases are given back, and the workers stop what they do for the job.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from random import Random

import msgspec
import trio

from zisk_actors import log
from zisk_actors.actors.background import Background
from zisk_actors.actors.device import CallFailed, ComputeDevice, call_again
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.dispatch.progress import ProgressTable
from zisk_actors.actors.dispatch.tasks import Tasks
from zisk_actors.actors.jobs.confirming import Confirmation, GuestFails
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.failures import SharesTooLarge
from zisk_actors.actors.jobs.faults import Accusation, Faults, JobEnds
from zisk_actors.actors.jobs.limits import JobLimits
from zisk_actors.actors.jobs.own_run import OwnRun
from zisk_actors.actors.jobs.phase_run import PhaseRun
from zisk_actors.actors.jobs.programs import Programs
from zisk_actors.actors.jobs.repairs import GONE, BeginAgain, Repairs, folded
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.threads import in_thread
from zisk_actors.actors.until_written import until_written
from zisk_actors.core.budget import attempts
from zisk_actors.core.events import Admit, Reissued
from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import Admitted, Cancelled, Executed, JobFailed, KeysMade, Recut, Verified
from zisk_actors.core.phases import PHASES, Gathered, PhaseSpec
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.stages import Stage
from zisk_actors.errors import ZiskError
from zisk_actors.ids import new_key
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.errors import BlobMissing, StoreCorrupt, StoreUnwritable
from zisk_actors.web.cluster import Metrics
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.compute import VerifyCall
from zisk_actors.wire.values import BlobRef, ExecutionReport, Failure, FailureKind, Kind, Phase

VERIFY_SECONDS = 600.0


class Supervisor:
    """Runs jobs, each to its end. The `verifier` is our own device for proofs and keys, the `executor` the one for the jobs' programs."""

    def __init__(
        self,
        *,
        jobs: JobTable,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        tasks: Tasks,
        progress: ProgressTable,
        faults: Faults,
        confirmation: Confirmation,
        repairs: Repairs,
        programs: Programs,
        store: BlobStore,
        verifier: ComputeDevice,
        executor: ComputeDevice,
        metrics: Metrics,
        limits: JobLimits,
        background: Background,
        clock: Callable[[], float],
        chance: Random,
    ) -> None:
        self._jobs = jobs
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._tasks = tasks
        self._progress = progress
        self._faults = faults
        self._confirmation = confirmation
        self._repairs = repairs
        self._programs = programs
        self._store = store
        self._verifier = verifier
        self._executor = executor
        self._metrics = metrics
        self._limits = limits
        self._background = background
        self._clock = clock
        self._chance = chance
        self._log = log.get()

    async def run(self, entry: JobEntry, admit: Admit) -> None:
        """Run an admitted or resumed job to its end."""
        if entry.record.state.final:
            await self._dispatcher.release(entry.record.job, "the job has ended")
            return
        entry.resumed_at = trio.current_time()
        failed: JobFailed | None = None
        with trio.CancelScope() as entry.scope:
            try:
                if entry.ending is None:
                    await self._run(entry, admit)
            except JobEnds as end:
                failed = JobFailed(self._clock(), end.failure, end.report)
            except ZiskError as error:
                failed = JobFailed(self._clock(), _failure_of(error))
            except Exception as error:  # the boundary of one job: a bug of ours fails it, and not the others
                words = "".join(traceback.format_exception(error))
                failure = Failure(kind=FailureKind.INTERNAL, code="internal", message="internal error", exit_code=1)
                failed = JobFailed(self._clock(), self._traced(entry, failure, words))
        if entry.own_run is not None:
            entry.own_run.stop()
        if failed is not None and failed.failure.kind is FailureKind.INTERNAL and not failed.failure.trace:
            failed = msgspec.structs.replace(failed, failure=self._traced(entry, failed.failure, failed.failure.message))
        last = failed or entry.ending
        if last is not None and not entry.record.state.final:
            await self._jobs.persist(entry, last)
        with trio.CancelScope(shield=True):
            entry.scope = None
            await self._dispatcher.release(entry.record.job, _reason_of(last))

    def _traced(self, entry: JobEntry, failure: Failure, words: str) -> Failure:
        """An internal failure with a trace id, under which all that is known of it is in our log."""
        trace = new_key(self._chance)[:12]
        self._log.error("internal error in a job", job=entry.record.job, trace=trace, error=words)
        return msgspec.structs.replace(failure, message=f"{failure.message}; trace {trace} in the coordinator's log"[:4000], trace=trace)

    async def _run(self, entry: JobEntry, admit: Admit) -> None:
        if entry.record.stage is Stage.QUEUED:
            await self._jobs.persist(entry, Admitted(self._clock(), admit.weights))
        entry.own_run = OwnRun(entry.record, self._executor, self._store, self._programs, self._limits.own_run_steps)
        self._background.start(entry.own_run.run, "own run")
        if entry.record.kind is Kind.PROVE:
            self._background.start(partial(self._derive_key_early, entry.record), "key")
        while not entry.record.state.final:
            try:  # the shares' answers are kept: what is done again for the disk is what was to be written
                await until_written(partial(self._step, entry), waits=partial(self._jobs.waits_for_disk, entry))
            except GuestFails as end:
                await self._faults.reject_contributions(entry, await entry.own.outcome())
                raise JobEnds(end.failure) from None
            except (BlobMissing, StoreCorrupt):
                if not await self._repaired(entry):
                    raise
            except JobEnds as end:
                if end.failure.code not in GONE or not await self._repaired(entry):
                    raise
        self._log.info("[Job] Finished", job=entry.record.job, kind=entry.record.kind.value)

    async def _repaired(self, entry: JobEntry) -> bool:
        """Whether something of a job was not good on our disk, and is made again. Raises `JobEnds`."""
        return await until_written(partial(self._repairs.repair, entry), waits=partial(self._jobs.waits_for_disk, entry))

    async def _step(self, entry: JobEntry) -> None:
        """One phase of a job. Raises `JobEnds`, and `StoreUnwritable` where a blob cannot be kept."""
        if entry.record.stage is Stage.VERIFY:
            await self._verify(entry)
            return
        spec = PHASES[entry.record.stage]
        try:
            gathered = await self._ask_all(entry, spec)
        except Accusation as accusation:
            await self._faults.judge(entry, accusation)
            return
        except SharesTooLarge as found:
            await self._recut(entry, found)
            return
        except BeginAgain:
            return
        event = spec.fold(gathered, self._clock())
        if isinstance(event, KeysMade):
            await self._check_keys(entry.record, gathered)
        if isinstance(event, Executed):
            reason = await self._confirmation.confirm_report(entry, event.report)
            if reason is None:
                return
            await self._check_execution(event.report, reason)
            event = msgspec.structs.replace(event, reason=reason)
        await self._jobs.persist(entry, event)

    # ------------------------------------------------------------------------------------------------------------------------ phases

    async def _ask_all(self, entry: JobEntry, spec: PhaseSpec) -> Gathered:
        """The answers of all shares of a phase. Raises `JobEnds` and `Accusation`."""
        shares = spec.shares(entry.record)
        self._log.info(f"[{spec.name.value}] Started", job=entry.record.job, shares=len(shares))
        phase_run = PhaseRun(
            entry,
            spec,
            jobs=self._jobs,
            scheduler=self._scheduler,
            dispatcher=self._dispatcher,
            tasks=self._tasks,
            progress=self._progress,
            confirmation=self._confirmation,
            repairs=self._repairs,
            metrics=self._metrics,
            limits=self._limits,
            clock=self._clock,
        )
        await phase_run.run()
        self._log.info(f"[{spec.name.value}] finished", job=entry.record.job, attempts_failed=len(attempts(entry.record)))
        answers = tuple(phase_run.answers[share] for share in shares)
        if phase_run.first is None:
            raise AssertionError("a phase has at least one share")
        return Gathered(answers=answers, folded=await self._gather(spec, answers), first=phase_run.first)

    async def _recut(self, entry: JobEntry, found: SharesTooLarge) -> None:
        """Have more and smaller shares, of which a worker does several one after the other."""
        record = entry.record
        crew = self._scheduler.crews.get(record.job)
        held = crew.all() if crew is not None else []
        self._log.warning(
            "shares are too large for the workers: cut finer",
            job=record.job,
            shares=len(found.weights),
            before=len(record.weights),
            reason=found.failure.message,
        )
        await self._jobs.persist(entry, Recut(self._clock(), found.weights))
        self._dispatcher.handle(Reissued(record.job))
        for lease in held:
            self._dispatcher.stop_work(lease, "the run is cut into other shares")

    async def _gather(self, spec: PhaseSpec, answers: tuple[BlobRef, ...]) -> BlobRef:
        """The one blob that stands for all answers."""
        if spec.gather == "one":
            return answers[0]

        def fold() -> BlobRef:
            return self._store.put(folded(self._store, spec, answers))

        return await in_thread(fold)

    # ---------------------------------------------------------------------------------------------------------------------- the ends

    async def _derive_key_early(self, record: JobRecord) -> None:
        """Have the key ready when the proof comes. A failure here is found again, and reported, where the key is needed."""
        try:
            await self._programs.key_of(record.submitted.program, record.submitted.params)
        except (CallFailed, StoreUnwritable) as error:
            self._log.info("the verifying key cannot be made yet", job=record.job, error=error.message)

    async def _check_keys(self, record: JobRecord, gathered: Gathered) -> None:
        """All workers, and our own device, must agree on the key. Raises `JobEnds`."""
        own = await self._programs.key_of(record.submitted.program, record.submitted.params)
        if any(answer != own for answer in gathered.answers):
            message = "workers disagree with the coordinator about the verifying key: they do not run the same release"
            raise JobEnds(Failure(kind=FailureKind.PROOF, code="key-mismatch", message=message, exit_code=11, phase=Phase.SETUP))

    async def _check_execution(self, report: BlobRef, reason: str) -> None:
        """A run that trapped fails the job, with the report for who wants to see its console, and the `reason` why nobody vouches for it.
        Raises `JobEnds`."""
        run: ExecutionReport = decode_record(await in_thread(self._store.get, report), ExecutionReport)
        if run.trap is not None:
            trap = run.trap
            where = f"{trap.pc:#x}" + (f" ({trap.symbol})" if trap.symbol else "")
            message = f"the guest trapped: {trap.kind} at {where}: {trap.instruction}" + (
                f", address {trap.address:#x}" if trap.address is not None else ""
            )
            message += f" ({reason})" if reason else ""
            failure = Failure(kind=FailureKind.GUEST, code="guest-trapped", message=message[:4000], phase=Phase.EXECUTE, trap=trap)
            raise JobEnds(failure, report)

    async def _verify(self, entry: JobEntry) -> None:
        """Our own verdict on the proof: one that does not verify, or is not of what was contributed, is its aggregator's fault, who has
        checked, or should have, all that it was made of; one of another run than ours, that of all who contributed. Raises `JobEnds`."""
        record = entry.record
        if record.proof is None or record.contributions is None:
            raise AssertionError("a job in this stage has a proof, and what it has to be made of")
        try:
            key = await self._programs.key_of(record.submitted.program, record.submitted.params)
            proof, vk, bundle = (str(self._store.path(blob.sha256)) for blob in (record.proof, key, record.contributions))
            call = VerifyCall(proof, vk, record.submitted.params, bundle)
            done = await call_again(self._verifier, call, seconds=VERIFY_SECONDS)
        except CallFailed as error:
            if error.failure.kind is not FailureKind.PROOF:
                raise JobEnds(error.failure) from None
            await self._faults.reject_aggregate(entry, error.failure)
            return
        if done.verified is None:
            raise AssertionError("a verdict comes with what was verified")
        reason = await self._confirmation.confirm_statement(entry, done.verified)
        if reason is not None:
            await self._jobs.persist(entry, Verified(self._clock(), key, done.verified, reason))


def _reason_of(end: JobFailed | Cancelled | None) -> str:
    """Why a job's workers are to stop."""
    if isinstance(end, Cancelled):
        return end.reason
    return "the job has ended" if end is None else f"the job has failed: {end.failure.message}"[:4000]


def _failure_of(error: ZiskError) -> Failure:
    if isinstance(error, CallFailed):
        return error.failure
    return Failure(
        kind=FailureKind.INTERNAL, code=error.code, message=error.message[:4000], hint=error.hint[:4000], exit_code=error.exit_code
    )
