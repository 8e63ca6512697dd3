"""`zisk job`: listing, showing, following, cancelling and repeating jobs of a cluster."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from zisk_actors.cli.connection import connect
from zisk_actors.cli.following import completed, failure_of, fetch_result, follow, interruptible, print_proof
from zisk_actors.cli.output import check_writable, duration, echo, json_option, output_lines, print_json, say, seconds_of, table, write_file
from zisk_actors.cli.progress import describe
from zisk_actors.cli.verbs import verb

if TYPE_CHECKING:
    from zisk_actors.wire.values import JobStatus


STATES = ("waiting_for_input", "queued", "running", "completed", "failed", "cancelled")


@verb(100)
@click.group()
def job() -> None:
    """List, show, follow, cancel and repeat jobs."""


def job_fields(status: JobStatus) -> dict[str, Any]:
    """A job's status for JSON."""
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(status)
    if status.failure is not None:
        fields["failure"]["variant"] = status.failure.variant
    return fields


def when(seconds: float | None) -> str:
    """A wall-clock time for people."""
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"


@job.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many, the newest first.")
@click.option("--state", type=click.Choice(STATES), default=None, help="Only those in this state.")
@click.option("--kind", type=click.Choice(["setup", "execute", "prove"]), default=None, help="Only those of this kind.")
@click.option("--program", default="", metavar="ID-or-NAME", help="Only those of this program, by its name or the beginning of its id.")
@click.option("--name", default="", metavar="NAME", help="Only those submitted under this name.")
@click.option("--mine", is_flag=True, help="Only those that our own key submitted.")
@click.option("--since", default=None, metavar="TIME", help="Only those submitted so long ago at most: 90s, 10m, 2h, or seconds.")
@json_option
def list_jobs(
    limit: int, state: str | None, kind: str | None, program: str, name: str, mine: bool, since: str | None, as_json: bool
) -> None:
    """List the newest jobs."""
    at = 0.0 if since is None else time.time() - seconds_of(since, "--since")
    with connect(embedded=False) as session:
        jobs = session.cluster.jobs(limit=limit, state=state or "", kind=kind or "", program=program, name=name, mine=mine, since=at)
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
    rows += [("note", status.reason)] if status.reason else []
    rows += [("stopped", ", ".join(status.stopped))] if status.stopped else []
    rows += [("stopping", f"{', '.join(status.stopping)}: not confirmed")] if status.stopping else []
    if status.failure is not None:
        rows.append(("failure", f"{status.failure.variant} [{status.failure.code}] {failure_of(status)}"))
    for name, value in rows:
        echo(f"{name:10} {value}")


@job.command("watch")
@click.argument("name", metavar="JOB")
@click.option("-o", "--output", "target", metavar="FILE", help="Write the proof there when it is done.")
@click.option("--after", type=click.IntRange(0), default=0, metavar="NUMBER", help="Leave out the changes up to the one of that number.")
@json_option
def watch(name: str, target: str | None, after: int, as_json: bool) -> None:
    """Follow a job until it has ended.

    With --json each change is one line; its field `number` is what --after takes, over restarts of the coordinator as well. Ends with the
    job's own exit code.
    """
    if target is not None:
        check_writable(target, "proof")
    with connect(embedded=False) as session, interruptible(session):
        job_id = session.job = session.cluster.job(name).job
        if as_json:
            for status in session.cluster.watch(job_id, after=after):
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
        told = {"stopped": list(status.stopped), "stopping": list(status.stopping)}
        print_json("zisk.cancel/1", job=status.job, cancelled=cancelled, state=status.state.value, **told)
        return
    if not cancelled:
        say(f"job {status.job} had ended before: {status.state.value}")
        return
    words = f"; stopped on {', '.join(status.stopped)}" if status.stopped else ""
    words += f"; {', '.join(status.stopping)} has not said that it stopped" if status.stopping else ""
    say(f"job {status.job} is cancelled{words}")


@job.command("retry")
@click.argument("name", metavar="JOB")
@json_option
def retry(name: str, as_json: bool) -> None:
    """Submit what a job asked for as a new job, and print its id."""
    with connect(embedded=False) as session:
        job_id = session.cluster.retry(name)
    if as_json:
        print_json("zisk.submitted/1", job=job_id)
    else:
        echo(job_id)
