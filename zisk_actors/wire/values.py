"""Values that messages, the journal and the core share: references, leases, failures, statuses.

Rules of this file:
* Every value is frozen, refuses unknown fields, and gives each field its range; a value that exists is a value in range.
* Times are seconds: `*_at` are wall-clock seconds since the epoch, `*_seconds` are durations.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from zisk_actors import ids

Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
U64 = Annotated[int, Meta(ge=0)]  # msgpack itself has none above 2**64 - 1
Size = Annotated[int, Meta(ge=0, le=2**40)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Rate = Annotated[float, Meta(ge=0.0, le=1e15)]
Seconds = Annotated[float, Meta(ge=0.0, le=1e10)]
OutputWords = tuple[Annotated[int, Meta(ge=0, le=2**32 - 1)], ...]
Text = Annotated[str, Meta(max_length=4000)]
Word = Annotated[str, Meta(max_length=200)]

Job = Annotated[ids.JobId, Meta(pattern=ids.JOB_PATTERN)]
Worker = Annotated[ids.WorkerId, Meta(pattern=ids.WORKER_PATTERN)]
Start = Annotated[ids.Incarnation, Meta(pattern=ids.INCARNATION_PATTERN)]
Blob = Annotated[ids.BlobId, Meta(pattern=ids.BLOB_PATTERN)]
Program = Annotated[ids.ProgramId, Meta(pattern=ids.BLOB_PATTERN)]
Params = Annotated[str, Meta(pattern=ids.PARAMS_PATTERN)]


def _kebab(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() and index else letter.lower() for index, letter in enumerate(name))


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=False):
    """Base of all values on the wire."""


class Kind(Enum):
    """What a job is for."""

    SETUP = "setup"
    EXECUTE = "execute"
    PROVE = "prove"


class State(Enum):
    """What a client sees of a job."""

    WAITING_FOR_INPUT = "waiting_for_input"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (State.COMPLETED, State.FAILED, State.CANCELLED)


class Phase(Enum):
    """What a running job does. The first five are verbs that a worker carries out; the coordinator itself verifies."""

    SETUP = "setup"
    EXECUTE = "execute"
    CONTRIBUTE = "contribute"
    PROVE = "prove"
    AGGREGATE = "aggregate"
    VERIFY = "verify"


class FailureKind(Enum):
    """Whose fault a failed job is."""

    GUEST = "guest"  # the program trapped, or is not one that we can run
    WORKER = "worker"  # workers were lost, or failed at a share more often than the budget allows
    PROOF = "proof"  # something that was proved does not verify
    TIMEOUT = "timeout"  # a phase took longer than its limit, or the job longer than its client's deadline
    MEMORY = "memory"  # a share needs more memory than its worker has
    INTERNAL = "internal"  # a bug of ours


class BlobRef(Value, frozen=True):
    """A big thing by its hash, with its size in bytes."""

    sha256: Blob
    size: Size


class Lease(Value, frozen=True):
    """The right of one start of one worker to work on one share. `attempt` counts the leases of this share from 1.

    The share number of the aggregate is the number of shares, one past the last.
    """

    worker: Worker
    incarnation: Start
    job: Job
    share: Count
    attempt: Count


class Trap(Value, frozen=True):
    """Why a guest stopped other than by halting. `address` is that of the access, None where there was none."""

    kind: Word
    pc: U64
    symbol: Word = ""
    instruction: Word = ""
    address: U64 | None = None


class Attempt(Value, frozen=True):
    """One failed try at a share."""

    worker: Worker
    share: Count
    phase: Phase
    reason: Text


class Failure(Value, frozen=True, kw_only=True):
    """Why a job, or one share of it, failed. `code`, `hint` and `exit_code` are those of the error tree, for the command to end with.
    `share` is the share whose contribution or partial proof is wrong, where that is what is wrong; `pieces`, into how many a share would
    have to be cut that is too large, 0 where cutting does not help. `trace` finds an internal failure in the coordinator's log."""

    kind: FailureKind
    code: Word
    message: Text
    hint: Text = ""
    exit_code: Count = 4
    phase: Phase | None = None
    limit_seconds: Seconds | None = None
    trap: Trap | None = None
    attempts: tuple[Attempt, ...] = ()
    share: Count | None = None
    trace: Word = ""
    pieces: Count = 0

    @property
    def variant(self) -> str:
        """What the operator's manual calls a failure of this kind: Timeout, Input, Execution or Internal."""
        if self.kind is FailureKind.GUEST:
            return "Input" if self.trap is None else "Execution"
        return {FailureKind.TIMEOUT: "Timeout", FailureKind.INTERNAL: "Internal"}.get(self.kind, "Execution")


class ExecutionReport(Value, frozen=True, kw_only=True):
    """What a run of the guest did: `output` are the 64 32-bit words of the guest ABI, `steps` the executed instructions."""

    steps: U64
    exit_code: U64
    output: OutputWords
    console: bytes = b""
    trap: Trap | None = None


class VerifiedReport(Value, frozen=True, kw_only=True):
    """What a verified proof says: the statement's public part, and how strongly. `program` is the digest of the verifying key in hex."""

    program: str
    exit_code: U64
    output: OutputWords
    params: str
    bits: Annotated[float, Meta(ge=0, le=1000)]
    shares: Count
    steps: U64 = 0


class ShareStatus(Value, frozen=True, kw_only=True):
    """One share of a running job: who holds it, and how far its current phase is; `second` is who does it as well, where the holder is
    slow."""

    share: Count
    worker: Worker
    attempt: Count
    phase: Phase
    fraction: Fraction = 0.0
    step: Word = ""
    second: Worker | None = None


class JobStatus(Value, frozen=True, kw_only=True):
    """All that a client is told about a job. `percent` is of the whole job, 0 to 100. `number` grows with each change, over restarts too.

    `received_bytes` is how much of its input a job has that waits for the rest, `stdin` the input where it is complete. Of a job
    that ended early, `stopped` are the workers whose computing process is dead, and `stopping` those that have not said so.
    """

    job: Job
    kind: Kind
    state: State
    program: Program
    program_name: Word = ""
    params: Params
    phase: Phase | None = None
    percent: float = 0.0
    eta_seconds: Seconds | None = None
    position: Count | None = None
    starts_in_seconds: Seconds | None = None
    needed_units: Count | None = None
    free_units: Count | None = None
    total_units: Count | None = None
    waiting_for: Text = ""
    submitted_at: Seconds
    started_at: Seconds | None = None
    ended_at: Seconds | None = None
    deadline_at: Seconds | None = None
    weights: tuple[Count, ...] = ()
    shares: tuple[ShareStatus, ...] = ()
    result: BlobRef | None = None
    key: BlobRef | None = None
    verified: VerifiedReport | None = None
    failure: Failure | None = None
    reason: Text = ""
    number: Annotated[int, Meta(ge=0, le=2**62)] = 0
    stdin: BlobRef | None = None
    received_bytes: Size | None = None
    stopped: tuple[Worker, ...] = ()
    stopping: tuple[Worker, ...] = ()


class WorkerStatus(Value, frozen=True, kw_only=True):
    """A connected worker. `jobs` are the jobs it holds leases of; `measured` how many trace cells its device commits to in a second, 0
    where that is not known; `programs` those that it has at hand, the last used last."""

    worker: Worker
    incarnation: Start
    state: Word
    units: Count
    version: Word
    backend: Word
    threads: Count
    pid: Count
    address: Word
    heard_seconds_ago: Seconds
    jobs: tuple[Job, ...] = ()
    measured: Rate = 0.0
    programs: tuple[Program, ...] = ()


class ProgramStatus(Value, frozen=True, kw_only=True):
    """A program the cluster knows, with the verifying keys made so far by parameter set."""

    program: Program
    name: Word
    size: Size
    added_at: Seconds
    keys: dict[str, BlobRef] = {}


class Tagged(Value, frozen=True, tag_field="type", tag=_kebab):
    """Base of messages and job events: a value with its type's name in kebab case beside its fields."""

    BULK: ClassVar[bool] = False
