"""The processes of a local cluster: which of them live, and how they are stopped.

Rule of this file: a process is its id and its start time, so that a recycled id is never taken for ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec


class Process(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One process of the cluster: `role` is coordinator or worker, `started` the kernel's start time of the process id."""

    role: str
    name: str
    pid: int
    started: int
    log: str

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.started


def stop_all(processes: Sequence[Process], seconds: float) -> None:
    """SIGTERM, then SIGKILL after `seconds`; returns when all are gone, at least as zombies."""
    for number, wait in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        for process in processes:
            if process.alive:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        deadline = time.monotonic() + wait
        while any(process.alive for process in processes) and time.monotonic() < deadline:
            time.sleep(0.02)


def collect(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Take the exit status of our ended children; the kernel keeps them until somebody does."""
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(5)


def start_time(pid: int) -> int:
    """The kernel's start time of a process that runs, in clock ticks; 0 for one that does not, or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0 if Path("/proc/self").exists() else _start_time_without_proc(pid)
    return 0 if fields[0] in "ZX" else int(fields[19])


def _start_time_without_proc(pid: int) -> int:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return 0
    except PermissionError:
        pass
    return 1


def last_words(log: Path) -> str:
    try:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return lines[-1][:500] if lines else "it said nothing"
