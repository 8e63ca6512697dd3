"""Distributions and counters of a process."""

from __future__ import annotations

import os
import time

from zisk_actors.bench.figures import Meter, Spread, merged, spread


def test_percentiles_are_the_nearest_rank() -> None:
    seen = spread([number / 1000 for number in range(100, 0, -1)])
    assert (seen.count, seen.p50, seen.p99, seen.longest) == (100, 0.051, 0.1, 0.1)
    assert str(seen) == "p50 51.0 ms, p99 100.0 ms, longest 100.0 ms"
    assert str(spread([])) == "none seen"


def test_of_several_processes_the_worst_counts() -> None:
    both = merged([Spread(count=3, p50=0.1, p99=0.2, longest=0.3), Spread(count=0), Spread(count=2, p50=0.05, p99=0.4, longest=0.4)])
    assert both == Spread(count=5, p50=0.1, p99=0.4, longest=0.4)
    assert merged([]) == Spread(count=0)


def test_a_process_that_computes_is_seen_to() -> None:
    meter = Meter(os.getpid())
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    usage = meter.read()
    assert usage.cores > 0.05
    assert 0 < usage.resident_bytes <= usage.peak_bytes
