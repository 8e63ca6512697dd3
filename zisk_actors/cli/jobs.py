"""`zisk job`: listing, showing, following and cancelling jobs of a cluster."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from zisk_actors.cli.connection import connect
from zisk_actors.cli.following import completed, failure_of, fetch_result, follow, interruptible, print_proof
from zisk_actors.cli.output import check_writable, duration, json_option, output_lines, print_json, say, table, write_file
from zisk_actors.cli.progress import describe

if TYPE_CHECKING:
    from zisk_actors.wire.values import JobStatus


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
    if status.starts_in_seconds is not None:
        rows.append(("starts in", f"about {duration(status.starts_in_seconds)}, going by the jobs that run"))
    rows += [("deadline", when(status.deadline_at))] if status.deadline_at is not None else []
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
    with connect(embedded=False) as session, interruptible(session):
        job_id = session.job = session.cluster.job(name).job
        if as_json:
            for status in session.cluster.watch(job_id):
                print_json("zisk.job/1", **job_fields(status))
        else:
            follow(session, job_id)
        status = completed(session.cluster.job(job_id))
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
