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
from functools import partial

import msgspec
import trio

from zisk_actors.actors.coordinator.coordinator import Coordinator
from zisk_actors.actors.device import CallFailed
from zisk_actors.actors.jobs.confirming import GuestFails, confirm_report, confirm_statement
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.faults import Accusation, JobEnds, judge, reject_aggregate, reject_contributions
from zisk_actors.actors.jobs.own_run import OwnRun
from zisk_actors.actors.jobs.phase_run import PhaseRun, TooLarge
from zisk_actors.actors.threads import in_thread
from zisk_actors.core.budget import attempts
from zisk_actors.core.events import Admit, Reissued
from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import Admitted, Cancelled, Executed, JobFailed, KeysMade, Recut, Verified
from zisk_actors.core.phases import PHASES, Gathered, PhaseSpec
from zisk_actors.core.stages import Stage
from zisk_actors.errors import ZiskError
from zisk_actors.ids import new_key
from zisk_actors.store.errors import StoreUnwritable
from zisk_actors.wire.blobs import Bundle, Manifest, pack_list
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.compute import VerifyCall
from zisk_actors.wire.values import BlobRef, ExecutionReport, Failure, FailureKind, Kind, Phase

VERIFY_SECONDS = 600.0


async def supervise(coordinator: Coordinator, entry: JobEntry, admit: Admit) -> None:
    """Run an admitted or resumed job to its end."""
    if entry.record.state.final:
        await coordinator.release(entry.record.job, "the job has ended")
        return
    entry.resumed_at = trio.current_time()
    failed: JobFailed | None = None
    with trio.CancelScope() as entry.scope:
        try:
            if entry.ending is None:
                await _run(coordinator, entry, admit)
        except JobEnds as end:
            failed = JobFailed(coordinator.clock(), end.failure, end.report)
        except ZiskError as error:
            failed = JobFailed(coordinator.clock(), _failure_of(error))
        except Exception as error:  # the boundary of one job: a bug of ours fails it, and not the others
            words = "".join(traceback.format_exception(error))
            failure = Failure(kind=FailureKind.INTERNAL, code="internal", message="internal error", exit_code=1)
            failed = JobFailed(coordinator.clock(), _traced(coordinator, entry, failure, words))
    if entry.own_run is not None:
        entry.own_run.stop()
    if failed is not None and failed.failure.kind is FailureKind.INTERNAL and not failed.failure.trace:
        failed = msgspec.structs.replace(failed, failure=_traced(coordinator, entry, failed.failure, failed.failure.message))
    last = failed or entry.ending
    if last is not None and not entry.record.state.final:
        await coordinator.jobs.persist(entry, last)
    with trio.CancelScope(shield=True):
        entry.scope = None
        await coordinator.release(entry.record.job, _reason_of(last))


def _traced(coordinator: Coordinator, entry: JobEntry, failure: Failure, words: str) -> Failure:
    """An internal failure with a trace id, under which all that is known of it is in our log."""
    trace = new_key(coordinator.chance)[:12]
    coordinator.log.error("internal error in a job", job=entry.record.job, trace=trace, error=words)
    return msgspec.structs.replace(failure, message=f"{failure.message}; trace {trace} in the coordinator's log"[:4000], trace=trace)


def _reason_of(end: JobFailed | Cancelled | None) -> str:
    """Why a job's workers are to stop."""
    if isinstance(end, Cancelled):
        return end.reason
    return "the job has ended" if end is None else f"the job has failed: {end.failure.message}"[:4000]


async def _run(coordinator: Coordinator, entry: JobEntry, admit: Admit) -> None:
    if entry.record.stage is Stage.QUEUED:
        await coordinator.jobs.persist(entry, Admitted(coordinator.clock(), admit.weights))
    entry.own_run = OwnRun(entry.record, coordinator.executor, coordinator.store, coordinator.programs, coordinator.limits.own_run_steps)
    coordinator.spawn(entry.own_run.run, "own run")
    if entry.record.kind is Kind.PROVE:
        coordinator.spawn(partial(_derive_key_early, coordinator, entry.record), "key")
    while not entry.record.state.final:
        try:
            await _step(coordinator, entry)
        except GuestFails as end:
            await reject_contributions(coordinator, entry, await entry.own.outcome())
            raise JobEnds(end.failure) from None
        except StoreUnwritable as error:
            await coordinator.jobs.disk_pause(entry, error)  # the shares' answers are kept: what is done again is what was to be written
    coordinator.log.info("[Job] Finished", job=entry.record.job, kind=entry.record.kind.value)


async def _step(coordinator: Coordinator, entry: JobEntry) -> None:
    """One phase of a job. Raises `JobEnds`, and `StoreUnwritable` where a blob cannot be kept."""
    if entry.record.stage is Stage.VERIFY:
        await _verify(coordinator, entry)
        return
    spec = PHASES[entry.record.stage]
    try:
        gathered = await _ask_all(coordinator, entry, spec)
    except Accusation as accusation:
        await judge(coordinator, entry, accusation)
        return
    except TooLarge as found:
        await _recut(coordinator, entry, found)
        return
    event = spec.fold(gathered, coordinator.clock())
    if isinstance(event, KeysMade):
        await _check_keys(coordinator, entry.record, gathered)
    if isinstance(event, Executed):
        reason = await confirm_report(coordinator, entry, event.report)
        if reason is None:
            return
        await _check_execution(coordinator, event.report, reason)
        event = msgspec.structs.replace(event, reason=reason)
    await coordinator.jobs.persist(entry, event)


# ------------------------------------------------------------------------------------------------------------------------ phases


async def _ask_all(coordinator: Coordinator, entry: JobEntry, spec: PhaseSpec) -> Gathered:
    """The answers of all shares of a phase. Raises `JobEnds` and `Accusation`."""
    shares = spec.shares(entry.record)
    coordinator.log.info(f"[{spec.name.value}] Started", job=entry.record.job, shares=len(shares))
    phase_run = PhaseRun(coordinator, entry, spec)
    await phase_run.run()
    coordinator.log.info(f"[{spec.name.value}] finished", job=entry.record.job, attempts_failed=len(attempts(entry.record)))
    answers = tuple(phase_run.answers[share] for share in shares)
    if phase_run.first is None:
        raise AssertionError("a phase has at least one share")
    return Gathered(answers=answers, folded=await _gather(coordinator, spec, answers), first=phase_run.first)


async def _recut(coordinator: Coordinator, entry: JobEntry, found: TooLarge) -> None:
    """Have more and smaller shares, of which a worker does several one after the other."""
    record = entry.record
    crew = coordinator.scheduler.crews.get(record.job)
    held = crew.all() if crew is not None else []
    coordinator.log.warning(
        "shares are too large for the workers: cut finer",
        job=record.job,
        shares=len(found.weights),
        before=len(record.weights),
        reason=found.failure.message,
    )
    await coordinator.jobs.persist(entry, Recut(coordinator.clock(), found.weights))
    coordinator.handle(Reissued(record.job))
    for lease in held:
        coordinator.stop_work(lease, "the run is cut into other shares")
    entry.shares = {}


async def _gather(coordinator: Coordinator, spec: PhaseSpec, answers: tuple[BlobRef, ...]) -> BlobRef:
    """The one blob that stands for all answers."""
    if spec.gather == "one":
        return answers[0]

    def fold() -> BlobRef:
        store = coordinator.store
        value = Bundle(tuple(store.get(answer) for answer in answers)) if spec.gather == "bundle" else Manifest(answers)
        return store.put(pack_list(value))

    return await in_thread(fold)


# ---------------------------------------------------------------------------------------------------------------------- the ends


async def _derive_key_early(coordinator: Coordinator, record: JobRecord) -> None:
    """Have the key ready when the proof comes. A failure here is found again, and reported, where the key is needed."""
    try:
        await coordinator.programs.key_of(record.submitted.program, record.submitted.params)
    except (CallFailed, StoreUnwritable) as error:
        coordinator.log.info("the verifying key cannot be made yet", job=record.job, error=error.message)


async def _check_keys(coordinator: Coordinator, record: JobRecord, gathered: Gathered) -> None:
    """All workers, and our own device, must agree on the key. Raises `JobEnds`."""
    own = await coordinator.programs.key_of(record.submitted.program, record.submitted.params)
    if any(answer != own for answer in gathered.answers):
        message = "workers disagree with the coordinator about the verifying key: they do not run the same release"
        raise JobEnds(Failure(kind=FailureKind.PROOF, code="key-mismatch", message=message, exit_code=11, phase=Phase.SETUP))


async def _check_execution(coordinator: Coordinator, report: BlobRef, reason: str) -> None:
    """A run that trapped fails the job, with the report for who wants to see its console, and the `reason` why nobody vouches for it.
    Raises `JobEnds`."""
    run: ExecutionReport = decode_record(await in_thread(coordinator.store.get, report), ExecutionReport)
    if run.trap is not None:
        trap = run.trap
        where = f"{trap.pc:#x}" + (f" ({trap.symbol})" if trap.symbol else "")
        message = f"the guest trapped: {trap.kind} at {where}: {trap.instruction}" + (
            f", address {trap.address:#x}" if trap.address is not None else ""
        )
        message += f" ({reason})" if reason else ""
        failure = Failure(kind=FailureKind.GUEST, code="guest-trapped", message=message[:4000], phase=Phase.EXECUTE, trap=trap)
        raise JobEnds(failure, report)


async def _verify(coordinator: Coordinator, entry: JobEntry) -> None:
    """Our own verdict on the proof: one that does not verify, or is not of what was contributed, is its aggregator's fault, who has
    checked, or should have, all that it was made of; one of another run than ours, that of all who contributed. Raises `JobEnds`."""
    record = entry.record
    if record.proof is None or record.contributions is None:
        raise AssertionError("a job in this stage has a proof, and what it has to be made of")
    try:
        key = await coordinator.programs.key_of(record.submitted.program, record.submitted.params)
        proof, vk, bundle = (str(coordinator.store.path(blob.sha256)) for blob in (record.proof, key, record.contributions))
        done = await coordinator.device.call(VerifyCall(proof, vk, record.submitted.params, bundle), seconds=VERIFY_SECONDS)
    except CallFailed as error:
        if error.failure.kind is not FailureKind.PROOF:
            raise JobEnds(error.failure) from None
        await reject_aggregate(coordinator, entry, error.failure)
        return
    if done.verified is None:
        raise AssertionError("a verdict comes with what was verified")
    reason = await confirm_statement(coordinator, entry, done.verified)
    if reason is not None:
        await coordinator.jobs.persist(entry, Verified(coordinator.clock(), key, done.verified, reason))


def _failure_of(error: ZiskError) -> Failure:
    if isinstance(error, CallFailed):
        return error.failure
    return Failure(
        kind=FailureKind.INTERNAL, code=error.code, message=error.message[:4000], hint=error.hint[:4000], exit_code=error.exit_code
    )
