"""The laws bite: each way of breaking the product that they are there for is found within a few seeds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulation.faults import plan, plan_of_liars
from tests.simulation.run import simulate
from zisk_actors.actors.clients.overview import Overview
from zisk_actors.actors.coordinator import process
from zisk_actors.actors.jobs.confirming import Confirmation, GuestFails
from zisk_actors.actors.jobs.ending import Endings
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.jobs.supervisor import Supervisor
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.core.job import evolve
from zisk_actors.core.job_events import Cancelled, JobEvent, Verified
from zisk_actors.core.leases import Leases
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.store.journal import Journal
from zisk_actors.wire.values import BlobRef, Failure, VerifiedReport

SEEDS = 60

Patch = pytest.MonkeyPatch


def leases_are_not_taken_back(patch: Patch) -> None:
    patch.setattr(Leases, "drop", lambda self, lease, *, exclude: True)


def busy_workers_count_as_free(patch: Patch) -> None:
    patch.setattr(Scheduler, "busy", lambda self: ())


def told_before_it_is_written(patch: Patch) -> None:
    record = JobTable.record

    async def early(self: JobTable, entry: JobEntry, event: JobEvent) -> None:
        before = entry.record
        entry.record = evolve(before, event)
        self.tell(entry)
        entry.record = before
        await record(self, entry, event)

    patch.setattr(JobTable, "record", early)


def accepted_before_it_is_written(patch: Patch) -> None:
    append = Recorder.append

    async def lazily(self: Recorder, job: Any, event: Any, *more: Any) -> None:
        if type(event).__name__ != "Submitted":
            await append(self, job, event, *more)

    patch.setattr(Recorder, "append", lazily)


def nothing_is_verified(patch: Patch) -> None:
    async def trusting(self: Supervisor, entry: JobEntry) -> None:
        said = entry.record.submitted
        key = await self._programs.key_of(said.program, said.params)
        report = VerifiedReport(program="", exit_code=0, output=(), params=said.params, bits=0.0, shares=1)
        await self._jobs.record(entry, Verified(self._clock(), key, report))

    patch.setattr(Supervisor, "_verify", trusting)


def workers_are_believed(patch: Patch) -> None:
    async def failing(self: Confirmation, entry: JobEntry, lease: Any, phase: Any, word: Failure) -> str | None:
        raise GuestFails(word)

    async def reporting(self: Confirmation, entry: JobEntry, report: BlobRef) -> str | None:
        return ""

    patch.setattr(Confirmation, "refute", failing)
    patch.setattr(Confirmation, "confirm_report", reporting)


def nothing_goes_on_after_a_restart(patch: Patch) -> None:
    patch.setattr(process, "resume", lambda **parts: None)


def a_cancel_ends_what_has_ended(patch: Patch) -> None:
    async def again(self: Endings, entry: JobEntry, reason: str) -> bool:
        await self._jobs._recorder.append(entry.job, Cancelled(self._clock(), reason))
        return True

    patch.setattr(Endings, "cancel", again)


def gauges_say_nothing(patch: Patch) -> None:
    patch.setattr(Overview, "_shares", lambda self: (0, 0, 0))


def a_lost_worker_keeps_its_place(patch: Patch) -> None:
    lose = Scheduler._lose

    def quietly(self: Scheduler, lost: list[Any], *args: Any) -> list[Any]:
        return [effect for effect in lose(self, lost, *args) if type(effect).__name__ != "Revoked"]

    patch.setattr(Scheduler, "_lose", quietly)


def a_restart_forgets_what_is_owed(patch: Patch) -> None:
    patch.setattr(Journal, "owed", lambda self: [])


@pytest.mark.parametrize(
    ("sabotage", "broken"),
    [
        (leases_are_not_taken_back, "the leases in force are not"),
        (busy_workers_count_as_free, "gauge of free units|holds shares of two jobs"),
        (told_before_it_is_written, "a client hears"),
        (accepted_before_it_is_written, "the first event of job|is not on disk"),
        (nothing_is_verified, "was not verified"),
        (workers_are_believed, "is told something wrong"),
        (nothing_goes_on_after_a_restart, "nowhere"),
        (a_cancel_ends_what_has_ended, "on disk|another event"),
        (gauges_say_nothing, "gauge of shares"),
        (a_lost_worker_keeps_its_place, "the leases in force are not"),
        (a_restart_forgets_what_is_owed, "never told"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_sabotage_is_found(sabotage: Callable[[Patch], None], broken: str, monkeypatch: Patch) -> None:
    sabotage(monkeypatch)
    todo = plan_of_liars if sabotage is workers_are_believed else plan
    breaks = next((found for seed in range(SEEDS) if (found := simulate(seed, todo=todo(seed)).breaks)), ())
    assert breaks, f"{SEEDS} seeds, and nobody noticed"
    assert re.search(broken, breaks[0]), breaks[0]
