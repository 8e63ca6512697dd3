"""What a client and the coordinator say to each other, one sentence each; one tagged union per direction.

Rules of this file:
* A client's request carries a number that its reply repeats (`requests.py`). Requests may be sent again (after a reconnect): all are
  idempotent, a submit by its key.
* The two unions at the end are made of the classes; what is neither a request nor a reply is named there.
* `BULK` marks a message that comes with a bulk frame; all others must come without.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Union

from msgspec import Meta

from zisk_actors.wire import operating  # noqa: F401 - its requests and replies are among those that are said here
from zisk_actors.wire.requests import Reply, Request, below
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk
from zisk_actors.wire.values import BlobRef, Count, Job, JobStatus, Params, ProgramStatus, Seconds, Size, Tagged, Text, Word, WorkerStatus

# ------------------------------------------------------------------------------------------------ coordinator to client


class Pong(Reply, frozen=True):
    """I am here; the envelope says in which epoch. `connection` is the number of yours: over another one your open requests are not
    known any more."""

    connection: Count = 0


class Submitted(Reply, frozen=True):
    """The job is accepted and survives my death. `fresh` is False where the key was known already."""

    job: Job
    fresh: bool


class InputTaken(Reply, frozen=True):
    """So many bytes of the job's input, from its beginning, are on disk: go on from there."""

    received_bytes: Size


class JobReply(Reply, frozen=True):
    """What there is to say about a job."""

    status: JobStatus


class JobChanged(Reply, frozen=True):
    """A watched job changed. `number` grows with every change; the last change of a job has a final state."""

    number: Annotated[int, Meta(ge=0, le=2**62)]
    status: JobStatus


class CancelReply(Reply, frozen=True):
    """`cancelled` is False where the job had ended before."""

    cancelled: bool
    status: JobStatus


class JobList(Reply, frozen=True):
    """The jobs asked for, newest first. One reply may come in several parts; the last one has the cursor of the rest, empty where there is
    none."""

    jobs: tuple[JobStatus, ...]
    last: bool
    cursor: Word = ""


class WorkerList(Reply, frozen=True):
    """The workers. One reply may come in several parts."""

    workers: tuple[WorkerStatus, ...]
    last: bool


class ProgramList(Reply, frozen=True):
    """The programs. One reply may come in several parts."""

    programs: tuple[ProgramStatus, ...]
    last: bool


class ErrorReply(Reply, frozen=True, kw_only=True):
    """The request is refused. `number` and `name` are those of the manual; `code` and `exit_code` those of the error tree. Where compute
    units are the reason: how many are needed, free now, and connected."""

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


# ------------------------------------------------------------------------------------------------ client to coordinator


class Ping(Request[Pong], frozen=True):
    """Are you there?"""


class Leave(Tagged, frozen=True):
    """I am done: forget my connection, not my jobs."""


class Submit(Request[Submitted], frozen=True, kw_only=True):
    """Take this job. `key` makes it safe to say twice: the second submit with a key answers with the first one's job.

    A job that has not ended `deadline_seconds` after it was accepted fails, wherever it is.
    `kind` is a word here, so that one that the coordinator does not have is a refusal and not a broken message. `streamed` says that the
    input comes later, by `PushInput` and `EndInput`; without it and without `stdin` the input is empty. The job starts with `min_units`
    compute units or more, and is given about `units`; 0 is what the coordinator's settings say. Where it is not to be in a `queue`, it
    starts at once or is refused.
    """

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


class PushInput(Request[InputTaken], frozen=True):
    """The bulk frame is the part of the job's input that begins at `offset`."""

    BULK: ClassVar[bool] = True

    job: Job
    offset: Size


class EndInput(Request[JobReply], frozen=True):
    """The job's input is complete: this many bytes, with this hash."""

    job: Job
    stdin: BlobRef


class ShowJob(Request[JobReply], frozen=True):
    """Tell me about a job, by its id or an unambiguous beginning of it."""

    job: Word


class WaitJob(Request[JobReply], frozen=True):
    """Tell me about a job when it has ended, or after so many seconds."""

    job: Word
    seconds: Annotated[float, Meta(ge=0, le=3600)]


class WatchJob(Request[JobChanged], frozen=True):
    """Tell me about each change of a job whose number is above `after`, until it ends."""

    job: Word
    after: Annotated[int, Meta(ge=0, le=2**62)]


class Unwatch(Tagged, frozen=True):
    """Stop telling me; `request` is the watch's."""

    request: Count


class CancelRequest(Request[CancelReply], frozen=True):
    """Cancel a job."""

    job: Word
    reason: Text = "cancelled by the client"


class ListJobs(Request[JobList], frozen=True):
    """Tell me about the newest jobs, at most so many, of those that every filter lets through; an empty filter lets all through.

    `program` is an id, the beginning of one, or a name; `mine` are those that this key submitted; `after` goes on where a list ended that
    gave this cursor.
    """

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    state: Word = ""
    kind: Word = ""
    program: Word = ""
    name: Word = ""
    mine: bool = False
    since: Seconds = 0.0
    after: Word = ""


class ListWorkers(Request[WorkerList], frozen=True):
    """Tell me about the workers."""


class AddProgram(Request[ProgramList], frozen=True):
    """Keep this program under a name."""

    program: BlobRef
    name: Word


class ListPrograms(Request[ProgramList], frozen=True):
    """Tell me about my programs; an operator about all."""


class RemoveProgram(Request[ProgramList], frozen=True):
    """Keep this program for me no longer: its id, the beginning of that, or my name for it. The answer has what it was."""

    program: Word


# Any: unions of classes that are found have no type of their own.
ClientSays: Any = Union[(*below(Request), Unwatch, Leave, FetchChunk, Chunk, NoChunk)]
GatewaySays: Any = Union[(*below(Reply), FetchChunk, Chunk, NoChunk)]
