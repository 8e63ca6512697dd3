"""What a client and the coordinator say to each other, one sentence each; one tagged union per direction.

Rules of this file:
* A client's request carries a number that its reply repeats. Requests may be sent again (after a reconnect): all are idempotent, a submit
  by its key.
* `BULK` marks a message that comes with a bulk frame; all others must come without.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from zisk_actors.wire.operating import ClusterReply, ListStalls, LogLevelSet, SetLogLevel, ShowCluster, StallList
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk
from zisk_actors.wire.values import BlobRef, Count, Job, JobStatus, Params, ProgramStatus, Seconds, Size, Tagged, Text, Word, WorkerStatus

# ------------------------------------------------------------------------------------------------ client to coordinator


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


# ------------------------------------------------------------------------------------------------ coordinator to client


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
