"""Two workers disagree about the contribution of a share, which is the same whoever computes it: a third one decides who is wrong.

Rules of this file:
* Who says so computes the share again, and so does a third worker, each without knowing what the others have; of three the one that differs
  from both others is wrong. Two against one is all that there is: where two workers lie the same way, an honest one is found faulty, and
  what comes of it does not verify.
* Who disagrees with itself is wrong, whatever others say.
* Without a third worker nobody can tell: the job fails, and names both.
"""

from __future__ import annotations

from typing import Final

import trio

from zisk_actors import log
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.dispatch.tasks import ShareLost, Tasks
from zisk_actors.actors.jobs.limits import JobLimits
from zisk_actors.core.events import DoubleWanted
from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import ShareAnswered
from zisk_actors.core.phases import PHASES
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.stages import Stage
from zisk_actors.ids import WorkerId
from zisk_actors.wire.values import BlobRef, Failure, FailureKind, Lease, Phase

DISPUTE_SECONDS: Final = 600.0
"""For a phase that has no limit."""


MISMATCH: Final = "contribution-mismatch"


def mismatch(share: int, first: str, second: str, phase: Phase) -> Failure:
    """What it is when two workers disagree about a share, which is the same whoever computes it: one of them computes wrongly, and nobody
    can tell which."""
    message = (
        f"workers {first} and {second} computed share {share} and got different contributions: one of them computes wrongly, or runs "
        "another release"
    )
    hint = "check the memory and the installation of both; nothing that they proved was handed out unverified"
    return Failure(kind=FailureKind.PROOF, code=MISMATCH, message=message, hint=hint, exit_code=10, phase=phase, share=share)


class Unresolved(Exception):
    """Nobody can tell who is wrong. Carries what the job fails with."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Disputes:
    """Asks a third worker."""

    def __init__(self, *, scheduler: Scheduler, dispatcher: Dispatcher, tasks: Tasks, limits: JobLimits) -> None:
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._tasks = tasks
        self._limits = limits
        self._log = log.get()

    async def resolve(self, record: JobRecord, accuser: Lease, given: ShareAnswered, phase: Phase) -> str:
        """Who is wrong: `giver`, `accuser`, or `nobody` where the accuser is gone, and whoever comes after it will see for itself. Raises
        `Unsettled`."""
        if (given.worker, given.incarnation) == (accuser.worker, accuser.incarnation):
            return "giver"
        asked = {WorkerId(given.worker), WorkerId(accuser.worker)}
        limit = self._limits.seconds.get(Phase.CONTRIBUTE, 0.0) or DISPUTE_SECONDS
        while self._scheduler.holds(accuser):
            third = self._third(accuser, asked)
            if third is None:
                raise Unresolved(mismatch(accuser.share, given.worker, accuser.worker, phase))
            asked.add(WorkerId(third.worker))
            words = {"job": record.job, "share": accuser.share, "third": third.worker}
            self._log.warning("workers disagree about a share", giver=given.worker, accuser=accuser.worker, **words)
            answers: dict[Lease, BlobRef] = {}
            with trio.move_on_after(limit):
                async with trio.open_nursery() as nursery:
                    for lease in (accuser, third):
                        nursery.start_soon(self._ask, record, lease, answers, nursery.cancel_scope)
            again, other = answers.get(accuser), answers.get(third)
            if again is None or other is None:
                self._dispatcher.finish(third, "it is not needed to settle who is wrong")
                continue
            if given.answer in (again, other):
                return "accuser"
            if again == other:
                return "giver"
            raise Unresolved(mismatch(accuser.share, given.worker, f"{accuser.worker} and {third.worker}", phase))
        return "nobody"

    def _third(self, accuser: Lease, asked: set[WorkerId]) -> Lease | None:
        """A second lease of the share for somebody who has said nothing about it yet."""
        crew = self._scheduler.crews[accuser.job]
        mine = frozenset(lease.worker for lease in crew.all())
        return self._dispatcher.double(DoubleWanted(accuser.job, accuser.share, mine, frozenset(asked), urgent=True))

    async def _ask(self, record: JobRecord, lease: Lease, answers: dict[Lease, BlobRef], both: trio.CancelScope) -> None:
        """Have a worker contribute the share, for us to compare; where it does not, the other's word is of no use."""
        task = PHASES[Stage.CONTRIBUTE].task(record, lease, self._limits.seconds.get(Phase.CONTRIBUTE, 0.0))
        try:
            answers[lease] = await self._tasks.ask(lease, task, cross_check=True)
        except ShareLost as lost:
            self._log.warning("a worker cannot say what a share's contribution is", worker=lease.worker, reason=lost.reason)
            both.cancel()
