"""The scheduler of Dask `distributed` under the same number of tasks and workers, for comparison. It is no dependency: where it cannot be
imported, it is left out.

Run as a process: `scheduler` prints its address, `workers ADDRESS COUNT` runs that many workers, and
`client ADDRESS WORKERS TASKS RATE IN_FLIGHT BEGAN` prints one line of JSON. All three speak plain TCP on loopback: Dask encrypts nothing
here and keeps nothing on disk.

Rule of this file: as in our own run, scheduler, workers and client are processes of their own, each worker has one thread, a task does
nothing, and every task is a different one, so that none is answered from memory.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec

from zisk_actors.bench.figures import Meter, Spread, Usage, spread

REGISTER_SECONDS: Final = 120.0
TOGETHER: Final = 50
"""Workers that start at a time."""
QUIET: Final = {
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.interval": "60s",
    "distributed.admin.tick.interval": "2s",
    "distributed.comm.timeouts.connect": "60s",
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
}
"""What a Dask worker does beside its tasks is switched off: a thousand of them in one process would do nothing else."""


class DaskFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What Dask's scheduler did. `task`: from submitting one task to its result, `rate` a second and at most `in_flight` at a time."""

    version: str
    workers: int
    registered_seconds: float
    tasks: int
    tasks_per_second: float
    task: Spread
    scheduler: Usage | None = None


def installed() -> bool:
    return importlib.util.find_spec("distributed") is not None


def compare(workers: int, tasks: int, rate: float, in_flight: int, seconds: float) -> DaskFigures:
    """Start Dask's three processes and have them measured. Raises `subprocess.SubprocessError` and `OSError`."""
    command = [sys.executable, "-m", "zisk_actors.bench.dask"]
    with subprocess.Popen([*command, "scheduler"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as scheduler:
        try:
            if scheduler.stdout is None:
                raise AssertionError("a process started with a pipe has a pipe")
            address = scheduler.stdout.readline().decode().strip()
            meter = Meter(scheduler.pid)
            arguments = [address, str(workers)]
            began = time.monotonic()
            with subprocess.Popen([*command, "workers", *arguments], stderr=subprocess.DEVNULL) as hands:
                try:
                    done = subprocess.run(
                        [*command, "client", *arguments, str(tasks), str(rate), str(in_flight), str(began)],
                        capture_output=True,
                        timeout=seconds,
                        check=True,
                    )
                    usage = meter.read()
                finally:
                    hands.kill()
        finally:
            scheduler.kill()
    return msgspec.structs.replace(msgspec.json.decode(done.stdout.splitlines()[-1], type=DaskFigures), scheduler=usage)


def nothing(number: int) -> int:
    """The task."""
    return number


async def run_scheduler(dask: Any) -> None:
    async with dask.Scheduler(port=0, host="127.0.0.1", dashboard=False) as scheduler:
        print(scheduler.address, flush=True)
        await scheduler.finished()


async def run_workers(dask: Any, address: str, count: int) -> None:
    async with AsyncExitStack() as stack:
        for start in range(0, count, TOGETHER):
            some = [
                dask.Worker(address, nthreads=1, name=number, memory_limit=0, dashboard=False)
                for number in range(start, min(count, start + TOGETHER))
            ]
            await asyncio.gather(*(stack.enter_async_context(worker) for worker in some))
        await asyncio.Event().wait()


async def run_client(dask: Any, address: str, workers: int, tasks: int, rate: float, in_flight: int, began: float) -> DaskFigures:
    async with dask.Client(address, asynchronous=True, set_as_default=False) as client:
        await client.wait_for_workers(workers, timeout=REGISTER_SECONDS)
        registered = time.monotonic() - began
        began = time.monotonic()
        await client.gather(client.map(nothing, range(tasks), pure=False))
        burst = time.monotonic() - began
        numbers = iter(range(max(1, tasks // 4)))
        start = time.monotonic()
        seconds: list[float] = []

        async def one_after_the_other() -> None:
            for number in numbers:
                await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
                asked = time.monotonic()
                await client.submit(nothing, tasks + number, pure=False)
                seconds.append(time.monotonic() - asked)

        await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))
    return DaskFigures(
        version=str(dask.__version__),
        workers=workers,
        registered_seconds=round(registered, 3),
        tasks=tasks,
        tasks_per_second=round(tasks / burst, 1),
        task=spread(seconds),
    )


def main(arguments: list[str]) -> None:
    dask = importlib.import_module("distributed")
    config = importlib.import_module("dask").config
    config.set(QUIET)
    match arguments:
        case ["scheduler"]:
            asyncio.run(run_scheduler(dask))
        case ["workers", address, count]:
            importlib.import_module("zisk_actors.bench.simulated").raise_file_limit()
            asyncio.run(run_workers(dask, address, int(count)))
        case ["client", address, workers, tasks, rate, in_flight, began]:
            figures = asyncio.run(run_client(dask, address, int(workers), int(tasks), float(rate), int(in_flight), float(began)))
            print(msgspec.json.encode(figures).decode(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
