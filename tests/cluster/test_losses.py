"""Processes that die: jobs go on where they can, fail with a name where they cannot, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from tests.cluster.conftest import FAKE, Start, alive, descendants, gone
from zisk_actors.actors.ready import Endpoints
from zisk_actors.client import local
from zisk_actors.client.errors import JobFailure
from zisk_actors.wire.values import FailureKind, JobStatus, Kind, State

ELF = b"\x7fELF the program"

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def process(cluster: local.LocalCluster, name: str) -> local.Process:
    return next(each for each in cluster.processes if each.name == name)


def test_a_prover_that_dies_once_is_tried_again(start: Start, tmp_path: Path) -> None:
    with start(workers=2).connect() as client:
        job = client.submit(Kind.PROVE, ELF, stdin=f"dieonce=1 mark={tmp_path / 'mark'}".encode(), params="test")
        status = client.wait(job, seconds=60)
        assert status.state is State.COMPLETED
        assert status.verified is not None
        assert status.verified.shares == 2
        assert len(client.workers()) == 2


def test_a_prover_that_always_dies_fails_the_job_and_names_every_attempt(start: Start) -> None:
    with start(workers=2).connect() as client:
        with pytest.raises(JobFailure, match="share 1 failed in contribute after 3 attempts") as caught:
            client.result(client.submit(Kind.PROVE, ELF, stdin=b"die=1", params="test"), seconds=60)
        failure = caught.value.failure
        assert len(failure.attempts) == 3
        assert {attempt.worker for attempt in failure.attempts} == {"worker-1", "worker-2"}
        with pytest.raises(JobFailure, match="RuntimeError: a bug, as ordered"):
            client.result(client.submit(Kind.PROVE, ELF, stdin=b"raise=0", params="test"), seconds=60)
        assert client.result(client.submit(Kind.PROVE, ELF, params="test"), seconds=60)


def test_a_partial_proof_that_does_not_verify_is_made_again_elsewhere_and_its_maker_gets_no_more_work(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=2)
    with cluster.connect() as client:
        job = client.submit(Kind.PROVE, ELF, stdin=f"lieonce=1 mark={tmp_path / 'mark'}".encode(), params="test")
        assert client.wait(job, seconds=60).state is State.COMPLETED
        assert sorted(worker.state for worker in client.workers()) == ["quarantined", "ready"]
        assert client.wait(client.submit(Kind.PROVE, ELF, params="test"), seconds=60).weights == (10,)
    text = Path(process(cluster, "coordinator").log).read_text()
    assert text.count("worker quarantined") == 1
    assert "the partial proof of share 1 that worker worker-" in text


def test_workers_that_disagree_about_a_share_fail_the_job_and_are_named(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=2)
    with cluster.connect() as client:
        stdin = f"miscontribute=1 sleep=2 mark={tmp_path / 'mark'}".encode()
        job = client.submit(Kind.PROVE, ELF, stdin=stdin, params="test")
        holder = ""
        for status in client.watch(job):
            held = {share.share: share.worker for share in status.shares}
            if status.phase is not None and status.phase.value == "prove" and 1 in held:
                holder = held[1]
                break
        time.sleep(0.5)
        os.kill(process(cluster, holder).pid, signal.SIGKILL)
        with pytest.raises(JobFailure, match="got different contributions") as caught:
            client.result(job, seconds=60)
        assert caught.value.failure.code == "contribution-mismatch"
        assert all(name in caught.value.failure.message for name in ("worker-1", "worker-2"))


def test_the_share_of_a_killed_worker_goes_to_the_other(start: Start) -> None:
    cluster = start(workers=2)
    with cluster.connect() as client:
        job = client.submit(Kind.PROVE, ELF, stdin=b"sleep=2", params="test")
        for status in client.watch(job):
            if any(share.fraction > 0.3 for share in status.shares):
                break
        os.kill(process(cluster, "worker-2").pid, signal.SIGKILL)
        status = client.wait(job, seconds=60)
        assert status.state is State.COMPLETED
        assert status.verified is not None
        assert status.verified.shares == 2
        assert [worker.worker for worker in client.workers()] == ["worker-1"]


def test_a_terminated_worker_says_goodbye(start: Start) -> None:
    cluster = start(workers=2)
    with cluster.connect() as client:
        os.kill(process(cluster, "worker-2").pid, signal.SIGTERM)
        deadline = time.monotonic() + 1.5  # less than a heartbeat
        while len(client.workers()) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [worker.worker for worker in client.workers()] == ["worker-1"]
        assert client.wait(client.submit(Kind.PROVE, ELF, params="test"), seconds=60).state is State.COMPLETED


def test_a_stopped_worker_is_lost_and_comes_back(start: Start) -> None:
    cluster = start(workers=2)
    frozen = process(cluster, "worker-1").pid
    with cluster.connect() as client:
        job = client.submit(Kind.PROVE, ELF, stdin=b"sleep=1", params="test")
        for status in client.watch(job):
            if status.shares:
                break
        os.kill(frozen, signal.SIGSTOP)
        try:
            assert client.wait(job, seconds=60).state is State.COMPLETED
            assert [worker.worker for worker in client.workers()] == ["worker-2"]
        finally:
            os.kill(frozen, signal.SIGCONT)
        deadline = time.monotonic() + 20
        while len(client.workers()) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(client.workers()) == 2
        assert client.wait(client.submit(Kind.PROVE, ELF, params="test"), seconds=60).state is State.COMPLETED


def test_jobs_survive_the_death_of_the_coordinator(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=2)
    settings = cluster.folder / "coordinator.toml"
    ports = [url.rpartition(":")[2] for url in (cluster.client_url, cluster.facts.worker_url)]
    with cluster.connect() as client:
        done = client.submit(Kind.PROVE, ELF, stdin=b"first", params="test")
        proof = client.result(done, seconds=60)
        job = client.submit(Kind.PROVE, ELF, stdin=b"sleep=1.5", params="test")
        queued = client.submit(Kind.EXECUTE, ELF, stdin=b"later")
        for status in client.watch(job):
            if status.phase is not None and status.phase.value == "prove":
                break
        old = process(cluster, "coordinator").pid
        os.kill(old, signal.SIGKILL)
        assert gone([old])
        command = [sys.executable, "-m", "zisk_actors.cli.coordinator", "--config", str(settings), "--prover", FAKE]
        command += ["--api-port", ports[0], "--cluster-port", ports[1], "--die-with-parent", str(os.getpid())]
        with (tmp_path / "again.log").open("wb") as log:
            again = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            seen: list[JobStatus] = list(client.watch(job))
            assert seen[-1].state is State.COMPLETED
            assert not any(status.phase is not None and status.phase.value == "contribute" for status in seen), "contributed twice"
            tasks = [Path(process(cluster, f"worker-{number}").log).read_text() for number in (1, 2)]
            started = [line for text in tasks for line in text.splitlines() if "task started" in line and job in line]
            assert len([line for line in started if "phase=prove" in line]) == 2, "no share that ran was begun again"
            assert client.wait(queued, seconds=30).state is State.COMPLETED
            assert client.result(done) == proof
            assert {status.job for status in client.jobs()} == {done, job, queued}
        finally:
            again.terminate()
            again.wait(10)
    assert "epoch=2" in (tmp_path / "again.log").read_text()


def test_a_second_coordinator_on_the_same_state_is_refused(start: Start) -> None:
    cluster = start(workers=1)
    command = [sys.executable, "-m", "zisk_actors.cli.coordinator", "--config", str(cluster.folder / "coordinator.toml")]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 2
    assert "error[state-in-use]" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_second_worker_with_an_id_is_refused_and_ends_with_the_reason(start: Start) -> None:
    cluster = start(workers=1)
    command = [sys.executable, "-m", "zisk_actors.cli.worker", "--config", str(cluster.folder / "worker-1.toml"), "--prover", FAKE]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 8
    assert "worker id worker-1 is in use by another process" in second.stderr
    assert "Traceback" not in second.stderr
    with cluster.connect() as client:
        assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30).state is State.COMPLETED
    assert "duplicate-worker" in Path(process(cluster, "coordinator").log).read_text()


def test_no_worker_left_fails_the_job_by_name(start: Start) -> None:
    cluster = start(workers=1)
    text = (cluster.folder / "coordinator.toml").read_text()
    cluster.stop()
    settings = cluster.folder / "short.toml"
    settings.write_text(text.replace("[coordinator]", "[coordinator]\nworker_wait_seconds = 1"))
    ready = cluster.folder / "ready.json"
    command = [sys.executable, "-m", "zisk_actors.cli.coordinator", "--config", str(settings), "--prover", FAKE, "--ready-file", str(ready)]
    coordinator = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not ready.exists():
            time.sleep(0.02)
        urls = msgspec.json.decode(ready.read_bytes(), type=Endpoints)
        worker = [sys.executable, "-m", "zisk_actors.cli.worker", "--config", str(cluster.folder / "worker-1.toml"), "--prover", FAKE]
        lone = subprocess.Popen([*worker, "-c", urls.worker_url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with local.BlockingClient(urls.client_url, urls.server_key, cluster.keys) as client:
                job = client.submit(Kind.PROVE, ELF, stdin=b"sleep=5", params="test")
                for status in client.watch(job):
                    if status.shares:
                        break
                lone.kill()
                with pytest.raises(JobFailure) as caught:
                    client.result(job, seconds=30)
                assert caught.value.failure.kind is FailureKind.WORKER
                assert "worker-1" in caught.value.failure.attempts[0].worker
        finally:
            lone.kill()
            lone.wait()
    finally:
        coordinator.terminate()
        coordinator.wait(10)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_embedded_cluster_ends_with_its_process(number: signal.Signals, tmp_path: Path) -> None:
    """Whatever way the parent goes, and while a share is computing."""
    script = f"""
from zisk_actors.client import local
from zisk_actors.wire.values import Kind
with local.embedded(workers=2, prover={FAKE!r}) as cluster, cluster.connect() as client:
    job = client.submit(Kind.PROVE, b"\\x7fELF", stdin=b"hang=0", params="test")
    for status in client.watch(job):
        if status.shares:
            print(cluster.folder, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        assert folder.is_dir()
        time.sleep(0.5)
        pids = descendants(parent.pid)
        assert len(pids) >= 5, "a coordinator, two workers, and their children"
        parent.send_signal(number)
        parent.wait(20)
    assert gone(pids), [pid for pid in pids if alive(pid)]
    assert not folder.exists()


def test_the_child_dies_with_its_worker(start: Start) -> None:
    cluster = start(workers=2)
    with cluster.connect() as client:
        job = client.submit(Kind.PROVE, ELF, stdin=b"hang=0", params="test")
        for status in client.watch(job):
            if status.shares:
                break
        worker = process(cluster, "worker-1").pid
        children = descendants(worker)
        assert children
        os.kill(worker, signal.SIGKILL)
        assert gone(children, 2.0)
        client.cancel(job)


def test_a_detached_cluster_is_found_and_stopped_by_another_process(tmp_path: Path) -> None:
    script = "from pathlib import Path; from zisk_actors.client import local; import sys\n"
    script += f"local.start(workers=1, folder=Path(sys.argv[1]), detach=True, prover={FAKE!r})"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "it")], check=True, timeout=60)
    cluster = local.find(tmp_path / "it")
    assert cluster is not None
    pids = [each.pid for each in cluster.processes]
    pids += [child for pid in pids for child in descendants(pid)]
    try:
        with pytest.raises(local.AlreadyRunning):
            local.start(workers=1, folder=tmp_path / "it", prover=FAKE)
        with cluster.connect() as client:
            assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30).state is State.COMPLETED
    finally:
        cluster.stop()
    assert gone(pids)
    assert local.find(tmp_path / "it") is None


def test_a_start_that_fails_says_what_the_process_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(local.ClusterFailed, match="in use by another process"):
            local.start(workers=1, folder=tmp_path / "it", prover=FAKE, api_port=port)
    assert local.find(tmp_path / "it") is None
