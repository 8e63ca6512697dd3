"""The tables of a scheduler: who is there, who waits, who works on what, and when it opens.

Rule of this file: only the scheduler and what it decides with (`core.assignment`) have this; everybody else reads it through the
scheduler, by types without verbs (`core.views`).
"""

from __future__ import annotations

from zisk_actors.core.events import Wanted
from zisk_actors.core.leases import Claims, Leases
from zisk_actors.core.policy import Policy
from zisk_actors.core.pool import WorkerPool
from zisk_actors.core.queue import Queue
from zisk_actors.core.registry import Registry
from zisk_actors.core.worker import WorkerRecord
from zisk_actors.ids import JobId, WorkerId


class Tables:
    """All state of a scheduler. Nothing is admitted before `opens_at`, or until the last of `awaited` is back after a restart."""

    def __init__(self, policy: Policy, *, heartbeat_seconds: float, max_missed: int, max_workers: int) -> None:
        self.pool = WorkerPool(self._record_of, self._is_busy)
        self.registry = Registry(heartbeat_seconds, max_missed, max_workers, on_change=self.pool.refresh)
        self.leases = Leases(on_change=self.pool.refresh)
        self.queue = Queue(policy)
        self.claims = Claims()
        self.wanted: dict[tuple[JobId, int], Wanted] = {}
        self.awaited: set[WorkerId] = set()
        self.opens_at = 0.0
        self.late = 0

    def _record_of(self, worker: WorkerId) -> WorkerRecord | None:
        return self.registry.records.get(worker)

    def _is_busy(self, worker: WorkerId) -> bool:
        return worker in self.leases.busy
