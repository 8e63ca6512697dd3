"""One lying process in a real cluster that proves: the client gets the right answer, and the liar no more work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import ROOT, Start, gone
from tests.cluster.lying_prover import ANOTHER, NUMBER
from tests.guest_models import record
from zisk_actors import proving
from zisk_actors.client import local
from zisk_actors.wire.values import JobStatus, Kind, State

ELF = (ROOT / "tests" / "guests" / "fibonacci.elf").read_bytes()
TEN = record((10).to_bytes(8, "little"))
SECONDS = 300.0

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

StartLiar = Callable[[str], local.LocalCluster]


def output(number: int) -> tuple[int, ...]:
    """What the guest puts out for a number."""
    current, following = 0, 1
    for _ in range(number):
        current, following = following, current + following
    words = [half for word in (number, current, following) for half in (word % 2**32, word >> 32)]
    return (*words, *(0,) * (64 - len(words)))


@pytest.fixture
def start_liar(start: Start, tmp_path: Path) -> Iterator[StartLiar]:
    """Starts a cluster of two workers that prove, the first of which is then replaced by a process that lies."""
    liars: list[subprocess.Popen[bytes]] = []

    def begin(prover: str) -> local.LocalCluster:
        cluster = start(workers=2, prover="")
        honest = next(each for each in cluster.processes if each.name == "worker-1")
        os.kill(honest.pid, signal.SIGTERM)
        assert gone([honest.pid])
        command = [sys.executable, "-m", "zisk_actors.cli.worker", "--config", str(cluster.folder / "worker-1.toml")]
        command += ["--prover", f"tests.cluster.lying_prover:{prover}", "--die-with-parent", str(os.getpid())]
        with (tmp_path / "liar.log").open("wb") as log:
            liars.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        deadline = time.monotonic() + 60
        with cluster.connect() as client:
            while len(client.workers()) < 2:
                assert time.monotonic() < deadline, (tmp_path / "liar.log").read_text()
                time.sleep(0.05)
        return cluster

    yield begin
    for liar in liars:
        liar.terminate()
        liar.wait(20)


def states(client: local.BlockingClient) -> dict[str, str]:
    return {str(worker.worker): worker.state for worker in client.workers()}


def reasons(cluster: local.LocalCluster) -> list[str]:
    """Why workers were quarantined, in the coordinator's log."""
    log = next(each for each in cluster.processes if each.name == "coordinator").log
    return [line for line in Path(log).read_text().splitlines() if "worker quarantined" in line]


def proved(client: local.BlockingClient) -> JobStatus:
    """A proof of F(10), by one worker where that suffices: the first by name, which lies."""
    job = client.submit(Kind.PROVE, ELF, stdin=TEN, params="test", units=10)
    status = client.wait(job, seconds=SECONDS)
    assert status.state is State.COMPLETED, status.failure
    assert status.verified is not None
    assert status.verified.output == output(10)
    assert status.verified.output != output(NUMBER)
    found = proving.verify(client.result(job), elf=ELF, level="test")
    assert found.output == output(10)
    return status


@pytest.mark.parametrize(
    ("prover", "words"),
    [("Aggregator", "the proof that worker worker-1 aggregated does not verify"), ("Substituter", "of another run than the coordinator")],
)
def test_a_valid_proof_of_another_input_is_not_what_the_client_gets(prover: str, words: str, start_liar: StartLiar) -> None:
    assert proving.Prover().execute(ELF, ANOTHER).output == output(NUMBER)
    cluster = start_liar(prover)
    with cluster.connect() as client:
        status = proved(client)
        assert status.reason == ""
        assert states(client) == {"worker-1": "quarantined", "worker-2": "ready"}
    (line,) = reasons(cluster)
    assert words in line


def test_an_invented_trap_and_a_made_up_report_are_not_what_the_client_gets(start_liar: StartLiar) -> None:
    cluster = start_liar("Inventor")
    with cluster.connect() as client:
        job = client.submit(Kind.EXECUTE, ELF, stdin=TEN)
        assert client.wait(job, seconds=SECONDS).state is State.COMPLETED
        run = client.execution(job)
        assert (run.output, run.console) == (output(10), b"")
        assert states(client) == {"worker-1": "quarantined", "worker-2": "ready"}
    assert len(reasons(cluster)) == 1


def test_an_invented_trap_fails_no_proof(start_liar: StartLiar) -> None:
    cluster = start_liar("Inventor")
    with cluster.connect() as client:
        proved(client)
        assert states(client) == {"worker-1": "quarantined", "worker-2": "ready"}
    (line,) = reasons(cluster)
    assert "says that the guest fails" in line
