"""The processes that are measured: a coordinator with its folder, and processes full of simulated workers.

Rules of this file:
* Whatever is started here is gone when its block is left, however that happens; the coordinator also ends when this process does.
* The coordinator is the one that `zisk-coordinator` starts: its settings, its journal, its sockets.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
import trio

from zisk_actors import __version__
from zisk_actors.actors.ready import Endpoints
from zisk_actors.bench.simulated import PROVER, Order, Report, Troop
from zisk_actors.core.job import replay
from zisk_actors.core.job_events import Admitted, Executed, JobEvent, Submitted
from zisk_actors.core.summary import summarise
from zisk_actors.errors import ZiskError
from zisk_actors.ids import JobId, new_job_id
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Ending
from zisk_actors.toml_files import Value, document
from zisk_actors.transport.auth import KeyPair, new_keypair, write_keypair
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.values import Kind, State

START_SECONDS: Final = 60.0
BATCH: Final = 200
EARLIER_EVENTS: Final = 3
"""Events of each job that `fill_journal` writes."""


class BenchFailed(ZiskError):
    """A process of the benchmark did not do what it is for."""

    code = "bench"


class OnDisk(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal has."""

    jobs: int
    completed: int
    events: int


class Place:
    """A folder with keys and settings for a coordinator and `workers` workers."""

    def __init__(self, folder: Path, workers: int, heartbeat_seconds: float, max_queued: int) -> None:
        self.folder = folder
        self.client, self._server = new_keypair(), new_keypair()
        self.workers = {f"worker-{number:04d}": new_keypair() for number in range(1, workers + 1)}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_keypair(folder / "coordinator.key", self._server)
        lines = [f"operator {self.client.public} bench", *(f"worker {keys.public} {name}" for name, keys in self.workers.items())]
        (folder / "allowed").write_text("\n".join(lines) + "\n", encoding="ascii")
        settings: dict[str, Value] = {
            "server.port": 0,
            "coordinator.port": 0,
            "coordinator.heartbeat_interval_seconds": heartbeat_seconds,
            "coordinator.heartbeat_max_missed": 3,
            "coordinator.max_total_workers": max(1000, workers),
            "coordinator.max_queued_jobs": max_queued,
            "coordinator.job_ttl_seconds": 1000000000,
            "coordinator.max_queued_jobs_per_client": 0,
            "metrics.port": 0,
            "store.folder": str(folder / "state"),
            "security.key_file": str(folder / "coordinator.key"),
            "security.allow_file": str(folder / "allowed"),
            "logging.level": "info",
            "logging.format": "compact",
        }
        (folder / "coordinator.toml").write_text(document(settings), encoding="utf-8")

    @property
    def server_key(self) -> str:
        return self._server.public

    @property
    def log(self) -> Path:
        return self.folder / "coordinator.log"

    def fill_journal(self, jobs: int) -> None:
        """Write the history of `jobs` completed executions; for a coordinator that does not run."""
        journal = Journal(self.folder / "state" / "journal")
        try:
            began = time.time()
            for start in range(0, jobs, BATCH):
                rows: list[tuple[JobId, JobEvent]] = []
                endings: list[Ending] = []
                for number in range(start, min(start + BATCH, jobs)):
                    events = _history(new_job_id(), number, began - jobs + number)
                    rows += [(events[0].job, event) for event in events]
                    endings.append(Ending(summarise(replay([*events]))))
                journal.append(rows, endings)
        finally:
            journal.close()

    def read_journal(self) -> OnDisk:
        """What is on disk; for a coordinator that does not run."""
        journal = Journal(self.folder / "state" / "journal")
        try:
            jobs = list(journal.read().values())
        finally:
            journal.close()
        completed = sum(replay(events).state is State.COMPLETED for events in jobs)
        return OnDisk(jobs=len(jobs), completed=completed, events=sum(map(len, jobs)))

    def troops(self, count: int, url: str) -> list[Troop]:
        """The workers dealt to `count` processes."""
        named = list(self.workers.items())
        return [
            Troop(
                url=url,
                server_key=self.server_key,
                version=__version__,
                keys={name: (keys.public, keys.secret) for name, keys in named[part::count]},
            )
            for part in range(count)
        ]

    def keys(self) -> KeyPair:
        """The client's key pair."""
        return self.client


def _history(job: JobId, number: int, at: float) -> tuple[Submitted, Admitted, Executed]:
    blob = reference(number.to_bytes(8, "little"))
    submitted = Submitted(
        at=at, job=job, kind=Kind.EXECUTE, program=blob, stdin=blob, params="128", client="bench", name="earlier", key=f"key-{number}"
    )
    return submitted, Admitted(at + 0.1, (10,)), Executed(at + 0.2, blob)


class RunningCoordinator:
    """A coordinator's process."""

    def __init__(self, process: subprocess.Popen[bytes], client_url: str, worker_url: str) -> None:
        self._process = process
        self.client_url = client_url
        self.worker_url = worker_url

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> float:
        """SIGKILL; the time at which it was gone."""
        self._process.kill()
        self._process.wait()
        return time.monotonic()

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


async def start_coordinator(place: Place, *, like: RunningCoordinator | None = None) -> RunningCoordinator:
    """Start a coordinator, on the ports of an earlier one where there was one. Raises `BenchFailed` with its last words."""
    ready = place.folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "zisk_actors.cli.coordinator", "--config", str(place.folder / "coordinator.toml")]
    command += ["--ready-file", str(ready), "--die-with-parent", str(os.getpid()), "--prover", PROVER]
    if like is not None:
        ports = [url.rpartition(":")[2] for url in (like.client_url, like.worker_url)]
        command += ["--api-port", ports[0], "--cluster-port", ports[1]]
    with place.log.open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # noqa: ASYNC220
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            facts = msgspec.json.decode(ready.read_bytes(), type=Endpoints)
            return RunningCoordinator(process, facts.client_url, facts.worker_url)
        if process.poll() is not None:
            break
        await trio.sleep(0.01)
    process.kill()
    process.wait()
    raise BenchFailed(f"the coordinator did not start: {place.log.read_text(errors='replace')[-500:]}")


class RunningTroop:
    """A process full of simulated workers."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._rest = bytearray()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def tell(self, message: Troop | Order) -> None:
        if self._process.stdin is None:
            raise AssertionError("a process started with pipes has pipes")
        await self._process.stdin.send_all(msgspec.json.encode(message) + b"\n")

    async def report(self, order: Order) -> Report:
        """Raises `BenchFailed` where the process is gone."""
        await self.tell(order)
        if self._process.stdout is None:
            raise AssertionError("a process started with pipes has pipes")
        while b"\n" not in self._rest:
            piece = await self._process.stdout.receive_some(1 << 20)
            if not piece:
                raise BenchFailed("a process of simulated workers has ended")
            self._rest += piece
        line, _, rest = bytes(self._rest).partition(b"\n")
        self._rest = bytearray(rest)
        return msgspec.json.decode(line, type=Report)


@asynccontextmanager
async def troops(all_of_them: Sequence[Troop]) -> AsyncIterator[list[RunningTroop]]:
    """Processes of simulated workers, for the length of a block."""
    running: list[RunningTroop] = []
    processes: list[trio.Process] = []
    try:
        for troop in all_of_them:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", "zisk_actors.bench.simulated"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            processes.append(process)
            running.append(RunningTroop(process))
            await running[-1].tell(troop)
        yield running
    finally:
        with trio.CancelScope(shield=True):
            for process in processes:
                process.kill()
                await process.wait()
