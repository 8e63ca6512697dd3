"""The worker's page: gauges equal to the view, and every event where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.web.pages import WORKER, Page
from zisk_actors.web.worker import WorkerMetrics
from zisk_actors.wire.values import Phase


@pytest.fixture
def metrics() -> WorkerMetrics:
    return WorkerMetrics()


def test_gauges_equal_the_view(metrics: WorkerMetrics):
    page = Page(metrics.render(WORKER))
    assert page.value("worker_info", worker_id="w-1", version="1.2.3", backend="cpu") == 1
    assert page.value("worker_connected") == 1
    assert page.value("worker_busy") == 1
    assert page.value("worker_compute_units") == 10
    assert page.value("worker_shares_held") == 2
    assert page.value("worker_results_kept") == 1
    assert page.value("worker_heartbeat_age_seconds") == 3.5
    assert {phase for (phase,), value in page.values("worker_phase").items() if value} == {"prove"}
    assert {phase for (phase,) in page.values("worker_phase")} == {phase.value for phase in Phase} - {"verify"}


def test_an_idle_worker_that_was_never_connected(metrics: WorkerMetrics):
    page = Page(metrics.render(replace(WORKER, connected=False, phase=None, heartbeat_age_seconds=None)))
    assert page.value("worker_connected") == 0
    assert page.value("worker_busy") == 0
    assert set(page.values("worker_phase").values()) == {0}
    assert page.values("worker_heartbeat_age_seconds") == {}


@pytest.mark.parametrize(
    ("record", "name", "labels", "rise"),
    [
        (lambda it: it.share_finished(Phase.PROVE, "done", 2.5), "worker_shares_total", {"phase": "prove", "outcome": "done"}, 1),
        (lambda it: it.share_finished(Phase.PROVE, "done", 2.5), "worker_share_duration_seconds_sum", {"phase": "prove"}, 2.5),
        (lambda it: it.share_finished(Phase.PROVE, "failed", 2.5), "worker_shares_total", {"phase": "prove", "outcome": "failed"}, 1),
        (lambda it: it.share_finished(Phase.PROVE, "failed", 2.5), "worker_share_duration_seconds_sum", {"phase": "prove"}, 0),
        (lambda it: it.child_restarted("killed"), "worker_child_restarts_total", {"cause": "killed"}, 1),
        (lambda it: it.connected(success=True), "worker_connects_total", {"outcome": "success"}, 1),
        (lambda it: it.connected(success=False), "worker_connects_total", {"outcome": "failure"}, 1),
        (lambda it: it.loop_lag(0.5), "worker_loop_lag_seconds_sum", {}, 0.5),
    ],
)
def test_each_event_is_in_its_series(
    metrics: WorkerMetrics, record: Callable[[WorkerMetrics], None], name: str, labels: dict[str, str], rise: float
):
    before = Page(metrics.render(WORKER)).value(name, **labels) or 0
    record(metrics)
    assert Page(metrics.render(WORKER)).value(name, **labels) == before + rise
