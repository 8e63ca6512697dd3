"""Every message, one sentence each; one tagged union per direction.

Rules of this file:
* The same verbs everywhere: setup, execute, contribute, prove, aggregate.
* A worker does nothing without a lease, and every answer names the lease it was given under.
* A client's request carries a number that its reply repeats. Requests may be sent again (after a reconnect): all are idempotent, a submit
  by its key.
* `BULK` marks a message that comes with a bulk frame; all others must come without.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from zisk_actors.wire.operating import ClusterReply, ListStalls, LogLevel, LogLevelSet, SetLogLevel, ShowCluster, StallList
from zisk_actors.wire.values import (
    Blob,
    BlobRef,
    Count,
    Failure,
    Fraction,
    Job,
    JobStatus,
    Lease,
    Params,
    Phase,
    Program,
    ProgramStatus,
    Rate,
    Seconds,
    Size,
    Start,
    Tagged,
    Text,
    Word,
    Worker,
    WorkerStatus,
)

# ------------------------------------------------------------------------------------------------- blobs, in every direction


class FetchChunk(Tagged, frozen=True):
    """Send me this part of that blob."""

    blob: Blob
    offset: Size
    length: Annotated[int, Meta(ge=1, le=1024 * 1024)]


class Chunk(Tagged, frozen=True):
    """The part asked for is the bulk frame."""

    BULK: ClassVar[bool] = True

    blob: Blob
    offset: Size


class NoChunk(Tagged, frozen=True):
    """I do not have that blob, or not that much of it."""

    blob: Blob
    reason: Text


# ------------------------------------------------------------------------------------------------- worker to coordinator


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
    """The phase's work on the share is done; fetch the result by its name."""

    lease: Lease
    phase: Phase
    result: BlobRef


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


# ------------------------------------------------------------------------------------------------- coordinator to worker


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


# ------------------------------------------------------------------------------------------------- client to coordinator


class Ping(Tagged, frozen=True):
    """Are you there?"""

    request: Count


class Leave(Tagged, frozen=True):
    """I am done: forget my connection, not my jobs."""


class Submit(Tagged, frozen=True, kw_only=True):
    """Take this job. `key` makes it safe to say twice: the second submit with a key answers with the first one's job.

    A job that has not ended `deadline_seconds` after it was accepted fails, wherever it is.
    `kind` is a word here, so that one that the coordinator does not have is a refusal and not a broken message. `streamed` says that the
    input comes later, by `PushInput` and `EndInput`; without it and without `stdin` the input is empty. The job starts with `min_units`
    compute units or more, and is given about `units`; 0 is what the coordinator's settings say. Where it is not to be in a `queue`, it
    starts at once or is refused.
    """

    request: Count
    kind: Word
    program: BlobRef
    stdin: BlobRef | None = None
    streamed: bool = False
    params: Params
    name: Word = ""
    key: Word = ""
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    deadline_seconds: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    min_units: Annotated[int, Meta(ge=0, le=10**9)] = 0
    units: Annotated[int, Meta(ge=0, le=10**9)] = 0
    queue: bool = True


class PushInput(Tagged, frozen=True):
    """The bulk frame is the part of the job's input that begins at `offset`."""

    BULK: ClassVar[bool] = True

    request: Count
    job: Job
    offset: Size


class EndInput(Tagged, frozen=True):
    """The job's input is complete: this many bytes, with this hash."""

    request: Count
    job: Job
    stdin: BlobRef


class ShowJob(Tagged, frozen=True):
    """Tell me about a job, by its id or an unambiguous beginning of it."""

    request: Count
    job: Word


class WaitJob(Tagged, frozen=True):
    """Tell me about a job when it has ended, or after so many seconds."""

    request: Count
    job: Word
    seconds: Annotated[float, Meta(ge=0, le=3600)]


class WatchJob(Tagged, frozen=True):
    """Tell me about each change of a job whose number is above `after`, until it ends."""

    request: Count
    job: Word
    after: Annotated[int, Meta(ge=0, le=2**62)]


class Unwatch(Tagged, frozen=True):
    """Stop telling me; `request` is the watch's."""

    request: Count


class CancelRequest(Tagged, frozen=True):
    """Cancel a job."""

    request: Count
    job: Word
    reason: Text = "cancelled by the client"


class ListJobs(Tagged, frozen=True):
    """Tell me about the newest jobs, at most so many, of those that every filter lets through; an empty filter lets all through.

    `program` is an id, the beginning of one, or a name; `mine` are those that this key submitted; `after` goes on where a list ended that
    gave this cursor.
    """

    request: Count
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    state: Word = ""
    kind: Word = ""
    program: Word = ""
    name: Word = ""
    mine: bool = False
    since: Seconds = 0.0
    after: Word = ""


class ListWorkers(Tagged, frozen=True):
    """Tell me about the workers."""

    request: Count


class AddProgram(Tagged, frozen=True):
    """Keep this program under a name."""

    request: Count
    program: BlobRef
    name: Word


class ListPrograms(Tagged, frozen=True):
    """Tell me about the programs."""

    request: Count


# ------------------------------------------------------------------------------------------------- coordinator to client


class Pong(Tagged, frozen=True):
    """I am here; the envelope says in which epoch. `connection` is the number of yours: over another one your open requests are not
    known any more."""

    request: Count
    connection: Count = 0


class Submitted(Tagged, frozen=True):
    """The job is accepted and survives my death. `fresh` is False where the key was known already."""

    request: Count
    job: Job
    fresh: bool


class InputTaken(Tagged, frozen=True):
    """So many bytes of the job's input, from its beginning, are on disk: go on from there."""

    request: Count
    received_bytes: Size


class JobReply(Tagged, frozen=True):
    """What there is to say about a job."""

    request: Count
    status: JobStatus


class JobChanged(Tagged, frozen=True):
    """A watched job changed. `number` grows with every change; the last change of a job has a final state."""

    request: Count
    number: Annotated[int, Meta(ge=0, le=2**62)]
    status: JobStatus


class CancelReply(Tagged, frozen=True):
    """`cancelled` is False where the job had ended before."""

    request: Count
    cancelled: bool
    status: JobStatus


class JobList(Tagged, frozen=True):
    """The jobs asked for, newest first. One reply may come in several parts; the last one has the cursor of the rest, empty where there is
    none."""

    request: Count
    jobs: tuple[JobStatus, ...]
    last: bool
    cursor: Word = ""


class WorkerList(Tagged, frozen=True):
    """The workers. One reply may come in several parts."""

    request: Count
    workers: tuple[WorkerStatus, ...]
    last: bool


class ProgramList(Tagged, frozen=True):
    """The programs. One reply may come in several parts."""

    request: Count
    programs: tuple[ProgramStatus, ...]
    last: bool


class ErrorReply(Tagged, frozen=True, kw_only=True):
    """The request is refused. `number` and `name` are those of the manual; `code` and `exit_code` those of the error tree. Where compute
    units are the reason: how many are needed, free now, and connected."""

    request: Count
    code: Word
    name: Word
    number: Count
    message: Text
    hint: Text = ""
    exit_code: Count = 1
    retry_after_seconds: Seconds | None = None
    needed_units: Count | None = None
    free_units: Count | None = None
    total_units: Count | None = None


Transfer = FetchChunk | Chunk | NoChunk

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

ClientSays = (
    Ping
    | Leave
    | Submit
    | PushInput
    | EndInput
    | ShowJob
    | WaitJob
    | WatchJob
    | Unwatch
    | CancelRequest
    | ListJobs
    | ListWorkers
    | AddProgram
    | ListPrograms
    | ShowCluster
    | ListStalls
    | SetLogLevel
    | FetchChunk
    | Chunk
    | NoChunk
)

GatewaySays = (
    Pong
    | Submitted
    | InputTaken
    | JobReply
    | JobChanged
    | CancelReply
    | JobList
    | WorkerList
    | ProgramList
    | ClusterReply
    | StallList
    | LogLevelSet
    | ErrorReply
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
