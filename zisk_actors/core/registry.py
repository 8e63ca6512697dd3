"""All workers that are believed to live: who said hello, who was heard when, who is overdue.

Rules of this file:
* One record per worker id. A second process with an id that is alive is refused; the one that was there first stays.
* Overdue means: more than `missed` heartbeat periods without a sign. Half of that makes a suspect, which gets no new work.
* A start of a worker that gave something wrong is quarantined, also when its link breaks and it comes back; its next start is not.
* The coordinator's own lateness is forgiven: time that its loop did not run counts for nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from zisk_actors.core.worker import Sign, WorkerHealth, WorkerRecord, evolve
from zisk_actors.ids import Incarnation, WorkerId

MAX_CONDEMNED: Final = 10_000
"""Starts of workers that are remembered as quarantined; more than a cluster sees before each has restarted."""

MAX_PROGRAMS: Final = 64
"""Programs that are remembered of one worker; the longest unused goes."""

MAX_RATE: Final = 1e15
"""No device is faster."""


@dataclass(frozen=True)
class Refusal:
    """Why a worker may not join. `permanent`: trying again will not help."""

    code: str
    reason: str
    permanent: bool


@dataclass
class Registry:
    """The workers, by id. `now` is any clock that only goes forward, in seconds. `on_change` hears of everyone who came, went, or is
    believed to be something else than before."""

    heartbeat_seconds: float
    max_missed: int
    max_workers: int = 1000
    records: dict[WorkerId, WorkerRecord] = field(default_factory=dict)
    condemned: dict[Incarnation, str] = field(default_factory=dict)
    on_change: Callable[[WorkerId], None] = lambda worker: None
    _contenders: dict[Incarnation, float] = field(default_factory=dict)

    def hello(
        self,
        worker: WorkerId,
        incarnation: Incarnation,
        units: int,
        now: float,
        *,
        measured: float = 0.0,
        programs: Sequence[str] = (),
        memory_bytes: int = 0,
    ) -> WorkerRecord | Refusal:
        """Register a start of a worker. The same start may say hello again, after a break of its link."""
        incumbent = self.records.get(worker)
        if incumbent is not None and incumbent.incarnation != incarnation:
            return self._contend(incumbent, incarnation, now)
        if incumbent is None and len(self.records) >= self.max_workers:
            return Refusal("too-many-workers", f"the coordinator takes at most {self.max_workers} workers", permanent=False)
        self._contenders.pop(incarnation, None)
        joined_at = incumbent.joined_at if incumbent is not None else now
        health = WorkerHealth.QUARANTINED if incarnation in self.condemned else WorkerHealth.READY
        record = WorkerRecord(
            worker=worker,
            incarnation=incarnation,
            units=units,
            measured=_believable(measured),
            programs=tuple(programs)[-MAX_PROGRAMS:],
            memory_bytes=memory_bytes,
            health=health,
            joined_at=joined_at,
            heard_at=now,
        )
        return self._put(record)

    def find(self, worker: WorkerId, incarnation: Incarnation) -> WorkerRecord | None:
        record = self.records.get(worker)
        return record if record is not None and record.incarnation == incarnation else None

    def heard(self, worker: WorkerId, incarnation: Incarnation, now: float) -> bool:
        """A sign of life; False where that start of the worker is not registered."""
        record = self.find(worker, incarnation)
        if record is None:
            return False
        self._put(evolve(record, Sign.HEARD, now))
        return True

    def measured(self, worker: WorkerId, incarnation: Incarnation, rate: float) -> WorkerRecord | None:
        """Note how fast a start of a worker is; its record, or None where it is not registered."""
        record = self.find(worker, incarnation)
        return None if record is None else self._put(msgspec.structs.replace(record, measured=_believable(rate)))

    def works_on(self, worker: WorkerId, program: str) -> None:
        """A worker is given work on a program, and has it at hand from now on."""
        record = self.records.get(worker)
        if record is not None and program and record.programs[-1:] != (program,):
            others = [each for each in record.programs if each != program]
            self._put(msgspec.structs.replace(record, programs=(*others, program)[-MAX_PROGRAMS:]))

    def condemn(self, worker: WorkerId, incarnation: Incarnation, reason: str, now: float) -> WorkerRecord | None:
        """Give that start of a worker no work any more; its record, or None where it is not registered."""
        self.condemned[incarnation] = reason
        if len(self.condemned) > MAX_CONDEMNED:
            self.condemned.pop(next(iter(self.condemned)))
        record = self.find(worker, incarnation)
        if record is None:
            return None
        return self._put(evolve(record, Sign.FAULTY, now))

    def gone(self, worker: WorkerId, incarnation: Incarnation, now: float) -> WorkerRecord | None:
        """Remove a start of a worker; the record as it was lost, or None where it was not registered."""
        record = self.find(worker, incarnation)
        if record is None:
            return None
        del self.records[worker]
        self.on_change(worker)
        return evolve(record, Sign.GONE, now)

    def expire(self, now: float) -> list[WorkerRecord]:
        """Suspect who is late and remove who is overdue; returns the removed."""
        limit = self.heartbeat_seconds * self.max_missed
        for record in list(self.records.values()):
            if now - record.heard_at > limit / 2 + self.heartbeat_seconds / 2:
                self._put(evolve(record, Sign.MISSED, now))
        overdue = [record for record in self.records.values() if now - record.heard_at > limit]
        return [lost for record in overdue if (lost := self.gone(record.worker, record.incarnation, now)) is not None]

    def forgive(self, seconds: float) -> None:
        """Count so many seconds of silence for nobody: our own loop was late."""
        for worker, record in self.records.items():
            self.records[worker] = msgspec.structs.replace(record, heard_at=record.heard_at + seconds)

    def ready(self) -> list[WorkerRecord]:
        return [record for record in self.records.values() if record.health is WorkerHealth.READY]

    def _put(self, record: WorkerRecord) -> WorkerRecord:
        before = self.records.get(record.worker)
        self.records[record.worker] = record
        if before is None or (before.health, before.units) != (record.health, record.units):
            self.on_change(record.worker)
        return record

    def _contend(self, incumbent: WorkerRecord, newcomer: Incarnation, now: float) -> Refusal:
        """Refuse a second process with an id: for good once the first has been heard since the second tried, for now until then."""
        first_try = self._contenders.setdefault(newcomer, now)
        if len(self._contenders) > self.max_workers:
            self._contenders.pop(next(iter(self._contenders)))
        alive = incumbent.heard_at > first_try
        reason = f"worker id {incumbent.worker} is in use by another process" + ("" if alive else ", which we are asking whether it lives")
        return Refusal("duplicate-worker", reason, permanent=alive)


def _believable(rate: float) -> float:
    """A rate that can be reckoned with: what is no number is not known."""
    return rate if 0.0 < rate < MAX_RATE else 0.0
