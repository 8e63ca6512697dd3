"""All metrics: the names to import, the page that serves them, and the documentation made from their declarations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import trio

from zisk_actors.web.cluster import Metrics
from zisk_actors.web.cluster_view import ClusterView, WorkerSeen, WorkerState
from zisk_actors.web.series import CONTENT_TYPE, Declared, Histogram, SeriesRecorder, declared
from zisk_actors.web.server import HttpAnswer, Page
from zisk_actors.web.worker import WorkerMetrics, WorkerView

__all__ = [
    "MANUAL",
    "ClusterView",
    "Metrics",
    "WorkerMetrics",
    "WorkerSeen",
    "WorkerState",
    "WorkerView",
    "document",
    "listed",
    "metrics_page",
]

MANUAL: Final = (
    "coordinator_requests_total",
    "coordinator_request_duration_seconds",
    "coordinator_active_jobs",
    "coordinator_jobs_total",
    "coordinator_registered_programs_total",
    "coordinator_workers_connected",
    "coordinator_worker_jobs_total",
    "coordinator_job_duration_seconds",
)
"""The eight that the operator's manual names."""

V = TypeVar("V")


def metrics_page(metrics: SeriesRecorder[V], source: Callable[[], V]) -> Page:
    """The page for Prometheus. `source` makes the view and is called in the loop, once for each scrape; what is written from it is written
    in a thread, one scrape at a time, so that a page of thousands of lines delays nobody's heartbeat."""
    lock = trio.Lock()

    async def page() -> HttpAnswer:
        async with lock:
            view = source()
            return HttpAnswer(200, CONTENT_TYPE, await trio.to_thread.run_sync(metrics.render, view))

    return page


def listed(daemon: str) -> list[Declared]:
    """What is declared of a daemon: first what the manual names, in its order, then the others by name."""
    metrics = {metric.name: metric for metric in declared(daemon)}
    return [metrics.pop(name) for name in MANUAL if name in metrics] + list(metrics.values())


def document() -> str:
    """The page docs/metrics.md, of what the modules that are imported declare."""
    coordinator, worker = listed("coordinator"), listed("worker")
    return "\n".join(
        [
            "# Metrics",
            "",
            "Both daemons serve them at `/metrics` of their HTTP port, in Prometheus' text format. Gauges are read from the state when",
            "they are asked for. Counters begin at 0 when a process starts. Besides these there are the usual `process_*` series: memory,",
            "processor time, open files, start time.",
            "",
            "This page is written by `scripts/generate` from the declarations, each of which stands where its metric is counted.",
            "",
            "## Coordinator",
            "",
            "The first eight have the names that the operator's manual gives them.",
            "",
            *_table(coordinator),
            "",
            "## Worker",
            "",
            *_table(worker),
            "",
            "## Buckets",
            "",
            "Upper bounds of the histograms, in seconds.",
            "",
            *_buckets((*coordinator, *worker)),
            "",
        ]
    )


def _table(metrics: Sequence[Declared]) -> list[str]:
    rows = ["| name | kind | unit | labels | meaning |", "|---|---|---|---|---|"]
    for metric in metrics:
        labels = [f"{label.name} ({', '.join(label.values)})" if label.values else label.name for label in metric.labels]
        rows.append(f"| `{metric.name}` | {type(metric).__name__.lower()} | {metric.unit} | {'; '.join(labels)} | {metric.help} |")
    return rows


def _buckets(metrics: Sequence[Declared]) -> list[str]:
    histograms = [metric for metric in metrics if isinstance(metric, Histogram)]
    rows = ["| histogram | bounds |", "|---|---|"]
    for bounds in dict.fromkeys(metric.buckets for metric in histograms):
        users = ", ".join(f"`{metric.name}`" for metric in histograms if metric.buckets == bounds)
        rows.append(f"| {users} | {', '.join(f'{bound:g}' for bound in bounds)} |")
    return rows
