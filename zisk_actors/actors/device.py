"""The parent's side of a compute child: start it, call it, kill it when it hangs or is not wanted any more, start another.

Rules of this file:
* One child at a time and one call at a time. A call that is cancelled, or over its limit, kills the child: nobody knows what state it is
  in.
* A child that dies in a call, or that the system does not let us start, is a failed call (`CallFailed`), never a dead worker.
* The child is started from the thread that runs the loop: the kernel kills it when its starting *thread* ends, and pool threads come and
  go.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import trio

from zisk_actors import log
from zisk_actors.actors.compute import DEFAULT_PROVER
from zisk_actors.backends import DEFAULT
from zisk_actors.errors import ZiskError
from zisk_actors.wire.codec import decode_record, encode_record
from zisk_actors.wire.compute import LENGTH_BYTES, MAX_FRAME_BYTES, Broke, Call, Done, Ready, Reply, Step
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.values import Failure, FailureKind

CHILD_GONE: Final = ("compute-died", "compute-killed", "compute-start")
"""The codes of calls that failed because their child is gone or was not there."""
START_SECONDS: Final = 60.0
REAP_SECONDS: Final = 5.0

OnProgress = Callable[[str, float], None]


class CallFailed(ZiskError):
    """A call to a device failed. `retryable`: another device may succeed."""

    code = "call-failed"
    exit_code = 4

    def __init__(self, failure: Failure, *, retryable: bool) -> None:
        super().__init__(failure.message, hint=failure.hint)
        self.failure = failure
        self.retryable = retryable


CHILD_TRIES: Final = 3
CHILD_SECONDS: Final = 0.5
"""The first pause before a call is tried again whose child died; the next is twice as long."""


class ComputeDevice(Protocol):
    """What others need of a device."""

    async def warm(self) -> None: ...

    async def call(self, call: Call, *, seconds: float = 0, on_progress: OnProgress | None = None) -> Done: ...


@dataclass(frozen=True)
class DeviceSettings:
    """What a child is started with; 0 threads are as many as there are processors, 0 bytes no limit of a share's memory. `prover` is
    `module:factory`."""

    backend: str = DEFAULT
    threads: int = 0
    prover: str = DEFAULT_PROVER
    memory_bytes: int = 0


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    into: trio.lowlevel.FdStream
    out: trio.lowlevel.FdStream


class Device:
    """One device, used as an async context manager; leaving it leaves no child. `on_restart` is told why another child was started."""

    def __init__(self, settings: DeviceSettings, name: str, on_restart: Callable[[str], None] = lambda cause: None) -> None:
        self._settings = settings
        self._log = log.get(device=name)
        self._lock = trio.Lock()
        self._running: _Running | None = None
        self.starts = 0
        self._on_restart = on_restart
        self._ended = "died"

    async def __aenter__(self) -> Device:
        return self

    async def __aexit__(self, *error: object) -> None:
        with trio.CancelScope(shield=True):
            await self.kill()

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._running.process.pid if self._running is not None else None

    async def warm(self) -> None:
        """Start the child, so that the first call need not. A child that does not start says so again at the first call."""
        async with self._lock:
            try:
                await self._start()
            except CallFailed as error:
                self._log.error("the compute process does not start", error=error.message)

    async def call(self, call: Call, *, seconds: float = 0, on_progress: OnProgress | None = None) -> Done:
        """Have the child carry a call out; 0 seconds are no limit. Raises `CallFailed`. Cancelling kills the child."""
        async with self._lock:
            running = await self._start()
            done = False
            try:
                with trio.fail_after(seconds or float("inf")):
                    reply = await self._converse(running, call, on_progress)
                done = True
            except trio.TooSlowError:
                self._ended = "timeout"
                raise _lost(FailureKind.TIMEOUT, "call-timeout", f"{type(call).__name__} took longer than {seconds:g} s") from None
            except trio.Cancelled:
                self._ended = "cancelled"
                raise
            finally:
                if not done:
                    with trio.CancelScope(shield=True):
                        await self.kill()
        if isinstance(reply, Broke):
            raise CallFailed(reply.failure, retryable=reply.retryable)
        return reply

    async def kill(self) -> None:
        """Kill the child, if there is one, and wait until it is gone."""
        running, self._running = self._running, None
        if running is None:
            return
        with suppress(ProcessLookupError):
            running.process.kill()
        await running.into.aclose()
        await running.out.aclose()
        with trio.move_on_after(REAP_SECONDS):
            await _gone(running.process)

    async def _converse(self, running: _Running, call: Call, on_progress: OnProgress | None) -> Done | Broke:
        try:
            await _send(running.into, call)
            while True:
                reply = await _receive(running.out)
                if isinstance(reply, Done | Broke):
                    return reply
                if isinstance(reply, Step) and on_progress is not None:
                    on_progress(reply.step, reply.fraction)
        except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError, WireError) as error:
            with trio.move_on_after(1.0):
                await _gone(running.process)
            status = running.process.poll()
            words = f"the compute process died ({_ending(status)})" if status is not None else f"the compute process went wrong: {error}"
            kind, code = (FailureKind.MEMORY, "compute-killed") if status == -9 else (FailureKind.WORKER, "compute-died")
            raise _lost(kind, code, words) from None

    async def _start(self) -> _Running:
        if self._running is not None and self._running.process.poll() is None:
            return self._running
        await self.kill()
        command = [sys.executable, "-m", "zisk_actors.actors.compute", "--parent", str(os.getpid()), "--prover", self._settings.prover]
        command += ["--backend", self._settings.backend, "--threads", str(self._settings.threads)]
        command += ["--memory", str(self._settings.memory_bytes)]
        try:
            self._running = running = _start_child(command)
        except OSError as error:
            words = f"the compute process cannot be started: {error.strerror or error}"
            raise _lost(FailureKind.WORKER, "compute-start", words) from None
        process = running.process
        self.starts += 1
        if self.starts > 1:
            self._on_restart(self._ended)
        self._ended = "died"
        ready = False
        try:
            with trio.fail_after(START_SECONDS):
                ready = isinstance(await _receive(running.out), Ready)
        except (trio.TooSlowError, trio.BrokenResourceError, EOFError, WireError):
            pass
        finally:
            if not ready:
                with trio.CancelScope(shield=True):
                    await self.kill()
        if not ready:
            raise _lost(FailureKind.WORKER, "compute-start", "the compute process did not start; its log says why")
        self._log.debug("compute process started", pid=process.pid)
        return running


async def call_again(device: ComputeDevice, call: Call, *, seconds: float) -> Done:
    """Have a call of our own carried out, again where it was the child that died or did not start. Raises `CallFailed`."""
    tries = 0
    while True:
        tries += 1
        try:
            return await device.call(call, seconds=seconds)
        except CallFailed as error:
            if error.failure.code not in CHILD_GONE or tries == CHILD_TRIES:
                raise
        await trio.sleep(CHILD_SECONDS * 2 ** (tries - 1))


def _start_child(command: list[str]) -> _Running:
    """Start a child with a pipe in and a pipe out. Raises `OSError`, and leaves nothing then."""
    open_files: list[int] = []
    try:
        for _ in range(2):
            open_files += os.pipe()
        theirs_in, ours_in, ours_out, theirs_out = open_files
        process = subprocess.Popen(command, stdin=theirs_in, stdout=theirs_out)
    except BaseException:
        for file in open_files:
            os.close(file)
        raise
    os.close(theirs_in)
    os.close(theirs_out)
    return _Running(process, trio.lowlevel.FdStream(ours_in), trio.lowlevel.FdStream(ours_out))


async def _send(stream: trio.lowlevel.FdStream, call: msgspec.Struct) -> None:
    content = encode_record(call)
    await stream.send_all(len(content).to_bytes(LENGTH_BYTES, "little") + content)


async def _receive(stream: trio.lowlevel.FdStream) -> Any:  # Any: a Reply, which is a union
    """One frame. Raises `EOFError` and `WireError`."""
    length = int.from_bytes(await _exactly(stream, LENGTH_BYTES), "little")
    if length > MAX_FRAME_BYTES:
        raise WireError(f"a frame of {length} bytes from the compute process")
    return decode_record(await _exactly(stream, length), Reply)


async def _exactly(stream: trio.lowlevel.FdStream, length: int) -> bytes:
    content = bytearray()
    while len(content) < length:
        piece = await stream.receive_some(min(1 << 20, length - len(content)))
        if not piece:
            raise EOFError("the pipe has ended")
        content += piece
    return bytes(content)


async def _gone(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has ended and is collected."""
    while process.poll() is None:  # noqa: ASYNC110 - there is no event for the end of a process that every system has
        await trio.sleep(0.005)


def _ending(status: int | None) -> str:
    return f"signal {-status}" if status is not None and status < 0 else f"exit code {status}"


def _lost(kind: FailureKind, code: str, message: str) -> CallFailed:
    return CallFailed(Failure(kind=kind, code=code, message=message), retryable=True)
