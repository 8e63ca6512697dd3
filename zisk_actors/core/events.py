"""What happens to the scheduler, and what it has done about it: its events and effects.

Rules of this file:
* Values only. What an event leads to stands in `core.scheduler`; who carries an effect out, in `actors.scheduler`.
* Effects are carried out in order, and before the next event is handled.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from zisk_actors.core.registry import Refusal
from zisk_actors.core.worker import WorkerRecord
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.wire.values import Kind, Lease

# ------------------------------------------------------------------------------------------------------------------------ events


class Loss(Enum):
    """Why a worker, or what it held, is lost."""

    HEARTBEAT = "heartbeat"  # it was not heard for too long
    GOODBYE = "goodbye"  # it said that it leaves
    LINK = "link"  # its link broke, and it did not come back in time
    QUARANTINE = "quarantine"  # it gave something wrong


@dataclass(frozen=True)
class Enqueue:
    """A job waits. `weights` are those of a job that was cut before a restart, `needs` the shares it needs holders for now, and `former`
    who answered for a share in the phase before and may remember what it computed. `min_units` and `units` are what its client asks for
    at least and at best, 0 where it does not say."""

    job: JobId
    kind: Kind
    priority: int
    submitted_at: float
    weights: tuple[int, ...] = ()
    needs: tuple[int, ...] = ()
    former: tuple[tuple[int, WorkerId, Incarnation], ...] = ()
    client: str = ""
    program: str = ""
    min_units: int = 0
    units: int = 0


@dataclass(frozen=True)
class Joined:
    """A worker said hello. `held` are the leases that it says it holds, `measured` how fast it found its device to be, `programs`
    what it has at hand, and `memory_bytes` what it has for a share, 0 where it does not know."""

    worker: WorkerId
    incarnation: Incarnation
    units: int
    held: tuple[Lease, ...] = ()
    measured: float = 0.0
    programs: tuple[str, ...] = ()
    memory_bytes: int = 0


@dataclass(frozen=True)
class RateMeasured:
    """A worker has found out how fast its device is."""

    worker: WorkerId
    incarnation: Incarnation
    rate: float


@dataclass(frozen=True)
class Heard:
    """A sign of life."""

    worker: WorkerId
    incarnation: Incarnation


@dataclass(frozen=True)
class Left:
    """A worker is gone: it said so, or its link is dead. `why` is for whoever counts, `reason` for who reads."""

    worker: WorkerId
    incarnation: Incarnation
    reason: str
    why: Loss = Loss.LINK


@dataclass(frozen=True)
class Wanted:
    """A running job needs a holder for a share; `prefer` gets it, where possible, and none of `never`. Before `patient_until` nobody gets
    it who has failed at it, where somebody else is connected who may be free by then."""

    job: JobId
    share: int
    prefer: WorkerId | None = None
    never: frozenset[WorkerId] = frozenset()
    patient_until: float = 0.0


@dataclass(frozen=True)
class Unwanted:
    """Nobody waits for a holder of that share any more; whoever is granted it meanwhile keeps it until the job ends."""

    job: JobId
    share: int


@dataclass(frozen=True)
class DoubleWanted:
    """A share that has a holder is to be given to a second worker: to one of `idle`, which hold leases of the job and have nothing to do,
    or to a free one, which must be nobody's who waits in the queue unless it is `urgent`; to none of `never`."""

    job: JobId
    share: int
    idle: frozenset[WorkerId]
    never: frozenset[WorkerId] = frozenset()
    urgent: bool = False


@dataclass(frozen=True)
class GaveUp:
    """The holder failed at its share; `short`: because it has too little memory for it."""

    lease: Lease
    short: bool = False


@dataclass(frozen=True)
class FoundFaulty:
    """What this start of a worker gave for a share is wrong."""

    worker: WorkerId
    incarnation: Incarnation
    job: JobId
    share: int
    reason: str


@dataclass(frozen=True)
class Finished:
    """The holder is done with its share, and free for another job."""

    lease: Lease


@dataclass(frozen=True)
class Reissued:
    """A job's shares are others now: each of its leases is replaced by a new one for the same number and worker, and none is excluded."""

    job: JobId


@dataclass(frozen=True)
class Ended:
    """A job needs nothing any more."""

    job: JobId


@dataclass(frozen=True)
class Restarted:
    """Jobs of before a restart of ours are to be resumed: nothing is admitted before `opens_at`, so that the workers can come back first,
    or until the last of `awaited`, which were there, is back."""

    opens_at: float
    awaited: frozenset[WorkerId] = frozenset()


@dataclass(frozen=True)
class Draining:
    """Nothing is admitted any more."""


@dataclass(frozen=True)
class LateResult:
    """A worker answers under a lease that is not in force."""

    lease: Lease


@dataclass(frozen=True)
class Tick:
    """Time has passed; `late_seconds` is by how much the loop itself was late."""

    late_seconds: float = 0.0


Event = (
    Enqueue
    | Joined
    | RateMeasured
    | Heard
    | Left
    | Wanted
    | Unwanted
    | DoubleWanted
    | GaveUp
    | FoundFaulty
    | Finished
    | Reissued
    | Ended
    | Restarted
    | Draining
    | LateResult
    | Tick
)

# ----------------------------------------------------------------------------------------------------------------------- effects


@dataclass(frozen=True)
class Admit:
    """Start the job with these leases; `weights` is how it is cut, and `adopted` the leases among them that were there before a
    restart."""

    job: JobId
    weights: tuple[int, ...]
    leases: tuple[Lease, ...]
    adopted: tuple[Lease, ...] = ()


@dataclass(frozen=True)
class Granted:
    """A wanted share has a holder."""

    lease: Lease


@dataclass(frozen=True)
class Doubled:
    """A share has a second holder beside `first`."""

    lease: Lease
    first: Lease


@dataclass(frozen=True)
class Revoked:
    """The holder of a share is lost, or not trusted any more."""

    lease: Lease
    reason: str
    why: Loss


@dataclass(frozen=True)
class Registered:
    """A worker is in; `fresh` is False where it came back after a break of its link."""

    record: WorkerRecord
    fresh: bool


@dataclass(frozen=True)
class JoinRejected:
    """A worker may not join."""

    worker: WorkerId
    incarnation: Incarnation
    refusal: Refusal


@dataclass(frozen=True)
class Lost:
    """A worker is out."""

    record: WorkerRecord
    reason: str
    why: Loss


@dataclass(frozen=True)
class Quarantined:
    """A worker that is connected gets no work any more."""

    record: WorkerRecord
    reason: str


@dataclass(frozen=True)
class Orphaned:
    """Nobody wants any more what a worker holds from before a restart."""

    lease: Lease
    reason: str


Effect = Admit | Granted | Doubled | Revoked | Registered | JoinRejected | Lost | Quarantined | Orphaned
