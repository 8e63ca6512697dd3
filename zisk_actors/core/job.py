"""A job: the fold of its events.

Rules of this file:
* An event that does not fit its stage (`core/kinds.py`) raises `IllegalTransition`, and nothing changes.
* A job is the fold of its events, so the journal that has the events has the job.
* The answers of shares are kept as long as what they are part of may turn out wrong: who gave them is at fault then.
* Attempts that came to nothing are kept as long as the job runs: they count against its budget, and its failure lists them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job_events import (
    Admitted,
    JobEvent,
    Lost,
    Recut,
    Rejected,
    ShareAnswered,
    ShareFailed,
    Submitted,
)
from zisk_actors.core.kinds import KINDS, TRANSITIONS
from zisk_actors.core.stages import Stage
from zisk_actors.ids import Incarnation
from zisk_actors.wire.values import Attempt, BlobRef, Failure, Job, Kind, Phase, State, VerifiedReport, Worker


class Fault(msgspec.Struct, frozen=True):
    """Who was found wrong, and at what."""

    incarnation: Incarnation
    attempt: Attempt


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a job: what was submitted, and what its events have added."""

    submitted: Submitted
    stage: Stage = Stage.QUEUED
    stdin: BlobRef | None = None
    weights: tuple[int, ...] = ()
    contributions: BlobRef | None = None
    partials: BlobRef | None = None
    aggregator: Worker | None = None
    proof: BlobRef | None = None
    key: BlobRef | None = None
    report: BlobRef | VerifiedReport | None = None
    answers: Mapping[tuple[Phase, int], ShareAnswered] = {}
    faults: tuple[Fault, ...] = ()
    attempts: tuple[ShareFailed, ...] = ()
    failure: Failure | None = None
    reason: str = ""
    started_at: float | None = None
    ended_at: float | None = None

    @property
    def job(self) -> Job:
        return self.submitted.job

    @property
    def kind(self) -> Kind:
        return self.submitted.kind

    @property
    def state(self) -> State:
        return self.stage.state

    @property
    def result(self) -> BlobRef | None:
        """What the client asked for, once the job is completed; the report of a failed run, if there is one."""
        if self.state not in (State.COMPLETED, State.FAILED):
            return None
        if self.kind is Kind.PROVE and self.state is State.COMPLETED:
            return self.proof
        if self.kind is Kind.SETUP:
            return self.key
        return self.report if isinstance(self.report, BlobRef) else None


def begin(event: Submitted) -> JobRecord:
    """The job that a first event makes."""
    waits = event.stdin is None and KINDS[event.kind].takes_input
    return JobRecord(submitted=event, stdin=event.stdin, stage=Stage.WAITING_FOR_INPUT if waits else Stage.QUEUED)


def evolve(job: JobRecord, event: JobEvent) -> JobRecord:
    """The job after one more event. Raises `IllegalTransition` and changes nothing where the event does not fit."""
    after = TRANSITIONS.get((job.kind, job.stage, type(event)))
    if after is None:
        raise IllegalTransition(f"{type(event).__name__} while a {job.kind.value} job {job.job} is {job.stage.value}")
    if isinstance(event, ShareAnswered):
        return _answered(job, event)
    if isinstance(event, ShareFailed):
        return _failed(job, event)
    if isinstance(event, Recut):
        return msgspec.structs.replace(job, weights=event.weights, answers={}, attempts=())
    if isinstance(event, Rejected):
        return _rejected(job, event, after)
    if isinstance(event, Lost):
        return _taken_back(job, {(Phase(after.value), share) for share in event.shares}, after)
    changes = {name: getattr(event, name) for name in event.__struct_fields__ if name != "at"}
    if isinstance(event, Admitted):
        changes["started_at"] = event.at
    if after.state.final:
        changes |= {"ended_at": event.at, "answers": {}, "attempts": ()}
    return msgspec.structs.replace(job, stage=after, **changes)


def _answered(job: JobRecord, event: ShareAnswered) -> JobRecord:
    key = (event.phase, event.share)
    if event.phase is not job.stage.phase or key in job.answers:
        raise IllegalTransition(f"an answer to {event.phase.value} of share {event.share} while job {job.job} is {job.stage.value}")
    return msgspec.structs.replace(job, answers={**job.answers, key: event})


def _failed(job: JobRecord, event: ShareFailed) -> JobRecord:
    if event.phase is not job.stage.phase:
        raise IllegalTransition(f"a failed attempt at {event.phase.value} while job {job.job} is {job.stage.value}")
    return msgspec.structs.replace(job, attempts=(*job.attempts, event))


def _rejected(job: JobRecord, event: Rejected, after: Stage) -> JobRecord:
    """Take back what is wrong, and whatever was made of it; what else was answered stays, also by others for the same share."""
    phase = Phase(after.value)
    given = job.answers.get((phase, event.share))
    its = given is not None and (given.worker, given.incarnation) == (event.worker, event.incarnation)
    fault = Fault(event.incarnation, Attempt(event.worker, event.share, phase, event.reason))
    job = _taken_back(job, {(phase, event.share)} if its else set(), after)
    return msgspec.structs.replace(job, faults=(*job.faults, fault))


def _taken_back(job: JobRecord, answers: Collection[tuple[Phase, int]], after: Stage) -> JobRecord:
    """The job in an earlier stage, or in the same, without these answers of its phase, and without whatever was made of them."""
    legs = KINDS[job.kind].legs
    place = next(place for place, leg in enumerate(legs) if leg.stage is after)
    void = {leg.phase for leg in legs[place + 1 :]}
    return msgspec.structs.replace(
        job,
        stage=after,
        answers={key: done for key, done in job.answers.items() if key not in answers and key[0] not in void},
        contributions=None if after is Stage.CONTRIBUTE else job.contributions,
        partials=job.partials if after is Stage.AGGREGATE else None,
        proof=None,
    )


def replay(events: list[JobEvent]) -> JobRecord:
    """The job that a list of events makes. Raises `IllegalTransition` where they are not the events of a job."""
    if not events or not isinstance(events[0], Submitted):
        raise IllegalTransition("the first event of a job is that it was submitted")
    job = begin(events[0])
    for event in events[1:]:
        job = evolve(job, event)
    return job
