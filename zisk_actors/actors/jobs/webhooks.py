"""The webhook's actor: tells a receiver of each job's end, from the journal's outbox.

Rules of this file:
* What is owed is on disk with the job's end, so it is told at least once, whoever is killed; the job's id is the delivery's.
* A call that fails is made again after a pause that doubles, over restarts, until `give_up_seconds` after the job's end; then it is given
  up: written down, logged and counted.
* At most `AT_ONCE` calls are open, so a slow receiver holds up no memory; a job whose end is owed is not forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

import trio

from zisk_actors import log
from zisk_actors.actors.jobs.outbox import Outbox
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.threads import in_thread
from zisk_actors.actors.until_written import until_written
from zisk_actors.core.job import JobRecord
from zisk_actors.errors import ZiskError
from zisk_actors.ids import JobId
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import OwedEnd
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.series import Counter, Label
from zisk_actors.web.webhook import NotDelivered, Post, Target, body_of, headers_of
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.values import BlobRef, ExecutionReport, VerifiedReport

AT_ONCE: Final = 8
LONGEST_PAUSE_SECONDS: Final = 300.0
UNWRITABLE_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 60.0

WEBHOOKS: Final = Counter(
    "coordinator_webhooks_total", "attempts", "Attempts to deliver a webhook.", (Label("outcome", ("success", "failure")),)
)
WEBHOOKS_GIVEN_UP: Final = Counter(
    "coordinator_webhooks_given_up_total", "jobs", "Jobs whose end the webhook was not told of: all attempts failed for too long."
)


class Webhooks:
    """Who tells the receiver what is in the outbox. `target` is None where no webhook is set: what is owed from before is given up in its
    time then."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        target: Target | None,
        give_up_seconds: float,
        post: Post,
        recorder: Recorder,
        store: BlobStore,
        metrics: Metrics,
        record_of: Callable[[JobId], JobRecord | None],
        clock: Callable[[], float],
        chance: Random,
    ) -> None:
        self._outbox = outbox
        self._target = target
        self._give_up_seconds = give_up_seconds
        self._post = post
        self._recorder = recorder
        self._store = store
        self._metrics = metrics
        self._record_of = record_of
        self._clock = clock
        self._chance = chance
        self._log = log.get()

    async def run(self) -> None:
        """Deliver until cancelled."""
        for notice in await self._recorder.call(Journal.owed):
            if notice.job not in self._outbox.owed:
                self._outbox.put(notice)
        if self._outbox.owed:
            self._log.info("webhooks owed from before", jobs=len(self._outbox.owed), url_set=self._target is not None)
        room = trio.Semaphore(AT_ONCE)
        async with trio.open_nursery() as nursery:
            while True:
                while (due := self._outbox.take_due(self._clock())) is not None:
                    await room.acquire()
                    nursery.start_soon(self._attempt, due, room)
                await self._outbox.wait(self._clock(), LOOK_SECONDS)

    async def _attempt(self, notice: OwedEnd, room: trio.Semaphore) -> None:
        try:
            problem = await self._deliver(notice)
        finally:
            room.release()
        now = self._clock()
        notice = notice._replace(tries=notice.tries + 1)
        pause = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(notice.tries, 20)) * (0.5 + self._chance.random())
        words = {"job": notice.job, "attempt": notice.tries}
        host = self._target.host if self._target is not None else ""
        if not problem:
            state = "delivered"
            self._log.info("Successfully sent webhook", host=host, **words)
        elif now + pause - notice.ended_at > self._give_up_seconds:
            state = "given-up"
            self._metrics.count(WEBHOOKS_GIVEN_UP)
            self._log.error("webhook given up", host=host, error=problem, give_up_seconds=self._give_up_seconds, **words)
        else:
            state = "pending"
            notice = notice._replace(next_at=now + pause)
            self._log.warning("Failed to send webhook, trying again", host=host, error=problem, pause_seconds=round(pause, 1), **words)
        await self._note(notice, state, problem)
        self._outbox.forget(notice.job)
        if state == "pending":
            self._outbox.put(notice)

    async def _deliver(self, notice: OwedEnd) -> str:
        """Make one call; why it did not succeed, empty where it did."""
        record = self._record_of(notice.job)
        if self._target is None or record is None:
            return "coordinator.webhook_url is not set any more" if record is not None else "the job is not known any more"
        try:
            body = body_of(record, await self._steps(record))
            url = self._target.url_of(record.job)
            status = await self._post(url, body, headers_of(self._target, record.job, body, self._clock()))
        except NotDelivered as error:
            self._metrics.count(WEBHOOKS, "failure")
            return error.message
        delivered = 200 <= status < 300
        self._metrics.count(WEBHOOKS, "success" if delivered else "failure")
        return "" if delivered else f"the receiver answered with status {status}"

    async def _steps(self, record: JobRecord) -> int | None:
        """How many instructions the run executed, where that is known."""
        if isinstance(record.report, VerifiedReport):
            return record.report.steps
        if isinstance(record.report, BlobRef) and record.failure is None:
            try:
                report: ExecutionReport = decode_record(await in_thread(self._store.get, record.report), ExecutionReport)
            except ZiskError:
                return None
            return report.steps
        return None

    async def _note(self, notice: OwedEnd, state: str, problem: str) -> None:
        """Write down how it went, however long that takes: what was delivered is not sent again for want of a disk, unless we stop."""
        tried = partial(Journal.tried, notice=notice, state=state, error=problem)
        await until_written(lambda: self._recorder.call(tried), pause_seconds=UNWRITABLE_SECONDS)
