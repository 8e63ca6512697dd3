"""A coordinator that starts again: what its journal has is known again, and goes on where it was.

Rules of this file:
* Jobs that had not ended wait until the workers that were there are back, as long as a restart waits at all; then each goes on in the
  phase that it was in, and a worker that still holds a share of it keeps that.
* Who was quarantined still is.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from zisk_actors import log
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.jobs.inputs import Inputs
from zisk_actors.actors.jobs.programs import Programs
from zisk_actors.actors.jobs.submission import Submissions
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.threads import in_thread
from zisk_actors.actors.workers.roster import Roster
from zisk_actors.core.events import FoundFaulty, Restarted
from zisk_actors.core.stages import Stage
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Mark


async def recall(
    *,
    journal: Journal,
    jobs: JobTable,
    inputs: Inputs,
    programs: Programs,
    dispatcher: Dispatcher,
    roster: Roster,
    settle_seconds: float,
) -> Sequence[Mark]:
    """Know again what the journal has; returns who was quarantined in jobs that are forgotten."""
    known = await in_thread(journal.recall)
    for past in known.ended:
        jobs.adopt_past(past)
    for record in known.live:
        jobs.adopt(record)
    await programs.load()
    waiting = {record.job for record in known.live if record.stage is Stage.WAITING_FOR_INPUT}
    await in_thread(inputs.keep_only, waiting)
    unfinished = sum(not record.state.final for record in known.live)
    if unfinished:
        awaited = await in_thread(roster.read)
        dispatcher.handle(Restarted(trio.current_time() + settle_seconds, frozenset(awaited)))
    log.get().info("journal read", jobs=len(jobs.entries), unfinished=unfinished, epoch=journal.epoch)
    return known.marks


def resume(*, marks: Sequence[Mark], jobs: JobTable, dispatcher: Dispatcher, submissions: Submissions) -> None:
    """Queue the jobs that were not finished when the process ended, each in the phase that it was in."""
    for mark in marks:
        dispatcher.handle(FoundFaulty(mark.worker, mark.incarnation, mark.job, mark.share, mark.reason))
    for entry in jobs.entries.values():
        for fault in entry.record.faults if entry.faulty else ():
            tried = fault.attempt
            dispatcher.handle(FoundFaulty(tried.worker, fault.incarnation, entry.job, tried.share, tried.reason))
    for entry in [entry for entry in jobs.entries.values() if not entry.state.final]:
        log.get().info("[Job] resumed", job=entry.job, stage=entry.record.stage.value)
        submissions.take_up(entry)
