"""What a client may ask for: one row a request, with the role that it needs and what is done.

Rules of this file:
* A row is a function under `answers`; what the gateway dispatches to, and what a key may ask for, is read from the rows.
* A function gives the reply, or the replies of a long list; one that gives none has sent its own. It checks before it has any effect, and
  raises what it refuses: the gateway tells the client.
* A request with a bulk frame has it as a third argument.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
import trio

from zisk_actors.actors.clients.caller import PART, Caller, in_parts
from zisk_actors.actors.clients.listing import choose
from zisk_actors.actors.clients.refusals import InputNotFound, ProgramInUse
from zisk_actors.actors.clients.rights import CLIENT, OPERATOR
from zisk_actors.actors.clients.stalls import set_level
from zisk_actors.actors.clients.submitting import check_same, kind_of
from zisk_actors.core.job_events import Submitted as JobSubmitted
from zisk_actors.errors import UsageError
from zisk_actors.ids import ProgramId, new_job_id
from zisk_actors.wire.blobs import MAX_BLOB_BYTES, reference
from zisk_actors.wire.client_link import (
    AddProgram,
    CancelReply,
    CancelRequest,
    EndInput,
    InputTaken,
    JobChanged,
    JobList,
    JobReply,
    ListJobs,
    ListPrograms,
    ListWorkers,
    ProgramList,
    PushInput,
    RemoveProgram,
    ShowJob,
    Submit,
    Submitted,
    WaitJob,
    WatchJob,
    WorkerList,
)
from zisk_actors.wire.operating import ClusterReply, ListStalls, LogLevelSet, SetLogLevel, ShowCluster, StallList
from zisk_actors.wire.requests import Reply, Request
from zisk_actors.wire.values import BlobRef, Kind

MAX_PROGRAM_BYTES: Final = 256 * 1024**2

Answer = Reply | Sequence[Reply] | None
Handler = Callable[..., Awaitable[Answer]]  # (caller, message), and the bulk frame of a message that has one
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True)
class Row:
    """A request: the role that it needs, and what is done."""

    role: str
    handler: Handler


ROWS: Final[dict[type[Request[Any]], Row]] = {}


def answers(request: type[Request[Any]], role: str = CLIENT) -> Callable[[H], H]:
    """Have a function answer a request. ValueError for a second one."""

    def register(handler: H) -> H:
        if request in ROWS:
            raise ValueError(f"{request.__name__} has two rows")
        ROWS[request] = Row(role, handler)
        return handler

    return register


async def perform(caller: Caller, message: Request[Any], bulk: bytes) -> None:
    """Do what is asked for, and send the answer. Raises `RoleNeeded`, and what the row refuses."""
    row = ROWS.get(type(message))
    caller.rights.check(message, row.role if row is not None else None)
    assert row is not None, "what has no row is nobody's to ask for"
    answer = await (row.handler(caller, message, bulk) if message.BULK else row.handler(caller, message))
    for reply in (answer,) if isinstance(answer, Reply) else answer or ():
        await caller.send(reply)


# --------------------------------------------------------------------------------------------------------------------------- jobs


@answers(Submit)
async def _submit(caller: Caller, message: Submit) -> Submitted:
    """The job is on disk before its id is told."""
    services, client = caller.services, caller.key
    kind = kind_of(message.kind)
    stdin = _stdin_of(message, kind)
    if (known := _known_already(caller, message, kind, stdin)) is not None:
        return known
    services.admission.check_open()
    if 0 < message.units < message.min_units:
        raise UsageError(f"{message.units} compute units are fewer than the {message.min_units} that it is to start with")
    await caller.need(message.program, MAX_PROGRAM_BYTES)
    if stdin is not None:
        services.inputs.check_size(stdin.size)
        await caller.need(stdin, MAX_BLOB_BYTES, InputNotFound)
    await services.programs.add(message.program, message.name, client)
    job = new_job_id(services.chance)
    async with services.key_locks.hold((client, message.key or job)):
        if (known := _known_already(caller, message, kind, stdin)) is not None:
            return known  # said again over another connection, while its blobs were on their way
        now = services.clock()
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
        entry = await services.submissions.submit(event, may_wait=message.queue)
    return Submitted(message.request, entry.record.job, fresh=True)


def _stdin_of(message: Submit, kind: Kind) -> BlobRef | None:
    """The input that a submit names; None where it comes later. Raises `UsageError`."""
    if not message.streamed:
        return message.stdin or reference(b"")
    if message.stdin is not None or kind is Kind.SETUP or not message.queue:
        raise UsageError("an input that comes later is for a job that takes one, names none, and may wait")
    return None


def _known_already(caller: Caller, message: Submit, kind: Kind, stdin: BlobRef | None) -> Submitted | None:
    """The answer to a submit whose key this client has used before, None for one that it has not. Raises `KeyConflict`."""
    jobs = caller.services.jobs
    known = jobs.by_key.get((caller.key, message.key)) if message.key else None
    if known is None:
        return None
    check_same(jobs.entries[known].record, kind, message, stdin)
    return Submitted(message.request, known, fresh=False)


@answers(PushInput)
async def _push_input(caller: Caller, message: PushInput, bulk: bytes) -> InputTaken:
    return InputTaken(message.request, await caller.services.inputs.take(caller.find(message.job), message.offset, bulk))


@answers(EndInput)
async def _end_input(caller: Caller, message: EndInput) -> JobReply:
    entry = caller.find(message.job)
    await caller.services.inputs.finish(entry, message.stdin)
    return caller.status(message.request, entry)


@answers(ShowJob)
async def _show_job(caller: Caller, message: ShowJob) -> JobReply:
    return caller.status(message.request, caller.find(message.job))


@answers(WaitJob)
async def _wait_job(caller: Caller, message: WaitJob) -> JobReply:
    entry = caller.find(message.job)
    with trio.move_on_after(message.seconds):
        await caller.services.jobs.ended(entry)
    return caller.status(message.request, entry)


@answers(WatchJob)
async def _watch_job(caller: Caller, message: WatchJob) -> None:
    entry = caller.find(message.job)
    after = message.after if message.after <= entry.number else 0
    async with aclosing(caller.services.jobs.changes(entry, after)) as changes:
        async for number, status in changes:
            await caller.send(JobChanged(message.request, number, status))


@answers(CancelRequest)
async def _cancel(caller: Caller, message: CancelRequest) -> CancelReply:
    entry = caller.find(message.job)
    cancelled = await caller.services.ending.cancel(entry, message.reason)
    return CancelReply(message.request, cancelled, caller.services.jobs.status(entry))


@answers(ListJobs)
async def _list_jobs(caller: Caller, message: ListJobs) -> None:
    chosen, cursor = choose(message, caller.seen().values(), caller.name_of, caller.key)
    short = [msgspec.structs.replace(caller.services.jobs.status(entry), shares=(), weights=()) for entry in chosen]
    for start in range(0, len(short) - PART, PART):
        await caller.send(JobList(message.request, tuple(short[start : start + PART]), last=False))
    rest = (len(short) - 1) // PART * PART if short else 0
    await caller.send(JobList(message.request, tuple(short[rest:]), last=True, cursor=cursor))


# ----------------------------------------------------------------------------------------------------------- programs and workers


@answers(AddProgram)
async def _add_program(caller: Caller, message: AddProgram) -> ProgramList:
    caller.services.admission.check_open()
    await caller.need(message.program, MAX_PROGRAM_BYTES)
    status = await caller.services.programs.add(message.program, message.name, caller.key)
    return ProgramList(message.request, (status,), last=True)


@answers(ListPrograms)
async def _list_programs(caller: Caller, message: ListPrograms) -> Sequence[Reply]:
    return in_parts(ProgramList, message.request, caller.programs())


@answers(RemoveProgram)
async def _remove_program(caller: Caller, message: RemoveProgram) -> ProgramList:
    programs, jobs = caller.services.programs, caller.services.jobs.entries
    found = programs.find(message.program, caller.key)
    waits = [
        job
        for job, entry in jobs.items()
        if entry.client == caller.key and not entry.state.final and ProgramId(entry.record.submitted.program.sha256) == found.program
    ]
    if waits:
        raise ProgramInUse(f"{len(waits)} of your jobs have not ended that use it, job {waits[0]} for one", hint="cancel them first")
    await programs.remove(found, caller.key)
    return ProgramList(message.request, (found,), last=True)


@answers(ListWorkers)
async def _list_workers(caller: Caller, message: ListWorkers) -> Sequence[Reply]:
    seen, programs = caller.seen(), {program.program for program in caller.programs()}
    theirs = [
        msgspec.structs.replace(
            each,
            jobs=tuple(job for job in each.jobs if job in seen),
            programs=tuple(program for program in each.programs if program in programs),
        )
        for each in caller.services.sessions.statuses()
    ]
    return in_parts(WorkerList, message.request, theirs)


# ---------------------------------------------------------------------------------------------------------------------- operating


@answers(ShowCluster)
async def _show_cluster(caller: Caller, message: ShowCluster) -> ClusterReply:
    return ClusterReply(message.request, await caller.services.overview.status(caller.rights.role))


@answers(ListStalls)
async def _list_stalls(caller: Caller, message: ListStalls) -> Sequence[Reply]:
    return in_parts(StallList, message.request, caller.services.stalls.of(caller.seen(), message.seconds))


@answers(SetLogLevel, OPERATOR)
async def _set_log_level(caller: Caller, message: SetLogLevel) -> LogLevelSet:
    await set_level(caller.services.sessions, message.level, message.worker)
    return LogLevelSet(message.request)
