"""The coordinator's page: gauges equal to the view, and every event where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.web.pages import CLUSTER, Page
from zisk_actors.actors.dispatch import dispatcher
from zisk_actors.actors.jobs import measures, phase_run, webhooks
from zisk_actors.actors.workers import heartbeat
from zisk_actors.web.cluster import Metrics
from zisk_actors.wire.values import Kind, Phase, State


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_gauges_equal_the_view(metrics: Metrics):
    page = Page(metrics.render(CLUSTER))
    assert page.value("coordinator_active_jobs") == 3
    assert page.value("coordinator_registered_programs_total") == 4
    assert page.value("coordinator_workers_connected") == 3
    assert page.value("coordinator_info", version="1.2.3", backend="coordinator") == 1
    assert page.value("coordinator_ready") == 1
    assert page.value("coordinator_epoch") == 7
    assert page.value("coordinator_queue_depth") == 5
    assert page.value("coordinator_queue_oldest_age_seconds") == 12.5
    assert page.value("coordinator_compute_units") == 60
    assert page.value("coordinator_compute_units_free") == 10
    assert page.values("coordinator_jobs_known") == {(state.value,): dict(CLUSTER.jobs).get(state, 0) for state in State}
    assert page.values("coordinator_phase_jobs") == {(phase.value,): dict(CLUSTER.phases).get(phase, 0) for phase in Phase}
    assert page.values("coordinator_shares") == {("waiting",): 1, ("running",): 6, ("done",): 2}
    assert page.values("coordinator_workers") == {("idle",): 1, ("computing",): 1, ("suspect",): 1, ("draining",): 0, ("quarantined",): 0}
    assert page.values("coordinator_worker_heartbeat_age_seconds") == {("a",): 0.25, ("b",): 1.5, ("c",): 61.0}


def test_gauges_fall_as_the_state_does(metrics: Metrics):
    metrics.render(CLUSTER)
    page = Page(metrics.render(replace(CLUSTER, jobs=(), workers=CLUSTER.workers[:1], ready=False)))
    assert page.value("coordinator_workers_connected") == 1
    assert page.value("coordinator_active_jobs") == 0
    assert page.value("coordinator_ready") == 0
    assert page.values("coordinator_worker_heartbeat_age_seconds") == {("a",): 0.25}


@pytest.mark.parametrize("state", [state for state in State if not state.final and state not in (State.WAITING_FOR_INPUT, State.QUEUED)])
def test_every_state_between_queue_and_end_is_active(metrics: Metrics, state: State):
    jobs = ((State.QUEUED, 9), (state, 2), (State.FAILED, 9))
    assert Page(metrics.render(replace(CLUSTER, jobs=jobs))).value("coordinator_active_jobs") == 2


def test_a_job_that_ended(metrics: Metrics):
    metrics.job_finished(Kind.PROVE, State.COMPLETED, 700.0, ["a", "b", "a"])
    metrics.job_finished(Kind.PROVE, State.FAILED, 3.0, ["a"])
    metrics.job_finished(Kind.SETUP, State.CANCELLED, None)
    page = Page(metrics.render(CLUSTER))
    assert page.value("coordinator_jobs_total", kind="prove", outcome="success") == 1
    assert page.value("coordinator_jobs_total", kind="prove", outcome="failure") == 1
    assert page.value("coordinator_jobs_total", kind="setup", outcome="cancelled") == 1
    assert page.value("coordinator_jobs_total", kind="execute", outcome="success") == 0
    assert page.values("coordinator_worker_jobs_total") == {("success", "a"): 1, ("failure", "a"): 1, ("success", "b"): 1}
    assert page.value("coordinator_job_duration_seconds_count", outcome="cancelled") == 0
    assert page.value("coordinator_job_duration_seconds_bucket", outcome="success", le="600.0") == 0
    assert page.value("coordinator_job_duration_seconds_bucket", outcome="success", le="1200.0") == 1


def test_a_job_that_has_not_ended_is_not_counted(metrics: Metrics):
    with pytest.raises(KeyError):
        metrics.job_finished(Kind.PROVE, State.RUNNING, 1.0)


def test_a_request(metrics: Metrics):
    metrics.request_finished("submit", "ok", 0.002)
    metrics.request_finished("submit", "queue-full", 0.001)
    page = Page(metrics.render(CLUSTER))
    assert page.values("coordinator_requests_total") == {("submit", "ok"): 1, ("submit", "queue-full"): 1}
    assert page.value("coordinator_request_duration_seconds_count", method="submit") == 2
    assert page.value("coordinator_request_duration_seconds_bucket", method="submit", le="0.001") == 1


@pytest.mark.parametrize(
    ("record", "name", "labels", "rise"),
    [
        (lambda it: it.observe(measures.QUEUE_SECONDS, 2.0), "coordinator_job_queue_seconds_sum", {}, 2.0),
        (
            lambda it: it.observe(measures.PHASE_SECONDS, 4.0, Phase.PROVE.value),
            "coordinator_phase_duration_seconds_sum",
            {"phase": "prove"},
            4.0,
        ),
        (lambda it: it.count(phase_run.RETRIES, "worker"), "coordinator_share_retries_total", {"cause": "worker"}, 1),
        (lambda it: it.count(phase_run.DOUBLED), "coordinator_stragglers_doubled_total", {}, 1),
        (lambda it: it.count(dispatcher.LATE), "coordinator_late_results_total", {}, 1),
        (lambda it: it.journal_commit(0.25, 6), "coordinator_journal_commit_seconds_sum", {}, 0.25),
        (lambda it: it.journal_commit(0.25, 6), "coordinator_journal_events_total", {}, 6),
        (lambda it: it.observe(heartbeat.LOOP_LAG, 0.125), "coordinator_loop_lag_seconds_sum", {}, 0.125),
        (lambda it: it.observe(heartbeat.LOOP_LAG, -1e-9), "coordinator_loop_lag_seconds_count", {}, 1),
        (
            lambda it: it.refused("worker", "duplicate-worker"),
            "coordinator_refusals_total",
            {"at": "worker", "reason": "duplicate-worker"},
            1,
        ),
        (lambda it: it.count(dispatcher.JOINS, "new"), "coordinator_worker_joins_total", {"how": "new"}, 1),
        (lambda it: it.count(dispatcher.JOINS, "again"), "coordinator_worker_joins_total", {"how": "again"}, 1),
        (lambda it: it.count(dispatcher.LOSSES, "heartbeat"), "coordinator_workers_lost_total", {"reason": "heartbeat"}, 1),
        (lambda it: it.count(webhooks.WEBHOOKS, "success"), "coordinator_webhooks_total", {"outcome": "success"}, 1),
        (lambda it: it.count(webhooks.WEBHOOKS, "failure"), "coordinator_webhooks_total", {"outcome": "failure"}, 1),
    ],
)
def test_each_event_is_in_its_series(metrics: Metrics, record: Callable[[Metrics], None], name: str, labels: dict[str, str], rise: float):
    before = Page(metrics.render(CLUSTER)).value(name, **labels) or 0
    record(metrics)
    assert Page(metrics.render(CLUSTER)).value(name, **labels) == before + rise
