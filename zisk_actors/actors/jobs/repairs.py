"""What becomes of a job whose blobs are not on our disk any more, or have rotted there.

Rules of this file:
* What follows from other blobs is made again here: bundles, lists of partial proofs; a key, where it is needed next. What a worker made is
  asked for again. Nobody is at fault for it, and only what is lost is made again, with what depends on it.
* A program or an input that is gone ends the job: only its client has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from zisk_actors import log
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.faults import JobEnds
from zisk_actors.actors.jobs.programs import Programs
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.threads import in_thread
from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import ContributionsLost, Lost, PartialsLost, ProofLost
from zisk_actors.core.phases import PHASES, PhaseSpec
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.core.stages import Stage
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.errors import BlobMissing, StoreCorrupt
from zisk_actors.wire.blobs import Bundle, Manifest, pack_list
from zisk_actors.wire.values import BlobRef, Failure, FailureKind, Phase

GONE: Final = (BlobMissing.code, StoreCorrupt.code)
"""The codes of failures at blobs that are gone or have rotted, on our own disk."""


class BeginAgain(Exception):
    """A phase begins again: blobs that it needs were made again, or are to be."""


def folded(store: BlobStore, spec: PhaseSpec, answers: tuple[BlobRef, ...]) -> bytes:
    """What stands for all answers of a phase that gathers them. A blocking call; raises what the store does."""
    value = Bundle(tuple(store.get(answer) for answer in answers)) if spec.gather == "bundle" else Manifest(answers)
    return pack_list(value)


class Repairs:
    """Makes jobs whole again; `clock` is the wall clock."""

    def __init__(
        self,
        *,
        jobs: JobTable,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        programs: Programs,
        store: BlobStore,
        clock: Callable[[], float],
    ) -> None:
        self._jobs = jobs
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._programs = programs
        self._store = store
        self._clock = clock
        self._log = log.get()

    async def repair(self, entry: JobEntry) -> bool:
        """Look at all blobs of a job, and make again, or have made again, what is not good; False where all are. Raises `JobEnds` where
        that cannot be, and `StoreUnwritable`."""
        record = entry.record
        bad = await in_thread(self._bad, record)
        if not bad:
            return False
        self._log.error("blobs of a job are gone or have rotted on our disk", job=entry.job, blobs=sorted(bad)[:10], count=len(bad))
        if bad & {blob.sha256 for blob in (record.submitted.program, record.stdin) if blob is not None}:
            message = "the program or the input of the job has rotted on the coordinator's disk, or is gone from it"
            raise JobEnds(
                Failure(kind=FailureKind.INTERNAL, code="blob-lost", message=message, hint="submit the job again, with its bytes")
            )
        lost = self._lost(record, bad)
        if lost is not None:
            await self._jobs.persist(entry, lost)
            self._take_back(record, lost)
        else:
            await in_thread(self._fold_again, record)
        return True

    def _bad(self, record: JobRecord) -> set[str]:
        """The blobs that the job has now and that are not there, or not good; reads all of them."""
        program = self._programs.known.get(record.submitted.program.sha256)
        named = [*program.keys.values()] if program is not None else []
        named += [
            blob
            for blob in (record.submitted.program, record.stdin, record.contributions, record.partials, record.proof)
            if blob is not None
        ]
        named += [done.answer for done in record.answers.values()]
        return {blob.sha256 for blob in named if not self._store.sound(blob.sha256)}

    def _lost(self, record: JobRecord, bad: set[str]) -> ContributionsLost | PartialsLost | ProofLost | None:
        """The event that takes back what workers made; of what depends on each other, the first."""
        reason = "it has rotted on the coordinator's disk, or is gone from it"
        for phase, kind in ((Phase.CONTRIBUTE, ContributionsLost), (Phase.PROVE, PartialsLost), (Phase.AGGREGATE, ProofLost)):
            shares = tuple(sorted(s for (of, s), done in record.answers.items() if of is phase and done.answer.sha256 in bad))
            if shares:
                return kind(self._clock(), shares, reason)
        if record.proof is not None and record.proof.sha256 in bad:  # of before answers were kept
            return ProofLost(self._clock(), (len(record.weights),), reason)
        return None

    def _fold_again(self, record: JobRecord) -> None:
        """Make the blobs again that stand for all answers of a phase. Raises `StoreUnwritable`."""
        for stage, blob in ((Stage.CONTRIBUTE, record.contributions), (Stage.PROVE, record.partials)):
            answers = self._answers(record, PHASES[stage].name)
            if blob is not None and answers and not self._store.has(blob):
                self._store.keep(blob, folded(self._store, PHASES[stage], answers))

    @staticmethod
    def _answers(record: JobRecord, phase: Phase) -> tuple[BlobRef, ...]:
        return tuple(done.answer for (of, _), done in sorted(record.answers.items(), key=lambda item: item[0][1]) if of is phase)

    def _take_back(self, record: JobRecord, lost: Lost) -> None:
        """End the leases of what is made again."""
        crew = self._scheduler.crews.get(record.job)
        for lease in crew.all() if crew is not None else []:
            if isinstance(lost, ContributionsLost) or lease.share in (*lost.shares, len(record.weights)):
                self._dispatcher.finish(lease, "what it is for is made again")
