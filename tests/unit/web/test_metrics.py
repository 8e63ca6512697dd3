"""All metrics together: names, units, the operator's manual, the documentation, and the page over HTTP."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import h11
import pytest
import trio

from tests.unit.web.pages import CLUSTER, WORKER, Page
from zisk_actors.generated import metrics_page as written
from zisk_actors.web import metrics as declared
from zisk_actors.web.metrics import ClusterView, Metrics, WorkerMetrics, listed, metrics_page
from zisk_actors.web.series import Counter, Declared, Histogram
from zisk_actors.web.server import serve_http

PAGE = written()
ALL = [*listed("coordinator"), *listed("worker")]

MANUAL = {
    "coordinator_requests_total": ("counter", {"method", "status"}),
    "coordinator_request_duration_seconds": ("histogram", {"method"}),
    "coordinator_active_jobs": ("gauge", set()),
    "coordinator_jobs_total": ("counter", {"kind", "outcome"}),
    "coordinator_registered_programs_total": ("gauge", set()),
    "coordinator_workers_connected": ("gauge", set()),
    "coordinator_worker_jobs_total": ("counter", {"worker_id", "outcome"}),
    "coordinator_job_duration_seconds": ("histogram", {"outcome"}),
}


def test_the_eight_of_the_manual_have_its_names_kinds_and_labels():
    first = listed("coordinator")[:8]
    assert {metric.name: (type(metric).__name__.lower(), {label.name for label in metric.labels}) for metric in first} == MANUAL
    assert tuple(metric.name for metric in first) == declared.MANUAL


def test_none_is_declared_twice():
    with pytest.raises(ValueError, match="coordinator_jobs_total is declared twice"):
        Counter("coordinator_jobs_total", "jobs", "Again.")
    names = [metric.name.removesuffix("_total") for metric in ALL]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: Declared):
    assert re.fullmatch(r"(coordinator|worker)(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == isinstance(metric, Counter) or metric.name in MANUAL
    assert metric.name.endswith("_seconds") == (metric.unit == "seconds")
    assert metric.help.endswith(".")
    assert "|" not in metric.help
    if isinstance(metric, Histogram):
        assert metric.buckets == tuple(sorted(set(metric.buckets)))


@pytest.mark.parametrize(
    "name", ["coordinator_job_duration_seconds", "coordinator_phase_duration_seconds", "worker_share_duration_seconds"]
)
def test_buckets_reach_an_hour(name: str):
    found = next(metric for metric in ALL if metric.name == name)
    assert isinstance(found, Histogram)
    assert found.buckets[-1] == 3600


def test_each_declared_metric_is_on_its_page_and_nothing_else():
    for metrics, view, daemon in ((Metrics(), CLUSTER, "coordinator"), (WorkerMetrics(), WORKER, "worker")):
        page = Page(metrics.render(view))
        kinds = {name: kind for name, kind in page.kinds.items() if not name.startswith("process_")}
        assert kinds == {metric.name: type(metric).__name__.lower() for metric in listed(daemon)}


def test_documentation_is_up_to_date(repository: Path):
    """If this fails: scripts/generate"""
    assert (repository / "docs" / "metrics.md").read_text() == PAGE


def test_documentation_has_each_metric():
    rows = PAGE.splitlines()
    for metric in ALL:
        assert sum(row.startswith(f"| `{metric.name}` | {type(metric).__name__.lower()} |") for row in rows) == 1


async def test_the_view_is_taken_in_the_loop_once_for_each_scrape():
    threads = []

    def source() -> ClusterView:
        threads.append(threading.current_thread())
        return CLUSTER

    page = metrics_page(Metrics(), source)
    status, content_type, body = await page()
    await page()
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert Page(body).value("coordinator_epoch") == CLUSTER.epoch
    assert threads == [threading.current_thread()] * 2


async def test_over_http_as_prometheus_asks(nursery: trio.Nursery):
    routes = {"/metrics": metrics_page(Metrics(), lambda: CLUSTER)}
    url = await nursery.start(lambda task_status: serve_http(routes, "127.0.0.1", 0, task_status=task_status))
    async with await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2])) as stream:
        await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain;version=0.0.4\r\nConnection: close\r\n\r\n")
        http = h11.Connection(h11.CLIENT)
        http.send(h11.Request(method="GET", target="/metrics", headers=[("Host", "localhost")]))
        http.send(h11.EndOfMessage())
        body = b""
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Data):
                body += event.data
    assert Page(body).value("coordinator_workers_connected") == 3
    nursery.cancel_scope.cancel()
