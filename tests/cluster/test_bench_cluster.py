"""The benchmark of the coordinator, with a handful of workers: what it says must be there and add up, not be fast."""

from __future__ import annotations

from pathlib import Path

import pytest

from zisk_actors.bench.cluster import measure
from zisk_actors.bench.findings import Plan, targets

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_a_small_run_adds_up(tmp_path: Path) -> None:
    plan = Plan(workers=5, seconds=2.0, heartbeat=0.5, jobs=20, in_flight=4, rate=10.0, journal_jobs=20, with_dask=False)
    figures = measure(plan, tmp_path)
    held, loaded, restarted = figures.held, figures.loaded, figures.restarted
    assert held.false_deaths == loaded.false_deaths == 0
    assert held.round_trip.count > 5
    assert held.lateness.count > 5
    assert loaded.not_completed == restarted.lost == 0
    assert loaded.gap.count > 0
    assert loaded.events_per_job >= 3
    assert restarted.journal_jobs == 20 + 5 + 20 + 10 + 10
    assert (figures.on_disk.jobs, figures.on_disk.completed) == (restarted.journal_jobs, restarted.journal_jobs)
    assert all(row.reached for row in targets(figures) if row.wanted in ("0", "all"))
    assert list(tmp_path.iterdir()), "the folder that was asked for is kept"
