"""docs/two-machines.md, command by command, as somebody would paste it: between two network namespaces, and on loopback.

What this pins down: the page's commands, in its order, with the keys that its own commands print, end in a proof that verifies.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "two-machines.md"
ADDRESS = "10.77.0.1"
WORDS = {
    "server_key": "SERVER-KEY-OF-FORTY-CHARACTERS",
    "worker": "WORKER-KEY-OF-FORTY-CHARACTERS",
    "operator": "CLIENT-KEY-OF-FORTY-CHARACTERS",
}

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


def blocks() -> list[tuple[str, str]]:
    """The page's blocks of commands, in order: on whose machine, and what."""
    return re.findall(r"^```sh\n# on the (coordinator|worker)'s machine\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def count_of_commands() -> int:
    """Lines that are a command: none of a file's content, nor of what only sets names."""
    text = "".join(re.sub(r"<<'END'\n.*?^END\n", "\n", commands, flags=re.DOTALL | re.MULTILINE) for _, commands in blocks())
    return len([line for line in text.splitlines() if line and not line.startswith("export ")])


def test_they_are_ten() -> None:
    assert len(re.findall("^```sh", PAGE.read_text(), re.MULTILINE)) == len(blocks())
    assert count_of_commands() == 10


def may_make_namespaces() -> bool:
    """Whether this process can make network namespaces, and a cable between them."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"zk-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return made


@contextmanager
def two_namespaces() -> Iterator[dict[str, list[str]]]:
    """Two network namespaces with a cable between them; by machine, what to put before a command to run it there."""
    number = os.getpid()
    ends = {"coordinator": (f"zk-c-{number}", f"zkc{number}", ADDRESS), "worker": (f"zk-w-{number}", f"zkw{number}", "10.77.0.2")}

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        for namespace, _, _ in ends.values():
            ip("netns", "add", namespace)
        ip("link", "add", f"zkc{number}", "type", "veth", "peer", "name", f"zkw{number}")
        for namespace, device, address in ends.values():
            ip("link", "set", device, "netns", namespace)
            ip("-n", namespace, "addr", "add", f"{address}/24", "dev", device)
            ip("-n", namespace, "link", "set", device, "up")
            ip("-n", namespace, "link", "set", "lo", "up")
        yield {machine: ["ip", "netns", "exec", namespace] for machine, (namespace, _, _) in ends.items()}
    finally:
        for namespace, _, _ in ends.values():
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


def free_ports() -> dict[str, str]:
    """What to write in place of the page's ports on a machine whose ports are not all ours."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        api, cluster, metrics = (str(each.getsockname()[1]) for each in sockets)
    start = "zisk-coordinator --host 127.0.0.1"
    flags = f"{start} --api-port {api} --cluster-port {cluster} --metrics-port {metrics}"
    return {ADDRESS: "127.0.0.1", start: flags, ":7000": f":{api}", ":50051": f":{cluster}"}


class Machine:
    """Somebody's terminal on one machine: a home folder, and what they exported."""

    def __init__(self, home: Path, before: list[str]) -> None:
        home.mkdir()
        self.home = home
        self._before = before
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = {"HOME": str(home), "PATH": path, "TMPDIR": str(home)}
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._exported = ""

    def run(self, commands: str) -> str:
        """Paste a block; what it printed."""
        said = subprocess.run(
            self._shell(commands), cwd=self.home, env=self._environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert said.returncode == 0, f"{commands}\n{said.stdout}\n{said.stderr}"
        return said.stdout

    def start(self, command: str) -> Path:
        """Paste a command that stays; its log."""
        log = self.home / f"{command.split()[0]}.log"
        with log.open("wb") as output:
            child = subprocess.Popen(
                self._shell(f"exec {command}"), cwd=self.home, env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._daemons.append(child)
        return log

    def _shell(self, commands: str) -> list[str]:
        return [*self._before, "bash", "-euo", "pipefail", "-c", commands]

    def stop(self) -> None:
        for child in reversed(self._daemons):
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(20)
            child.kill()
            child.wait()


def until(look: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize("place", ["loopback", "namespaces"])
def test_the_page_ends_in_a_proof(place: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        if place == "namespaces":
            if not may_make_namespaces():
                pytest.skip("network namespaces need root, iproute2 and a kernel that lets us")
            before = stack.enter_context(two_namespaces())
            words = {}
        else:
            before = {"coordinator": [], "worker": []}
            words = free_ports()
        machines = {name: Machine(tmp_path / name, before[name]) for name in before}
        for machine in machines.values():
            stack.callback(machine.stop)
        shutil.copy(ROOT / "tests" / "guests" / "fibonacci.elf", machines["worker"].home)
        for name, block in blocks():
            commands = block
            for old, new in words.items():
                commands = commands.replace(old, new)
            if commands.startswith(("zisk-coordinator", "zisk-worker")):
                log = machines[name].start(commands)
                ready = "listening" if name == "coordinator" else "registered"
                until(lambda log=log, ready=ready: ready in log.read_text().lower(), log)  # type: ignore[misc]
                continue
            said = machines[name].run(commands)
            for word, key in re.findall(r"^(server_key|worker|operator)(?: = \"| )([^\s\"]{40})", said, re.MULTILINE):
                words[WORDS[word]] = key
        assert (machines["worker"].home / "proof.bin").stat().st_size > 1000
        assert "valid" in said
        assert set(WORDS.values()) <= set(words)
