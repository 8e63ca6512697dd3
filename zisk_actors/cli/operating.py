"""`zisk status`, `zisk job stuck`, `zisk log-level`: how a running cluster stands, what does not get on, and more in its log.

Rules of this file:
* The first line says the worst; what is wrong comes with the command that shows more.
* Ends with 0 whatever it finds: whether that is trouble is for who asks. `zisk doctor` judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

import click

from zisk_actors.backends import is_mock
from zisk_actors.cli.connection import connect
from zisk_actors.cli.jobs import job
from zisk_actors.cli.output import BEGINNING, duration, echo, json_option, print_json, say, size, table
from zisk_actors.cli.verbs import verb
from zisk_actors.errors import UsageError

if TYPE_CHECKING:
    from zisk_actors.wire.operating import ClusterStatus, Stall
    from zisk_actors.wire.values import WorkerStatus

STUCK_SECONDS = 60.0
ENDED = ("completed", "failed", "cancelled")
LEVELS = ("trace", "debug", "info", "warn", "error")


@verb(70)
@click.command()
@click.option("--workers", "list_workers", is_flag=True, help="List the workers as well.")
@json_option
def status(list_workers: bool, as_json: bool) -> None:
    """Show how the cluster stands: workers, units, queue, jobs, refusals, disk."""
    import msgspec

    with connect(embedded=False) as session:
        cluster = session.cluster.cluster()
        workers = session.cluster.workers() if list_workers else []
    if as_json:
        fields: dict[str, Any] = msgspec.to_builtins(cluster)
        rows = {"worker_list": [msgspec.to_builtins(worker) for worker in workers]} if list_workers else {}
        print_json("zisk.status/1", **fields, **rows)
        return
    for name, value in status_lines(cluster):
        echo(f"{name:12} {value}".rstrip())
    if list_workers:
        echo()
        table(
            ("WORKER", "STATE", "UNITS", "MEASURED", "PROGRAMS", "HEARD", "ADDRESS", "WORKS FOR"),
            [_row(worker) for worker in workers],
        )


def _row(worker: WorkerStatus) -> tuple[str, ...]:
    rate = f"{worker.measured / 1e6:.2f} M cells/s" if worker.measured else "-"
    heard = f"{worker.heard_seconds_ago:.0f} s ago"
    return worker.worker, worker.state, str(worker.units), rate, str(len(worker.programs)), heard, worker.address, _jobs(worker)


def _jobs(worker: WorkerStatus) -> str:
    return " ".join(job[:8] for job in worker.jobs) or "-"


def status_lines(cluster: ClusterStatus) -> list[tuple[str, str]]:
    """What `zisk status` says, line by line."""
    takes = "takes new work" if not cluster.problems else "takes no new work: " + "; ".join(cluster.problems)
    queued, running = cluster.jobs.get("queued", 0), cluster.jobs.get("running", 0)
    lines = [
        ("cluster", takes),
        ("coordinator", f"{cluster.version}, started {duration(cluster.uptime_seconds)} ago, epoch {cluster.epoch}, {_mode(cluster)}"),
        ("workers", _counts(cluster.workers) or "none is connected: no job can start (`zisk doctor` on a worker's host says why)"),
        ("units", f"{cluster.units_free} free of {cluster.units}"),
        ("queue", f"{queued} waiting" + (f", the oldest for {duration(cluster.queue_oldest_seconds)}" if queued else "")),
        ("running", _running(cluster, running)),
        ("ended", _counts({name: count for name, count in cluster.jobs.items() if name in ENDED}) or "none"),
        ("refusals", _counts(dict(list(cluster.refusals.items())[:5])) or "none since it started"),
    ]
    if waiting := cluster.jobs.get("waiting_for_input", 0):
        lines.insert(5, ("input", f"{waiting} jobs wait for the rest of their input from their clients"))
    if cluster.disk_total_bytes:
        lines.append(("disk", f"{size(cluster.disk_free_bytes)} free of {size(cluster.disk_total_bytes)} where its state is"))
    if cluster.loop_lag_seconds > 0.25:
        lines.append(("late", f"its loop was {cluster.loop_lag_seconds:.1f} s late when it last looked: the machine is overloaded"))
    lines.append(("log level", cluster.log_level))
    lines.append(("you are", cluster.role))
    return lines


def _mode(cluster: ClusterStatus) -> str:
    return "MOCK: its proofs prove nothing" if is_mock(cluster.backend) else f"verifies with {cluster.backend}"


def _running(cluster: ClusterStatus, jobs: int) -> str:
    if not jobs:
        return "no jobs"
    return f"{jobs} jobs; shares: {cluster.shares_running} held, {cluster.shares_waiting} waiting for a worker (`zisk job stuck`)"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


@job.command("stuck")
@click.option(
    "--seconds",
    type=click.FloatRange(0, 1e9),
    default=STUCK_SECONDS,
    show_default=True,
    help="Show what has not moved for so long; 0 shows everything that is waited for.",
)
@json_option
def stuck(seconds: float, as_json: bool) -> None:
    """Show which jobs do not get on, since when, and what each waits for."""
    import msgspec

    with connect(embedded=False) as session:
        stalls = session.cluster.stalls(seconds=seconds)
    if as_json:
        print_json("zisk.stuck/1", seconds=seconds, stalls=[msgspec.to_builtins(stall) for stall in stalls])
        return
    if not stalls:
        say(f"nothing has stood still for {duration(seconds)}" if seconds else "no job waits for anything")
        return
    table(("JOB", "PHASE", "SHARE", "STILL FOR", "HELD FOR", "AT", "WAITS FOR"), [stall_row(stall) for stall in stalls])
    say("what to do: docs/runbook.md, row 11; `zisk job cancel JOB` ends a job and frees its workers")


def stall_row(stall: Stall) -> Sequence[str]:
    """One line of `zisk job stuck`."""
    held = "-" if stall.worker is None else duration(stall.held_seconds)
    share = "-" if stall.share is None else f"{stall.share}" + (f", try {stall.attempt}" if stall.attempt > 1 else "")
    at = "-" if stall.worker is None else f"{100 * stall.fraction:.0f} % {stall.step}".rstrip()
    phase = stall.phase.value if stall.phase is not None else "queued"
    return (stall.job[:BEGINNING], phase, share, duration(stall.still_seconds), held, at, stall.waiting_for)


@verb(120)
@click.command("log-level")
@click.argument("level", type=click.Choice(LEVELS))
@click.option("--worker", default="", metavar="ID", help="The worker whose log it is; the coordinator's unless said.")
@json_option
def log_level(level: str, worker: str, as_json: bool) -> None:
    """Log more or less in a running coordinator or worker, until it is started again. For operators."""
    from zisk_actors.wire.operating import Level

    chosen: Level | None = next((known for known in get_args(Level) if known == level), None)
    if chosen is None:
        raise UsageError(f"there is no level {level}")
    with connect(embedded=False) as session:
        session.cluster.set_log_level(chosen, worker=worker)
    if as_json:
        print_json("zisk.log-level/1", level=level, worker=worker)
        return
    say(f"{f'worker {worker}' if worker else 'the coordinator'} logs at {level} until it is started again")
