"""The processes that `zisk chaos` kills: one coordinator and its workers, started as their daemons are started, in a folder of their own.

Rules of this file:
* Whatever is started here is gone when the block is left, and ends with this process, however that ends.
* A kill is SIGKILL to the process as it is; nothing is told and nothing is waited for but its end.
* Each start of a worker has a log of its own, so that what it did can be told from what the next one did.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import trio

from zisk_actors.actors.ready import Endpoints
from zisk_actors.backends import DEFAULT, MOCK, REAL
from zisk_actors.client.processes import last_words
from zisk_actors.errors import ZiskError
from zisk_actors.toml_files import Value, document
from zisk_actors.transport.auth import KeyPair, new_keypair, write_keypair

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.005


class ChaosFailed(ZiskError):
    """The chaos itself could not be made: a process does not start."""

    code = "chaos"


@dataclass
class Start:
    """One start of a worker. `killed_at`: wall-clock seconds, 0 while nobody has killed it."""

    worker: str
    log: Path
    process: subprocess.Popen[bytes]
    killed_at: float = 0.0


class Victims:
    """The folder, the processes that run, and those that ran."""

    def __init__(self, folder: Path, workers: int, *, mock: bool, verb_seconds: float, settle_seconds: float) -> None:
        self.folder = folder
        self.client, self._server = new_keypair(), new_keypair()
        self.names = [f"worker-{number}" for number in range(1, workers + 1)]
        self.starts: list[Start] = []
        self.running: dict[str, Start] = {}
        self.coordinator: subprocess.Popen[bytes] | None = None
        self.where: Endpoints | None = None
        self.ended_alone: list[str] = []
        self._mock = mock
        self._verb_seconds = verb_seconds
        keys = {name: new_keypair() for name in self.names}
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        write_keypair(folder / "coordinator.key", self._server)
        for name, pair in keys.items():
            write_keypair(folder / f"{name}.key", pair)
        lines = [f"operator {self.client.public} chaos", *(f"worker {pair.public} {name}" for name, pair in keys.items())]
        (folder / "allowed").write_text("\n".join(lines) + "\n", encoding="ascii")
        (folder / "coordinator.toml").write_text(document(_coordinator_settings(folder, mock, settle_seconds)), encoding="utf-8")

    @property
    def server_key(self) -> str:
        return self._server.public

    @property
    def keys(self) -> KeyPair:
        """The client's."""
        return self.client

    # ----------------------------------------------------------------------------------------------------------- coordinator

    def start_coordinator(self) -> None:
        """Start it, on the ports that it had before where it had any."""
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "zisk_actors.cli.coordinator", "--config", str(self.folder / "coordinator.toml")]
        command += ["--ready-file", str(ready)]
        if self.where is not None:
            ports = [url.rpartition(":")[2] for url in (self.where.client_url, self.where.worker_url)]
            command += ["--api-port", ports[0], "--cluster-port", ports[1]]
        self.coordinator = self._spawn(command, self.folder / "logs" / "coordinator.log")

    async def serving(self) -> None:
        """Wait until it listens. Raises `ChaosFailed` with its last words where it ends, or does not come up."""
        ready = self.folder / "ready.json"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(FileNotFoundError):
                where = msgspec.json.decode(ready.read_bytes(), type=Endpoints)
                if self.where is None:
                    self.where = where
                    self._write_worker_settings(where)
                return
            if self.coordinator is None or self.coordinator.poll() is not None:
                break
            await trio.sleep(LOOK_SECONDS)
        raise ChaosFailed(f"the coordinator did not start: {last_words(self.folder / 'logs' / 'coordinator.log')}")

    async def kill_coordinator(self) -> None:
        if self.coordinator is not None:
            if self.coordinator.poll() is not None:
                self.ended_alone.append(f"the coordinator: {last_words(self.folder / 'logs' / 'coordinator.log')}")
            await _kill(self.coordinator)

    # --------------------------------------------------------------------------------------------------------------- workers

    def start_worker(self, name: str) -> None:
        log = self.folder / "logs" / f"{name}.{len(self.starts):05d}.log"
        command = [sys.executable, "-m", "zisk_actors.cli.worker", "--config", str(self.folder / f"{name}.toml")]
        start = Start(name, log, self._spawn(command, log))
        self.starts.append(start)
        self.running[name] = start

    async def kill_workers(self, names: Iterable[str]) -> int:
        """Kill them at once, and start them again; how many were still there to be killed."""
        names = list(names)
        killed = 0
        for name in names:
            start = self.running[name]
            if start.process.poll() is None:
                start.process.kill()
                start.killed_at = time.time()
                killed += 1
            else:
                self.ended_alone.append(f"{name}: {last_words(start.log)}")
        for name in names:
            await _kill(self.running[name].process)
            self.start_worker(name)
        return killed

    # ------------------------------------------------------------------------------------------------------------------- ends

    def stop(self) -> None:
        """Ask all to end, workers first, and see that they do."""
        for start in self.running.values():
            if start.process.poll() is not None and not start.killed_at:
                self.ended_alone.append(f"{start.worker}: {last_words(start.log)}")
        for process in [*(start.process for start in self.running.values()), *filter(None, [self.coordinator])]:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill_all(self) -> None:
        """End all at once; for the way out, whatever it is."""
        everything = [*(start.process for start in self.running.values()), *filter(None, [self.coordinator])]
        for process in everything:
            with suppress(ProcessLookupError):
                process.kill()
        for process in everything:
            process.wait()

    def _spawn(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        """In a session of its own: an interrupt from the terminal is ours, and we end the rest."""
        command += ["--die-with-parent", str(os.getpid())]
        with log.open("ab") as output:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)

    def _write_worker_settings(self, where: Endpoints) -> None:
        for name in self.names:
            settings: dict[str, Value] = {
                "worker.worker_id": name,
                "worker.backend": MOCK if self._mock else DEFAULT,
                "worker.mock_verb_seconds": self._verb_seconds,
                "worker.threads": 1,
                "worker.cache_folder": str(self.folder / name),
                "coordinator.url": where.worker_url,
                "connection.reconnect_interval_seconds": 0.05,
                "connection.reconnect_max_seconds": 0.2,
                "security.key_file": str(self.folder / f"{name}.key"),
                "security.server_key": self.server_key,
                "logging.format": "json",
            }
            (self.folder / f"{name}.toml").write_text(document(settings), encoding="utf-8")


def _coordinator_settings(folder: Path, mock: bool, settle_seconds: float) -> dict[str, Value]:
    return {
        "server.port": 0,
        "server.shutdown_timeout_seconds": 0,
        "coordinator.port": 0,
        "coordinator.heartbeat_interval_seconds": 1,
        "coordinator.heartbeat_max_missed": 5,
        "coordinator.restart_settle_seconds": settle_seconds,
        "coordinator.straggler_factor": 0,
        "coordinator.job_ttl_seconds": 604800,
        "backend.mode": MOCK if mock else REAL,
        "backend.mock_workers": 0,
        "metrics.enabled": False,
        "store.folder": str(folder / "state"),
        "security.key_file": str(folder / "coordinator.key"),
        "security.allow_file": str(folder / "allowed"),
        "logging.format": "compact",
    }


async def _kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL, and wait for the end."""
    with suppress(ProcessLookupError):
        process.kill()
    while process.poll() is None:  # noqa: ASYNC110 - there is no event for the end of a process that every system has
        await trio.sleep(LOOK_SECONDS / 5)
