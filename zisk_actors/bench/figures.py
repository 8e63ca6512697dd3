"""Figures of a run: distributions, and what a process has used according to the kernel.

Rule of this file: a figure says what it is of (its count is beside it), and an empty distribution has no percentiles rather than zeros.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution of durations in seconds; nothing but the count where there were none."""

    count: int
    p50: float | None = None
    p99: float | None = None
    longest: float | None = None

    def __str__(self) -> str:
        if self.p50 is None or self.p99 is None or self.longest is None:
            return "none seen"
        return f"p50 {milliseconds(self.p50)}, p99 {milliseconds(self.p99)}, longest {milliseconds(self.longest)}"


def spread(seconds: Sequence[float]) -> Spread:
    """The distribution of some durations; percentiles are the nearest rank."""
    if not seconds:
        return Spread(count=0)
    ordered = sorted(seconds)

    def rank(part: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 6)

    return Spread(count=len(ordered), p50=rank(0.5), p99=rank(0.99), longest=rank(1.0))


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a process used in a span of time: mean cores, and the memory that was resident at its end and at most."""

    seconds: float
    cores: float
    resident_bytes: int
    peak_bytes: int


class Meter:
    """Reads a process's counters from /proc, without its help. Linux only."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began = time.monotonic()
        self._spent = cpu_seconds(pid)

    def read(self) -> Usage:
        """What was used since this meter was made."""
        seconds = time.monotonic() - self._began
        status = dict(line.split(":", 1) for line in Path(f"/proc/{self._pid}/status").read_text().splitlines() if ":" in line)
        resident, peak = (int(status[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        cores = (cpu_seconds(self._pid) - self._spent) / seconds
        return Usage(seconds=round(seconds, 3), cores=round(cores, 3), resident_bytes=resident, peak_bytes=peak)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and all its threads, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def merged(spreads: Sequence[Spread]) -> Spread:
    """Of several processes the worst percentile, and the sum of the counts."""
    some = [each for each in spreads if each.count]

    def worst(values: Sequence[float | None]) -> float | None:
        return max((value for value in values if value is not None), default=None)

    return Spread(
        count=sum(each.count for each in some),
        p50=worst([each.p50 for each in some]),
        p99=worst([each.p99 for each in some]),
        longest=worst([each.longest for each in some]),
    )
