"""A coordinator under load on loopback: many workers held, many jobs, a kill with a long journal, and Dask's scheduler beside it.

Run as `scripts/bench-cluster`, or `python -m zisk_actors.bench.cluster`.

Rules of this file:
* Real are the coordinator's process, its journal and blobs on disk with full sync, and the sockets with CURVE, one key a worker.
  Simulated is the computation. What is printed says so.
* A figure is printed beside what is wanted of it, whether or not it is reached; a target that is missed is the exit code 1 only with
  `--strict`.
"""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click
import msgspec
import trio

from zisk_actors import __version__
from zisk_actors.bench import dask
from zisk_actors.bench.figures import Meter, merged, spread
from zisk_actors.bench.findings import LIGHT, Figures, Held, Loaded, Plan, Restarted, print_tables, targets
from zisk_actors.bench.load import PROGRAM, clients, run_jobs
from zisk_actors.bench.processes import EARLIER_EVENTS, BenchFailed, Place, RunningCoordinator, RunningTroop, start_coordinator, troops
from zisk_actors.bench.simulated import Order, Report, raise_file_limit
from zisk_actors.cli.bench import processor
from zisk_actors.cli.output import json_option, print_json, report, say, table
from zisk_actors.errors import ZiskError
from zisk_actors.wire.values import Kind

REGISTER_SECONDS: Final = 120.0
DASK_SECONDS: Final = 600.0
UNFINISHED: Final = 50
"""Jobs under way when the coordinator is killed."""
COMPUTE_AT_KILL_SECONDS: Final = 2.0


class Bench:
    """One run, step by step."""

    def __init__(self, plan: Plan, place: Place) -> None:
        self._plan = plan
        self._place = place
        self._jobs = plan.journal_jobs

    async def run(self) -> Figures:
        plan, place = self._plan, self._place
        say(f"writing {plan.journal_jobs} earlier jobs into the journal")
        await trio.to_thread.run_sync(place.fill_journal, plan.journal_jobs)
        coordinator = await start_coordinator(place)
        try:
            began = time.monotonic()
            async with troops(place.troops(plan.processes, coordinator.worker_url)) as running:
                held = await self._hold(coordinator, running, began)
                loaded = await self._load(coordinator, running)
                coordinator, restarted = await self._kill(coordinator, running)
            coordinator.stop()
            disk = await trio.to_thread.run_sync(place.read_journal)
        finally:
            coordinator.stop()
        events_per_job = (disk.events - EARLIER_EVENTS * plan.journal_jobs) / (self._jobs - plan.journal_jobs)
        loaded = msgspec.structs.replace(
            loaded, events_per_job=round(events_per_job, 3), transitions_per_second=round(loaded.jobs_per_second * events_per_job, 1)
        )
        beside = None
        if plan.with_dask and dask.installed():
            say("the same with Dask")
            beside = await self._dask()
        return Figures(plan=plan, held=held, loaded=loaded, restarted=restarted, on_disk=disk, dask=beside)

    async def _hold(self, coordinator: RunningCoordinator, running: Sequence[RunningTroop], began: float) -> Held:
        plan = self._plan
        say(f"registering {plan.workers} workers")
        await self._registered(running, REGISTER_SECONDS)
        registered = time.monotonic() - began
        await order(running, Order(fresh=True))
        deaths = self._deaths()
        say(f"holding them for {plan.seconds:g} s, a heartbeat each {plan.heartbeat:g} s")
        meter = Meter(coordinator.pid)
        await trio.sleep(plan.seconds)
        usage = meter.read()
        seen = await order(running, Order(fresh=True))
        return Held(
            registered_seconds=round(registered, 3),
            seconds=plan.seconds,
            false_deaths=self._deaths() - deaths,
            links_broken=sum(each.broken for each in seen),
            lateness=merged([each.lateness for each in seen]),
            round_trip=merged([each.round_trip for each in seen]),
            coordinator=usage,
        )

    async def _load(self, coordinator: RunningCoordinator, running: Sequence[RunningTroop]) -> Loaded:
        plan, place = self._plan, self._place
        deaths = self._deaths()
        async with clients(place, coordinator, max(LIGHT, plan.in_flight)) as through:
            few = max(1, plan.jobs // 4)
            say(f"{few} jobs, {plan.rate:g} a second")
            light = await run_jobs(through, few, LIGHT, wait=True, rate=plan.rate)
            seen = await order(running, Order(fresh=True))
            received = {job: at for each in seen for job, at in each.received.items()}
            to_task = spread([received[job] - at for job, at in light.asked.items() if job in received])

            say(f"{plan.jobs} jobs, {plan.in_flight} at a time")
            meter = Meter(coordinator.pid)
            burst = await run_jobs(through, plan.jobs, plan.in_flight, wait=True)
            burst_usage = meter.read()

            delay = plan.workers / plan.rate
            await order(running, Order(fresh=True, delay=delay))
            say(f"{2 * plan.workers} jobs of {delay:g} s: every worker busy, {plan.rate:g} ends a second, a queue behind them")
            meter = Meter(coordinator.pid)
            busy = await run_jobs(through, 2 * plan.workers, plan.in_flight, wait=False)
            busy_usage = meter.read()
            seen = await order(running, Order(fresh=True))
        self._jobs += few + plan.jobs + 2 * plan.workers
        rate = plan.jobs / burst.seconds
        return Loaded(
            jobs=plan.jobs,
            jobs_per_second=round(rate, 1),
            events_per_job=0.0,  # known when the journal is read
            transitions_per_second=0.0,
            job_loaded=spread([burst.ended[job] - at for job, at in burst.asked.items()]),
            burst=burst_usage,
            to_task=to_task,
            job=spread([light.ended[job] - at for job, at in light.asked.items()]),
            gap=merged([each.gap for each in seen]),
            gap_tasks_per_second=round(2 * plan.workers / busy.seconds, 1),
            busy=busy_usage,
            false_deaths=self._deaths() - deaths,
            not_completed=len(light.wrong) + len(burst.wrong) + len(busy.wrong),
            round_trip=merged([each.round_trip for each in seen]),
        )

    async def _kill(self, coordinator: RunningCoordinator, running: Sequence[RunningTroop]) -> tuple[RunningCoordinator, Restarted]:
        place = self._place
        await order(running, Order(fresh=True, delay=COMPUTE_AT_KILL_SECONDS))
        unfinished = min(UNFINISHED, 2 * self._plan.workers)
        async with clients(place, coordinator, 1) as (client,):
            jobs = [await client.submit(Kind.EXECUTE, PROGRAM, stdin=b"at the kill", name="bench") for _ in range(unfinished)]
        say(f"kill -9 of the coordinator with {self._jobs} jobs in the journal and {unfinished} under way")
        killed = await trio.to_thread.run_sync(coordinator.kill)
        again = await start_coordinator(place, like=coordinator)
        try:
            async with clients(place, again, 1) as (client,):
                await client.ping()
                serving = time.monotonic() - killed
                epoch = await client.ping()
                await self._registered(running, REGISTER_SECONDS, epoch)
                back = max(each.last_registered_at for each in await order(running, Order())) - killed
                states = [(await client.wait(job, seconds=60.0)).state.value for job in jobs]
                done = time.monotonic() - killed
        except BaseException:
            again.stop()
            raise
        self._jobs += unfinished
        figures = Restarted(
            journal_jobs=self._jobs,
            serving_seconds=round(serving, 3),
            workers_back_seconds=round(back, 3),
            unfinished=unfinished,
            unfinished_done_seconds=round(done, 3),
            lost=sum(state != "completed" for state in states),
        )
        return again, figures

    async def _dask(self) -> dask.DaskFigures | None:
        plan = self._plan
        try:
            return await trio.to_thread.run_sync(dask.compare, plan.workers, plan.jobs, plan.rate, LIGHT, DASK_SECONDS)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or b""
            say(f"Dask's run failed: {error} {said[-600:].decode(errors='replace')}")
            return None

    async def _registered(self, running: Sequence[RunningTroop], seconds: float, epoch: int = 0) -> None:
        """Wait until all workers are registered, with a coordinator of this epoch. Raises `BenchFailed`."""
        deadline = time.monotonic() + seconds
        while True:
            seen = await order(running, Order())
            count = sum(each.registered for each in seen if not epoch or each.epoch == epoch)
            if count == self._plan.workers:
                return
            refused = [reason for each in seen for reason in each.refused]
            if time.monotonic() > deadline:
                raise BenchFailed(
                    f"only {count} of {self._plan.workers} workers are registered after {seconds:g} s; refused: {refused[:3]}"
                )
            await trio.sleep(0.05)

    def _deaths(self) -> int:
        """How often the coordinator has said that a worker is lost. None of ours ever dies."""
        return len(re.findall(r"worker lost", self._place.log.read_text(errors="replace")))


async def order(running: Sequence[RunningTroop], what: Order) -> list[Report]:
    """The reports of all processes of workers."""
    return [await each.report(what) for each in running]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--workers", type=click.IntRange(1, 1900), default=1000, show_default=True, help="Simulated workers, a key and a link each.")
@click.option("--processes", type=click.IntRange(1, 8), default=1, show_default=True, help="Processes that the workers live in.")
@click.option("--seconds", type=click.FloatRange(0.5, 3600), default=10, show_default=True, help="How long they are held idle.")
@click.option(
    "--heartbeat", type=click.FloatRange(0.1, 60), default=2, show_default=True, help="Heartbeat period in seconds; 3 may be missed."
)
@click.option("--jobs", type=click.IntRange(4, 100_000), default=2000, show_default=True, help="Jobs of one share, and tasks for Dask.")
@click.option("--in-flight", type=click.IntRange(1, 480), default=96, show_default=True, help="Jobs that clients wait for at a time.")
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 10_000),
    default=25,
    show_default=True,
    help="Jobs begun a second, and tasks ended a second while all workers are busy.",
)
@click.option("--journal-jobs", type=click.IntRange(0, 1_000_000), default=10_000, show_default=True, help="Earlier jobs in the journal.")
@click.option("--dask/--no-dask", "with_dask", default=True, help="Have Dask do the same, where it is installed.")
@click.option("--folder", metavar="FOLDER", help="Keep the coordinator's state and log in a new folder there.")
@click.option("--strict", is_flag=True, help="Exit with 1 where a target is missed.")
@json_option
def main(folder: str | None, strict: bool, as_json: bool, **plan: object) -> None:
    """Measure a coordinator with simulated workers on this machine."""
    try:
        figures = measure(msgspec.convert(plan, Plan), Path(folder) if folder else None)
    except ZiskError as error:
        report(error, as_json=as_json)
        sys.exit(error.exit_code)
    rows = targets(figures)
    if as_json:
        print_json("zisk.bench-cluster/1", **facts(), **msgspec.to_builtins(figures), targets=msgspec.to_builtins(rows))
    else:
        table(("WHAT", "IS"), [(name.replace("_", " "), str(value)) for name, value in facts().items()])
        print_tables(figures)
    if strict and any(row.reached is False for row in rows):
        sys.exit(1)


def measure(plan: Plan, folder: Path | None = None) -> Figures:
    """One run. Raises `BenchFailed` and what the coordinator's start raises."""
    raise_file_limit()
    gc.disable()  # as in the workers' process: the clients' pauses are not what is measured
    with ExitStack() as stack:
        if folder is None:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="zisk-bench-"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            scratch = tempfile.mkdtemp(prefix="run-", dir=folder)
        place = Place(Path(scratch), plan.workers, plan.heartbeat, 4 * plan.workers + plan.jobs)
        return trio.run(Bench(plan, place).run)


def facts() -> dict[str, object]:
    """Where and what was measured."""
    return {
        "version": __version__,
        "date": time.strftime("%Y-%m-%d"),
        "machine": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "real": "coordinator process, journal and blobs with full sync, ZeroMQ with CURVE on loopback, one key a worker",
        "simulated": "the workers' computation, and what the coordinator's own runs compute; jobs are executions, which need no proof",
    }


if __name__ == "__main__":
    main()
