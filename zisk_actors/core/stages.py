"""The stages of a job, and what of them a client is told. The moves between them are `core/kinds.py`."""

from __future__ import annotations

from enum import Enum
from typing import Final

from zisk_actors.wire.values import Phase, State


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
