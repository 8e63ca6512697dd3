"""All metrics: the names to import, the page that serves them, and the documentation made from their declarations.

`python -m zisk_actors.web.metrics > docs/metrics.md` writes the documentation; a test compares it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import trio

from zisk_actors.web import cluster, cluster_view, worker
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.cluster_view import ClusterView, WorkerSeen, WorkerState
from zisk_actors.web.series import CONTENT_TYPE, Counter, Gauge, Histogram, Recorder
from zisk_actors.web.server import Answer, Page
from zisk_actors.web.worker import WorkerMetrics, WorkerView

__all__ = [
    "COORDINATOR",
    "MANUAL",
    "WORKER",
    "ClusterView",
    "Metrics",
    "WorkerMetrics",
    "WorkerSeen",
    "WorkerState",
    "WorkerView",
    "document",
    "metrics_page",
]

Declared = Counter | Histogram | Gauge[Any]  # Any: the two daemons' gauges read different views

MANUAL: Final[tuple[Declared, ...]] = (
    cluster.REQUESTS,
    cluster.REQUEST_SECONDS,
    cluster_view.ACTIVE_JOBS,
    cluster.JOBS,
    cluster_view.PROGRAMS,
    cluster_view.WORKERS_CONNECTED,
    cluster.WORKER_JOBS,
    cluster.JOB_SECONDS,
)
"""The eight that the operator's manual names."""

_DECLARED: Final[tuple[Declared, ...]] = (*cluster_view.GAUGES, *cluster.RECORDED)
COORDINATOR: Final = (*MANUAL, *(metric for metric in _DECLARED if metric not in MANUAL))
WORKER: Final[tuple[Declared, ...]] = (*worker.GAUGES, *worker.RECORDED)

V = TypeVar("V")


def metrics_page(metrics: Recorder[V], source: Callable[[], V]) -> Page:
    """The page for Prometheus. `source` makes the view and is called in the loop, once for each scrape; what is written from it is written
    in a thread, one scrape at a time, so that a page of thousands of lines delays nobody's heartbeat."""
    lock = trio.Lock()

    async def page() -> Answer:
        async with lock:
            view = source()
            return Answer(200, CONTENT_TYPE, await trio.to_thread.run_sync(metrics.render, view))

    return page


def document() -> str:
    """The page docs/metrics.md."""
    return "\n".join(
        [
            "# Metrics",
            "",
            "Both daemons serve them at `/metrics` of their HTTP port, in Prometheus' text format. Gauges are read from the state when",
            "they are asked for. Counters begin at 0 when a process starts. Besides these there are the usual `process_*` series: memory,",
            "processor time, open files, start time.",
            "",
            "This page is written by `python -m zisk_actors.web.metrics > docs/metrics.md` from the declarations in `zisk_actors/web/`.",
            "",
            "## Coordinator",
            "",
            "The first eight have the names that the operator's manual gives them.",
            "",
            *_table(COORDINATOR),
            "",
            "## Worker",
            "",
            *_table(WORKER),
            "",
            "## Buckets",
            "",
            "Upper bounds of the histograms, in seconds.",
            "",
            *_buckets((*COORDINATOR, *WORKER)),
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


if __name__ == "__main__":
    sys.stdout.write(document())
