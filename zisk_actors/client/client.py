"""A client of a cluster, for trio.

Rules of this file:
* Every call may be cancelled, and none waits for ever: who does not answer within `PATIENCE_SECONDS` is unreachable.
* Requests are numbered, and sent again when the coordinator has started anew or has not answered; all are safe to repeat, a submit by its
  key.
* Blobs are pulled: the coordinator asks for what it lacks while a submit waits.
* Leaving the `async with` block leaves the jobs running.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final, TypeVar

import msgspec
import trio

from zisk_actors.actors.transfer import Exchange
from zisk_actors.client.errors import ClusterRefused, JobFailure
from zisk_actors.errors import JobCancelled, NotFoundError, Unreachable, WaitTimeout, ZiskError
from zisk_actors.ids import CHANCE, JobId, new_key
from zisk_actors.store.memory import MemoryBlobs
from zisk_actors.transport.auth import KeyPair
from zisk_actors.transport.base import Link, LinkClosed
from zisk_actors.transport.curve import Network
from zisk_actors.wire.codec import Unpacker, decode_record, pack
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.messages import (
    AddProgram,
    CancelReply,
    CancelRequest,
    Chunk,
    ErrorReply,
    FetchChunk,
    GatewaySays,
    JobChanged,
    JobList,
    JobReply,
    Leave,
    ListJobs,
    ListPrograms,
    ListWorkers,
    NoChunk,
    Ping,
    Pong,
    ProgramList,
    ShowJob,
    Submit,
    Submitted,
    Unwatch,
    WaitJob,
    WatchJob,
    WorkerList,
)
from zisk_actors.wire.values import BlobRef, ExecutionReport, JobStatus, Kind, ProgramStatus, State, WorkerStatus

PING_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 30.0
WAIT_SLICE_SECONDS: Final = 20.0

R = TypeVar("R")


class Client:
    """A connected client; `connect` makes one. All methods raise `Unreachable` and `ClusterRefused` beside what they name. Its keys are
    made from `chance`."""

    def __init__(self, link: Link, chance: Random = CHANCE) -> None:
        self._link = link
        self._chance = chance
        self._unpacker: Unpacker[Any] = Unpacker(GatewaySays)  # Any: the union has no type of its own
        self._blobs = MemoryBlobs()
        self._exchange = Exchange(self._send, self._blobs)
        self._replies: dict[int, trio.MemorySendChannel[Any]] = {}
        self._requests: dict[int, msgspec.Struct] = {}
        self._number = 0
        self._epoch = 0
        self._heard_at = 0.0
        self._broken: ZiskError | None = None

    # ------------------------------------------------------------------------------------------------------------------ jobs

    async def submit(
        self,
        kind: Kind | str,
        program: bytes | BlobRef,
        *,
        stdin: bytes = b"",
        params: str = "128",
        name: str = "",
        key: str = "",
        priority: int = 0,
        deadline: float | None = None,
    ) -> JobId:
        """Submit a job and return its id, which survives any crash of the cluster.

        `program` is an ELF, or a program that the cluster has (`programs()`). With `key` the same job is never made twice.
        A job that has not ended `deadline` seconds after it was accepted fails with the code `deadline`.
        """
        offers = [self._blobs.put(stdin)]
        if isinstance(program, bytes):
            program = self._blobs.put(program)
            offers.append(program)
        try:
            request = Submit(
                request=self._next(),
                kind=kind.value if isinstance(kind, Kind) else kind,
                program=program,
                stdin=offers[0],
                params=params,
                name=name,
                key=key or new_key(self._chance),
                priority=priority,
                deadline_seconds=deadline,
            )
            return JobId((await self._ask(request, Submitted)).job)
        finally:
            for offer in offers:
                self._blobs.drop(offer)

    async def setup(self, program: bytes | BlobRef, *, params: str = "128", name: str = "") -> JobId:
        """Submit a job that makes the verifying key of a program."""
        return await self.submit(Kind.SETUP, program, params=params, name=name)

    async def job(self, job: str) -> JobStatus:
        """One job, by its id or an unambiguous beginning of it. Raises `ClusterRefused` JOB_NOT_FOUND."""
        return (await self._ask(ShowJob(self._next(), job), JobReply)).status

    async def jobs(self, *, limit: int = 100, state: str = "") -> list[JobStatus]:
        """The newest jobs first, at most `limit`, in one state or (empty) in any."""
        parts = await self._ask_parts(ListJobs(self._next(), limit, state), JobList)
        return [status for part in parts for status in part.jobs]

    async def watch(self, job: str, *, after: int = 0) -> AsyncGenerator[tuple[int, JobStatus], None]:
        """Each change of a job with its number, until it has ended; `after` leaves out the changes up to that number.

        Survives a restart of the coordinator. Use `contextlib.aclosing` where the loop may be left early.
        """
        request = WatchJob(self._next(), job, after)
        get = self._open(request)
        try:
            await self._send_request(request)
            while True:
                message = await self._receive(get)
                if isinstance(message, JobChanged):
                    self._requests[request.request] = WatchJob(request.request, job, message.number)
                    yield message.number, message.status
                    if message.status.state.final:
                        return
        finally:
            if self._broken is None and request.request in self._replies:
                with trio.CancelScope(shield=True), trio.move_on_after(1):
                    await self._try_send(Unwatch(request.request))
            self._close(request.request)

    async def wait(self, job: str, *, seconds: float | None = None) -> JobStatus:
        """The job when it has ended. Raises `WaitTimeout` after `seconds`; the job runs on."""
        deadline = trio.current_time() + seconds if seconds is not None else float("inf")
        while True:
            left = deadline - trio.current_time()
            request = WaitJob(self._next(), job, max(0.0, min(left, WAIT_SLICE_SECONDS)))
            status = (await self._ask(request, JobReply)).status
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
        """Cancel a job; False where it had ended before. When this returns, the job has ended."""
        reply = await self._ask(CancelRequest(self._next(), job, reason), CancelReply)
        return reply.cancelled, reply.status

    async def fetch(self, blob: BlobRef) -> bytes:
        """The bytes of a result or program, checked against its hash."""
        await self._exchange.fetch(blob)
        try:
            return self._blobs.get(blob)
        finally:
            self._blobs.drop(blob)

    # -------------------------------------------------------------------------------------------------- programs and workers

    async def add_program(self, elf: bytes, *, name: str = "") -> ProgramStatus:
        """Keep a program in the cluster."""
        blob = self._blobs.put(elf)
        try:
            parts = await self._ask_parts(AddProgram(self._next(), blob, name), ProgramList)
        finally:
            self._blobs.drop(blob)
        return parts[0].programs[0]

    async def programs(self) -> list[ProgramStatus]:
        """All programs, oldest first."""
        return [each for part in await self._ask_parts(ListPrograms(self._next()), ProgramList) for each in part.programs]

    async def workers(self) -> list[WorkerStatus]:
        """All connected workers."""
        return [each for part in await self._ask_parts(ListWorkers(self._next()), WorkerList) for each in part.workers]

    async def ping(self) -> int:
        """The coordinator's epoch: how many times it has started on its state."""
        await self._ask(Ping(self._next()), Pong)
        return self._epoch

    # ------------------------------------------------------------------------------------------------------------- internals

    async def run(self) -> None:
        """Receive until cancelled or the coordinator is gone; `connect` runs it."""
        self._heard_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_alive)
            try:
                await self._receive_all()
            except ZiskError as error:
                self._break(error)
            nursery.cancel_scope.cancel()

    async def _receive_all(self) -> None:
        while True:
            try:
                message, bulk, epoch = self._unpacker.unpack(await self._link.receive())
            except WireError as error:
                raise Unreachable(f"the coordinator says what we do not understand: {error.message}", hint=error.hint) from None
            self._heard_at = trio.current_time()
            if epoch != self._epoch:
                restarted, self._epoch = self._epoch != 0, epoch
                if restarted:
                    for request in list(self._requests.values()):
                        await self._try_send(request)
            if isinstance(message, FetchChunk | Chunk | NoChunk):
                await self._exchange.take(message, bulk)
            elif (channel := self._replies.get(message.request)) is not None:
                try:
                    channel.send_nowait(message)
                except trio.WouldBlock:  # a reader that is slow: what it misses of a watch, a repeated watch tells again
                    self._replies.pop(message.request).close()

    async def _keep_alive(self) -> None:
        while True:
            await trio.sleep(PING_SECONDS)
            silent = trio.current_time() - self._heard_at
            if silent > PATIENCE_SECONDS:
                self._break(Unreachable(f"the coordinator at {self._link.peer.address} has not answered for {silent:.0f} s"))
                return
            await self._try_send(Ping(0))

    def _break(self, error: ZiskError) -> None:
        self._broken = error
        self._exchange.close()
        for channel in self._replies.values():
            channel.close()

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _open(self, request: Any) -> trio.MemoryReceiveChannel[Any]:  # Any: one of the requests, which share the field `request`
        put, get = trio.open_memory_channel[Any](1000)
        self._replies[request.request] = put
        self._requests[request.request] = request
        return get

    def _close(self, number: int) -> None:
        channel = self._replies.pop(number, None)
        if channel is not None:
            channel.close()
        self._requests.pop(number, None)

    async def _ask(self, request: Any, kind: type[R]) -> R:
        return (await self._ask_parts(request, kind))[0]

    async def _ask_parts(self, request: Any, kind: type[R]) -> list[R]:
        get = self._open(request)
        parts: list[R] = []
        try:
            await self._send_request(request)
            while True:
                message = await self._receive(get)
                if isinstance(message, kind):
                    parts.append(message)
                    if getattr(message, "last", True):
                        return parts
        finally:
            self._close(request.request)

    async def _receive(self, get: trio.MemoryReceiveChannel[Any]) -> Any:
        try:
            message = await get.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise self._broken or Unreachable("the connection to the coordinator is closed") from None
        if isinstance(message, ErrorReply):
            raise ClusterRefused(message)
        return message

    async def _send_request(self, request: msgspec.Struct) -> None:
        if self._broken is not None:
            raise self._broken
        await self._send(request, b"")

    async def leave(self) -> None:
        """Say that we go, so that the coordinator need not find out."""
        if self._broken is None:
            with trio.CancelScope(shield=True), trio.move_on_after(0.5):
                await self._try_send(Leave())

    async def _try_send(self, message: msgspec.Struct) -> None:
        try:
            await self._send(message, b"")
        except LinkClosed as error:
            self._break(error)

    async def _send(self, message: msgspec.Struct, bulk: bytes) -> None:
        await self._link.send(pack(message, bulk))


def decode_execution(content: bytes) -> ExecutionReport:
    """The report that the result of an execute job is. Raises `WireError`."""
    report: ExecutionReport = decode_record(content, ExecutionReport)
    return report


def raise_for(status: JobStatus) -> None:
    """Raises `JobFailure` or `JobCancelled` for a job that ended so."""
    if status.state is State.FAILED and status.failure is not None:
        raise JobFailure(status, status.failure)
    if status.state is State.CANCELLED:
        raise JobCancelled(f"job {status.job} was cancelled: {status.reason}")


@asynccontextmanager
async def connect(url: str, server_key: str, keys: KeyPair, *, seconds: float = 10.0) -> AsyncIterator[Client]:
    """A client connected to the coordinator at `url` whose public key is `server_key`.

    Raises `BadUrl`, `Unreachable`, `HandshakeFailed` and `NotAuthorised`.
    """
    with Network() as network:
        link = await network.dial(url, server_key, keys, seconds=seconds)
        try:
            async with attach(link) as client:
                yield client
        finally:
            await link.aclose()


@asynccontextmanager
async def attach(link: Link, chance: Random = CHANCE) -> AsyncIterator[Client]:
    """A client on a link that is there already."""
    client = Client(link, chance)
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
