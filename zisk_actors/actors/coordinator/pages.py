"""What the HTTP port of a coordinator shows."""

from __future__ import annotations

import dataclasses

from zisk_actors.actors.clients.overview import Overview
from zisk_actors.actors.coordinator.access import AccessControl
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.cluster_view import ClusterView
from zisk_actors.web.health import Health, health_pages
from zisk_actors.web.metrics import metrics_page
from zisk_actors.web.server import Routes


def pages_of(overview: Overview, metrics: Metrics, access: AccessControl) -> Routes:
    """Its pages, by path."""

    def view() -> ClusterView:
        overview.refusals()
        return overview.view()

    def health() -> Health:
        now = overview.health()
        return dataclasses.replace(now, warnings=now.warnings + access.warnings)

    return {**health_pages(health), "/metrics": metrics_page(metrics, view)}
