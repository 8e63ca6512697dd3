"""One connected client: its requests, each answered once or as a stream of changes.

Rules of this file:
* A request is checked before it has any effect; a refusal has a code, the manual's name and number, and says what to do.
* What cannot be read is answered where its number can be, so that nobody waits for an answer to it.
* At most `MAX_REQUESTS` of one client are open; more are refused, not queued.
* A submitted job is on disk before its id is told; the same key from the same client is the same job.
* What a key may ask for, and which jobs there are for it, says `rights.py`.
* A client that is silent for `SILENCE_SECONDS` is forgotten; its jobs are not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from random import Random
from typing import Any, Final

import msgspec
import trio

from zisk_actors import log
from zisk_actors.actors.clients.listing import choose
from zisk_actors.actors.clients.overview import Overview
from zisk_actors.actors.clients.refusals import BadRequest, InputNotFound, JobNotFound, ProgramNotFound, TooManyRequests, refusal_of
from zisk_actors.actors.clients.rights import Rights, RoleOf
from zisk_actors.actors.clients.stalls import Stalls, set_level
from zisk_actors.actors.clients.submitting import check_same, kind_of
from zisk_actors.actors.dispatch.sessions import Sessions
from zisk_actors.actors.jobs.admission import Admission
from zisk_actors.actors.jobs.ending import Endings
from zisk_actors.actors.jobs.entry import JobEntry
from zisk_actors.actors.jobs.inputs import Inputs
from zisk_actors.actors.jobs.programs import Programs
from zisk_actors.actors.jobs.retention import Retention
from zisk_actors.actors.jobs.submission import Submissions
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.keyed_lock import KeyedLock
from zisk_actors.actors.threads import in_thread
from zisk_actors.actors.transfer import Exchange
from zisk_actors.core.job_events import Submitted as JobSubmitted
from zisk_actors.errors import NotFoundError, UsageError, ZiskError
from zisk_actors.ids import JobId, new_job_id
from zisk_actors.store.blobs import BlobStore
from zisk_actors.transport.base import Link, LinkClosed, seldom
from zisk_actors.web.cluster import Metrics
from zisk_actors.wire.blobs import MAX_BLOB_BYTES, reference
from zisk_actors.wire.client_link import (
    AddProgram,
    CancelReply,
    CancelRequest,
    ClientSays,
    EndInput,
    InputTaken,
    JobChanged,
    JobList,
    JobReply,
    Leave,
    ListJobs,
    ListPrograms,
    ListWorkers,
    Ping,
    Pong,
    ProgramList,
    PushInput,
    ShowJob,
    Submit,
    Submitted,
    Unwatch,
    WaitJob,
    WatchJob,
    WorkerList,
)
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.operating import ClusterReply, ListStalls, LogLevelSet, SetLogLevel, ShowCluster, StallList
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk
from zisk_actors.wire.values import BlobRef, JobStatus, Kind, WorkerStatus

MAX_REQUESTS: Final = 64
MAX_PROGRAM_BYTES: Final = 256 * 1024**2
SILENCE_SECONDS: Final = 60.0
PART: Final = 16
UPLOAD_SECONDS: Final = 600.0


class ClientPort:
    """Serves the links of clients, with what they may ask for. `clock` is the wall clock, `chance` where the ids of jobs come from."""

    def __init__(
        self,
        *,
        jobs: JobTable,
        submissions: Submissions,
        ending: Endings,
        inputs: Inputs,
        programs: Programs,
        admission: Admission,
        retention: Retention,
        overview: Overview,
        stalls: Stalls,
        sessions: Sessions,
        store: BlobStore,
        metrics: Metrics,
        epoch: int,
        clock: Callable[[], float],
        chance: Random,
    ) -> None:
        self.jobs = jobs
        self.submissions = submissions
        self.ending = ending
        self.inputs = inputs
        self.programs = programs
        self.admission = admission
        self.retention = retention
        self.overview = overview
        self.stalls = stalls
        self.sessions = sessions
        self.store = store
        self.metrics = metrics
        self.epoch = epoch
        self.clock = clock
        self.chance = chance
        self.key_locks = KeyedLock()
        self.connections = itertools.count(1)
        self.log = log.get()

    async def serve(self, link: Link, role_of: RoleOf) -> None:
        """Serve a client until it is gone."""
        client = _Client(link, self, Rights(link.peer.key, role_of))
        try:
            async with trio.open_nursery() as nursery:
                await client.run(nursery)
                nursery.cancel_scope.cancel()
        finally:
            client.exchange.close()
            with trio.CancelScope(shield=True):
                await link.aclose()


class _Client:
    """One client's link and its open requests."""

    def __init__(self, link: Link, port: ClientPort, rights: Rights) -> None:
        self._link = link
        self._number = next(port.connections)
        self._rights = rights
        self._port = port
        self._unpacker: Unpacker[Any] = Unpacker(ClientSays)  # Any: the union has no type of its own
        self._open: dict[int, trio.CancelScope] = {}
        self.exchange = Exchange(self._send_with, port.store)

    async def run(self, nursery: trio.Nursery) -> None:
        while True:
            try:
                with trio.fail_after(SILENCE_SECONDS):
                    frames = await self._link.receive()
                message, bulk, _ = self._unpacker.unpack(frames)
                if isinstance(message, FetchChunk | Chunk | NoChunk):
                    await self.exchange.take(message, bulk)
                elif isinstance(message, Ping):
                    await self._send(Pong(message.request, self._number))
                elif isinstance(message, Leave):
                    return
                elif isinstance(message, Unwatch):
                    if (scope := self._open.get(message.request)) is not None:
                        scope.cancel()
                elif message.request in self._open and not isinstance(message, WatchJob):
                    pass  # said again while the answer is on its way
                elif len(self._open) >= MAX_REQUESTS:
                    await self._refuse(message.request, TooManyRequests(f"{MAX_REQUESTS} requests of this client are open"))
                else:
                    if (scope := self._open.get(message.request)) is not None:
                        scope.cancel()
                    scope = self._open[message.request] = trio.CancelScope()
                    nursery.start_soon(self._serve, message, bulk, scope)
            except (LinkClosed, trio.TooSlowError):
                return
            except WireError as error:
                if not await self._is_told(error):
                    return

    async def _is_told(self, error: WireError) -> bool:
        """Answer a message that cannot be read, where its number can be, and count it; False where the client is gone."""
        try:
            if error.request is not None:
                await self._send(refusal_of(error.request, BadRequest(error.message, hint=error.hint)))
        except LinkClosed:
            return False
        if seldom(count := self._link.refuse(error.code)):
            peer = self._link.peer
            self._port.log.warning(
                "client port: bad message", peer=peer.address, key=peer.key, code=error.code, error=error.message, so_far=count
            )
        return True

    async def _serve(self, message: Any, bulk: bytes, scope: trio.CancelScope) -> None:
        began = trio.current_time()
        status = "gone"
        try:
            with scope:
                await self._perform(message, bulk)
            status = "cancelled" if scope.cancelled_caught else "ok"
        except LinkClosed:
            await self._link.aclose()
        except ZiskError as error:
            status = error.code
            try:
                await self._refuse(message.request, error)
            except LinkClosed:
                await self._link.aclose()
        finally:
            self._port.metrics.request_finished(type(message).__name__, status, trio.current_time() - began)
            if self._open.get(message.request) is scope:
                del self._open[message.request]

    async def _perform(self, message: Any, bulk: bytes) -> None:
        number = message.request
        self._rights.check(message)
        match message:
            case Submit():
                await self._submit(message)
            case PushInput():
                await self._send(InputTaken(number, await self._port.inputs.take(self._find(message.job), message.offset, bulk)))
            case EndInput():
                await self._port.inputs.finish(entry := self._find(message.job), message.stdin)
                await self._send(JobReply(number, self._port.jobs.status(entry)))
            case ShowJob():
                await self._send(JobReply(number, self._status(message.job)))
            case WaitJob():
                entry = self._find(message.job)
                with trio.move_on_after(message.seconds):
                    await self._port.jobs.ended(entry)
                await self._send(JobReply(number, self._port.jobs.status(entry)))
            case WatchJob():
                await self._watch(message)
            case CancelRequest():
                entry = self._find(message.job)
                cancelled = await self._port.ending.cancel(entry, message.reason)
                await self._send(CancelReply(number, cancelled, self._port.jobs.status(entry)))
            case ListJobs():
                await self._list_jobs(message)
            case ListWorkers():
                await self._send_parts(WorkerList, number, self._workers())
            case AddProgram():
                self._port.admission.check_open()
                await self._need(message.program, MAX_PROGRAM_BYTES)
                status = await self._port.programs.add(message.program, message.name)
                await self._send(ProgramList(number, (status,), last=True))
            case ShowCluster():
                await self._send(ClusterReply(number, await self._port.overview.status(self._rights.role)))
            case ListStalls():
                await self._send_parts(StallList, number, self._port.stalls.of(self._seen(), message.seconds))
            case SetLogLevel():
                await set_level(self._port.sessions, message.level, message.worker)
                await self._send(LogLevelSet(number))
            case ListPrograms():
                await self._send_parts(ProgramList, number, list(self._port.programs.known.values()))

    async def _submit(self, message: Submit) -> None:
        port = self._port
        client = self._link.peer.key
        kind = kind_of(message.kind)
        stdin = self._stdin_of(message, kind)
        if await self._known_already(message, kind, stdin):
            return
        port.admission.check_open()
        if 0 < message.units < message.min_units:
            raise UsageError(f"{message.units} compute units are fewer than the {message.min_units} that it is to start with")
        await self._need(message.program, MAX_PROGRAM_BYTES)
        if stdin is not None:
            port.inputs.check_size(stdin.size)
            await self._need(stdin, MAX_BLOB_BYTES, InputNotFound)
        await port.programs.add(message.program, message.name)
        job = new_job_id(port.chance)
        async with port.key_locks.hold((client, message.key or job)):
            if await self._known_already(message, kind, stdin):
                return  # said again over another connection, while its blobs were on their way
            now = port.clock()
            event = JobSubmitted(
                at=now,
                job=job,
                kind=kind,
                program=message.program,
                stdin=stdin,
                params=message.params,
                client=client,
                name=message.name,
                key=message.key,
                priority=message.priority,
                deadline_at=None if message.deadline_seconds is None else now + message.deadline_seconds,
                min_units=message.min_units,
                units=message.units,
            )
            entry = await port.submissions.submit(event, may_wait=message.queue)
        await self._send(Submitted(message.request, entry.record.job, fresh=True))

    @staticmethod
    def _stdin_of(message: Submit, kind: Kind) -> BlobRef | None:
        """The input that a submit names; None where it comes later. Raises `UsageError`."""
        if not message.streamed:
            return message.stdin or reference(b"")
        if message.stdin is not None or kind is Kind.SETUP or not message.queue:
            raise UsageError("an input that comes later is for a job that takes one, names none, and may wait")
        return None

    async def _known_already(self, message: Submit, kind: Kind, stdin: BlobRef | None) -> bool:
        """Answer a submit whose key this client has used before. Raises `KeyConflict`."""
        jobs = self._port.jobs
        known = jobs.by_key.get((self._link.peer.key, message.key)) if message.key else None
        if known is None:
            return False
        check_same(jobs.entries[known].record, kind, message, stdin)
        await self._send(Submitted(message.request, known, fresh=False))
        return True

    async def _need(self, blob: BlobRef, limit: int, missing: type[NotFoundError] = ProgramNotFound) -> None:
        """Have a blob on our shelf, from this client if need be. Raises `missing` and `UsageError`."""
        if blob.size > limit:
            raise UsageError(f"a blob of {blob.size} bytes is over the limit of {limit}")
        if self._port.store.has(blob):
            return
        if blob.size == 0:
            await in_thread(self._port.store.put, b"")
            return
        try:
            with trio.fail_after(UPLOAD_SECONDS):
                await self.exchange.fetch(blob)
        except NotFoundError:
            raise missing(
                f"the cluster does not have {blob.sha256}, or not any more, and the client does not offer it",
                hint="submit it again with the bytes themselves",
            ) from None
        except trio.TooSlowError:
            raise UsageError(f"blob {blob.sha256} did not arrive in {UPLOAD_SECONDS:.0f} s") from None

    async def _watch(self, message: WatchJob) -> None:
        entry = self._find(message.job)
        after = message.after if message.after <= entry.number else 0
        async with aclosing(self._port.jobs.changes(entry, after)) as changes:
            async for number, status in changes:
                await self._send(JobChanged(message.request, number, status))

    async def _list_jobs(self, message: ListJobs) -> None:
        chosen, cursor = choose(message, self._seen().values(), self._port.programs.name, self._rights.key)
        short = [msgspec.structs.replace(self._port.jobs.status(entry), shares=(), weights=()) for entry in chosen]
        for start in range(0, len(short) - PART, PART):
            await self._send(JobList(message.request, tuple(short[start : start + PART]), last=False))
        rest = (len(short) - 1) // PART * PART if short else 0
        await self._send(JobList(message.request, tuple(short[rest:]), last=True, cursor=cursor))

    def _find(self, job: str) -> JobEntry:
        """A job of theirs by its id or an unambiguous beginning of it. Raises `JobNotFound`."""
        entry = self._port.jobs.entries.get(JobId(job))
        if entry is not None and (self._rights.sees_all or self._rights.owns(entry.client)):
            return entry
        jobs = self._seen()
        found = [name for name in jobs if name.startswith(job)] if len(job) >= 4 else []
        if len(found) > 1:
            raise JobNotFound(f"{job!r} is the beginning of {len(found)} jobs", hint="use more of the id: `zisk job list`")
        if not found:
            raise JobNotFound(self._port.retention.what_became_of(job), hint="`zisk job list` shows the jobs of this cluster")
        return jobs[found[0]]

    def _seen(self) -> Mapping[JobId, JobEntry]:
        """The jobs that there are for this client."""
        entries = self._port.jobs.entries
        if self._rights.sees_all:
            return entries
        return {job: entry for job, entry in entries.items() if self._rights.owns(entry.client)}

    def _workers(self) -> list[WorkerStatus]:
        seen = self._seen()
        statuses = self._port.sessions.statuses()
        return [msgspec.structs.replace(each, jobs=tuple(job for job in each.jobs if job in seen)) for each in statuses]

    def _status(self, job: str) -> JobStatus:
        return self._port.jobs.status(self._find(job))

    async def _send_parts(self, kind: Any, number: int, items: Sequence[Any]) -> None:
        """A long list as several messages, so that each stays small."""
        starts = range(0, max(1, len(items)), PART)
        for start in starts:
            await self._send(kind(number, tuple(items[start : start + PART]), last=start == starts[-1]))

    async def _refuse(self, number: int, error: ZiskError) -> None:
        self._port.metrics.refused("client", error.code)
        self._port.log.info("request refused", peer=self._link.peer.address, code=error.code, error=error.message)
        await self._send(refusal_of(number, error))

    async def _send(self, message: msgspec.Struct) -> None:
        await self._send_with(message, b"")

    async def _send_with(self, message: msgspec.Struct, bulk: bytes) -> None:
        await self._link.send(pack(message, bulk, epoch=self._port.epoch))
