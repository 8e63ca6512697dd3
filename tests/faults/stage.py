"""What scenarios on real processes have in common: running a daemon, reading its log, asking for its metrics.

Rules of this file:
* Whatever is waited for has a limit, and the error says what was there in its place.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.cluster.conftest import FAKE
from zisk_actors.client.local import LocalCluster
from zisk_actors.client.processes import Process

ELF = b"\x7fELF the program"
SECONDS = 20.0

T = TypeVar("T")


def until(look: Callable[[], T], what: str, seconds: float = SECONDS) -> T:
    """The first true answer of `look`."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return answer


def process(cluster: LocalCluster, name: str) -> Process:
    return next(each for each in cluster.processes if each.name == name)


def lines(log: Path, *words: str) -> list[str]:
    """The lines of a log that have all these words."""
    return [line for line in log.read_text(errors="replace").splitlines() if all(word in line for word in words)]


def said(cluster: LocalCluster, name: str, *words: str, count: int = 1, seconds: float = SECONDS) -> list[str]:
    """The lines of a process's log with all these words, when there are `count`."""
    log = Path(process(cluster, name).log)

    def enough() -> list[str] | None:
        found = lines(log, *words)
        return found if len(found) >= count else None

    return until(enough, f"{count} lines of {name} with {words}", seconds)


def metrics(cluster: LocalCluster) -> dict[str, float]:
    """The coordinator's metrics, by series."""
    with urllib.request.urlopen(f"{cluster.metrics_url}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", page, re.MULTILINE)}


def refusals(cluster: LocalCluster, at: str) -> dict[str, int]:
    """What a port of the coordinator has refused so far, by reason."""
    found = {}
    for series, value in metrics(cluster).items():
        match = re.fullmatch(r'coordinator_refusals_total\{at="(.*)",reason="(.*)"\}', series)
        if match is not None and match[1] == at and value:
            found[match[2]] = int(value)
    return found


def daemon(role: str, *words: object, seconds: float = SECONDS, **environment: str) -> tuple[int, str, str]:
    """Run a daemon that is to end by itself: exit code, standard output, standard error."""
    command = [sys.executable, "-m", f"zisk_actors.cli.{role}", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, env={**os.environ, **environment})
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@contextmanager
def running(role: str, log: Path, *words: object, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon with the fake prover that writes to `log`, and is gone after the block."""
    command = [sys.executable, "-m", f"zisk_actors.cli.{role}", *map(str, words), "--prover", FAKE, "--die-with-parent", str(os.getpid())]
    with log.open("ab") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **environment})
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(10)
