"""The compute child: one process per device that owns the prover, and does one call at a time for its parent.

Run as `python -m zisk_actors.actors.compute`. Frames come in on standard input and go out on what was standard output
(`zisk_actors/wire/compute.py`).

Rules of this file:
* It dies with its parent, whatever it is doing: the kernel is asked to kill it (Linux), and the end of the pipe ends it everywhere.
* Interrupts from a terminal are the parent's affair; the child ignores them.
* Whatever a call raises becomes a typed failure; only memory that is really gone, and bugs of the machine code, end the process.
* Standard output belongs to the frames: what anything else prints goes to standard error.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from zisk_actors.backends import DEFAULT
from zisk_actors.errors import MemoryShort, ProofInvalid, UsageError, ZiskError
from zisk_actors.ids import blob_id
from zisk_actors.store.errors import BlobMissing, StoreCorrupt, StoreUnwritable
from zisk_actors.wire.blobs import unpack_bundle
from zisk_actors.wire.codec import decode_record, encode_record
from zisk_actors.wire.compute import (
    LENGTH_BYTES,
    AggregateCall,
    Broke,
    Call,
    CompareCall,
    ContributeCall,
    Done,
    ExecuteCall,
    MeasureCall,
    ProveCall,
    Ready,
    SetupCall,
    Step,
    VerifyCall,
)
from zisk_actors.wire.values import ExecutionReport, Failure, FailureKind, Trap, VerifiedReport

DEFAULT_PROVER: Final = "zisk_actors.proving:Prover"
STEP_SECONDS: Final = 0.1
REST_SECONDS: Final = 60.0
"""Without a call for so long, the prover gives memory that it keeps for the next one back to the system."""
_PR_SET_PDEATHSIG: Final = 1


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends, and end at once if that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class Child:
    """The loop of the child, and what it writes."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._lock = threading.Lock()
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()  # Any: a Call, which is a union
        self._sent_at = 0.0
        self._last_step = ""

    def serve(self, prover: Any) -> None:  # Any: whatever has the verbs; the real one and the tests' have no common base
        """Do calls until the parent closes the pipe, which ends the process."""
        prover.on_progress = self.progress
        threading.Thread(target=self._read, name="frames", daemon=True).start()
        self.write(Ready(os.getpid()))
        while True:
            try:
                call = self._calls.get(timeout=REST_SECONDS)
            except queue.Empty:
                prover.rest()
                call = self._calls.get()
            self._sent_at, self._last_step = 0.0, ""
            try:
                reply: Done | Broke = perform(prover, call)
            except Exception as error:
                reply = broke(error)
            self.write(reply)

    def progress(self, step: str, fraction: float) -> None:
        """Tell the parent; at most every `STEP_SECONDS` for one step."""
        now = time.monotonic()
        if step != self._last_step or now - self._sent_at >= STEP_SECONDS:
            self._sent_at, self._last_step = now, step
            self.write(Step(step[:200], min(1.0, max(0.0, float(fraction)))))

    def write(self, reply: msgspec.Struct) -> None:
        content = encode_record(reply)
        try:
            with self._lock:
                self._sink.write(len(content).to_bytes(LENGTH_BYTES, "little"))
                self._sink.write(content)
                self._sink.flush()
        except OSError:
            os._exit(0)

    def _read(self) -> None:
        while True:
            head = self._source.read(LENGTH_BYTES)
            content = self._source.read(int.from_bytes(head, "little")) if len(head) == LENGTH_BYTES else b""
            if not content:
                os._exit(0)
            self._calls.put(decode_record(content, Call))


def perform(prover: Any, call: Call) -> Done:
    """Carry a call out. Raises whatever the prover raises."""
    match call:
        case MeasureCall():
            return Done(b"", rate=prover.measure())
        case SetupCall():
            return Done(prover.setup(_read(call.elf), call.params))
        case ExecuteCall():
            limit = {"max_steps": call.max_steps} if call.max_steps else {}
            run = prover.execute(_read(call.elf), _read(call.stdin), **limit)
            report = ExecutionReport(
                steps=int(run.steps),
                exit_code=int(run.exit_code),
                output=tuple(int(word) for word in run.output),
                console=bytes(run.console),
                trap=None if run.trap is None else trap_of(run.trap),
            )
            return Done(encode_record(report), trapped=None if run.trap is None else broke(run.trap.error()).failure)
        case ContributeCall():
            return Done(prover.contribute(_read(call.elf), _read(call.stdin), call.params, call.share, call.weights))
        case ProveCall():
            contributions = list(unpack_bundle(_read(call.contributions)).contents)
            return Done(prover.prove(_read(call.elf), _read(call.stdin), call.params, call.share, call.weights, contributions))
        case AggregateCall():
            contributions = list(unpack_bundle(_read(call.contributions)).contents)
            return Done(prover.aggregate(_read(call.elf), call.params, contributions, [_read(path) for path in call.partials]))
        case VerifyCall():
            contributions = list(unpack_bundle(_read(call.contributions)).contents)
            answer = prover.verify(_read(call.proof), _read(call.key), call.level, contributions)
            verified = VerifiedReport(
                program=answer.program,
                exit_code=answer.exit_code,
                output=tuple(answer.output),
                params=answer.params,
                bits=float(answer.bits),
                shares=answer.shares,
                steps=answer.steps,
            )
            return Done(b"", verified)
        case CompareCall():
            contributions = list(unpack_bundle(_read(call.contributions)).contents)
            shares = prover.other_runs(contributions, _read(call.key), call.steps, call.exit_code, call.output)
            return Done(b"", shares=tuple(shares))


def broke(error: Exception) -> Broke:
    """The failure that an error is: the guest's, the proof's, or ours. What is said of a guest or a proof is the same everywhere; anything
    else may not be."""
    if isinstance(error, MemoryError):
        return Broke(_failure(FailureKind.MEMORY, "out-of-memory", "the share needs more memory than this worker has"), retryable=True)
    if isinstance(error, ZiskError):
        if isinstance(error, MemoryShort):
            failure = _failure(FailureKind.MEMORY, error.code, error.message)
            failure = msgspec.structs.replace(failure, hint=error.hint[:4000], pieces=error.pieces)
            return Broke(failure, retryable=True)
        trap = getattr(error, "trap", None)
        kind = FailureKind.PROOF if isinstance(error, ProofInvalid) else FailureKind.WORKER
        if trap is not None or isinstance(error, UsageError):
            kind = FailureKind.GUEST
        failure = Failure(
            kind=kind,
            code=error.code,
            message=error.message[:4000],
            hint=error.hint[:4000],
            exit_code=error.exit_code,
            trap=None if trap is None else trap_of(trap),
            share=getattr(error, "share", None),
        )
        return Broke(failure, retryable=kind is FailureKind.WORKER)
    traceback.print_exception(error)
    return Broke(_failure(FailureKind.INTERNAL, "internal", f"{type(error).__name__}: {error}"[:4000]), retryable=True)


def trap_of(trap: Any) -> Trap:
    """The wire's trap from the emulator's; `value` is an address for the kinds that have one, and 0 for those that have none."""
    kind = trap.kind.value if isinstance(trap.kind, Enum) else str(trap.kind)
    value = int(getattr(trap, "value", 0))
    has_address = value and ("access" in kind or "jump" in kind or "store" in kind)
    return Trap(kind[:200], int(trap.pc), str(trap.symbol)[:200], str(trap.instruction)[:200], value if has_address else None)


def _failure(kind: FailureKind, code: str, message: str) -> Failure:
    return Failure(kind=kind, code=code, message=message, exit_code=1 if kind is FailureKind.INTERNAL else 4)


def _read(path: str) -> bytes:
    """What is computed on: the bytes whose hash is the name of their file. Raises `BlobMissing`, `StoreUnwritable` where the disk does not
    give them, and `StoreCorrupt` where they have rotted."""
    file = Path(path)
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise BlobMissing(f"there is no blob {file.name}") from None
    except OSError as error:
        raise StoreUnwritable(f"blob {file.name} cannot be read: {error}") from None
    if blob_id(content) != file.name:
        raise StoreCorrupt(f"blob {file.name} has rotted on disk", hint="it is fetched or made again where that can be")
    return content


def main() -> None:
    """Entry point of the child process."""
    parser = argparse.ArgumentParser(prog="zisk-compute", description="The compute child of a zisk worker; not for people.")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--prover", default=DEFAULT_PROVER)
    parser.add_argument("--backend", default=DEFAULT)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--memory", type=int, default=0)
    options = parser.parse_args()
    die_with(options.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    module, _, factory = options.prover.partition(":")
    prover = getattr(importlib.import_module(module), factory)(options.backend, options.threads or None)
    prover.memory_bytes = options.memory
    Child(sys.stdin.buffer, sink).serve(prover)


if __name__ == "__main__":
    main()
