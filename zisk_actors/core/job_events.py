"""What happens to a job, as its journal has it.

Rules of this file:
* Events carry all they change, the time included.
* A field that was added later has a default: a journal that was written before can be read.
"""

from __future__ import annotations

from zisk_actors.wire.values import (
    BlobRef,
    Count,
    Failure,
    Job,
    Kind,
    Params,
    Phase,
    Seconds,
    Start,
    Tagged,
    Text,
    VerifiedReport,
    Word,
    Worker,
)


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
    """The run ended; `report` is the execution report. `reason` says why nobody can vouch for it, where that is so."""

    at: Seconds
    report: BlobRef
    reason: Text = ""


class ShareAnswered(Tagged, frozen=True):
    """One share's answer in one phase is on our shelf; it need not be computed again."""

    at: Seconds
    phase: Phase
    share: Count
    worker: Worker
    incarnation: Start
    answer: BlobRef


class ShareFailed(Tagged, frozen=True):
    """One attempt at a share came to nothing. `lost`: its worker is gone, which says nothing of the share; else it failed at it. Written
    down so that no restart of ours gives a share its budget again."""

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
    """The coordinator's own verifier accepts the proof for the key of the program. `reason` says why the coordinator has not run the
    program itself, where it has not."""

    at: Seconds
    key: BlobRef
    report: VerifiedReport
    reason: Text = ""


class Rejected(Tagged, frozen=True):
    """What a worker gave for a share, or said of one, is wrong. Base of the four below."""

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


class ResultRejected(Rejected, frozen=True):
    """What a worker reports of a run, or says of a program in a job that proves nothing, is wrong."""


class Lost(Tagged, frozen=True):
    """What workers gave for these shares is not on our disk any more, or has rotted there: it is made again, and nobody is at fault. Base
    of the three below."""

    at: Seconds
    shares: tuple[Count, ...]
    reason: Text


class ContributionsLost(Lost, frozen=True):
    """Contributions are lost, and with them every partial proof."""


class PartialsLost(Lost, frozen=True):
    """Partial proofs are lost."""


class ProofLost(Lost, frozen=True):
    """The proof is lost; its share is the aggregate."""


class JobFailed(Tagged, frozen=True):
    """The job ended without what it was for. `report` is what there is to see nevertheless, such as the report of a run that trapped."""

    at: Seconds
    failure: Failure
    report: BlobRef | None = None


class Cancelled(Tagged, frozen=True):
    """Somebody cancelled the job."""

    at: Seconds
    reason: Text


JobEvent = (
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
    | ResultRejected
    | ContributionsLost
    | PartialsLost
    | ProofLost
    | JobFailed
    | Cancelled
)
