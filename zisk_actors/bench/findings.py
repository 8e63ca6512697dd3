"""What a run of `scripts/bench-cluster` found, and each figure beside what is wanted of it.

Rule of this file: a figure is printed whether or not its target is reached.
"""

from __future__ import annotations

from typing import Final

import msgspec

from zisk_actors import __version__
from zisk_actors.bench import dask
from zisk_actors.bench.figures import Spread, Usage
from zisk_actors.bench.processes import OnDisk
from zisk_actors.cli.output import say, size, table

LIGHT: Final = 8
"""Jobs at a time, at most, where the time of one is measured."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do; `rate` is how many jobs are begun in a second where the time of one is measured, and how many end while all
    workers are busy."""

    workers: int = 1000
    processes: int = 1
    seconds: float = 10.0
    heartbeat: float = 2.0
    jobs: int = 2000
    in_flight: int = 96
    rate: float = 25.0
    journal_jobs: int = 10_000
    with_dask: bool = True


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Workers that were connected for a while, with nothing to do. `lateness`: how much later than the period a beat of the coordinator
    came. `round_trip`: a worker's question, through its session and back."""

    registered_seconds: float
    seconds: float
    false_deaths: int
    links_broken: int
    lateness: Spread
    round_trip: Spread
    coordinator: Usage


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs of one share, each result on the coordinator's disk. A transition is an event of the journal, counted when the run is over.

    `to_task`: from a client's submit, with its flush to disk, to the task at a free worker. `job`: from the submit to its end known to the
    client. `gap`: from a worker's answer to its next task, all workers busy and a queue behind them.
    """

    jobs: int
    jobs_per_second: float
    events_per_job: float
    transitions_per_second: float
    job_loaded: Spread
    burst: Usage
    to_task: Spread
    job: Spread
    gap: Spread
    gap_tasks_per_second: float
    busy: Usage
    false_deaths: int
    not_completed: int
    round_trip: Spread


class Restarted(msgspec.Struct, frozen=True, kw_only=True):
    """After `kill -9`: seconds until a client is answered, until all workers are back, until the jobs under way are done."""

    journal_jobs: int
    serving_seconds: float
    workers_back_seconds: float
    unfinished: int
    unfinished_done_seconds: float
    lost: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All of one run."""

    plan: Plan
    held: Held
    loaded: Loaded
    restarted: Restarted
    on_disk: OnDisk
    dask: dask.DaskFigures | None = None


class Target(msgspec.Struct, frozen=True):
    """A figure and what is wanted of it."""

    what: str
    figure: str
    wanted: str = ""
    reached: bool | None = None


def targets(figures: Figures) -> list[Target]:
    """The figures that are wanted to be so, and those that explain them."""
    held, loaded, restarted, disk = figures.held, figures.loaded, figures.restarted, figures.on_disk
    usage, none_lost = held.coordinator, restarted.lost + loaded.not_completed

    def under(spread: Spread, seconds: float) -> bool:
        return spread.p99 is not None and spread.p99 < seconds

    return [
        Target("all workers registered", f"{held.registered_seconds:.1f} s"),
        Target("false deaths, held", str(held.false_deaths), "0", held.false_deaths == 0),
        Target("heartbeat later than its period", str(held.lateness), "p99 < 250 ms", under(held.lateness, 0.25)),
        Target("round trip through a session, held", str(held.round_trip), "p99 < 250 ms", under(held.round_trip, 0.25)),
        Target("coordinator, held: processor", f"{usage.cores:.2f} cores", "< 1", usage.cores < 1),
        Target("coordinator, held: memory", f"{size(usage.resident_bytes)}", "< 500 MB", usage.resident_bytes < 500 * 10**6),
        Target("submit to task at a free worker", str(loaded.to_task), "p99 < 50 ms", under(loaded.to_task, 0.05)),
        Target(
            "answer to next task, all busy",
            f"{loaded.gap}, at {loaded.gap_tasks_per_second:g} tasks/s",
            "p99 < 50 ms",
            under(loaded.gap, 0.05),
        ),
        Target("coordinator, all busy: processor", f"{loaded.busy.cores:.2f} cores"),
        Target(f"a job, {figures.plan.rate:g} a second", str(loaded.job)),
        Target("jobs of one share", f"{loaded.jobs_per_second:g} a second"),
        Target(
            "durable transitions",
            f"{loaded.transitions_per_second:g} a second, {loaded.events_per_job:g} a job",
            ">= 100",
            loaded.transitions_per_second >= 100,
        ),
        Target("coordinator, jobs: processor", f"{loaded.burst.cores:.2f} cores, memory {size(loaded.burst.resident_bytes)}"),
        Target("false deaths, loaded", str(loaded.false_deaths), "0", loaded.false_deaths == 0),
        Target(
            f"serving after kill -9, {restarted.journal_jobs} jobs",
            f"{restarted.serving_seconds:.2f} s",
            "<= 3 s",
            restarted.serving_seconds <= 3,
        ),
        Target("all workers back after kill -9", f"{restarted.workers_back_seconds:.2f} s"),
        Target("the jobs under way done", f"{restarted.unfinished_done_seconds:.2f} s after the kill"),
        Target("jobs lost or not completed", str(none_lost), "0", none_lost == 0),
        Target(
            "completed on disk at the end",
            f"{disk.completed} of {restarted.journal_jobs} jobs, {disk.events} events",
            "all",
            disk.completed == disk.jobs == restarted.journal_jobs,
        ),
    ]


def print_tables(figures: Figures) -> None:
    words = {True: "yes", False: "NO", None: ""}
    table(("WHAT", "FIGURE", "WANTED", "REACHED"), [(row.what, row.figure, row.wanted, words[row.reached]) for row in targets(figures)])
    beside = figures.dask
    if beside is None:
        say("without Dask: `pip install distributed` brings it" if not dask.installed() else "without Dask")
        return
    loaded, usage = figures.loaded, beside.scheduler
    rows = [
        ("workers registered", f"{figures.held.registered_seconds:.1f} s", f"{beside.registered_seconds:.1f} s"),
        (f"{beside.tasks} tasks", f"{loaded.jobs_per_second:g} a second", f"{beside.tasks_per_second:g} a second"),
        (f"one task, {figures.plan.rate:g} a second", str(loaded.job), str(beside.task)),
        ("scheduler's memory", size(loaded.burst.peak_bytes), size(usage.peak_bytes) if usage is not None else ""),
        ("flushed to disk before it is told", "yes", "no"),
        ("encrypted, keys checked", "yes", "no"),
    ]
    table(("WHAT", f"zisk_actors {__version__}", f"Dask distributed {beside.version}"), rows)
