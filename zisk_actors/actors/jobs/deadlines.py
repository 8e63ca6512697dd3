"""Clients' deadlines: a job that has not ended by the time its client named fails as a timeout, wherever it is, in the queue as well.

Rules of this file:
* A deadline is a wall-clock time in the job's first event, so it holds over restarts; one that passes while no coordinator runs is kept
  at the next start.
* The wall clock may be set: nobody sleeps longer than `LOOK_SECONDS` without looking at it again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

import trio

from zisk_actors.actors.jobs.ending import Endings
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import JobFailed
from zisk_actors.core.stages import Stage
from zisk_actors.wire.values import Failure, FailureKind

LOOK_SECONDS: Final = 60.0


def failure(record: JobRecord, deadline_at: float) -> Failure:
    """What a job that is late fails with."""
    limit = max(0.0, deadline_at - record.submitted.at)
    where = "waited in the queue" if record.stage.phase is None else f"was in {record.stage.phase.value}"
    if record.stage is Stage.WAITING_FOR_INPUT:
        where = "waited for its input"
    return Failure(
        kind=FailureKind.TIMEOUT,
        code="deadline",
        message=f"deadline: job {record.job} has not ended {limit:g} s after it was accepted; it {where}",
        hint="submit it again with a longer deadline, or when the queue is shorter",
        exit_code=4,
        phase=record.stage.phase,
        limit_seconds=limit,
    )


class Deadlines:
    """The deadlines of all jobs that have not ended. `clock` is the wall clock; a job that is late is ended once."""

    def __init__(self, *, clock: Callable[[], float], ending: Endings) -> None:
        self._clock = clock
        self._ending = ending
        self._heap: list[tuple[float, str, JobEntry]] = []
        self._fresh = trio.Event()

    def watch(self, entry: JobEntry) -> None:
        """Keep a job's deadline, where it has one."""
        at = entry.record.submitted.deadline_at
        if at is not None:
            heapq.heappush(self._heap, (at, entry.record.job, entry))
            self._fresh.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._fresh = trio.Event()
                while self._heap and (self._heap[0][2].record.state.final or self._heap[0][0] <= self._clock()):
                    at, _, entry = heapq.heappop(self._heap)
                    if not entry.record.state.final:
                        nursery.start_soon(self._ending.expire, entry, JobFailed(self._clock(), failure(entry.record, at)))
                left = self._heap[0][0] - self._clock() if self._heap else float("inf")
                with trio.move_on_after(min(left, LOOK_SECONDS) if self._heap else float("inf")):
                    await self._fresh.wait()
