"""The client without async: the same names, for scripts, commands and notebooks.

Rules of this file:
* One thread of its own runs the trio client; calls from any one thread at a time.
* An interrupt (Ctrl-C) ends the waiting call and leaves the job running.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Generic, TypeVar, Unpack

import trio

from zisk_actors.client.arguments import Input, check, check_callable, input_of
from zisk_actors.client.client import Client, Proved, connect
from zisk_actors.client.conversation import Notice
from zisk_actors.client.inputs import OpenInput
from zisk_actors.client.options import JobOptions
from zisk_actors.errors import Unreachable, ZiskError
from zisk_actors.ids import JobId
from zisk_actors.transport.auth import KeyPair
from zisk_actors.wire.operating import ClusterStatus, Level, Stall
from zisk_actors.wire.values import BlobRef, ExecutionReport, JobStatus, Kind, ProgramStatus, Word, WorkerStatus

T = TypeVar("T")


class BlockingClient:
    """A connected client; a context manager. Errors are those of `Client`."""

    def __init__(self, url: str, server_key: str, keys: KeyPair, *, seconds: float = 10.0, notice: Notice | None = None) -> None:
        self._notice = notice
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._client: Client | None = None
        self._stop: trio.Event | None = None
        self._thread = threading.Thread(target=self._run, args=(url, server_key, keys, seconds), name="zisk-client", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> BlockingClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; jobs run on."""
        if self._token is not None and self._stop is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._stop.set)
            self._thread.join(5)

    def prove(
        self,
        program: bytes | BlobRef,
        stdin: Input = b"",
        *,
        idempotency_key: str = "",
        on_progress: Callable[[JobStatus], None] | None = None,
        **options: Unpack[JobOptions],
    ) -> Proved:
        check("idempotency_key", idempotency_key, Word)
        check_callable("on_progress", on_progress)
        job = self.submit(Kind.PROVE, program, stdin=stdin, key=idempotency_key, **options)
        if on_progress is not None:
            for status in self.watch(job):
                on_progress(status)
        proof = self.result(job)
        return Proved(job, proof, self.job(job))

    def submit(
        self, kind: Kind | str, program: bytes | BlobRef, *, stdin: Input = b"", key: str = "", **options: Unpack[JobOptions]
    ) -> JobId:
        stdin = input_of(stdin)
        if isinstance(stdin, Iterable) and not isinstance(stdin, bytes):
            with self.open_input(kind, program, key=key, **options) as into:
                for part in stdin:
                    into.write(part)
            return into.job
        return self._call(lambda client: client.submit(kind, program, stdin=stdin, key=key, **options))

    def open_input(self, kind: Kind | str, program: bytes | BlobRef, *, key: str = "", **options: Unpack[JobOptions]) -> BlockingInput:
        return BlockingInput(self, self._call(lambda client: client.open_input(kind, program, key=key, **options)))

    def setup(self, program: bytes | BlobRef, *, params: str = "128", name: str = "") -> JobId:
        return self._call(lambda client: client.setup(program, params=params, name=name))

    def job(self, job: str) -> JobStatus:
        return self._call(lambda client: client.job(job))

    def jobs(
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
        filters = {"state": state, "kind": kind, "program": program, "name": name}
        return self._call(lambda client: client.jobs(limit=limit, mine=mine, since=since, **filters))

    def retry(self, job: str, *, wait_for_cluster: bool = False) -> JobId:
        return self._call(lambda client: client.retry(job, wait_for_cluster=wait_for_cluster))

    def watch(self, job: str, *, after: int = 0) -> Iterator[JobStatus]:
        """The job as it is, then each change of it, the final state last; of the changes only those above the number `after`."""
        number = after

        async def step(client: Client) -> JobStatus:
            nonlocal number
            async with aclosing(client.watch(job, after=number)) as changes:
                async for number, status in changes:  # noqa: B007 - the number is kept for the next step
                    return status
            return await client.job(job)

        while True:
            status = self._call(step)
            yield status
            if status.state.final:
                return

    def wait(self, job: str, *, seconds: float | None = None) -> JobStatus:
        return self._call(lambda client: client.wait(job, seconds=seconds))

    def result(self, job: str, *, seconds: float | None = None) -> bytes:
        return self._call(lambda client: client.result(job, seconds=seconds))

    def execution(self, job: str, *, seconds: float | None = None) -> ExecutionReport:
        return self._call(lambda client: client.execution(job, seconds=seconds))

    def cancel(self, job: str, *, reason: str = "cancelled by the client") -> tuple[bool, JobStatus]:
        return self._call(lambda client: client.cancel(job, reason=reason))

    def fetch(self, blob: BlobRef) -> bytes:
        return self._call(lambda client: client.fetch(blob))

    def add_program(self, elf: bytes, *, name: str = "") -> ProgramStatus:
        return self._call(lambda client: client.add_program(elf, name=name))

    def programs(self) -> list[ProgramStatus]:
        return self._call(lambda client: client.programs())

    def workers(self) -> list[WorkerStatus]:
        return self._call(lambda client: client.workers())

    def cluster(self) -> ClusterStatus:
        return self._call(lambda client: client.cluster())

    def stalls(self, *, seconds: float = 60.0) -> list[Stall]:
        return self._call(lambda client: client.stalls(seconds=seconds))

    def set_log_level(self, level: Level, *, worker: str = "") -> None:
        self._call(lambda client: client.set_log_level(level, worker=worker))

    # ------------------------------------------------------------------------------------------------------------- internals

    def _call(self, function: Callable[[Client], Awaitable[T]]) -> T:
        """Run one call in the client's thread. The wait here is in short steps, so that an interrupt gets through."""
        if self._token is None or self._client is None:
            raise Unreachable("the client is closed")
        client, done, box = self._client, threading.Event(), _Box[T]()
        scope = trio.CancelScope()

        async def perform() -> None:
            try:
                with scope:
                    box.value = [await function(client)]
            except Exception as error:
                box.error = error
            finally:
                done.set()

        token = self._token
        try:
            token.run_sync_soon(lambda: _spawn(self, perform))
        except trio.RunFinishedError:
            raise self._failure or Unreachable("the client is closed") from None
        try:
            while not done.wait(0.2):
                if not self._thread.is_alive():
                    raise self._failure or Unreachable("the client has stopped")
        except BaseException:
            if self._thread.is_alive():
                token.run_sync_soon(scope.cancel)
            raise
        if box.error is not None:
            raise box.error
        if not box.value:
            self._thread.join(5)
            raise self._failure or Unreachable("the client was closed during a call")
        return box.value[0]

    def _run(self, url: str, server_key: str, keys: KeyPair, seconds: float) -> None:
        async def main() -> None:
            async with connect(url, server_key, keys, seconds=seconds, notice=self._notice) as client, trio.open_nursery() as nursery:
                self._nursery = nursery
                self._token, self._client, self._stop = trio.lowlevel.current_trio_token(), client, trio.Event()
                self._ready.set()
                await self._stop.wait()
                nursery.cancel_scope.cancel()

        try:
            trio.run(main)
        except BaseException as error:
            self._failure = error
        finally:
            self._client = None
            self._ready.set()


class BlockingInput:
    """`OpenInput` without async; a context manager. Leaving it ends the input, an error cancels the job."""

    def __init__(self, client: BlockingClient, into: OpenInput) -> None:
        self._client = client
        self._into = into

    @property
    def job(self) -> JobId:
        """The job that the input is for."""
        return self._into.job

    @property
    def received(self) -> int:
        """How many bytes the coordinator has on disk, as far as we know."""
        return self._into.received

    def write(self, content: bytes) -> None:
        """Give the next bytes."""
        self._client._call(lambda client: self._into.write(content))

    def close(self) -> JobStatus:
        """End the input: the job can run."""
        return self._client._call(lambda client: self._into.aclose())

    def abort(self, reason: str) -> None:
        """Cancel the job whose input this is."""
        self._client._call(lambda client: self._into.abort(reason))

    def __enter__(self) -> BlockingInput:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self.close()
        except BaseException as refused:
            error = refused
            raise
        finally:
            if error is not None:
                with suppress(ZiskError):  # the error that ends the input is the one to tell of
                    self.abort(f"its input ended with {type(error).__name__}")


class _Box(Generic[T]):
    """Where a call's outcome is put by one thread and read by another."""

    def __init__(self) -> None:
        self.value: list[T] = []
        self.error: Exception | None = None


def _spawn(client: BlockingClient, function: Callable[[], Awaitable[None]]) -> None:
    client._nursery.start_soon(function)
