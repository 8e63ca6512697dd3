"""The client without async: the same names, for scripts, commands and notebooks.

Rules of this file:
* A call is that of `Client`, carried into the thread of the client (`client_thread.py`): signature, documentation and errors are those
  of the call that it stands for. Only what calls back, or gives more than one answer, is written again here, because it has to happen in
  the caller's thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, suppress
from functools import wraps
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar, Unpack

from zisk_actors.client.arguments import Input, check, check_callable, input_of
from zisk_actors.client.client import Client, Proved
from zisk_actors.client.client_thread import ClientThread
from zisk_actors.client.inputs import OpenInput
from zisk_actors.client.options import JobOptions
from zisk_actors.errors import ZiskError
from zisk_actors.ids import JobId
from zisk_actors.wire.values import BlobRef, JobStatus, Kind, Word

F = TypeVar("F", bound=Callable[..., object])
P = ParamSpec("P")
T = TypeVar("T")


def blocking(method: Callable[Concatenate[Client, P], Awaitable[T]]) -> Callable[Concatenate[ClientThread, P], T]:
    """A method of `Client` as one that waits."""

    @wraps(method)
    def call(self: ClientThread, /, *arguments: P.args, **named: P.kwargs) -> T:
        return self._call(lambda client: method(client, *arguments, **named))

    return call


def documented(method: Callable[..., object]) -> Callable[[F], F]:
    """What is said of a method of `Client` is said of its twin."""

    def same(twin: F) -> F:
        twin.__doc__ = method.__doc__
        return twin

    return same


class BlockingClient(ClientThread):
    """A connected client; a context manager. Errors are those of `Client`."""

    ask = blocking(Client.ask)
    ask_parts = blocking(Client.ask_parts)
    setup = blocking(Client.setup)
    job = blocking(Client.job)
    jobs = blocking(Client.jobs)
    retry = blocking(Client.retry)
    wait = blocking(Client.wait)
    result = blocking(Client.result)
    execution = blocking(Client.execution)
    cancel = blocking(Client.cancel)
    fetch = blocking(Client.fetch)
    add_program = blocking(Client.add_program)
    remove_program = blocking(Client.remove_program)
    programs = blocking(Client.programs)
    workers = blocking(Client.workers)
    cluster = blocking(Client.cluster)
    stalls = blocking(Client.stalls)
    set_log_level = blocking(Client.set_log_level)
    ping = blocking(Client.ping)

    @documented(Client.prove)
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

    @documented(Client.submit)
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

    @documented(Client.open_input)
    def open_input(self, kind: Kind | str, program: bytes | BlobRef, *, key: str = "", **options: Unpack[JobOptions]) -> BlockingInput:
        return BlockingInput(self, self._call(lambda client: client.open_input(kind, program, key=key, **options)))

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
