"""Submitting a job, following it, and saying how it ended: what `prove`, `execute`, `program setup` and `job watch` share.

Rules of this file:
* The job's id is said first, so that nothing is lost whatever happens to this process.
* An interrupt leaves a cluster's job running and says how to watch it, unless its input is still being sent: that cancels it; an embedded
  cluster ends with the command.
* A failed job ends the command with the failure's own code; a guest's trap is one line with all that is known of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from zisk_actors.cli.connection import ProgramReference, Session
from zisk_actors.cli.output import Interrupted, duration, echo, output_lines, print_json, say, size, verified_fields
from zisk_actors.cli.progress import Progress
from zisk_actors.errors import JobCancelled, JobFailed

if TYPE_CHECKING:
    from zisk_actors.wire.values import ExecutionReport, JobStatus, Trap


def describe_trap(trap: Trap) -> str:
    """`the guest trapped: misaligned-access at 0x8000018c (misaligned_load+0x8): ld t0, 4(a5), address 0x80000304`."""
    words = f"the guest trapped: {trap.kind} at {trap.pc:#x}"
    if trap.symbol:
        words += f" ({trap.symbol})"
    if trap.instruction:
        words += f": {trap.instruction}"
    if trap.address is not None:
        words += f", address {trap.address:#x}"
    return words


def failure_of(status: JobStatus) -> Exception:
    """The error that a failed or cancelled job ends its command with."""
    if status.state.value == "cancelled":
        return JobCancelled(f"job {status.job} was cancelled" + (f": {status.reason}" if status.reason else ""))
    failure = status.failure
    if failure is None:
        return JobFailed(f"job {status.job} failed: {status.reason or 'no reason given'}")
    message = failure.message or (describe_trap(failure.trap) if failure.trap else failure.kind.value)
    error = JobFailed(message, hint=failure.hint)
    error.code, error.exit_code = failure.code, failure.exit_code  # the tree's own subclass may live in a layer we do not load
    return error


@contextmanager
def interruptible(session: Session) -> Iterator[None]:
    """Says on an interrupt what becomes of the job that the session waits for."""
    try:
        yield
    except KeyboardInterrupt:
        if session.embedded:
            say("interrupted: the embedded cluster stops, and the job with it")
        elif session.job:
            say(f"job {session.job} goes on; `zisk job watch {session.job}` follows it, `zisk job cancel {session.job}` stops it")
        raise Interrupted from None


def follow(session: Session, job: str, *, quiet: bool = False) -> JobStatus:
    """Shows a job's progress until it has ended; the final status, whatever it is."""
    session.job = job
    status = None
    with Progress(quiet=quiet) as progress:
        for status in session.cluster.watch(job):
            progress.update(status)
    return status if status is not None else session.cluster.job(job)


def completed(status: JobStatus) -> JobStatus:
    """The status of a job that has completed; says what the cluster does not vouch for. Raises what `failure_of` says for any other end."""
    if status.state.value != "completed":
        raise failure_of(status)
    if status.reason:
        say(f"note: {status.reason}")
    return status


@dataclass(frozen=True)
class Wishes:
    """What a submit may say beside what it is for."""

    key: str = ""
    priority: int = 0
    deadline: float | None = None
    min_units: int = 0
    units: int = 0
    queue: bool = True
    wait_for_cluster: bool = False


def submit(
    session: Session,
    kind: str,
    program: ProgramReference,
    stdin: bytes | Iterator[bytes],
    level: str,
    *,
    as_json: bool,
    wishes: Wishes = Wishes(),
) -> str:
    """Submits a job and says its id; one whose input comes in parts, before the input is there."""
    from zisk_actors.wire.values import Kind

    fields = asdict(wishes)
    if isinstance(stdin, bytes):
        session.job = session.cluster.submit(Kind(kind), program.content, stdin=stdin, params=level, name=program.name, **fields)
        if not as_json:
            say(f"job {session.job}")
        return session.job
    with session.cluster.open_input(Kind(kind), program.content, params=level, name=program.name, **fields) as into:
        if not as_json:
            say(f"job {into.job}")
        try:
            for part in stdin:
                into.write(part)
        except KeyboardInterrupt:
            say(f"the input was interrupted: job {into.job} is cancelled")
            raise
    session.job = into.job
    return session.job


def fetch_result(session: Session, status: JobStatus) -> bytes:
    """What a completed job made."""
    if status.result is None:
        raise JobFailed(f"job {status.job} completed without a result")
    return session.cluster.fetch(status.result)


def print_proof(status: JobStatus, path: str, proof_bytes: int, seconds: float, *, as_json: bool) -> None:
    """What was proved, as the cluster's own verifier found it."""
    from zisk_actors.mock import PARAMS as MOCK

    verified = status.verified
    if verified is None:
        raise JobFailed(f"job {status.job} completed without being verified")
    if as_json:
        print_json(
            "zisk.prove/1",
            job=status.job,
            proof=path,
            proof_bytes=proof_bytes,
            **verified_fields(verified),
            mock=verified.params == MOCK,
            seconds=round(seconds, 3),
        )
        return
    insecure = ", INSECURE: for tests only" if verified.params == "test" else ""
    if verified.params == MOCK:
        say(f"MOCK: nothing was proved; this cluster has a mock backend, and `zisk verify` refuses {path}")
        insecure = ", MOCK"
    say(f"proved {verified.steps} steps in {verified.shares} shares in {duration(seconds)}: {path}, {size(proof_bytes)}")
    say(f"parameters {verified.params}, {verified.bits:.1f} proven bits{insecure}; exit code {verified.exit_code}; public output:")
    for line in output_lines(verified.output):
        echo(line)


def execution_report(encoded: bytes) -> ExecutionReport:
    """The report that an execute job's result is."""
    from zisk_actors.client.client import decode_execution

    return decode_execution(encoded)


def say_console(console: bytes) -> None:
    """What the guest printed, without what would be a command to a terminal."""
    echo(console.decode(errors="replace"), nl=False, err=True)
