"""A client of a cluster, for trio.

Rules of this file:
* Every call may be cancelled, and none waits for ever (`conversation.py` says for how long, and what is said twice).
* Blobs are pulled: the coordinator asks for what it lacks while a submit waits. An input that is made while it is sent is pushed.
* A refusal that says when to come back is obeyed where the caller wants to wait for the cluster, so long and not longer.
* Leaving the `async with` block leaves the jobs running.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Concatenate, Final, ParamSpec, TypeVar, Unpack

import msgspec
import trio

from zisk_actors.client.arguments import Input, Limit, Patience, check, check_callable, content_of, input_of, program_of
from zisk_actors.client.conversation import Conversation, Notice, Overrun
from zisk_actors.client.errors import ClusterRefused, raise_for
from zisk_actors.client.inputs import OpenInput, parts_of
from zisk_actors.client.options import JobOptions, request_of
from zisk_actors.errors import NotFoundError, UsageError, WaitTimeout
from zisk_actors.ids import CHANCE, BlobId, JobId, new_key
from zisk_actors.transport.auth import KeyPair
from zisk_actors.transport.base import Link
from zisk_actors.transport.curve import Network
from zisk_actors.wire.client_link import (
    AddProgram,
    CancelRequest,
    JobChanged,
    ListJobs,
    ListPrograms,
    ListWorkers,
    Ping,
    RemoveProgram,
    ShowJob,
    Submit,
    Unwatch,
    WaitJob,
    WatchJob,
)
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.operating import (
    ClusterStatus,
    Level,
    ListStalls,
    SetLogLevel,
    ShowCluster,
    Stall,
)
from zisk_actors.wire.requests import Reply, Request
from zisk_actors.wire.values import BlobRef, ExecutionReport, JobStatus, Kind, ProgramStatus, Seconds, Word, WorkerStatus

A = TypeVar("A", bound=Reply)
P = ParamSpec("P")

WAIT_SLICE_SECONDS: Final = 20.0
MAX_PAGE: Final = 1000
CLUSTER_SECONDS: Final = 600.0
"""How long `wait_for_cluster` waits for a cluster that refuses for now."""


@dataclass(frozen=True)
class Proved:
    """A proof, and the status of the job that made it: `status.verified` is what it says."""

    job: JobId
    proof: bytes
    status: JobStatus


class Client:
    """A connected client; `connect` makes one. All methods raise `Unreachable` and `ClusterRefused` beside what they name. Its keys are
    made from `chance`; `notice` is told when the coordinator is silent and when it is back."""

    def __init__(self, link: Link, chance: Random = CHANCE, notice: Notice | None = None) -> None:
        self._chance = chance
        self._talk = Conversation(link, notice)

    async def ask(self, request: Callable[Concatenate[int, P], Request[A]], /, *fields: P.args, **named: P.kwargs) -> A:
        """Any request of `wire/` with its fields, but for its number; its answer. The calls below are such requests, and what is made of
        their answers."""
        return await self._talk.ask(request(self._talk.number(), *fields, **named))

    async def ask_parts(self, request: Callable[Concatenate[int, P], Request[A]], /, *fields: P.args, **named: P.kwargs) -> list[A]:
        """The same where the answer is a list that may come in parts."""
        return await self._talk.ask_parts(request(self._talk.number(), *fields, **named))

    # ------------------------------------------------------------------------------------------------------------------ jobs

    async def prove(
        self,
        program: bytes | BlobRef,
        stdin: Input = b"",
        *,
        idempotency_key: str = "",
        on_progress: Callable[[JobStatus], None] | None = None,
        **options: Unpack[JobOptions],
    ) -> Proved:
        """Submit, wait, and fetch: a proof that the program, started with that input, halts. `on_progress` is told of each change.

        Raises `JobFailure` and `JobCancelled` for a job that ended so; called again with the same `idempotency_key` it goes on with the
        same job, wherever that is.
        """
        check("idempotency_key", idempotency_key, Word)
        check_callable("on_progress", on_progress)
        job = await self.submit(Kind.PROVE, program, stdin=stdin, key=idempotency_key, **options)
        if on_progress is not None:
            async with aclosing(self.watch(job)) as changes:
                async for _, status in changes:
                    on_progress(status)
        proof = await self.result(job)
        return Proved(job, proof, await self.job(job))

    async def submit(
        self, kind: Kind | str, program: bytes | BlobRef, *, stdin: Input = b"", key: str = "", **options: Unpack[JobOptions]
    ) -> JobId:
        """Submit a job and return its id, which survives any crash of the cluster.

        `program` is an ELF, or a program that the cluster has (`programs()`). `stdin` is the input, one that the cluster has, or an
        iterable of its parts, which are sent while they come. With `key` the same job is never made twice. The rest is in `JobOptions`.
        """
        stdin = input_of(stdin)
        if not isinstance(stdin, bytes | BlobRef):
            async with await self.open_input(kind, program, key=key, **options) as into:
                async for part in parts_of(stdin):
                    await into.write(part)
            return into.job
        request, wait = request_of(kind, key or new_key(self._chance), streamed=False, **options)
        return await self._submit(request, program_of(program), stdin, wait)

    async def open_input(self, kind: Kind | str, program: bytes | BlobRef, *, key: str = "", **options: Unpack[JobOptions]) -> OpenInput:
        """Submit a job whose input is yet to be written: `async with await client.open_input(...) as into: await into.write(...)`."""
        request, wait = request_of(kind, key or new_key(self._chance), streamed=True, **options)
        job = await self._submit(request, program_of(program), None, wait)
        return self._input_of(await self.job(job))

    async def _submit(self, request: Submit, program: bytes | BlobRef, stdin: bytes | BlobRef | None, wait: bool) -> JobId:
        offers = [self._talk.blobs.put(each) for each in (program, stdin) if isinstance(each, bytes)]
        by_name = program if isinstance(program, BlobRef) else offers[0]
        given = offers[-1] if isinstance(stdin, bytes) else stdin
        until = trio.current_time() + CLUSTER_SECONDS
        try:
            while True:
                asked = msgspec.structs.replace(request, request=self._talk.number(), program=by_name, stdin=given)
                try:
                    return JobId((await self._talk.ask(asked)).job)
                except ClusterRefused as refusal:
                    pause = refusal.retry_after_seconds
                    if not wait or pause is None or trio.current_time() + pause > until:
                        raise
                await trio.sleep(pause * self._chance.uniform(0.5, 1.5))
        finally:
            for offer in offers:
                self._talk.blobs.drop(offer)

    def _input_of(self, status: JobStatus) -> OpenInput:
        return OpenInput(self._talk, status, lambda reason: self.cancel(status.job, reason=reason))

    async def setup(self, program: bytes | BlobRef, *, params: str = "128", name: str = "") -> JobId:
        """Submit a job that makes the verifying key of a program."""
        return await self.submit(Kind.SETUP, program, params=params, name=name)

    async def job(self, job: str) -> JobStatus:
        """One job, by its id or an unambiguous beginning of it. Raises `ClusterRefused` JOB_NOT_FOUND."""
        return (await self.ask(ShowJob, job)).status

    async def jobs(
        self,
        *,
        limit: int = 100,
        state: str = "",
        kind: str = "",
        program: str = "",
        name: str = "",
        mine: bool = False,
        since: float = 0.0,
    ) -> list[JobStatus]:
        """The newest jobs first, at most `limit` (any number), of those that every filter that is given lets through.

        `program` is an id, the beginning of one, or a name; `mine` are those that our key submitted; `since` is a time of `time.time()`.
        """
        check("limit", limit, Limit)
        found: list[JobStatus] = []
        cursor = ""
        while len(found) < limit:
            count = min(limit - len(found), MAX_PAGE)
            parts = await self.ask_parts(ListJobs, count, state, kind, program, name, mine, since, cursor)
            found += [status for part in parts for status in part.jobs]
            cursor = parts[-1].cursor
            if not cursor:
                break
        return found

    async def retry(self, job: str, *, wait_for_cluster: bool = False) -> JobId:
        """Submit what a job asked for as a new job. Raises `UsageError` where it never had its input, and `ClusterRefused` where the
        cluster has forgotten that."""
        check("wait_for_cluster", wait_for_cluster, bool)
        status = await self.job(job)
        if status.stdin is None and status.kind is not Kind.SETUP:
            raise UsageError(f"job {status.job} never had its whole input", hint="submit it again with its input")
        sizes = {each.program: each.size for each in await self.programs()}
        if status.program not in sizes:
            raise NotFoundError(f"the cluster has forgotten program {status.program}", hint="submit the job again with its program")
        return await self.submit(
            status.kind,
            BlobRef(BlobId(status.program), sizes[status.program]),
            stdin=status.stdin or b"",
            params=status.params,
            name=status.program_name,
            wait_for_cluster=wait_for_cluster,
        )

    async def watch(self, job: str, *, after: int = 0) -> AsyncGenerator[tuple[int, JobStatus], None]:
        """Each change of a job with its number, until it has ended; `after` leaves out the changes up to that number.

        Survives a restart of the coordinator. Use `contextlib.aclosing` where the loop may be left early.
        """
        request = WatchJob(self._talk.number(), job, after)
        get = await self._talk.begin(request)
        try:
            while True:
                try:
                    message = await self._talk.receive(get)
                except Overrun:  # we read slower than it changes: what we have not read is told again
                    self._talk.end(request.request)
                    request = WatchJob(self._talk.number(), job, after)
                    get = await self._talk.begin(request)
                    continue
                if isinstance(message, JobChanged):
                    if message.number <= after and not message.status.state.final:
                        continue  # told twice: the request was said again before its answer had come
                    after = message.number
                    self._talk.instead(WatchJob(request.request, job, after))
                    yield message.number, message.status
                    if message.status.state.final:
                        return
        finally:
            if self._talk.end(request.request) and self._talk.broken is None:
                with trio.CancelScope(shield=True), trio.move_on_after(1):
                    await self._talk.try_send(Unwatch(request.request))

    async def wait(self, job: str, *, seconds: float | None = None) -> JobStatus:
        """The job when it has ended. Raises `WaitTimeout` after `seconds`; the job runs on."""
        check("seconds", seconds, Patience)
        deadline = trio.current_time() + seconds if seconds is not None else float("inf")
        while True:
            left = deadline - trio.current_time()
            status = (await self.ask(WaitJob, job, max(0.0, min(left, WAIT_SLICE_SECONDS)))).status
            if status.state.final:
                return status
            if left <= 0:
                raise WaitTimeout(f"job {job} has not ended after {seconds} s; it runs on", hint=f"zisk job watch {job}")

    async def result(self, job: str, *, seconds: float | None = None) -> bytes:
        """What the job was for, when it has ended: a proof, a verifying key, or an encoded execution report.

        Raises `JobFailure`, `JobCancelled` and `WaitTimeout`.
        """
        status = await self.wait(job, seconds=seconds)
        raise_for(status)
        if status.result is None:
            raise NotFoundError(f"job {job} has no result")
        return await self.fetch(status.result)

    async def execution(self, job: str, *, seconds: float | None = None) -> ExecutionReport:
        """What the run of an execute job did. Raises as `result` does."""
        return decode_execution(await self.result(job, seconds=seconds))

    async def cancel(self, job: str, *, reason: str = "cancelled by the client") -> tuple[bool, JobStatus]:
        """Cancel a job; False where it had ended before. When this returns, the job has ended; `stopped` in its status are the workers
        whose computing process is dead, `stopping` those that have not said so within ten seconds."""
        reply = await self.ask(CancelRequest, job, reason)
        return reply.cancelled, reply.status

    async def fetch(self, blob: BlobRef) -> bytes:
        """The bytes of a result or program, checked against its hash."""
        check("blob", blob, BlobRef)
        await self._talk.exchange.fetch(blob)
        try:
            return self._talk.blobs.get(blob)
        finally:
            self._talk.blobs.forget(blob)

    # -------------------------------------------------------------------------------------------------- programs and workers

    async def add_program(self, elf: bytes, *, name: str = "") -> ProgramStatus:
        """Keep a program in the cluster."""
        blob = self._talk.blobs.put(content_of("elf", elf))
        try:
            parts = await self.ask_parts(AddProgram, blob, name)
        finally:
            self._talk.blobs.drop(blob)
        return parts[0].programs[0]

    async def remove_program(self, program: str) -> ProgramStatus:
        """Have a program kept for us no longer: by its id, the beginning of that, or our name for it. Returns what it was."""
        return (await self.ask_parts(RemoveProgram, program))[0].programs[0]

    async def programs(self) -> list[ProgramStatus]:
        """Our programs, oldest first; of an operator, those of all."""
        return [each for part in await self.ask_parts(ListPrograms) for each in part.programs]

    async def workers(self) -> list[WorkerStatus]:
        """All connected workers."""
        return [each for part in await self.ask_parts(ListWorkers) for each in part.workers]

    async def cluster(self) -> ClusterStatus:
        """How the cluster stands."""
        return (await self.ask(ShowCluster)).cluster

    async def stalls(self, *, seconds: float = 60.0) -> list[Stall]:
        """What has not got on for so long, of the jobs that we may see, and what each waits for."""
        return [each for part in await self.ask_parts(ListStalls, seconds) for each in part.stalls]

    async def set_log_level(self, level: Level, *, worker: str = "") -> None:
        """Have the coordinator, or a worker, log so much until it is started again. Needs the role of an operator."""
        await self.ask(SetLogLevel, level, worker)

    async def ping(self) -> int:
        """The coordinator's epoch: how many times it has started on its state."""
        await self.ask(Ping)
        return self._talk.epoch

    async def run(self) -> None:
        """Receive until cancelled or the coordinator is gone; `connect` runs it."""
        await self._talk.run()

    async def leave(self) -> None:
        """Say that we go, so that the coordinator need not find out."""
        await self._talk.leave()


def decode_execution(content: bytes) -> ExecutionReport:
    """The report that the result of an execute job is. Raises `WireError`."""
    report: ExecutionReport = decode_record(content, ExecutionReport)
    return report


@asynccontextmanager
async def connect(
    url: str, server_key: str, keys: KeyPair, *, seconds: float = 10.0, notice: Notice | None = None
) -> AsyncIterator[Client]:
    """A client connected to the coordinator at `url` whose public key is `server_key`. `notice` is told when that is silent, or is back.

    Raises `InvalidArgument`, `BadUrl`, `Unreachable` and `NotAuthorised`; their codes say what is wrong (`Network.dial`).
    """
    check("url", url, str)
    check("server_key", server_key, str)
    check("keys", keys, KeyPair)
    check("seconds", seconds, Seconds)
    check_callable("notice", notice)
    with Network() as network:
        link = await network.dial(url, server_key, keys, seconds=seconds)
        try:
            async with attach(link, notice=notice) as client:
                yield client
        finally:
            await link.aclose()


@asynccontextmanager
async def attach(link: Link, chance: Random = CHANCE, notice: Notice | None = None) -> AsyncIterator[Client]:
    """A client on a link that is there already."""
    client = Client(link, chance, notice)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.run)
        try:
            yield client
        except Exception as error:  # carried out of the nursery, which would wrap it in a group
            failure = error
        finally:
            await client.leave()
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
