"""`zisk prove`, `zisk execute`, and `zisk job`: asking for work, and following it.

Rules of this file:
* The job's id is said first, so that nothing is lost whatever happens to this process.
* An interrupt leaves a cluster's job running and says how to watch it; an embedded cluster ends with the command.
* A failed job ends the command with the failure's own code; a guest's trap is one line with all that is known of it.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from zisk_actors.cli.connection import ProgramReference, Session, connect, is_there_a_cluster, program_reference
from zisk_actors.cli.output import (
    DEFAULT_LEVEL,
    check_writable,
    duration,
    guest_input,
    input_options,
    json_option,
    output_hex,
    output_lines,
    params_option,
    print_json,
    read_file,
    say,
    size,
    table,
    write_file,
)
from zisk_actors.cli.progress import Progress, describe
from zisk_actors.errors import JobCancelled, JobFailed, UsageError

if TYPE_CHECKING:
    from zisk_actors.proving import Execution
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


class Interrupted(click.Abort):
    """Ctrl-C while following a job that goes on without us. What to do next has been said."""


def follow(session: Session, job: str, *, quiet: bool = False) -> JobStatus:
    """Shows a job's progress until it has ended, and how it ended: the final status of a completed job.

    Raises what `failure_of` says for any other end.
    """
    status = follow_to_end(session, job, quiet=quiet)
    if status.state.value != "completed":
        raise failure_of(status)
    return status


def follow_to_end(session: Session, job: str, *, quiet: bool = False) -> JobStatus:
    """Shows a job's progress until it has ended; the final status, whatever it is."""
    status = None
    try:
        with Progress(quiet=quiet) as progress:
            for status in session.cluster.watch(job):
                progress.update(status)
    except KeyboardInterrupt:
        if session.embedded:
            say("interrupted: the embedded cluster stops, and the job with it")
        else:
            say(f"job {job} goes on; `zisk job watch {job}` follows it, `zisk job cancel {job}` stops it")
        raise Interrupted from None
    return status if status is not None else session.cluster.job(job)


def submit(session: Session, kind: str, program: ProgramReference, stdin: bytes, level: str, *, as_json: bool) -> str:
    """Submits a job and says its id."""
    from zisk_actors.wire.values import Kind

    job = session.cluster.submit(Kind(kind), program.content, stdin=stdin, params=level, name=program.name)
    if not as_json:
        say(f"job {job}")
    return job


@click.command()
@click.argument("program_name", metavar="ELF-or-ID")
@input_options
@click.option("-o", "--output", "target", metavar="FILE", help="Where to write the proof; PROGRAM.proof unless said.")
@params_option
@click.option("--detach", is_flag=True, help="Submit, print the job's id, and leave.")
@json_option
def prove(
    program_name: str, raw: str | None, records: tuple[str, ...], target: str | None, level: str, detach: bool, as_json: bool
) -> None:
    """Prove a run of a program.

    Runs on the cluster that `zisk up` started, or on an embedded one that ends with this command. What is proved: the program, started
    with some input, halts with this exit code and this public output. The input itself is not part of it.
    """
    if target is not None and detach:
        raise UsageError("--detach leaves before there is a proof to write", hint="`zisk job watch ID -o FILE` writes it")
    if target is not None:
        check_writable(target, "proof")
    stdin = guest_input(raw, records)
    began = time.monotonic()
    with connect(embedded=not detach) as session:
        program = program_reference(session, program_name)
        path = target or f"{program.name}.proof"
        if not detach:
            check_writable(path, "proof")
        job = submit(session, "prove", program, stdin, level, as_json=as_json or detach)
        if detach:
            if as_json:
                print_json("zisk.submitted/1", job=job)
            else:
                click.echo(job)
            return
        status = follow(session, job, quiet=as_json)
        proof = fetch_result(session, status)
    write_file(path, proof, "proof")
    print_proof(status, path, len(proof), time.monotonic() - began, as_json=as_json)


def fetch_result(session: Session, status: JobStatus) -> bytes:
    """What a completed job made."""
    if status.result is None:
        raise JobFailed(f"job {status.job} completed without a result")
    return session.cluster.fetch(status.result)


def print_proof(status: JobStatus, path: str, proof_bytes: int, seconds: float, *, as_json: bool) -> None:
    """What was proved, as the cluster's own verifier found it."""
    verified = status.verified
    if verified is None:
        raise JobFailed(f"job {status.job} completed without being verified")
    if as_json:
        print_json(
            "zisk.prove/1",
            job=status.job,
            proof=path,
            proof_bytes=proof_bytes,
            program=verified.program,
            output=output_hex(verified.output),
            exit_code=verified.exit_code,
            steps=verified.steps,
            shares=verified.shares,
            params=verified.params,
            bits=round(verified.bits, 2),
            seconds=round(seconds, 3),
        )
        return
    insecure = ", INSECURE: for tests only" if verified.params == "test" else ""
    say(f"proved {verified.steps} steps in {verified.shares} shares in {duration(seconds)}: {path}, {size(proof_bytes)}")
    say(f"parameters {verified.params}, {verified.bits:.1f} proven bits{insecure}; exit code {verified.exit_code}; public output:")
    for line in output_lines(verified.output):
        click.echo(line)


@click.command()
@click.argument("program_name", metavar="ELF-or-ID")
@input_options
@json_option
def execute(program_name: str, raw: str | None, records: tuple[str, ...], as_json: bool) -> None:
    """Run a program without proving anything.

    Prints what it wrote to its console, its public output, its exit code, and the number of instructions.
    """
    stdin = guest_input(raw, records)
    if is_there_a_cluster():
        with connect(embedded=False) as session:
            program = program_reference(session, program_name)
            job = submit(session, "execute", program, stdin, DEFAULT_LEVEL, as_json=True)
            status = follow_to_end(session, job, quiet=True)
            report = execution_report(session.cluster.fetch(status.result)) if status.result else None
        if status.state.value != "completed" or report is None:
            if report is not None:
                say_console(report.console)
            raise failure_of(status)
        print_execution(report, as_json=as_json)
        return
    from zisk_actors.proving import Prover

    run = Prover().execute(read_file(program_name, "program"), stdin)
    if run.trap is not None:
        say_console(run.console)
        raise run.trap.error()
    print_execution(run, as_json=as_json)


def execution_report(encoded: bytes) -> ExecutionReport:
    """The report that an execute job's result is."""
    from zisk_actors.client.client import decode_execution

    return decode_execution(encoded)


def say_console(console: bytes) -> None:
    """What the guest printed, as it is."""
    click.echo(console.decode(errors="replace"), nl=False, err=True)


def print_execution(report: ExecutionReport | Execution, *, as_json: bool) -> None:
    """What a run did that halted."""
    if as_json:
        print_json(
            "zisk.execute/1",
            steps=report.steps,
            exit_code=report.exit_code,
            output=output_hex(report.output),
            console=report.console.decode(errors="replace"),
        )
        return
    say_console(report.console)
    for line in output_lines(report.output):
        click.echo(line)
    say(f"{report.steps} steps, exit code {report.exit_code}")


@click.group()
def job() -> None:
    """List, show, follow and cancel jobs."""


def job_fields(status: JobStatus) -> dict[str, Any]:
    """A job's status for JSON."""
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(status)
    return fields


def when(seconds: float | None) -> str:
    """A wall-clock time for people."""
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"


@job.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many, the newest first.")
@click.option(
    "--state", type=click.Choice(["queued", "running", "completed", "failed", "cancelled"]), default=None, help="Only those in this state."
)
@json_option
def list_jobs(limit: int, state: str | None, as_json: bool) -> None:
    """List the newest jobs."""
    with connect(embedded=False) as session:
        jobs = session.cluster.jobs(limit=limit, state=state or "")
    if as_json:
        print_json("zisk.jobs/1", jobs=[job_fields(status) for status in jobs])
        return
    table(
        ("JOB", "KIND", "PROGRAM", "STATE", "DONE", "SUBMITTED"),
        [(s.job, s.kind.value, s.program_name or s.program[:12], describe(s), f"{s.percent:.0f} %", when(s.submitted_at)) for s in jobs],
    )


@job.command("show")
@click.argument("name", metavar="JOB")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show all that is known of a job."""
    with connect(embedded=False) as session:
        status = session.cluster.job(name)
    if as_json:
        print_json("zisk.job/1", **job_fields(status))
        return
    rows = [
        ("job", status.job),
        ("kind", status.kind.value),
        ("program", f"{status.program_name} {status.program}".strip()),
        ("params", status.params),
        ("state", describe(status)),
        ("done", f"{status.percent:.0f} %" + (f", {duration(status.eta_seconds)} left" if status.eta_seconds is not None else "")),
        ("submitted", when(status.submitted_at)),
        ("started", when(status.started_at)),
        ("ended", when(status.ended_at)),
    ]
    rows += [(f"share {s.share}", f"{s.phase.value} {100 * s.fraction:.0f} % {s.step}, worker {s.worker}") for s in status.shares]
    if (proved := status.verified) is not None:
        rows.append(("output", output_lines(proved.output)[0]))
        rows.append(("proved", f"{proved.steps} steps, exit code {proved.exit_code}, {proved.bits:.1f} proven bits"))
    if status.failure is not None:
        rows.append(("failure", f"[{status.failure.code}] {failure_of(status)}"))
    for name, value in rows:
        click.echo(f"{name:10} {value}")


@job.command("watch")
@click.argument("name", metavar="JOB")
@click.option("-o", "--output", "target", metavar="FILE", help="Write the proof there when it is done.")
@json_option
def watch(name: str, target: str | None, as_json: bool) -> None:
    """Follow a job until it has ended.

    With --json each change is one line. Ends with the job's own exit code.
    """
    if target is not None:
        check_writable(target, "proof")
    with connect(embedded=False) as session:
        began = session.cluster.job(name)
        if as_json:
            status = began
            for status in session.cluster.watch(began.job):
                print_json("zisk.job/1", **job_fields(status))
            if status.state.value != "completed":
                raise failure_of(status)
        else:
            status = follow(session, began.job)
        if target is None:
            return
        proof = fetch_result(session, status)
    write_file(target, proof, "proof")
    if not as_json:
        seconds = (status.ended_at or status.submitted_at) - status.submitted_at
        print_proof(status, target, len(proof), seconds, as_json=False)


@job.command("cancel")
@click.argument("name", metavar="JOB")
@json_option
def cancel(name: str, as_json: bool) -> None:
    """Cancel a job. Cancelling one that has ended changes nothing."""
    with connect(embedded=False) as session:
        cancelled, status = session.cluster.cancel(name)
    if as_json:
        print_json("zisk.cancel/1", job=status.job, cancelled=cancelled, state=status.state.value)
        return
    say(f"job {status.job} is cancelled" if cancelled else f"job {status.job} had ended before: {status.state.value}")
