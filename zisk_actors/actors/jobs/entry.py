"""One job as this process knows it: its record, and what lives only as long as the process does.

Rules of this file:
* A job that had ended before our start is a row of the journal until somebody asks for more than the row says.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import trio

from zisk_actors.actors.jobs.own_run import OwnRun
from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import Cancelled, JobFailed
from zisk_actors.ids import JobId
from zisk_actors.store.errors import StoreUnwritable
from zisk_actors.store.rows import Past
from zisk_actors.wire.values import JobStatus, State


@dataclass(slots=True, eq=False)
class JobEntry:
    """A job, and what only lives while this process does: its changes, its supervisor's scope, our own run of it.

    `known` is the job, or the journal's row of one that had ended before our start, which is read when somebody asks for the `record`.
    `ending` is the end that was asked for from outside and is not written down yet; `unwritten` is why something of
    the job cannot be written down now, its end for instance. `received_bytes` is how much has come of an input that it waits for.
    """

    known: JobRecord | Past
    number: int
    changes: deque[tuple[int, JobStatus]] = field(default_factory=deque)
    changed: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope | None = None
    ending: JobFailed | Cancelled | None = None
    unwritten: StoreUnwritable | None = None
    resumed_at: float | None = None
    received_bytes: int | None = None
    lock: trio.Lock = field(default_factory=trio.Lock)
    own_run: OwnRun | None = None
    counted_bytes: int = 0

    @property
    def record(self) -> JobRecord:
        """All that is known of the job."""
        if isinstance(self.known, Past):
            self.known = self.known.record()
        return self.known

    @record.setter
    def record(self, after: JobRecord) -> None:
        self.known = after

    def record_for_now(self) -> JobRecord:
        """All that is known of the job, not kept where it had ended before our start."""
        return self.known.record() if isinstance(self.known, Past) else self.known

    @property
    def own(self) -> OwnRun:
        """Our own run of the job, which there is as long as it is supervised."""
        if self.own_run is None:
            raise AssertionError("a job that runs has a run of ours beside it")
        return self.own_run

    @property
    def job(self) -> JobId:
        return self.known.job

    @property
    def state(self) -> State:
        return self.known.head.state if isinstance(self.known, Past) else self.known.state

    @property
    def client(self) -> str:
        """The key of the client that submitted it."""
        return self.known.head.client if isinstance(self.known, Past) else self.known.submitted.client

    @property
    def key(self) -> str:
        """What the client calls its request; empty where it calls it nothing."""
        return self.known.head.key if isinstance(self.known, Past) else self.known.submitted.key

    @property
    def submitted_at(self) -> float:
        return self.known.head.submitted_at if isinstance(self.known, Past) else self.known.submitted.at

    @property
    def ended_at(self) -> float | None:
        return self.known.head.ended_at if isinstance(self.known, Past) else self.known.ended_at

    @property
    def faulty(self) -> bool:
        """Whether somebody was found wrong in it."""
        return self.known.head.faulty if isinstance(self.known, Past) else bool(self.known.faults)
