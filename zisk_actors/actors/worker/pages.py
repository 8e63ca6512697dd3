"""The HTTP port of a worker: its metrics and its health. Loaded only where there is such a port."""

from __future__ import annotations

from functools import partial

import trio

from zisk_actors import log
from zisk_actors.actors.worker.connection import WorkerActor
from zisk_actors.web.health import Health, Standing, health_pages
from zisk_actors.web.metrics import metrics_page
from zisk_actors.web.server import serve_listeners
from zisk_actors.web.worker import WorkerMetrics

LOOK_SECONDS = 1.0


async def serve_worker_pages(worker: WorkerActor, metrics: WorkerMetrics, listeners: list[trio.SocketListener]) -> None:
    """Serve on what `listen_http` gave, until cancelled. A worker is ready while it has a coordinator."""
    began = trio.current_time()
    lag = 0.0

    def health() -> Health:
        view = worker.view()
        return Health(
            standing=Standing.SERVING,
            version=view.version,
            uptime_seconds=trio.current_time() - began,
            problems=() if view.connected else ("not registered with a coordinator",),
            loop_lag_seconds=lag,
            backend=view.backend,
        )

    pages = {**health_pages(health), "/metrics": metrics_page(metrics, worker.view)}
    async with trio.open_nursery() as nursery:
        url = await nursery.start(partial(serve_listeners, pages, listeners))
        log.get().info("metrics server listening", url=url)
        while True:
            due = trio.current_time() + LOOK_SECONDS
            await trio.sleep_until(due)
            lag = trio.current_time() - due
            metrics.loop_lag(lag)
