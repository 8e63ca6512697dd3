"""A cluster of one machine: a coordinator and workers as processes, in a folder that has their keys, settings, state and logs.

Rules of this file:
* `cluster.json` in the folder says what runs, with the start time of each process, so that a recycled process id is never taken for ours.
* A start either ends with everything ready, or with nothing running and an error that says what the failed process said.
* Unless detached, the processes watch their parent and end when it does, however it ends.
* Plain blocking calls; no loop of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from zisk_actors.actors.ready import Endpoints
from zisk_actors.actors.worker.memory import memory_of_machine
from zisk_actors.client.blocking import BlockingClient
from zisk_actors.client.local_settings import COMMENT, coordinator_settings, state_folder, worker_settings
from zisk_actors.client.processes import Process, collect, last_words, start_time, stop_all
from zisk_actors.errors import BY_EXIT_CODE, NotFoundError, UsageError, ZiskError
from zisk_actors.toml_files import Value, document
from zisk_actors.transport.auth import KeyPair, new_keypair, read_keypair, write_keypair

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0
STATE: Final = "cluster.json"
NO_SETTINGS: Final[Mapping[str, Value]] = MappingProxyType({})


class ClusterFailed(ZiskError):
    """A process of a local cluster did not come up."""

    code = "cluster-start"


class AlreadyRunning(UsageError):
    """There is a local cluster in that folder."""

    code = "cluster-running"


class ClusterFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `cluster.json` says."""

    version: int
    started_at: float
    detached: bool
    client_url: str
    worker_url: str
    server_key: str
    client_key_file: str
    processes: tuple[Process, ...]
    metrics_url: str = ""


class LocalCluster:
    """A running cluster of this machine."""

    def __init__(
        self, folder: Path, facts: ClusterFile, children: Sequence[subprocess.Popen[bytes]] = (), *, temporary: bool = False
    ) -> None:
        self.folder = folder
        self.facts = facts
        self._children = list(children)
        self._temporary = temporary

    @property
    def client_url(self) -> str:
        return self.facts.client_url

    @property
    def metrics_url(self) -> str:
        """Where the coordinator's /metrics, /health, /livez and /readyz are, such as http://127.0.0.1:40000."""
        return self.facts.metrics_url

    @property
    def server_key(self) -> str:
        return self.facts.server_key

    @property
    def keys(self) -> KeyPair:
        """The key pair that clients of this cluster use."""
        return read_keypair(Path(self.facts.client_key_file))

    @property
    def processes(self) -> tuple[Process, ...]:
        return self.facts.processes

    @property
    def alive(self) -> bool:
        """Whether the coordinator lives."""
        self._reap()
        return any(process.alive for process in self.processes if process.role == "coordinator")

    def connect(self, *, seconds: float = 10.0, notice: Callable[[str], None] | None = None) -> BlockingClient:
        """A client of this cluster; `notice` is told when the coordinator is silent, or is back. Raises `Unreachable`."""
        return BlockingClient(self.client_url, self.server_key, self.keys, seconds=seconds, notice=notice)

    def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """Stop all processes, workers first, and wait until they are gone; who does not go within `seconds` is killed."""
        for role in ("worker", "coordinator"):
            stop_all([process for process in self.processes if process.role == role], seconds)
        collect(self._children)
        (self.folder / STATE).unlink(missing_ok=True)
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _reap(self) -> None:
        for child in self._children:
            child.poll()


def home() -> Path:
    """Where this user's state is: `$ZISK_HOME`, else `zisk` in the XDG state folder."""
    named = os.environ.get("ZISK_HOME")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "zisk"


def find(folder: Path | None = None) -> LocalCluster | None:
    """The cluster that runs in a folder (that of `zisk up` unless said), or None."""
    folder = folder or home() / "local"
    try:
        facts = msgspec.json.decode((folder / STATE).read_bytes(), type=ClusterFile)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    cluster = LocalCluster(folder, facts)
    return cluster if any(process.alive for process in facts.processes) else None


def start(
    *,
    workers: int = 2,
    folder: Path | None = None,
    detach: bool = False,
    api_port: int = 0,
    cluster_port: int = 0,
    threads: int = 0,
    prover: str = "",
    mock: bool = False,
    log_level: str = "info",
    settings: Mapping[str, Value] = NO_SETTINGS,
) -> LocalCluster:
    """Start a coordinator and workers on loopback and wait until all workers are registered.

    `threads` of each worker, 0 shares the processors out; port 0 takes a free one; `prover` is `module:factory` in place of the real
    prover, for tests; `mock` is a cluster that proves nothing; `settings` are more of the coordinator's.
    Raises `AlreadyRunning`, `ClusterFailed`, and what the processes refuse.
    """
    folder = folder or home() / "local"
    if workers < 1:
        raise UsageError("a cluster has at least one worker")
    if (running := find(folder)) is not None:
        raise AlreadyRunning(f"a local cluster runs already in {running.folder}", hint="`zisk ps` shows it, `zisk down` stops it")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return _Starter(folder, detach=detach, prover=prover, mock=mock, log_level=log_level, settings=settings).start(
        workers, api_port, cluster_port, threads
    )


@contextmanager
def embedded(
    *, workers: int = 2, threads: int = 0, prover: str = "", log_level: str = "info", settings: Mapping[str, Value] = NO_SETTINGS
) -> Iterator[LocalCluster]:
    """A cluster in a temporary folder that ends with the block, and with this process, however it ends."""
    folder = Path(tempfile.mkdtemp(prefix="zisk-"))
    try:
        starter = _Starter(folder, detach=False, prover=prover, log_level=log_level, settings=settings, temporary=True)
        cluster = starter.start(workers, 0, 0, threads)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    try:
        yield cluster
    finally:
        cluster.stop()


class _Starter:
    """The steps of one start, and the way back from each."""

    def __init__(
        self,
        folder: Path,
        *,
        detach: bool,
        prover: str,
        log_level: str,
        mock: bool = False,
        temporary: bool = False,
        settings: Mapping[str, Value] = NO_SETTINGS,
    ) -> None:
        self._folder = folder
        self._detach = detach
        self._prover = prover
        self._mock = mock
        self._log_level = log_level
        self._temporary = temporary
        self._settings = settings
        self._children: list[subprocess.Popen[bytes]] = []
        self._processes: list[Process] = []

    def start(self, workers: int, api_port: int, cluster_port: int, threads: int) -> LocalCluster:
        try:
            return self._start(workers, api_port, cluster_port, threads or max(1, (os.cpu_count() or 1) // workers))
        except BaseException:
            stop_all(self._processes, 2.0)
            collect(self._children)
            raise

    def _start(self, workers: int, api_port: int, cluster_port: int, threads: int) -> LocalCluster:
        names = [f"worker-{number}" for number in range(1, workers + 1)]
        keys = {name: self._keys(name) for name in ("coordinator", "client", *names)}
        allowed = [f"operator {keys['client'].public} local-user", *(f"worker {keys[name].public} {name}" for name in names)]
        self._write("keys/allowed", "\n".join(allowed) + "\n")
        ready = self._folder / state_folder(mock=self._mock) / "ready.json"
        ready.unlink(missing_ok=True)
        settings = coordinator_settings(self._folder, api_port, cluster_port, self._log_level, self._mock, self._settings)
        self._write("coordinator.toml", document(settings, COMMENT))
        remove = ["--remove-when-orphaned", str(self._folder)] if self._temporary else []
        self._spawn("coordinator", "coordinator", ["--ready-file", str(ready), *remove])
        urls = self._wait_for_coordinator(ready)
        server_key = keys["coordinator"].public
        memory = memory_of_machine() // max(1, len(names))
        for name in names:
            settings = worker_settings(self._folder, name, urls.worker_url, server_key, threads, memory, self._log_level, self._mock)
            self._write(f"{name}.toml", document(settings, COMMENT))
            self._spawn("worker", name, [])
        facts = ClusterFile(
            version=1,
            started_at=time.time(),
            detached=self._detach,
            client_url=urls.client_url,
            worker_url=urls.worker_url,
            server_key=server_key,
            client_key_file=str(self._folder / "keys" / "client.key"),
            processes=tuple(self._processes),
            metrics_url=urls.metrics_url,
        )
        self._write(STATE, msgspec.json.format(msgspec.json.encode(facts)).decode())
        cluster = LocalCluster(self._folder, facts, self._children, temporary=self._temporary)
        try:
            self._wait_for_workers(cluster, workers)
        except BaseException:
            (self._folder / STATE).unlink(missing_ok=True)
            raise
        return cluster

    def _keys(self, name: str) -> KeyPair:
        path = self._folder / "keys" / f"{name}.key"
        path.parent.mkdir(exist_ok=True, mode=0o700)
        try:
            return read_keypair(path)
        except NotFoundError:
            keys = new_keypair()
            write_keypair(path, keys)
            return keys

    def _write(self, name: str, content: str) -> None:
        path = self._folder / name
        path.write_text(content, encoding="utf-8")
        path.chmod(0o600)

    def _spawn(self, role: str, name: str, arguments: list[str]) -> None:
        """Start a daemon in a session of its own, so that an interrupt from the terminal reaches only the command, which stops it in
        order."""
        log = self._folder / f"{name}.log"
        command = [sys.executable, "-m", f"zisk_actors.cli.{role}", "--config", str(self._folder / f"{name}.toml"), *arguments]
        if self._prover:
            command += ["--prover", self._prover]
        if not self._detach:
            command += ["--die-with-parent", str(os.getpid())]
        with log.open("ab") as output:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        self._children.append(child)
        self._processes.append(Process(role=role, name=name, pid=child.pid, started=start_time(child.pid), log=str(log)))

    def _wait_for_coordinator(self, ready: Path) -> Endpoints:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(FileNotFoundError):
                return msgspec.json.decode(ready.read_bytes(), type=Endpoints)
            self._check()
            time.sleep(0.02)
        raise ClusterFailed(f"the coordinator was not ready after {START_SECONDS:.0f} s", hint=f"see {self._processes[0].log}")

    def _wait_for_workers(self, cluster: LocalCluster, workers: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        with cluster.connect() as client:
            while (count := len(client.workers())) < workers:
                self._check()
                if time.monotonic() > deadline:
                    raise ClusterFailed(
                        f"only {count} of {workers} workers registered in {START_SECONDS:.0f} s", hint=f"see {self._folder}"
                    )
                time.sleep(0.05)

    def _check(self) -> None:
        """Raises `ClusterFailed` with the last words of a process that has ended."""
        for child, process in zip(self._children, self._processes, strict=True):
            if child.poll() is not None:
                words = last_words(Path(process.log))
                message = f"the {process.name} ended at once (exit code {child.returncode}): {words}"
                error = ClusterFailed(message, hint=f"see {process.log}")
                if (said := re.match(r"error\[([a-z-]+)\]: ", words)) is not None and child.returncode in BY_EXIT_CODE:
                    error.code, error.exit_code = said[1], child.returncode  # what it says of itself is what is wrong
                raise error
