"""What each phase asks of the holder of a share, and what the answers make.

Rules of this file:
* A phase is a value, its spec; the supervisor's loop knows no phase by name.
* `task` and `fold` look only at the job's record, so a job read back from the journal goes on in the phase it was in.
* The aggregate has one share, numbered one past the last of the job's shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import Aggregated, Contributed, Executed, JobEvent, KeysMade, Proved
from zisk_actors.core.kinds import KINDS
from zisk_actors.core.stages import Stage
from zisk_actors.wire.values import BlobRef, Kind, Lease, Phase, ShareStatus, Worker
from zisk_actors.wire.worker_link import AggregateTask, ContributeTask, ExecuteTask, ProveTask, SetupTask, Task


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of a phase, folded into one blob where the phase gathers them; `first` is the worker that answered first."""

    answers: tuple[BlobRef, ...]
    folded: BlobRef
    first: Worker


class PhaseSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a phase is, `name` which one. `gather` says what the supervisor makes of the answers: a `bundle`, a `manifest`, or just the
    first one (`one`); `doubled`, whether a second worker may do a share in place of its holder; `last`, whether the job needs nothing more
    of who has answered. An aggregator is kept until its proof is verified: so no more proofs wait for our verifier than there are
    workers."""

    stage: Stage
    shares: Callable[[JobRecord], Sequence[int]]
    task: Callable[[JobRecord, Lease, float], Task]
    fold: Callable[[Gathered, float], JobEvent]
    gather: str
    doubled: bool = True
    last: bool = False

    @property
    def name(self) -> Phase:
        return Phase(self.stage.value)


def _all_shares(job: JobRecord) -> Sequence[int]:
    return range(len(job.weights))


def _one_past(job: JobRecord) -> Sequence[int]:
    return (len(job.weights),)


def _need(blob: BlobRef | None, what: str) -> BlobRef:
    if blob is None:
        raise IllegalTransition(f"this phase needs {what}, which the job does not have")
    return blob


def _setup(job: JobRecord, lease: Lease, limit: float) -> Task:
    return SetupTask(lease=lease, program=job.submitted.program, params=job.submitted.params, limit_seconds=limit)


def _execute(job: JobRecord, lease: Lease, limit: float) -> Task:
    return ExecuteTask(lease=lease, program=job.submitted.program, stdin=_need(job.stdin, "the input"), limit_seconds=limit)


def _contribute(job: JobRecord, lease: Lease, limit: float) -> Task:
    request = job.submitted
    return ContributeTask(
        lease=lease,
        program=request.program,
        stdin=_need(job.stdin, "the input"),
        params=request.params,
        weights=job.weights,
        limit_seconds=limit,
    )


def _prove(job: JobRecord, lease: Lease, limit: float) -> Task:
    request = job.submitted
    return ProveTask(
        lease=lease,
        program=request.program,
        stdin=_need(job.stdin, "the input"),
        params=request.params,
        weights=job.weights,
        contributions=_need(job.contributions, "the contributions"),
        limit_seconds=limit,
    )


def _aggregate(job: JobRecord, lease: Lease, limit: float) -> Task:
    return AggregateTask(
        lease=lease,
        program=job.submitted.program,
        params=job.submitted.params,
        contributions=_need(job.contributions, "the contributions"),
        partials=_need(job.partials, "the partial proofs"),
        limit_seconds=limit,
    )


PHASES: Final[Mapping[Stage, PhaseSpec]] = {
    spec.stage: spec
    for spec in (
        PhaseSpec(
            stage=Stage.SETUP,
            shares=_all_shares,
            task=_setup,
            fold=lambda got, at: KeysMade(at, got.folded),
            gather="one",
            doubled=False,  # what a worker makes here is for itself
            last=True,
        ),
        PhaseSpec(
            stage=Stage.EXECUTE, shares=_all_shares, task=_execute, fold=lambda got, at: Executed(at, got.folded), gather="one", last=True
        ),
        PhaseSpec(
            stage=Stage.CONTRIBUTE, shares=_all_shares, task=_contribute, fold=lambda got, at: Contributed(at, got.folded), gather="bundle"
        ),
        PhaseSpec(
            stage=Stage.PROVE, shares=_all_shares, task=_prove, fold=lambda got, at: Proved(at, got.folded, got.first), gather="manifest"
        ),
        PhaseSpec(
            stage=Stage.AGGREGATE,
            shares=_one_past,
            task=_aggregate,
            fold=lambda got, at: Aggregated(at, got.folded),
            gather="one",
            last=True,
        ),
    )
}


def stages_of(kind: Kind) -> list[Stage]:
    """The stages in which a job of a kind runs, in order."""
    return [leg.stage for leg in KINDS[kind].legs]


def fraction_of(job: JobRecord, shares: Sequence[ShareStatus]) -> float:
    """How much of a job's phase is done, 0 to 1: the mean over its shares."""
    current = [share.fraction for share in shares if share.phase is job.stage.phase]
    count = len(PHASES[job.stage].shares(job)) if job.stage in PHASES else 1
    return min(1.0, sum(current) / max(1, count))


def percent(job: JobRecord, shares: Sequence[ShareStatus]) -> float:
    """How much of a job is done, 0 to 100: the parts of the phases behind it, and of the current one what is done of it."""
    if job.stage is Stage.COMPLETED:
        return 100.0
    done = 0.0
    for leg in KINDS[job.kind].legs:
        if leg.stage is job.stage:
            return round(100 * (done + leg.part * fraction_of(job, shares)), 1)
        done += leg.part
    return 0.0


def seconds_left(percent_done: float, running_seconds: float) -> float | None:
    """An estimate from the rate so far; None while there is too little to go by."""
    if percent_done < 3.0 or running_seconds < 0.5:
        return None
    return round(running_seconds * (100.0 - percent_done) / percent_done, 1)
