"""Row 9: the mode of the backend.

Pins down: `backend.mode` is `coordinator` or `mock`, and anything else is refused with file, line and suggestion; a mock coordinator runs
jobs without a worker, says what it is everywhere, and what it makes is refused by every verifier; mock and real do not mix,
neither as workers nor on one state.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cluster.conftest import Start
from tests.faults.stage import ELF, daemon, lines, process, running, said, until
from zisk_actors import mock
from zisk_actors.actors.coordinator.backend_mode import OtherBackend, claim
from zisk_actors.stark.errors import MockProof
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize(
    ("role", "table", "text", "hint"),
    [
        ("coordinator", "backend", 'mode = "mok"', "did you mean mock?"),
        ("coordinator", "backend", 'mode = "Coordinator"', "did you mean coordinator?"),
        ("worker", "worker", 'backend = "gpu-mock"', "did you mean mock?"),
    ],
)
def test_another_mode_is_refused_with_its_place(
    role: str, table: str, text: str, hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from zisk_actors.config import ConfigError, CoordinatorConfig, WorkerConfig, load

    path = tmp_path / f"{role}.toml"
    path.write_text(f"[logging]\nlevel = 'info'\n\n[{table}]\n# what proves\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load(CoordinatorConfig if role == "coordinator" else WorkerConfig, [(path, True)], {}, {}, {})
    assert f"{path}:6: " in caught.value.message
    assert caught.value.hint == hint
    assert caught.value.exit_code == 2


@pytest.mark.slow
@pytest.mark.cluster
def test_the_daemon_ends_with_that_error(tmp_path: Path) -> None:
    path = tmp_path / "coordinator.toml"
    path.write_text('[backend]\nmode = "fake"\n')
    code, _, words = daemon("coordinator", "--config", path)
    assert code == 2
    assert f"{path}:2: backend.mode is coordinator or mock, not 'fake'" in words


@pytest.mark.slow
@pytest.mark.cluster
def test_a_mock_coordinator_needs_no_worker_and_says_what_it_is(tmp_path: Path) -> None:
    from zisk_actors.actors.ready import Endpoints
    from zisk_actors.client.blocking import BlockingClient
    from zisk_actors.transport.auth import new_keypair

    keys = new_keypair()
    (tmp_path / "allowed").write_text(f"client {keys.public} somebody\n")
    (tmp_path / "coordinator.toml").write_text(
        f'[backend]\nmode = "mock"\nmock_verb_seconds = 0\n[server]\nport = 0\n[coordinator]\nport = 0\n[metrics]\nport = 0\n'
        f'[store]\nfolder = "{tmp_path}"\n[logging]\nformat = "compact"\n'
    )
    log, ready = tmp_path / "log", tmp_path / "ready.json"
    with running("coordinator", log, "--config", tmp_path / "coordinator.toml", "--ready-file", ready):
        until(ready.exists, "the coordinator is ready")
        where = Endpoints(**json.loads(ready.read_text()))
        with BlockingClient(where.client_url, where.server_key, keys) as client:
            job = client.submit(Kind.PROVE, ELF, stdin=b"input")
            status = client.wait(job, seconds=20)
            proof = client.result(job)
            assert [worker.backend for worker in client.workers()] == ["mock"]
        assert status.state is State.COMPLETED
        assert status.verified is not None
        assert (status.verified.params, status.verified.bits) == ("mock", 0.0)
        assert proof == mock.expected_proof(ELF, b"input", "128", status.weights)
        with urllib.request.urlopen(f"{where.metrics_url}/health", timeout=10) as answer:
            assert b"MOCK" in answer.read()
        with urllib.request.urlopen(f"{where.metrics_url}/readyz", timeout=10) as answer:
            assert json.loads(answer.read())["backend"] == "mock"
        assert lines(log, "MOCK BACKEND")
    (tmp_path / "mock.proof").write_bytes(proof)
    (tmp_path / "guest.elf").write_bytes(ELF)
    command = [sys.executable, "-m", "zisk_actors", "verify", str(tmp_path / "mock.proof"), "--elf", str(tmp_path / "guest.elf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == MockProof.exit_code == 10
    assert "error[proof-mock]" in done.stderr


def test_no_state_is_of_both(tmp_path: Path) -> None:
    mocked, real = tmp_path / "mocked", tmp_path / "real"
    for folder, is_mock in ((mocked, True), (real, False)):
        folder.mkdir()
        for _ in range(2):
            claim(folder, mocked=is_mock)
            (folder / "journal").mkdir(exist_ok=True)
        with pytest.raises(OtherBackend) as caught:
            claim(folder, mocked=not is_mock)
        assert (caught.value.code, caught.value.exit_code) == ("backend-mode", 2)
        assert str(folder) in caught.value.message


@pytest.mark.slow
@pytest.mark.cluster
def test_mock_and_real_do_not_mix(start: Start, tmp_path: Path) -> None:
    real = start(workers=1)
    settings = (real.folder / "worker-1.toml").read_text()
    os.kill(process(real, "worker-1").pid, 9)
    (tmp_path / "mock.toml").write_text(settings.replace('backend = "cpu"', 'backend = "mock"'))
    code, _, words = daemon("worker", "--config", tmp_path / "mock.toml", "--worker-id", "pretender", RUST_LOG="info")
    assert code == 8
    assert "mock worker" in words
    said(real, "coordinator", "mock-worker")

    mocked = start(workers=1, mock=True, folder=tmp_path / "mocked")
    settings = (mocked.folder / "worker-1.toml").read_text()
    os.kill(process(mocked, "worker-1").pid, 9)
    (tmp_path / "real.toml").write_text(settings.replace('backend = "mock"', 'backend = "cpu"'))
    code, _, words = daemon("worker", "--config", tmp_path / "real.toml", "--worker-id", "strong")
    assert code == 8
    assert "is a mock" in words


@pytest.mark.slow
@pytest.mark.cluster
def test_a_real_coordinator_takes_no_mock_proof_from_a_worker_that_hides_it(start: Start) -> None:
    """Workers that say `cpu` and compute with the mock prover; the coordinator verifies for real."""
    cluster = start(workers=2, prover="")
    for name in ("worker-1", "worker-2"):
        os.kill(process(cluster, name).pid, 9)
    guest = Path(__file__).parent.parent / "guests" / "fibonacci.elf"
    command = [
        sys.executable,
        "-m",
        "zisk_actors.cli.worker",
        "--prover",
        "zisk_actors.mock:MockProver",
        "--die-with-parent",
        str(os.getpid()),
    ]
    liars = [
        subprocess.Popen(
            [*command, "--config", str(cluster.folder / f"{name}.toml"), "--worker-id", f"liar-{name}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in ("worker-1", "worker-2")
    ]
    try:
        with cluster.connect() as client:
            until(lambda: {"liar-worker-1", "liar-worker-2"} == {worker.worker for worker in client.workers()}, "the liars are in")
            job = client.submit(Kind.PROVE, guest.read_bytes(), params="test")
            until(lambda: client.job(job).state.final or [w for w in client.workers() if w.state == "quarantined"], "a liar is found", 60)
            assert client.job(job).state is not State.COMPLETED
            client.cancel(job)
            assert client.job(job).state in (State.FAILED, State.CANCELLED)
            assert client.job(job).result is None
    finally:
        for liar in liars:
            liar.terminate()
            liar.wait(10)
