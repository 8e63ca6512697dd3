"""What a job's input may be given as, and inputs that are sent while they are made.

Rules of this file:
* One part is on its way at a time, and what was acknowledged is on the coordinator's disk: after any loss of the connection the same part
  is said again, and changes nothing where it had arrived.
* An input is hashed here as it was written, whatever was sent: the end names it, and the coordinator refuses what does not fit.
* An input that ends with an error cancels its job: half an input is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Final, TypeVar

import trio

from zisk_actors.actors.threads import in_thread
from zisk_actors.client.arguments import check, content_of
from zisk_actors.client.conversation import Conversation
from zisk_actors.client.errors import ClusterRefused, raise_for
from zisk_actors.errors import UsageError, ZiskError
from zisk_actors.ids import BlobId, JobId
from zisk_actors.wire.blobs import CHUNK_BYTES
from zisk_actors.wire.client_link import EndInput, PushInput, ShowJob
from zisk_actors.wire.requests import Reply, Request
from zisk_actors.wire.values import BlobRef, JobStatus, State

CANCEL_SECONDS: Final = 5.0
LINGER_SECONDS: Final = 2.0
"""How long the bytes of a slow writer wait here to become a whole part."""

A = TypeVar("A", bound=Reply)


class InputLost(UsageError):
    """The coordinator has less of an input than it has acknowledged, or more than we have given."""

    code = "input-lost"


class OpenInput:
    """The input of a job that waits for it; an async context manager. Leaving it ends the input, an error cancels the job."""

    def __init__(self, talk: Conversation, status: JobStatus, cancel: Callable[[str], Awaitable[object]]) -> None:
        self._talk = talk
        self._cancel = cancel
        self._job = status.job
        self._waits = status.state is State.WAITING_FOR_INPUT
        self._known = (status.received_bytes or 0) if self._waits else 0
        self._hash = hashlib.sha256()
        self._written = 0
        self._sent = 0
        self._rest = bytearray()
        self._pushed_at = trio.current_time()

    @property
    def job(self) -> JobId:
        """The job that the input is for."""
        return self._job

    @property
    def received(self) -> int:
        """How many bytes the coordinator has on disk, as far as we know."""
        return max(self._known, self._sent)

    async def write(self, content: bytes) -> None:
        """Give the next bytes. Returns when all but a rest of less than a part are on the coordinator's disk.

        What the coordinator has from before, as after a restart of this program with the same key, is not sent again.
        """
        content = content_of("content", content)
        self._hash.update(content)
        self._written += len(content)
        if not self._waits:
            return
        left = memoryview(content)
        if (skipped := min(len(left), self._known - self._sent)) > 0:
            self._sent += skipped
            left = left[skipped:]
        self._rest += left
        while len(self._rest) >= CHUNK_BYTES:
            await self._push(bytes(self._rest[:CHUNK_BYTES]))
        if self._rest and trio.current_time() - self._pushed_at > LINGER_SECONDS:
            await self._push(bytes(self._rest))

    async def _push(self, part: bytes) -> None:
        reply = await self._ask(PushInput(self._talk.number(), self._job, self._sent), part)
        if reply.received_bytes < self._sent + len(part):
            raise InputLost(
                f"the coordinator has {reply.received_bytes} bytes of the input, and had acknowledged {self._sent}",
                hint="cancel the job and submit it again",
            )
        self._sent += len(part)
        self._pushed_at = trio.current_time()
        del self._rest[: len(part)]

    async def aclose(self) -> JobStatus:
        """End the input: the job can run. Raises `ClusterRefused` input-mismatch where the coordinator has something else."""
        if self._rest:
            await self._push(bytes(self._rest))
        stdin = BlobRef(BlobId(self._hash.hexdigest()), self._written)
        return (await self._ask(EndInput(self._talk.number(), self._job, stdin))).status

    async def _ask(self, request: Request[A], part: bytes = b"") -> A:
        """Raises `JobFailure` and `JobCancelled` where the job has ended in the meantime."""
        try:
            return await self._talk.ask(request, part)
        except ClusterRefused as refusal:
            if refusal.code == "input-closed":
                raise_for((await self._talk.ask(ShowJob(self._talk.number(), self._job))).status)
            raise

    async def abort(self, reason: str) -> None:
        """Cancel the job, as far as the coordinator can be reached. One that had its input before we came is not ours to cancel."""
        check("reason", reason, str)
        if not self._waits:
            return
        with trio.CancelScope(shield=True), trio.move_on_after(CANCEL_SECONDS), suppress(ZiskError):
            await self._cancel(reason[:4000])

    async def __aenter__(self) -> OpenInput:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                await self.aclose()
        except BaseException as refused:
            error = refused
            raise
        finally:
            if error is not None:
                await self.abort(f"its input ended with {type(error).__name__}")


async def parts_of(stdin: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The parts of an input; those of a plain iterable are waited for in a thread."""
    if isinstance(stdin, AsyncIterable):
        async for part in stdin:
            yield part
        return
    each = iter(stdin)

    def one() -> bytes | None:
        return next(each, None)

    while True:
        found: bytes | None = await in_thread(one)
        if found is None:
            return
        yield found
