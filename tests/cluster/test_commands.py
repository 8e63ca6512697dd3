"""The commands against real processes: a cluster that is started, used and stopped, and nothing left of it whatever happens.

What this pins down: a proof over two workers that verifies; each failure of a guest or an ELF as one line with its own code while the
cluster goes on; and that `zisk down`, Ctrl-C, SIGTERM and a killed parent leave no process behind. Proofs have the test parameters.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.guest_models import fibonacci, quicksort, record

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

SECONDS = 120.0


class Commands:
    """Runs `zisk` with a home of its own, by which its processes are recognised."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "tmp").mkdir()
        own = {"ZISK_HOME": str(home), "TMPDIR": str(home / "tmp"), "PYTHONPATH": os.pathsep.join(sys.path)}
        self.environment = {**os.environ, **own}
        for name in ("ZISK_URL", "ZISK_SERVER_KEY", "ZISK_KEY_FILE"):
            self.environment.pop(name, None)

    def start(self, *words: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "zisk_actors", *map(str, words)]
        return subprocess.Popen(
            command, cwd=self.home, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def run(self, *words: object) -> tuple[int, str, str]:
        with self.start(*words) as process:
            out, err = process.communicate(timeout=SECONDS)
        assert "Traceback" not in err
        return process.returncode, out, err

    def ask(self, *words: object) -> Any:
        code, out, err = self.run(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    def fails(self, code: int, *words: object) -> str:
        """The one line of an expected failure."""
        got, _, err = self.run(*words)
        errors = [line for line in err.splitlines() if line.startswith("error[")]
        assert (got, len(errors)) == (code, 1), err
        return errors[0]

    def processes(self) -> list[int]:
        """All processes that have inherited our home, other than zombies."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and f"ZISK_HOME={self.home}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Reads what a command says until a line has these words; that line."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if words in line:
            return line
    raise AssertionError(f"it ended without saying {words!r}: {''.join(said)}")


def eventually(what: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def zisk(tmp_path: Path) -> Iterator[Commands]:
    if not Path("/proc/self/environ").exists():
        pytest.skip("finds processes by /proc")
    commands = Commands(tmp_path)
    yield commands
    left = commands.processes()
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert left == []


@pytest.fixture
def cluster(zisk: Commands) -> Iterator[Commands]:
    code, _, err = zisk.run("up", "--workers", 2, "--detach")
    assert code == 0, err
    yield zisk
    assert zisk.run("down")[0] == 0


def put(folder: Path, content: bytes, name: str = "stdin.bin") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def broken(elf: bytes, **patches: bytes) -> bytes:
    """An ELF file with bytes written at offsets, as in at_18=b"..."."""
    content = bytearray(elf)
    for where, what in patches.items():
        offset = int(where.removeprefix("at_"))
        content[offset : offset + len(what)] = what
    return bytes(content)


def test_a_day_of_a_cluster(cluster: Commands, guests: Path, tmp_path: Path):
    processes = cluster.ask("ps")["processes"]
    assert [process["role"] for process in processes] == ["coordinator", "worker", "worker"]
    assert all(process["alive"] for process in processes)
    assert "already" in cluster.fails(2, "up", "--detach")

    case = quicksort(range(300, 0, -1))
    stdin = put(tmp_path, case.stdin)
    proved = cluster.ask("prove", guests / "quicksort.elf", "-i", stdin, "--params", "test", "-o", "proof.bin")
    assert proved["shares"] == 2
    assert proved["output"] == case.output.ljust(256, b"\0").hex()
    said = cluster.ask("verify", "proof.bin", "--elf", guests / "quicksort.elf", "--params", "test")
    assert {name: said[name] for name in ("program", "output", "exit_code", "steps", "shares")} == {
        name: proved[name] for name in ("program", "output", "exit_code", "steps", "shares")
    }
    cluster.fails(10, "verify", "proof.bin", "--elf", guests / "quicksort.elf")
    cluster.fails(10, "verify", "proof.bin", "--elf", guests / "sha256.elf", "--params", "test")

    run = cluster.ask("execute", guests / "fibonacci.elf", "-i", put(tmp_path, fibonacci(90).stdin, "ninety"))
    assert run["output"] == fibonacci(90).output.ljust(256, b"\0").hex()

    cluster.ask("program", "add", guests / "quicksort.elf")
    assert "quicksort" in [program["name"] for program in cluster.ask("program", "list")["programs"]]
    cluster.ask("program", "setup", "quicksort", "--params", "test", "-o", "q.vk")
    assert cluster.ask("verify", "proof.bin", "--vk", "q.vk", "--params", "test")["valid"]

    job = cluster.ask("prove", "quicksort", "-i", stdin, "--params", "test", "--detach")["job"]
    code, _, err = cluster.run("job", "watch", job[:13], "-o", "again.bin")
    assert code == 0, err
    assert (tmp_path / "again.bin").read_bytes() == (tmp_path / "proof.bin").read_bytes()  # deterministic to the byte
    assert cluster.ask("job", "show", job)["state"] == "completed"
    assert len(cluster.ask("job", "list")["jobs"]) >= 4
    assert cluster.ask("job", "cancel", job)["cancelled"] is False
    assert "error[" in cluster.fails(3, "job", "show", "ffffffff")


def test_a_cluster_that_the_environment_names(cluster: Commands, tmp_path_factory: pytest.TempPathFactory):
    facts = json.loads((cluster.home / "local" / "cluster.json").read_text())
    elsewhere = Commands(tmp_path_factory.mktemp("elsewhere"))
    elsewhere.fails(7, "job", "list")
    elsewhere.environment |= {"ZISK_URL": facts["client_url"], "ZISK_SERVER_KEY": facts["server_key"]}
    elsewhere.fails(2, "job", "list")
    elsewhere.environment["ZISK_KEY_FILE"] = facts["client_key_file"]
    assert elsewhere.ask("job", "list")["jobs"] == []
    elsewhere.environment["ZISK_KEY_FILE"] = str(cluster.home / "local" / "keys" / "worker-1.key")
    elsewhere.fails(8, "job", "list")
    elsewhere.environment |= {"ZISK_KEY_FILE": facts["client_key_file"], "ZISK_URL": "tcp://127.0.0.1:9"}
    elsewhere.fails(7, "job", "list")


def test_failures_of_guests_leave_the_cluster_going(cluster: Commands, guests: Path, tmp_path: Path):
    wrong = put(tmp_path, record(b"\x04"))
    for command in (["execute"], ["prove", "--params", "test"]):
        line = cluster.fails(4, *command, guests / "trap.elf", "-i", wrong)
        for part in ("0x8000018c", "misaligned_load", "ld t0, 4(a5)", "0x80000304"):
            assert part in line
    elf = (guests / "fibonacci.elf").read_bytes()
    cases = {
        "machine": broken(elf, at_18=b"\x3e\x00"),
        "truncated": elf[:200],
        "dynamic": broken(elf, at_16=b"\x03\x00"),
        "outside": broken(elf, at_80=(0x10000).to_bytes(8, "little")),
        "empty": b"",
    }
    lines = {}
    for name, content in cases.items():
        (tmp_path / f"{name}.elf").write_bytes(content)
        code, _, err = cluster.run("prove", tmp_path / f"{name}.elf", "--params", "test")
        errors = [line for line in err.splitlines() if line.startswith("error[")]
        assert len(errors) == 1, err
        assert code in (2, 4, 11), err
        lines[name] = errors[0].partition("]")[0]
    assert len(set(lines.values())) >= 4, lines
    assert cluster.ask("prove", guests / "fibonacci.elf", "--params", "test")["exit_code"] == 0


def test_an_interrupt_leaves_the_clusters_job_running(cluster: Commands, guests: Path):
    with cluster.start("prove", guests / "fibonacci.elf", "--params", "test") as process:
        job = read_until(process, "job ").split()[1]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert f"zisk job watch {job}" in err
    assert cluster.run("job", "watch", job)[0] == 0


def test_an_embedded_cluster(zisk: Commands, guests: Path, tmp_path: Path):
    code, out, err = zisk.run("prove", guests / "fibonacci.elf", "--params", "test", "-o", "proof.bin")
    assert code == 0, err
    assert "embedded" in err
    assert out.startswith("1400000000000000" + "6d1a000000000000")
    assert zisk.processes() == []
    assert zisk.run("verify", "proof.bin", "--elf", guests / "fibonacci.elf", "--params", "test")[0] == 0
    assert "no cluster is running" in zisk.fails(7, "job", "list")
    assert zisk.ask("ps") == {"schema": "zisk.ps/1", "running": False, "processes": []}
    assert zisk.run("down")[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: signal.Signals(number).name)
def test_nothing_is_left_of_an_embedded_cluster(zisk: Commands, guests: Path, number: signal.Signals):
    with zisk.start("prove", guests / "cycles.elf") as process:
        read_until(process, "contribute, ")  # into the work of the compute children
        assert len(zisk.processes()) >= 4
        process.send_signal(number)
        process.communicate(timeout=SECONDS)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    eventually(lambda: zisk.processes() == [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: signal.Signals(number).name)
def test_nothing_is_left_of_a_cluster_in_the_foreground(zisk: Commands, number: signal.Signals):
    with zisk.start("up", "--workers", 1) as process:
        read_until(process, "ready")
        assert zisk.ask("ps")["running"] is True
        process.send_signal(number)
        process.communicate(timeout=SECONDS)
    assert process.returncode == {signal.SIGINT: 0, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    eventually(lambda: zisk.processes() == [])
    assert zisk.ask("ps")["running"] is False


def test_nothing_is_left_after_down_with_a_dead_coordinator(cluster: Commands):
    coordinator = next(process["pid"] for process in cluster.ask("ps")["processes"] if process["role"] == "coordinator")
    os.kill(coordinator, signal.SIGKILL)
    eventually(lambda: not all(process["alive"] for process in cluster.ask("ps")["processes"]))
    assert "coordinator" in cluster.fails(7, "job", "list")
    assert cluster.run("down")[0] == 0
    assert cluster.processes() == []
