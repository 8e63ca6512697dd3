"""The stages of a job, and every move between them.

Rules of this file:
* A move that is not in TRANSITIONS does not exist.
* Completed, failed and cancelled have no way out.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from zisk_actors.core.job_events import (
    Admitted,
    Aggregated,
    AggregateRejected,
    Cancelled,
    Contributed,
    ContributionRejected,
    Executed,
    InputGiven,
    JobFailed,
    KeysMade,
    PartialRejected,
    Proved,
    Recut,
    ResultRejected,
    ShareAnswered,
    ShareFailed,
    Verified,
)
from zisk_actors.wire.values import Kind, Phase, State


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


_WITHOUT_SHARES: Final = (Stage.WAITING_FOR_INPUT, Stage.QUEUED, Stage.VERIFY)
_GIVEN: Final = (Stage.WAITING_FOR_INPUT, InputGiven, Stage.QUEUED)

_BACK: Final[dict[tuple[Kind, Stage, type], Stage]] = {
    (Kind.PROVE, Stage.CONTRIBUTE, Recut): Stage.CONTRIBUTE,
    (Kind.PROVE, Stage.CONTRIBUTE, ContributionRejected): Stage.CONTRIBUTE,
    (Kind.PROVE, Stage.PROVE, ContributionRejected): Stage.CONTRIBUTE,
    (Kind.PROVE, Stage.AGGREGATE, ContributionRejected): Stage.CONTRIBUTE,
    (Kind.PROVE, Stage.VERIFY, ContributionRejected): Stage.CONTRIBUTE,
    (Kind.PROVE, Stage.PROVE, PartialRejected): Stage.PROVE,
    (Kind.PROVE, Stage.AGGREGATE, PartialRejected): Stage.PROVE,
    (Kind.PROVE, Stage.AGGREGATE, AggregateRejected): Stage.AGGREGATE,
    (Kind.PROVE, Stage.VERIFY, AggregateRejected): Stage.AGGREGATE,
    (Kind.SETUP, Stage.SETUP, ResultRejected): Stage.SETUP,
    (Kind.EXECUTE, Stage.EXECUTE, ResultRejected): Stage.EXECUTE,
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
