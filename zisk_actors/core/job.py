"""A job: its stages, the events that move it, and the one function that applies them.

Rules of this file:
* Every move is in TRANSITIONS; an event that is not there raises `IllegalTransition` and nothing changes.
* A job is the fold of its events, so the journal that has the events has the job. Events carry all they change, the time included.
* Completed, failed and cancelled have no way out.
* The answers of shares are kept as long as what they are part of may turn out wrong: who is blamed is who gave them.
* Tries that came to nothing are kept as long as the job runs: they count against its budget, and its failure lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.ids import Incarnation
from zisk_actors.wire.values import (
    Attempt,
    BlobRef,
    Count,
    Failure,
    Job,
    Kind,
    Params,
    Phase,
    Seconds,
    Start,
    State,
    Tagged,
    Text,
    VerifiedReport,
    Word,
    Worker,
)


class Stage(Enum):
    """Where a job is. The middle ones carry the name of the phase that they run."""

    WAITING_FOR_INPUT = "waiting_for_input"
    QUEUED = "queued"
    SETUP = "setup"
    EXECUTE = "execute"
    CONTRIBUTE = "contribute"
    PROVE = "prove"
    AGGREGATE = "aggregate"
    VERIFY = "verify"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def state(self) -> State:
        """What a client is told."""
        return _STATES.get(self, State.RUNNING)

    @property
    def phase(self) -> Phase | None:
        return Phase(self.value) if self.state is State.RUNNING else None


_STATES: Final = {
    Stage.WAITING_FOR_INPUT: State.WAITING_FOR_INPUT,
    Stage.QUEUED: State.QUEUED,
    Stage.COMPLETED: State.COMPLETED,
    Stage.FAILED: State.FAILED,
    Stage.CANCELLED: State.CANCELLED,
}

# ------------------------------------------------------------------------------------------------------------------------ events


class Submitted(Tagged, frozen=True, kw_only=True):
    """A client's job was accepted. The first event of every job, and only the first. A job that has not ended by `deadline_at` fails.

    Without `stdin` the job waits for its input, which `InputGiven` names. `min_units` and `units` are what it starts with at least and at
    best, 0 for what is set.
    """

    at: Seconds
    job: Job
    kind: Kind
    program: BlobRef
    stdin: BlobRef | None
    params: Params
    client: Word
    name: Word = ""
    key: Word = ""
    priority: int = 0
    deadline_at: Seconds | None = None
    min_units: Count = 0
    units: Count = 0


class InputGiven(Tagged, frozen=True):
    """The input that the job waited for is complete, and on our shelf."""

    at: Seconds
    stdin: BlobRef


class Admitted(Tagged, frozen=True):
    """A crew was found; `weights` are the compute units of its shares, and stay the same whoever holds a share later."""

    at: Seconds
    weights: tuple[Count, ...]


class Recut(Tagged, frozen=True):
    """The shares were too large for the memory of every worker: the run is cut into more, and all that was contributed is void."""

    at: Seconds
    weights: tuple[Count, ...]


class KeysMade(Tagged, frozen=True):
    """All asked agree on the verifying key."""

    at: Seconds
    key: BlobRef


class Executed(Tagged, frozen=True):
    """The run ended; `report` is the execution report."""

    at: Seconds
    report: BlobRef


class ShareAnswered(Tagged, frozen=True):
    """One share's answer in one phase is on our shelf; it need not be computed again."""

    at: Seconds
    phase: Phase
    share: Count
    worker: Worker
    incarnation: Start
    answer: BlobRef


class ShareFailed(Tagged, frozen=True):
    """One try at a share came to nothing. `lost`: its worker is gone, which says nothing of the share; else it failed at it. Written down
    so that no restart of ours gives a share its budget again."""

    at: Seconds
    phase: Phase
    share: Count
    worker: Worker
    incarnation: Start
    reason: Text
    lost: bool = False


class Contributed(Tagged, frozen=True):
    """All contributions are in; the bundle of them."""

    at: Seconds
    contributions: BlobRef


class Proved(Tagged, frozen=True):
    """All partial proofs are in; the manifest of them, and who finished first and therefore aggregates."""

    at: Seconds
    partials: BlobRef
    aggregator: Worker


class Aggregated(Tagged, frozen=True):
    """There is a proof; nobody has verified it yet."""

    at: Seconds
    proof: BlobRef


class Verified(Tagged, frozen=True):
    """The coordinator's own verifier accepts the proof for the key of the program."""

    at: Seconds
    key: BlobRef
    report: VerifiedReport


class Rejected(Tagged, frozen=True):
    """What a worker gave for a share, or said of one, is wrong. Base of the three below."""

    at: Seconds
    share: Count
    worker: Worker
    incarnation: Start
    reason: Text


class ContributionRejected(Rejected, frozen=True):
    """A share's contribution is none: it is made again, and with it every partial proof, which is for a challenge drawn from it."""


class PartialRejected(Rejected, frozen=True):
    """A share's partial proof does not verify, or there is none because its holder accused another falsely."""


class AggregateRejected(Rejected, frozen=True):
    """The aggregate does not verify though nothing is wrong with its parts, or its maker accused another falsely."""


class JobFailed(Tagged, frozen=True):
    """The job ended without what it was for. `report` is what there is to see nevertheless, such as the report of a run that trapped."""

    at: Seconds
    failure: Failure
    report: BlobRef | None = None


class Cancelled(Tagged, frozen=True):
    """Somebody cancelled the job."""

    at: Seconds
    reason: Text


Event = (
    Submitted
    | InputGiven
    | Admitted
    | Recut
    | ShareAnswered
    | ShareFailed
    | KeysMade
    | Executed
    | Contributed
    | Proved
    | Aggregated
    | Verified
    | ContributionRejected
    | PartialRejected
    | AggregateRejected
    | JobFailed
    | Cancelled
)

# ------------------------------------------------------------------------------------------------------------------- transitions

_WITHOUT_SHARES: Final = (Stage.WAITING_FOR_INPUT, Stage.QUEUED, Stage.VERIFY)
_GIVEN: Final = (Stage.WAITING_FOR_INPUT, InputGiven, Stage.QUEUED)

_BACK: Final[dict[tuple[Kind, Stage, type], Stage]] = {
    (Kind.PROVE, Stage.CONTRIBUTE, Recut): Stage.CONTRIBUTE,
    (Kind.PROVE, Stage.CONTRIBUTE, ContributionRejected): Stage.CONTRIBUTE,
    (Kind.PROVE, Stage.PROVE, ContributionRejected): Stage.CONTRIBUTE,
    (Kind.PROVE, Stage.PROVE, PartialRejected): Stage.PROVE,
    (Kind.PROVE, Stage.AGGREGATE, PartialRejected): Stage.PROVE,
    (Kind.PROVE, Stage.AGGREGATE, AggregateRejected): Stage.AGGREGATE,
    (Kind.PROVE, Stage.VERIFY, AggregateRejected): Stage.AGGREGATE,
}

_PATHS: Final[dict[Kind, tuple[tuple[Stage, type, Stage], ...]]] = {
    Kind.SETUP: ((Stage.QUEUED, Admitted, Stage.SETUP), (Stage.SETUP, KeysMade, Stage.COMPLETED)),
    Kind.EXECUTE: (_GIVEN, (Stage.QUEUED, Admitted, Stage.EXECUTE), (Stage.EXECUTE, Executed, Stage.COMPLETED)),
    Kind.PROVE: (
        _GIVEN,
        (Stage.QUEUED, Admitted, Stage.CONTRIBUTE),
        (Stage.CONTRIBUTE, Contributed, Stage.PROVE),
        (Stage.PROVE, Proved, Stage.AGGREGATE),
        (Stage.AGGREGATE, Aggregated, Stage.VERIFY),
        (Stage.VERIFY, Verified, Stage.COMPLETED),
    ),
}

_ANSWERS: Final[dict[tuple[Kind, Stage, type], Stage]] = {
    (kind, before, event): before
    for kind, path in _PATHS.items()
    for before, _, _ in path
    if before not in _WITHOUT_SHARES
    for event in (ShareAnswered, ShareFailed)
}

_ENDS: Final[dict[tuple[Kind, Stage, type], Stage]] = {
    (kind, before, event): after
    for kind, path in _PATHS.items()
    for before in {step[0] for step in path}
    for event, after in ((JobFailed, Stage.FAILED), (Cancelled, Stage.CANCELLED))
}

TRANSITIONS: Final[dict[tuple[Kind, Stage, type], Stage]] = (
    {(kind, before, event): after for kind, path in _PATHS.items() for before, event, after in path} | _ANSWERS | _BACK | _ENDS
)

_REJECTS: Final[dict[type, Stage]] = {
    ContributionRejected: Stage.CONTRIBUTE,
    PartialRejected: Stage.PROVE,
    AggregateRejected: Stage.AGGREGATE,
}
_ORDER: Final = (Stage.CONTRIBUTE, Stage.PROVE, Stage.AGGREGATE)


class Blame(msgspec.Struct, frozen=True):
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
    blames: tuple[Blame, ...] = ()
    tries: tuple[ShareFailed, ...] = ()
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
    waits = event.stdin is None and event.kind is not Kind.SETUP
    return JobRecord(submitted=event, stdin=event.stdin, stage=Stage.WAITING_FOR_INPUT if waits else Stage.QUEUED)


def evolve(job: JobRecord, event: Event) -> JobRecord:
    """The job after one more event. Raises `IllegalTransition` and changes nothing where the event does not fit."""
    after = TRANSITIONS.get((job.kind, job.stage, type(event)))
    if after is None:
        raise IllegalTransition(f"{type(event).__name__} while a {job.kind.value} job {job.job} is {job.stage.value}")
    if isinstance(event, ShareAnswered):
        return _answered(job, event)
    if isinstance(event, ShareFailed):
        return _failed(job, event)
    if isinstance(event, Recut):
        return msgspec.structs.replace(job, weights=event.weights, answers={}, tries=())
    if isinstance(event, Rejected):
        return _rejected(job, event, after)
    changes = {name: getattr(event, name) for name in event.__struct_fields__ if name != "at"}
    if isinstance(event, Admitted):
        changes["started_at"] = event.at
    if after.state.final:
        changes |= {"ended_at": event.at, "answers": {}, "tries": ()}
    return msgspec.structs.replace(job, stage=after, **changes)


def _answered(job: JobRecord, event: ShareAnswered) -> JobRecord:
    key = (event.phase, event.share)
    if event.phase is not job.stage.phase or key in job.answers:
        raise IllegalTransition(f"an answer to {event.phase.value} of share {event.share} while job {job.job} is {job.stage.value}")
    return msgspec.structs.replace(job, answers={**job.answers, key: event})


def _failed(job: JobRecord, event: ShareFailed) -> JobRecord:
    if event.phase is not job.stage.phase:
        raise IllegalTransition(f"a failed try at {event.phase.value} while job {job.job} is {job.stage.value}")
    return msgspec.structs.replace(job, tries=(*job.tries, event))


def _rejected(job: JobRecord, event: Rejected, after: Stage) -> JobRecord:
    """Take back what is wrong, and whatever was made of it; what else was answered stays."""
    wrong = _REJECTS[type(event)]
    phase = Phase(wrong.value)
    void = [Phase(stage.value) for stage in _ORDER[_ORDER.index(wrong) + 1 :]]
    answers = {key: done for key, done in job.answers.items() if key != (phase, event.share) and key[0] not in void}
    blame = Blame(event.incarnation, Attempt(event.worker, event.share, phase, event.reason))
    return msgspec.structs.replace(
        job,
        stage=after,
        answers=answers,
        blames=(*job.blames, blame),
        contributions=None if wrong is Stage.CONTRIBUTE else job.contributions,
        partials=job.partials if wrong is Stage.AGGREGATE else None,
        proof=None,
    )


def replay(events: list[Event]) -> JobRecord:
    """The job that a list of events makes. Raises `IllegalTransition` where they are not the events of a job."""
    if not events or not isinstance(events[0], Submitted):
        raise IllegalTransition("the first event of a job is that it was submitted")
    job = begin(events[0])
    for event in events[1:]:
        job = evolve(job, event)
    return job
