"""What a device's parent and its compute child say to each other over a pipe.

Rules of this file:
* A frame is a length (4 bytes, little-endian) and a msgpack record; one call at a time, and each call ends with one `Done` or `Broke`.
* Big inputs go by path: a file is named by the hash of its content, which the child checks. Results go by value.
* The child is of our own release, so there is no version; a frame that does not decode means that the child is broken.
"""

from __future__ import annotations

from typing import Final

import msgspec

from zisk_actors.ids import BlobId, is_blob_id
from zisk_actors.wire.values import U64, Count, Failure, Fraction, OutputWords, Params, Tagged, VerifiedReport, Word

MAX_FRAME_BYTES: Final = 2**31 - 1
LENGTH_BYTES: Final = 4


class SetupCall(Tagged, frozen=True):
    """Derive the verifying key."""

    elf: str
    params: Params


class ExecuteCall(Tagged, frozen=True):
    """Run the program. A run of more than `max_steps` fails as `BeyondBudget`; 0: the machine's own limit."""

    elf: str
    stdin: str
    max_steps: Count = 0


class ContributeCall(Tagged, frozen=True):
    """Commit to one share."""

    elf: str
    stdin: str
    params: Params
    share: Count
    weights: tuple[Count, ...]


class ProveCall(Tagged, frozen=True):
    """Prove one share; `contributions` is the path of the bundle of all contributions."""

    elf: str
    stdin: str
    params: Params
    share: Count
    weights: tuple[Count, ...]
    contributions: str


class AggregateCall(Tagged, frozen=True):
    """Make one proof; `contributions` is the path of the bundle, `partials` the paths of the partial proofs in order of shares."""

    elf: str
    params: Params
    contributions: str
    partials: tuple[str, ...]


class VerifyCall(Tagged, frozen=True):
    """Verify a proof against a key, at the level of a parameter set, and hold it against the contributions that it has to be made of;
    `contributions` is the path of their bundle."""

    proof: str
    key: str
    level: Params
    contributions: str


class CompareCall(Tagged, frozen=True):
    """Find the shares whose contribution is none, or not one to this run of the key's program; `contributions` is the path of the
    bundle."""

    contributions: str
    key: str
    steps: U64
    exit_code: U64
    output: OutputWords


class MeasureCall(Tagged, frozen=True):
    """Find out how fast this device is."""


Call = MeasureCall | SetupCall | ExecuteCall | ContributeCall | ProveCall | AggregateCall | VerifyCall | CompareCall


def blobs_of(call: Call) -> list[BlobId]:
    """The names of the blobs that a call names by their paths."""
    values = msgspec.structs.astuple(call)
    paths = [path for value in values for path in (value if isinstance(value, tuple) else (value,)) if isinstance(path, str)]
    return [BlobId(name) for path in paths if is_blob_id(name := path.rsplit("/", 1)[-1])]


class Ready(Tagged, frozen=True):
    """The prover is loaded."""

    pid: Count


class Step(Tagged, frozen=True):
    """The call is this far."""

    step: Word
    fraction: Fraction


class Done(Tagged, frozen=True):
    """The call's result. `trapped` is what a run that trapped fails a proof with, `shares` those that were looked for."""

    content: bytes
    verified: VerifiedReport | None = None
    rate: float = 0.0
    trapped: Failure | None = None
    shares: tuple[Count, ...] = ()


class Broke(Tagged, frozen=True):
    """The call failed; the child goes on. `retryable`: another worker, or another time, may succeed."""

    failure: Failure
    retryable: bool


Reply = Ready | Step | Done | Broke
