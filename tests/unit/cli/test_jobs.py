"""`prove`, `job` and `program` against a cluster in memory: what goes where, and how each way of ending ends."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from tests.unit.cli.fake import JOB, OUTPUT, FakeCluster, completed, install, ref, running, status
from zisk_actors.cli.main import run
from zisk_actors.wire.codec import encode_record
from zisk_actors.wire.values import BlobRef, ExecutionReport, Failure, FailureKind, Kind, Phase, State, Trap

PROOF = b"proof bytes"


@pytest.fixture
def elf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "guest.elf"
    path.write_bytes(b"\x7fELF")
    return path


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    made = FakeCluster([status(), running(Phase.CONTRIBUTE, 10), running(Phase.PROVE, 55, 75.0), completed(PROOF)])
    made.keep(PROOF)
    install(monkeypatch, made)
    return made


def test_prove_writes_the_proof_and_prints_the_output(elf: Path, cluster: FakeCluster, capsys: pytest.CaptureFixture[str]):
    (elf.parent / "data").write_bytes(b"abc")
    assert run(["prove", str(elf), "--record", "data", "-o", "p.bin"]) == 0
    assert (elf.parent / "p.bin").read_bytes() == PROOF
    sent = cluster.submitted[0]
    assert sent["kind"] is Kind.PROVE
    assert sent["program"] == elf.read_bytes()
    assert sent["stdin"] == b"\x03" + bytes(7) + b"abc" + bytes(5)
    assert sent["params"] == "128"
    said = capsys.readouterr()
    assert said.out == "01020304" + "0" * 56 + "\n"
    lines = said.err.splitlines()
    assert lines[0] == f"job {JOB}"
    assert lines[1:4] == [
        "  0 %  queued",
        " 10 %  contribute, 2 shares on 2 workers",
        " 55 %  prove, 2 shares on 2 workers  1:15 left",
    ]
    assert "128.0 proven bits" in lines[-1]


def test_prove_as_json_is_one_object(elf: Path, cluster: FakeCluster, capsys: pytest.CaptureFixture[str]):
    assert run(["prove", str(elf), "--json"]) == 0
    said = capsys.readouterr()
    answer = json.loads(said.out)
    assert answer["schema"] == "zisk.prove/1"
    assert answer["output"][:8] == "01020304"
    assert answer["proof"] == "guest.proof"
    assert said.err == ""


def test_detach_prints_the_id_and_leaves(elf: Path, cluster: FakeCluster, capsys: pytest.CaptureFixture[str]):
    assert run(["prove", str(elf), "--detach"]) == 0
    assert capsys.readouterr().out == f"{JOB}\n"
    assert run(["prove", str(elf), "--detach", "-o", "x"]) == 2


def test_detach_needs_a_cluster(elf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    install(monkeypatch, FakeCluster(embedded=True))
    assert run(["prove", str(elf), "--detach"]) == 7
    assert capsys.readouterr().err.startswith("error[unreachable]: ")


def test_an_interrupt_leaves_the_job_running(elf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    cluster = FakeCluster([running(Phase.PROVE, 50), KeyboardInterrupt()])
    install(monkeypatch, cluster)
    assert run(["prove", str(elf)]) == 130
    assert f"zisk job watch {JOB}" in capsys.readouterr().err
    assert cluster.cancelled == []


def test_an_interrupt_of_an_embedded_cluster_stops_it(elf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    install(monkeypatch, FakeCluster([KeyboardInterrupt()], embedded=True))
    assert run(["prove", str(elf)]) == 130
    said = capsys.readouterr().err
    assert "embedded cluster stops" in said
    assert "job watch" not in said


def test_a_trap_is_one_line_with_all_that_is_known(elf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    trap = Trap("misaligned-access", 0x8000018C, "misaligned_load+0x8", "ld t0, 4(a5)", 0x80000304)
    failure = Failure(kind=FailureKind.GUEST, code="guest-trapped", message="", exit_code=4, trap=trap)
    install(monkeypatch, FakeCluster([status(state=State.FAILED, failure=failure)]))
    assert run(["prove", str(elf)]) == 4
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        "error[guest-trapped]: the guest trapped: misaligned-access at 0x8000018c (misaligned_load+0x8): ld t0, 4(a5), address 0x80000304"
    )


def test_execute_on_a_cluster(elf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("zisk_actors.cli.prove.is_there_a_cluster", lambda: True)
    cluster = FakeCluster()
    install(monkeypatch, cluster)
    trap = Trap("illegal-instruction", 0x80000164, "main", "unknown")
    report = ExecutionReport(steps=7, exit_code=3, output=OUTPUT, console=b"hello\n")
    cluster.story = [status(kind=Kind.EXECUTE, state=State.COMPLETED, result=cluster.keep(encode_record(report)))]
    assert run(["execute", str(elf)]) == 0
    said = capsys.readouterr()
    assert said.out == "01020304" + "0" * 56 + "\n"
    assert said.err == "hello\n7 steps, exit code 3\n"

    failure = Failure(kind=FailureKind.GUEST, code="guest-trapped", message="it trapped", trap=trap)
    trapped = cluster.keep(encode_record(ExecutionReport(steps=7, exit_code=0, output=OUTPUT, console=b"so far\n", trap=trap)))
    cluster.story = [status(kind=Kind.EXECUTE, state=State.FAILED, failure=failure, result=trapped)]
    assert run(["execute", str(elf)]) == 4
    assert capsys.readouterr().err == "so far\nerror[guest-trapped]: it trapped\n"


def test_what_the_cluster_does_not_vouch_for_is_said(elf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("zisk_actors.cli.prove.is_there_a_cluster", lambda: True)
    cluster = FakeCluster()
    install(monkeypatch, cluster)
    report = cluster.keep(encode_record(ExecutionReport(steps=7, exit_code=3, output=OUTPUT)))
    cluster.story = [status(kind=Kind.EXECUTE, state=State.COMPLETED, result=report, reason="unconfirmed: only worker a has run it")]
    assert run(["execute", str(elf)]) == 0
    assert capsys.readouterr().err == "7 steps, exit code 3\nnote: unconfirmed: only worker a has run it\n"
    assert run(["job", "show", JOB]) == 0
    assert "note       unconfirmed: only worker a has run it\n" in capsys.readouterr().out


def test_other_failures_keep_their_code_and_exit_code(elf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    failure = Failure(kind=FailureKind.GUEST, code="elf-machine", message="the ELF is for x86-64", hint="compile for RISC-V", exit_code=11)
    install(monkeypatch, FakeCluster([status(state=State.FAILED, failure=failure)]))
    assert run(["prove", str(elf), "--json"]) == 11
    error = json.loads(capsys.readouterr().err)["error"]
    assert error == {"code": "elf-machine", "message": "the ELF is for x86-64", "hint": "compile for RISC-V", "exit_code": 11}


def test_a_cancelled_job(elf: Path, monkeypatch: pytest.MonkeyPatch):
    install(monkeypatch, FakeCluster([status(state=State.CANCELLED, reason="by the operator")]))
    assert run(["prove", str(elf)]) == 5


def test_unwritable_proof_is_refused_before_any_work(elf: Path, cluster: FakeCluster):
    assert run(["prove", str(elf), "-o", "no/such/folder"]) == 2
    assert cluster.submitted == []


def test_a_program_by_name_or_id(elf: Path, cluster: FakeCluster, capsys: pytest.CaptureFixture[str]):
    assert run(["program", "add", str(elf), "--json"]) == 0
    added = json.loads(capsys.readouterr().out)
    for words in ("guest", added["program"][:8]):
        assert run(["prove", words, "--json"]) == 0
    assert [sent["program"] for sent in cluster.submitted] == [ref(elf.read_bytes())] * 2
    assert isinstance(cluster.submitted[0]["program"], BlobRef)
    capsys.readouterr()
    assert run(["prove", "unknown"]) == 3
    assert capsys.readouterr().err.startswith("error[not-found]: there is no file unknown")
    assert run(["program", "list"]) == 0
    assert "guest" in capsys.readouterr().out


def test_job_commands(elf: Path, cluster: FakeCluster, capsys: pytest.CaptureFixture[str]):
    assert run(["job", "list", "--json", "--state", "running"]) == 0
    assert [job["state"] for job in json.loads(capsys.readouterr().out)["jobs"]] == ["running", "running"]
    assert run(["job", "show", JOB[:8], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "completed"
    assert run(["job", "show", JOB]) == 0
    assert "128.0 proven bits" in capsys.readouterr().out
    assert run(["job", "show", "ffff"]) == 3
    assert run(["job", "cancel", JOB]) == 0
    assert cluster.cancelled == [JOB]
    capsys.readouterr()
    assert run(["job", "watch", JOB, "--json", "-o", "later.bin"]) == 0
    states = [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()]
    assert states == ["queued", "running", "running", "completed"]
    assert Path("later.bin").read_bytes() == PROOF


def test_what_comes_on_stdin_is_sent_while_it_comes(
    elf: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class Stdin:
        buffer = io.BytesIO(b"ab" * 300_000)

    monkeypatch.setattr("sys.stdin", Stdin())
    assert run(["prove", str(elf), "-i", "-", "--key", "k", "--priority", "3", "--wait-for-cluster"]) == 0
    sent = cluster.submitted[0]
    assert sent["stdin"] == b"ab" * 300_000
    assert (sent["key"], sent["priority"], sent["wait_for_cluster"]) == ("k", 3, True)
    assert capsys.readouterr().err.startswith(f"job {JOB}\n")


def test_an_interrupt_while_the_input_comes_cancels_the_job(
    elf: Path, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class Stdin:
        class buffer:
            @staticmethod
            def read1(count: int) -> bytes:
                raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Stdin())
    assert run(["prove", str(elf), "-i", "-"]) == 130
    assert cluster.submitted[0]["aborted"]
    said = capsys.readouterr().err
    assert f"the input was interrupted: job {JOB} is cancelled" in said
    assert "goes on" not in said


@pytest.mark.parametrize("words", [["-i", "file:///etc/passwd"], ["--record", "unix:///run/x"], ["-i", "quic://host:1"]])
def test_an_address_is_no_input(words: list[str], elf: Path, cluster: FakeCluster, capsys: pytest.CaptureFixture[str]):
    assert run(["prove", str(elf), *words]) == 2
    said = capsys.readouterr().err
    assert "error[input-address]" in said
    assert "hint: " in said
    assert cluster.submitted == []


def test_filters_of_a_list_go_to_the_cluster(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]):
    words = ["--kind", "prove", "--program", "fib", "--name", "n", "--mine", "--since", "2h", "--limit", "5000", "--state", "queued"]
    assert run(["job", "list", *words]) == 0
    since = cluster.filters.pop("since")
    assert time.time() - 7300 < since < time.time() - 7100
    assert cluster.filters == {"kind": "prove", "program": "fib", "name": "n", "mine": True}
    assert capsys.readouterr().out.count("queued") == 1


def test_a_cancel_says_who_has_stopped(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]):
    assert run(["job", "cancel", JOB]) == 0
    assert "is cancelled; stopped on worker-1; worker-2 has not said that it stopped" in capsys.readouterr().err
    assert run(["job", "cancel", JOB, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["stopped"], answer["stopping"]) == (["worker-1"], ["worker-2"])


def test_retry_prints_the_new_job(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]):
    assert run(["job", "retry", JOB]) == 0
    assert capsys.readouterr().out == f"{JOB}\n"
    assert cluster.submitted == [{"retried": JOB}]
