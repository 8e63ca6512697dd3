"""A worker as the coordinator sees it: one start of one process, its state, and the one function that changes it.

Rules of this file:
* A record is of one incarnation. A restarted worker is a new record; nothing of the old one's state or debts passes on.
* Lost has no way out: a worker that comes back says hello again.
* Quarantined is for as long as that start of the worker lives; it gets no work.
* Whether a worker computes is not a state of the worker; it follows from the leases.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.ids import Incarnation, WorkerId


class WorkerHealth(Enum):
    """What we believe about a worker."""

    READY = "ready"
    SUSPECT = "suspect"
    QUARANTINED = "quarantined"
    LOST = "lost"


class Sign(Enum):
    """What changes the belief."""

    HEARD = "heard"
    MISSED = "missed"
    FAULTY = "faulty"
    GONE = "gone"


TRANSITIONS: Final[dict[tuple[WorkerHealth, Sign], WorkerHealth]] = {
    (WorkerHealth.READY, Sign.HEARD): WorkerHealth.READY,
    (WorkerHealth.READY, Sign.MISSED): WorkerHealth.SUSPECT,
    (WorkerHealth.READY, Sign.GONE): WorkerHealth.LOST,
    (WorkerHealth.SUSPECT, Sign.HEARD): WorkerHealth.READY,
    (WorkerHealth.SUSPECT, Sign.MISSED): WorkerHealth.SUSPECT,
    (WorkerHealth.SUSPECT, Sign.GONE): WorkerHealth.LOST,
    (WorkerHealth.READY, Sign.FAULTY): WorkerHealth.QUARANTINED,
    (WorkerHealth.SUSPECT, Sign.FAULTY): WorkerHealth.QUARANTINED,
    (WorkerHealth.QUARANTINED, Sign.HEARD): WorkerHealth.QUARANTINED,
    (WorkerHealth.QUARANTINED, Sign.MISSED): WorkerHealth.QUARANTINED,
    (WorkerHealth.QUARANTINED, Sign.FAULTY): WorkerHealth.QUARANTINED,
    (WorkerHealth.QUARANTINED, Sign.GONE): WorkerHealth.LOST,
}


class WorkerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One start of one worker. `units` are what it declares; `measured` is how fast it found its device to be, in any unit that all
    workers share, 0 where it does not know. `programs` are those it has at hand, the last used last. `heard_at` is in the scheduler's
    clock, seconds."""

    worker: WorkerId
    incarnation: Incarnation
    units: int
    measured: float = 0.0
    programs: tuple[str, ...] = ()
    memory_bytes: int = 0
    health: WorkerHealth = WorkerHealth.READY
    joined_at: float
    heard_at: float


def evolve(record: WorkerRecord, sign: Sign, now: float) -> WorkerRecord:
    """The record after a sign of life or of its absence. Raises `IllegalTransition`."""
    after = TRANSITIONS.get((record.health, sign))
    if after is None:
        raise IllegalTransition(f"{sign.value} of worker {record.worker}, which is {record.health.value}")
    return msgspec.structs.replace(record, health=after, heard_at=now if sign is Sign.HEARD else record.heard_at)
