"""What a client sees when its coordinator is killed and started again, on real processes: notices, and no error.

What this pins down: a prove call goes over the restart; an input that is being sent goes on from what was acknowledged; a program that was
being uploaded arrives; a watch tells the rest; and `zisk prove -i -` sends a pipe.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import FAKE, Start, gone
from zisk_actors.client import local
from zisk_actors.wire.blobs import CHUNK_BYTES, reference
from zisk_actors.wire.values import JobStatus, Kind, State

ELF = b"\x7fELF the program"

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


class Restarts:
    """Kills a cluster's coordinator, as by `kill -9`, and starts it again at the same ports."""

    def __init__(self, cluster: local.LocalCluster, log: Path) -> None:
        self._cluster = cluster
        self._log = log
        self._pid = next(process.pid for process in cluster.processes if process.role == "coordinator")
        self._again: list[subprocess.Popen[bytes]] = []

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        for process in self._again:
            process.wait(10)
        assert gone([self._pid])

    def start(self) -> None:
        ports = [url.rpartition(":")[2] for url in (self._cluster.client_url, self._cluster.facts.worker_url)]
        command = [sys.executable, "-m", "zisk_actors.cli.coordinator", "--config", str(self._cluster.folder / "coordinator.toml")]
        command += ["--prover", FAKE, "--api-port", ports[0], "--cluster-port", ports[1], "--die-with-parent", str(os.getpid())]
        with self._log.open("ab") as log:
            self._again.append(subprocess.Popen(command, stdout=log, stderr=log))
        self._pid = self._again[-1].pid

    def stop(self) -> None:
        for process in self._again:
            process.terminate()
            process.wait(10)


@pytest.fixture
def restarts(start: Start, tmp_path: Path) -> Iterator[Callable[[], tuple[local.LocalCluster, Restarts]]]:
    made: list[Restarts] = []

    def begin() -> tuple[local.LocalCluster, Restarts]:
        cluster = start(workers=1)
        made.append(Restarts(cluster, tmp_path / "again.log"))
        return cluster, made[-1]

    yield begin
    for each in made:
        each.stop()


def test_a_prove_call_goes_over_a_restart_with_a_notice(restarts: Callable[[], tuple[local.LocalCluster, Restarts]]) -> None:
    cluster, coordinator = restarts()
    notices: list[str] = []
    seen: list[JobStatus] = []
    killed = threading.Event()

    def progress(status: JobStatus) -> None:
        seen.append(status)
        if status.phase is not None and not killed.is_set():
            killed.set()
            coordinator.kill()
            coordinator.start()

    with cluster.connect(notice=notices.append) as client:
        proved = client.prove(ELF, b"sleep=1.0", params="test", idempotency_key="block 1", on_progress=progress)
        assert json.loads(proved.proof)["shares"] == 1
        assert proved.status.state is State.COMPLETED
        again = client.prove(ELF, b"sleep=1.0", params="test", idempotency_key="block 1")
        assert (again.job, again.proof) == (proved.job, proved.proof)
    assert any("has started again" in notice for notice in notices), notices
    numbers = [status.number for status in seen]
    assert numbers == sorted(set(numbers))


def test_an_input_goes_on_after_a_restart(restarts: Callable[[], tuple[local.LocalCluster, Restarts]]) -> None:
    cluster, coordinator = restarts()
    part = b"some word or two" * (CHUNK_BYTES // 16)

    def parts() -> Iterator[bytes]:
        for number in range(6):
            if number == 3:
                coordinator.kill()
                threading.Timer(1.0, coordinator.start).start()
            yield part

    with cluster.connect() as client:
        job = client.submit(Kind.EXECUTE, ELF, stdin=parts())
        run = client.execution(job, seconds=60)
        assert b"".join(word.to_bytes(4, "little") for word in run.output[:8]) == hashlib.sha256(6 * part).digest()
        with client.open_input(Kind.EXECUTE, ELF, key="mine") as into:
            into.write(part)
            coordinator.kill()
            coordinator.start()
            into.write(part)
        assert client.wait(into.job, seconds=60).stdin == reference(2 * part)


def test_a_program_that_is_being_uploaded_arrives(restarts: Callable[[], tuple[local.LocalCluster, Restarts]]) -> None:
    cluster, coordinator = restarts()
    big = ELF + os.urandom(1 << 20) * 100
    with cluster.connect() as client:
        jobs: list[str] = []
        upload = threading.Thread(target=lambda: jobs.append(client.submit(Kind.EXECUTE, big)))
        upload.start()
        time.sleep(0.15)
        coordinator.kill()
        coordinator.start()
        upload.join(60)
        assert client.wait(jobs[0], seconds=60).state is State.COMPLETED


def test_a_pipe_is_sent_while_it_comes(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=1)
    (tmp_path / "guest.elf").write_bytes(ELF)
    environment = {**os.environ, "ZISK_URL": cluster.client_url, "ZISK_SERVER_KEY": cluster.server_key}
    environment["ZISK_KEY_FILE"] = cluster.facts.client_key_file
    command = [sys.executable, "-m", "zisk_actors", "prove", str(tmp_path / "guest.elf"), "-i", "-", "--params", "test", "--json"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=tmp_path
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"word " * CHUNK_BYTES)
        process.stdin.flush()
        with cluster.connect() as client:
            for _ in range(200):
                waiting = client.jobs(state="waiting_for_input")
                if waiting and waiting[0].received_bytes:
                    break
                time.sleep(0.05)
            assert waiting[0].received_bytes
            out, err = process.communicate(b"end", timeout=60)
            assert process.returncode == 0, err
            assert client.job(json.loads(out)["job"]).stdin == reference(b"word " * CHUNK_BYTES + b"end")
