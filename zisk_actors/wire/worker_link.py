"""What a worker and the coordinator say to each other, one sentence each; one tagged union per direction.

Rules of this file:
* The same verbs everywhere: setup, execute, contribute, prove, aggregate.
* A worker does nothing without a lease, and every answer names the lease it was given under.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from zisk_actors.wire.blobs import reference
from zisk_actors.wire.operating import LogLevel
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk
from zisk_actors.wire.values import (
    BlobRef,
    Count,
    Failure,
    Fraction,
    Job,
    Lease,
    Params,
    Phase,
    Program,
    Rate,
    Seconds,
    Size,
    Start,
    Tagged,
    Text,
    Word,
    Worker,
)

MAX_CONTENT_BYTES: Final = 16 * 1024
"""A result of at most this size comes with its answer: one way in place of three."""

# ------------------------------------------------------------------------------------------------ worker to coordinator


class Hello(Tagged, frozen=True, kw_only=True):
    """I am this worker, in this start of my process, with so many compute units; I still hold these leases, and have these programs at
    hand. `measured` is as in `Measured`, and `memory_bytes` what I have for a share, 0 where I do not know."""

    worker: Worker
    incarnation: Start
    units: Annotated[int, Meta(ge=1, le=1_000_000)]
    version: Word
    backend: Word
    threads: Count
    pid: Count
    held: tuple[Lease, ...] = ()
    memory_bytes: Size = 0
    measured: Rate = 0.0
    programs: Annotated[tuple[Program, ...], Meta(max_length=64)] = ()


class Heartbeat(Tagged, frozen=True):
    """I am alive; sent by both sides each period, with a count."""

    tick: Count


class Measured(Tagged, frozen=True):
    """My device was found to commit to so many trace cells in a second."""

    rate: Rate


class Progress(Tagged, frozen=True):
    """The share is this far with the named step of its phase."""

    lease: Lease
    phase: Phase
    step: Word
    fraction: Fraction


class Answer(Tagged, frozen=True):
    """The phase's work on the share is done. A small result is here as `content`; else it is empty: fetch the result by its name."""

    lease: Lease
    phase: Phase
    result: BlobRef
    content: Annotated[bytes, Meta(max_length=MAX_CONTENT_BYTES)] = b""


def answer(lease: Lease, phase: Phase, content: bytes) -> Answer:
    """The answer that brings this result, or says where it is."""
    return Answer(lease, phase, reference(content), content if len(content) <= MAX_CONTENT_BYTES else b"")


class Failed(Tagged, frozen=True):
    """The phase's work on the share failed."""

    lease: Lease
    phase: Phase
    failure: Failure


class CancelDone(Tagged, frozen=True):
    """Nothing of that job runs here any more."""

    job: Job


class Goodbye(Tagged, frozen=True):
    """I am leaving; give my shares to others."""

    reason: Text


# ------------------------------------------------------------------------------------------------ coordinator to worker


class Welcome(Tagged, frozen=True):
    """You are registered. Beat every so many seconds; after so many missed beats either side takes the other for lost."""

    heartbeat_seconds: Seconds
    heartbeat_max_missed: Count


class Refused(Tagged, frozen=True):
    """You are not registered. `permanent` means that trying again will not help."""

    code: Word
    reason: Text
    permanent: bool


class Reintroduce(Tagged, frozen=True):
    """I do not know who you are (any more): say hello."""


class SetupTask(Tagged, frozen=True, kw_only=True):
    """Derive the verifying key of a program under a parameter set."""

    lease: Lease
    program: BlobRef
    params: Params
    limit_seconds: Seconds


class ExecuteTask(Tagged, frozen=True, kw_only=True):
    """Run the program and report what it did."""

    lease: Lease
    program: BlobRef
    stdin: BlobRef
    limit_seconds: Seconds


class ContributeTask(Tagged, frozen=True, kw_only=True):
    """Commit to the first stage of one share; `weights` are the compute units of all shares."""

    lease: Lease
    program: BlobRef
    stdin: BlobRef
    params: Params
    weights: tuple[Count, ...]
    limit_seconds: Seconds


class ProveTask(Tagged, frozen=True, kw_only=True):
    """Prove one share, given the bundle of all contributions."""

    lease: Lease
    program: BlobRef
    stdin: BlobRef
    params: Params
    weights: tuple[Count, ...]
    contributions: BlobRef
    limit_seconds: Seconds


class AggregateTask(Tagged, frozen=True, kw_only=True):
    """Make one proof of the partial proofs that the manifest lists."""

    lease: Lease
    program: BlobRef
    params: Params
    contributions: BlobRef
    partials: BlobRef
    limit_seconds: Seconds


class AnswerTaken(Tagged, frozen=True):
    """Your answer is stored, or not wanted any more: forget it."""

    lease: Lease
    phase: Phase


class CancelJob(Tagged, frozen=True):
    """Stop whatever you do for that job, and forget it."""

    job: Job
    reason: Text


class CancelLease(Tagged, frozen=True):
    """Stop whatever you do under that lease, and forget it."""

    lease: Lease
    reason: Text


Task = SetupTask | ExecuteTask | ContributeTask | ProveTask | AggregateTask

WorkerSays = Hello | Heartbeat | Measured | Progress | Answer | Failed | CancelDone | Goodbye | FetchChunk | Chunk | NoChunk

CoordinatorSays = (
    Welcome
    | Refused
    | Reintroduce
    | Heartbeat
    | SetupTask
    | ExecuteTask
    | ContributeTask
    | ProveTask
    | AggregateTask
    | AnswerTaken
    | CancelJob
    | CancelLease
    | LogLevel
    | FetchChunk
    | Chunk
    | NoChunk
)

PHASE_OF: dict[type, Phase] = {
    SetupTask: Phase.SETUP,
    ExecuteTask: Phase.EXECUTE,
    ContributeTask: Phase.CONTRIBUTE,
    ProveTask: Phase.PROVE,
    AggregateTask: Phase.AGGREGATE,
}
"""The phase that a task belongs to."""
