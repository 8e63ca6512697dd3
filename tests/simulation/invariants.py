"""What must always hold in a simulated cluster, and what must hold when it has come to rest.

Rules of this file:
* The truth about jobs is what was committed to the disk, seen here event by event; the actors' own state is compared with it, never asked.
* Leases are kept a second time from the scheduler's events and effects alone, and compared with its tables after each event.
* What spans several tasks (gauges, a job being somewhere) is compared whenever every task of the process waits, which is before time moves.
* A break is noted and ends the world; it is not raised into the code under test, which might catch it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from tests.simulation.prover import TRAP, SimDevice, judge, key_of, report_of
from tests.simulation.trace import Trace
from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.events import Admit, Doubled, Ended, Finished, GaveUp, Granted, Heard, Reissued, Revoked
from zisk_actors.core.job import JobRecord, begin, evolve
from zisk_actors.core.job_events import Executed, JobEvent, JobFailed, KeysMade, ShareAnswered, Submitted, Verified
from zisk_actors.core.phases import PHASES
from zisk_actors.core.summary import summarise
from zisk_actors.core.worker import WorkerHealth
from zisk_actors.ids import JobId, WorkerId
from zisk_actors.store.rows import Past
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.values import BlobRef, ExecutionReport, FailureKind, JobStatus, Kind, Lease, State

if TYPE_CHECKING:
    from zisk_actors.actors.coordinator.composition import Coordinator


def _same(job: JobRecord, true: JobRecord | None) -> bool:
    """Whether a record is what the events on disk make; of an ended job, in what is kept of one."""
    return job == true or (true is not None and true.state.final and job.state.final and summarise(job) == summarise(true))


class Laws:
    """Watches one cluster over all starts of its coordinator. `broken` is called with each break. `checked`: the coordinator can run every
    job itself; where it cannot, it may tell what one worker says, and that nobody has confirmed it."""

    def __init__(self, blobs: dict[str, bytes], trace: Trace, broken: Callable[[str], None], *, checked: bool = True) -> None:
        self._blobs = blobs
        self._trace = trace
        self._broken = broken
        self._checked = checked
        self.records: dict[JobId, JobRecord] = {}
        self.histories: dict[JobId, list[JobEvent]] = {}
        self.keys: dict[tuple[str, str], JobId] = {}
        self.ended: dict[JobId, State] = {}
        self.told: dict[JobId, State] = {}
        self.bodies: dict[JobId, bytes] = {}
        self.coordinator: Coordinator | None = None
        self.device: SimDevice | None = None
        self._leases: dict[tuple[JobId, int], Lease] = {}
        self._doubles: dict[tuple[JobId, int], Lease] = {}
        self._given: set[tuple[JobId, int, WorkerId, str]] = set()
        self._something = trio.Event()
        self.checked = 0

    def law(self, holds: bool, text: str, *seen: object) -> None:
        """Something that must hold, and what is said where it does not; `seen` is written out only then, which is costly."""
        if not holds:
            text = ": ".join([text, *map(str, seen)])
            self._trace.note(f"BROKEN {text}")
            self._broken(text)

    # ----------------------------------------------------------------------------------------------------------------- the disk

    def committed(self, rows: Sequence[tuple[JobId, JobEvent]]) -> None:
        """Events of jobs are on disk."""
        for job, event in rows:
            self._trace.note(f"disk {job} {type(event).__name__}")
            before = self.records.get(job)
            if isinstance(event, Submitted):
                self.law(before is None, f"job {job} was submitted twice")
                if event.key:
                    self.law((event.client, event.key) not in self.keys, f"two jobs for one key of a client: {job}")
                    self.keys[event.client, event.key] = job
                self.records[job] = begin(event)
            elif before is None:
                self.law(False, f"the first event of job {job} is {type(event).__name__}")
                continue
            else:
                self.law(job not in self.ended, f"job {job} had ended and gets another event: {type(event).__name__}")
                try:
                    after = self.records[job] = evolve(before, event)
                except IllegalTransition as error:
                    self.law(False, f"an event on disk that cannot be: {error.message}")
                    continue
                self._check(before, event)
                if after.state.final:
                    self.ended[job] = after.state
            self.histories.setdefault(job, []).append(event)
        self._something.set()

    def _check(self, job: JobRecord, event: JobEvent) -> None:
        said = job.submitted
        elf = self._blobs[said.program.sha256]
        stdin = self._content(job.stdin) if job.stdin is not None else b""
        if isinstance(event, Verified) and job.proof is not None:
            seen = self.device is not None and (job.proof.sha256, event.key.sha256) in self.device.verified
            self.law(seen, f"job {job.job} is completed and its proof was not verified")
            wrong = judge(self._content(job.proof), elf, stdin, said.params, job.weights)
            self.law(not wrong, f"job {job.job} is completed with what is no proof of it: {wrong}")
        if isinstance(event, KeysMade):
            self.law(self._content(event.key) == key_of(elf, said.params), f"job {job.job} has the wrong verifying key")
        if isinstance(event, Executed):
            self.reported(job.job, self._content(event.report), stdin, event.reason)
        if isinstance(event, JobFailed) and event.failure.kind is FailureKind.GUEST:
            true = b"trap" in stdin and job.kind is not Kind.SETUP and event.failure.trap == TRAP
            self.law(true or self._hedged(event.failure.message), f"job {job.job} is told something wrong: its guest fails", event.failure)
        if isinstance(event, ShareAnswered):
            who = (JobId(job.job), event.share, WorkerId(event.worker), event.incarnation)
            self.law(who in self._given, f"an answer for share {event.share} of job {job.job} counts, of {event.worker}, who never had it")
            self.law(event.answer.sha256 in self._blobs, f"an answer of job {job.job} counts, which nobody has")

    def reported(self, job: JobId, content: bytes, stdin: bytes, reason: str) -> None:
        """An execution on this input has this report."""
        report = decode_record(content, ExecutionReport)
        self.law(report == report_of(stdin) or self._hedged(reason), f"job {job} is told something wrong: its report", report)

    def _hedged(self, words: str) -> bool:
        """Whether something is told as what one worker says, where nothing better can be had."""
        return not self._checked and "unconfirmed" in words

    def _content(self, blob: BlobRef) -> bytes:
        self.law(blob.sha256 in self._blobs, f"blob {blob.sha256} is on record and not on disk")
        return self._blobs.get(blob.sha256, b"")

    # ------------------------------------------------------------------------------------------------------------ the coordinator

    def started(self, coordinator: Coordinator, device: SimDevice, histories: dict[JobId, list[JobEvent]]) -> None:
        """A coordinator has read its journal and is about to serve."""
        self.law(histories == self.histories, "the journal does not give back what was committed to it")
        self.coordinator, self.device = coordinator, device
        self._leases.clear()
        self._doubles.clear()
        self._given.clear()
        scheduler, handle = coordinator.scheduler, coordinator.scheduler.handle

        def watched(event: Any, now: float) -> Any:
            effects = handle(event, now)
            if self.coordinator is coordinator:
                self._decided(event, effects)
            return effects

        scheduler.handle = watched  # type: ignore[method-assign]

    def leaving(self) -> None:
        """The coordinator was told to end: its tasks end one by one, and only what it still writes down counts."""
        self.coordinator = None

    def stopped(self) -> None:
        """The coordinator is gone."""
        self.coordinator = self.device = None

    def _decided(self, event: Any, effects: Sequence[Any]) -> None:
        """The scheduler has decided on an event. What it takes away it takes first."""
        if isinstance(event, Heard) and not effects:
            return
        coordinator = self.coordinator
        if coordinator is None:
            return
        self.checked += 1
        names = " ".join(type(effect).__name__ for effect in effects)
        self._trace.note(f"core {type(event).__name__} {getattr(event, 'worker', '')} {getattr(event, 'job', '')} -> {names}")
        if isinstance(event, GaveUp | Finished):
            self._drop(event.lease)
        if isinstance(event, Ended):
            self._leases = {key: lease for key, lease in self._leases.items() if key[0] != event.job}
            self._doubles = {key: lease for key, lease in self._doubles.items() if key[0] != event.job}
        if isinstance(event, Reissued):
            self._reissue(event.job, coordinator.scheduler.crews[event.job].leases)
        for effect in effects:
            if isinstance(effect, Revoked):
                self.law(self._drop(effect.lease), f"a lease was revoked that was not held: {effect.lease}")
            if isinstance(effect, Doubled):
                self._double(effect.lease, effect.first)
            for lease in effect.leases if isinstance(effect, Admit) else (effect.lease,) if isinstance(effect, Granted) else ():
                self._give(lease)
        crews = coordinator.scheduler.crews
        tables = {(job, share): lease for job, crew in crews.items() for share, lease in crew.leases.items()}
        self.law(tables == self._leases, "the leases in force are not those that were given", tables, self._leases)
        tables = {(job, share): lease for job, crew in crews.items() for share, lease in crew.doubles.items()}
        self.law(tables == self._doubles, "the doubles in force are not those that were given", tables, self._doubles)
        jobs: dict[str, set[str]] = {}
        for lease in self.leases():
            jobs.setdefault(lease.worker, set()).add(lease.job)
            record = coordinator.scheduler.registry.records.get(lease.worker)
            self.law(record is not None and record.incarnation == lease.incarnation, "a lease of a worker that is not there", lease)
        self.law(all(len(of) == 1 for of in jobs.values()), "a worker holds shares of two jobs", jobs)
        self._something.set()

    def _give(self, lease: Lease) -> None:
        key = (lease.job, lease.share)
        self.law(key not in self._leases, f"share {lease.share} of job {lease.job} is held by {self._leases.get(key)} and given to {lease}")
        self.law(lease.job not in self.ended, f"a share of job {lease.job}, which has ended, was given out")
        self._leases[key] = lease
        self._given.add((lease.job, lease.share, lease.worker, lease.incarnation))

    def _reissue(self, job: JobId, now: Mapping[int, Lease]) -> None:
        """The shares of a job are others: each holder has a new lease, and nobody doubles anybody."""
        self._doubles = {key: lease for key, lease in self._doubles.items() if key[0] != job}
        before = {share: lease for (of, share), lease in self._leases.items() if of == job}
        kept = {share: (lease.worker, lease.incarnation) for share, lease in before.items()}
        self.law({share: (lease.worker, lease.incarnation) for share, lease in now.items()} == kept, "other holders", before, now)
        for share, lease in now.items():
            self.law(share in before and lease.attempt > before[share].attempt, f"a lease of before the cut is in force: {lease}")
            del self._leases[job, share]
            self._give(lease)

    def leases(self) -> list[Lease]:
        """All that are in force, by what the scheduler has said."""
        return [*self._leases.values(), *self._doubles.values()]

    def _drop(self, lease: Lease) -> bool:
        """End a lease; a double of a share whose holder is gone is its holder. False where it was not in force."""
        key = (lease.job, lease.share)
        if self._doubles.get(key) == lease:
            del self._doubles[key]
        elif self._leases.get(key) == lease:
            double = self._doubles.pop(key, None)
            del self._leases[key]
            if double is not None:
                self._leases[key] = double
        else:
            return False
        return True

    def _double(self, lease: Lease, first: Lease) -> None:
        key = (lease.job, lease.share)
        self.law(self._leases.get(key) == first, f"share {lease.share} of job {lease.job} was doubled and its holder is not {first}")
        self.law(key not in self._doubles and lease.worker != first.worker, f"a share is run a third time, or twice by one: {lease}")
        self._doubles[key] = lease
        self._given.add((lease.job, lease.share, lease.worker, lease.incarnation))

    async def inspect(self) -> None:
        """Compare what spans several tasks after whatever happens, as soon as all tasks wait; until cancelled."""
        while True:
            await self._something.wait()
            await trio.testing.wait_all_tasks_blocked()
            self._something = trio.Event()
            if self.coordinator is not None:
                self.inspected(self.coordinator)

    def inspected(self, coordinator: Coordinator) -> None:
        """Every job is where it belongs, and the gauges say what is so."""
        scheduler, jobs = coordinator.scheduler, coordinator.jobs
        queued = [each.job for each in scheduler.queue]
        self.law(len(queued) == len(set(queued)), "a job stands twice in the queue")
        for job, entry in jobs.entries.items():
            if entry.lock.locked():
                continue  # being written down
            if isinstance(entry.known, Past):
                self.law(entry.state is self.ended.get(job), f"job {job} is {entry.state} in memory, {self.ended.get(job)} on disk")
                continue
            true = self.records.get(job)
            stages = f"{entry.record.stage} in memory and {true and true.stage} on disk"
            self.law(_same(entry.record, true), f"job {job} is {stages}")
            final = entry.record.state.final
            self.law(not (final and job in queued), f"job {job} has ended and waits in the queue")
            place = (job in queued) + (job in coordinator.jobs.supervised)
            wanted = 0 if entry.state is State.WAITING_FOR_INPUT and entry.ending is None else 1
            self.law(final or place == wanted, f"job {job} is {entry.record.stage} and {('nowhere', 'somewhere', 'in two places')[place]}")
        view = coordinator.overview.view()
        states = Counter(entry.state for entry in jobs.entries.values())
        self.law({state: count for state, count in view.jobs if count} == dict(states), "gauge of jobs", view.jobs, states)
        self.law(view.queue_depth == len(queued), f"gauge of the queue: {view.queue_depth}, {len(queued)}")
        live = [entry.record for entry in jobs.entries.values() if not isinstance(entry.known, Past)]
        phases = Counter(record.stage.phase for record in live if record.stage.phase is not None)
        self.law({phase: count for phase, count in view.phases if count} == dict(phases), "gauge of phases", view.phases, phases)
        self._shares(coordinator, view)
        records = scheduler.registry.records
        self.law(sorted(seen.worker for seen in view.workers) == sorted(records), "gauge of workers", view.workers)
        self.law(
            sorted(coordinator.sessions) == sorted(records),
            "sessions and records of workers",
            sorted(coordinator.sessions),
            sorted(records),
        )
        busy = {lease.worker for lease in self.leases()}
        free = sum(record.units for name, record in records.items() if name not in busy and record.health is WorkerHealth.READY)
        self.law(sum(seen.free_units for seen in view.workers) == free, "gauge of free units", view.workers, free)

    def _shares(self, coordinator: Coordinator, view: Any) -> None:
        total = held = 0
        for job, entry in coordinator.jobs.entries.items():
            if not isinstance(entry.known, Past) and entry.record.stage in PHASES:
                seen = coordinator.progress.shares(job, entry.record.stage.phase)
                for share in PHASES[entry.record.stage].shares(entry.record):
                    total += 1
                    step = seen[share].step if share in seen else ""
                    held += (job, share) in self._leases and step != "done"
        said = view.shares_waiting + view.shares_running + view.shares_done
        self.law(said == total, f"gauge of shares: {said} in all, {total}")
        self.law(view.shares_running == held, f"gauge of running shares: {view.shares_running}, {held} are held")

    # ---------------------------------------------------------------------------------------------------------------- the clients

    def promised(self, client: str, key: str, job: JobId) -> None:
        """A client was told that its job was accepted."""
        self.law(job in self.records, f"job {job} was promised and is not on disk")
        self.law(self.keys.get((client, key)) == job, f"one key, two jobs: {self.keys.get((client, key))} and {job}")

    def heard(self, status: JobStatus) -> None:
        """A client was told how a job stands."""
        job = status.job
        record = self.records.get(job)
        self.law(record is not None, f"a client hears of job {job}, which is not on disk")
        if status.state.final:
            self.law(self.ended.get(job) is status.state, f"a client hears that job {job} is {status.state}, on disk {self.ended.get(job)}")
            before = self.told.setdefault(job, status.state)
            self.law(before is status.state, f"job {job} ended twice: {before} and {status.state}")
            proved = status.state is State.COMPLETED and status.kind is Kind.PROVE
            self.law(not proved or status.verified is not None, f"job {job} is completed and says nothing of a verdict")

    def delivered(self, job: JobId, state: State, body: bytes) -> None:
        """The webhook's receiver was told of an end."""
        self.law(self.ended.get(job) is state, f"the webhook says that job {job} is {state}, on disk {self.ended.get(job)}")
        self.law(self.bodies.setdefault(job, body) == body, f"the webhook says two things of job {job}", self.bodies[job], body)

    # -------------------------------------------------------------------------------------------------------------------- at rest

    def rest(self, accepted: Sequence[JobId], workers: Sequence[tuple[str, Any]], *, webhook: bool) -> None:
        """Nothing happens any more: everything has ended, and nothing is left of it."""
        untold = [job for job in self.ended if job not in self.bodies]
        self.law(not (webhook and untold), "ends that the webhook was never told of", untold)
        for job in self.records:
            self.law(job in self.ended, f"job {job} was accepted and has not ended")
        for job in accepted:
            self.law(job in self.told, f"job {job} was promised and its client was never told of its end")
        coordinator = self.coordinator
        self.law(coordinator is not None, "there is no coordinator at the end")
        if coordinator is None:
            return
        self.inspected(coordinator)
        scheduler = coordinator.scheduler
        left = {
            "queue": list(scheduler.queue),
            "crews": dict(scheduler.crews),
            "wanted shares": scheduler.wanted,
            "claims": list(scheduler.claims),
            "tasks that are out": coordinator.tasks._out,
            "shares that are waited for": coordinator.dispatcher._waited_for,
            "supervised jobs": coordinator.jobs.supervised,
        }
        for name, what in left.items():
            self.law(not what, f"{name} left over: {what}")
        connected = sorted(scheduler.registry.records)
        self.law(connected == sorted(name for name, _ in workers), f"connected at the end: {connected}")
        for name, actor in workers:
            load = actor._workload
            self.law(not load.tasks and not load.outbox, f"worker {name} still holds {list(load.tasks)} {list(load.outbox)}")
