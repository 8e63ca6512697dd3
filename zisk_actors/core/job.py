"""A job: its stages, the events that move it, and the one function that applies them.

Rules of this file:
* Every move is in TRANSITIONS; an event that is not there raises `IllegalTransition` and nothing changes.
* A job is the fold of its events, so the journal that has the events has the job. Events carry all they change, the time included.
* Completed, failed and cancelled have no way out.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.wire.values import (
    BlobRef,
    Count,
    Failure,
    Job,
    Kind,
    Params,
    Phase,
    Seconds,
    State,
    Tagged,
    Text,
    VerifiedReport,
    Word,
    Worker,
)


class Stage(Enum):
    """Where a job is. The middle ones carry the name of the phase that they run."""

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
    Stage.QUEUED: State.QUEUED,
    Stage.COMPLETED: State.COMPLETED,
    Stage.FAILED: State.FAILED,
    Stage.CANCELLED: State.CANCELLED,
}

# ------------------------------------------------------------------------------------------------------------------------ events


class Submitted(Tagged, frozen=True, kw_only=True):
    """A client's job was accepted. The first event of every job, and only the first."""

    at: Seconds
    job: Job
    kind: Kind
    program: BlobRef
    stdin: BlobRef
    params: Params
    client: Word
    name: Word = ""
    key: Word = ""
    priority: int = 0


class Admitted(Tagged, frozen=True):
    """A crew was found; `weights` are the compute units of its shares, and stay the same whoever holds a share later."""

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


class JobFailed(Tagged, frozen=True):
    """The job ended without what it was for. `report` is what there is to see nevertheless, such as the report of a run that trapped."""

    at: Seconds
    failure: Failure
    report: BlobRef | None = None


class Cancelled(Tagged, frozen=True):
    """Somebody cancelled the job."""

    at: Seconds
    reason: Text


Event = Submitted | Admitted | KeysMade | Executed | Contributed | Proved | Aggregated | Verified | JobFailed | Cancelled

# ------------------------------------------------------------------------------------------------------------------- transitions

_PATHS: Final[dict[Kind, tuple[tuple[Stage, type, Stage], ...]]] = {
    Kind.SETUP: ((Stage.QUEUED, Admitted, Stage.SETUP), (Stage.SETUP, KeysMade, Stage.COMPLETED)),
    Kind.EXECUTE: ((Stage.QUEUED, Admitted, Stage.EXECUTE), (Stage.EXECUTE, Executed, Stage.COMPLETED)),
    Kind.PROVE: (
        (Stage.QUEUED, Admitted, Stage.CONTRIBUTE),
        (Stage.CONTRIBUTE, Contributed, Stage.PROVE),
        (Stage.PROVE, Proved, Stage.AGGREGATE),
        (Stage.AGGREGATE, Aggregated, Stage.VERIFY),
        (Stage.VERIFY, Verified, Stage.COMPLETED),
    ),
}

TRANSITIONS: Final[dict[tuple[Kind, Stage, type], Stage]] = {
    (kind, before, event): after for kind, path in _PATHS.items() for before, event, after in path
} | {
    (kind, before, event): after
    for kind, path in _PATHS.items()
    for before in {step[0] for step in path}
    for event, after in ((JobFailed, Stage.FAILED), (Cancelled, Stage.CANCELLED))
}


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a job: what was submitted, and what its events have added."""

    submitted: Submitted
    stage: Stage = Stage.QUEUED
    weights: tuple[int, ...] = ()
    contributions: BlobRef | None = None
    partials: BlobRef | None = None
    aggregator: Worker | None = None
    proof: BlobRef | None = None
    key: BlobRef | None = None
    report: BlobRef | VerifiedReport | None = None
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
    return JobRecord(submitted=event)


def evolve(job: JobRecord, event: Event) -> JobRecord:
    """The job after one more event. Raises `IllegalTransition` and changes nothing where the event does not fit."""
    after = TRANSITIONS.get((job.kind, job.stage, type(event)))
    if after is None:
        raise IllegalTransition(f"{type(event).__name__} while a {job.kind.value} job {job.job} is {job.stage.value}")
    changes = {name: getattr(event, name) for name in event.__struct_fields__ if name != "at"}
    if isinstance(event, Admitted):
        changes["started_at"] = event.at
    if after.state.final:
        changes["ended_at"] = event.at
    return msgspec.structs.replace(job, stage=after, **changes)


def replay(events: list[Event]) -> JobRecord:
    """The job that a list of events makes. Raises `IllegalTransition` where they are not the events of a job."""
    if not events or not isinstance(events[0], Submitted):
        raise IllegalTransition("the first event of a job is that it was submitted")
    job = begin(events[0])
    for event in events[1:]:
        job = evolve(job, event)
    return job
