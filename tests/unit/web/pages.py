"""For the tests of metrics: a page read back with Prometheus' own parser, and views to write it from."""

from __future__ import annotations

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from zisk_actors.web.cluster_view import ClusterView, WorkerSeen
from zisk_actors.web.worker import WorkerView
from zisk_actors.wire.values import Phase, State

CLUSTER = ClusterView(
    version="1.2.3",
    backend="coordinator",
    ready=True,
    epoch=7,
    programs=4,
    jobs=((State.QUEUED, 5), (State.RUNNING, 3), (State.COMPLETED, 11)),
    phases=((Phase.CONTRIBUTE, 1), (Phase.PROVE, 2)),
    queue_depth=5,
    queue_oldest_age_seconds=12.5,
    shares_waiting=1,
    shares_running=6,
    shares_done=2,
    workers=(
        WorkerSeen(worker="a", state="idle", units=10, free_units=10, heartbeat_age_seconds=0.25, measured=2e6, programs=("p",)),
        WorkerSeen(worker="b", state="computing", units=20, free_units=0, heartbeat_age_seconds=1.5, programs=("p", "q")),
        WorkerSeen(worker="c", state="suspect", units=30, free_units=0, heartbeat_age_seconds=61.0),
    ),
)

WORKER = WorkerView(
    version="1.2.3",
    worker="w-1",
    backend="cpu",
    connected=True,
    units=10,
    phase=Phase.PROVE,
    shares_held=2,
    results_kept=1,
    heartbeat_age_seconds=3.5,
)


class Page:
    """A page in Prometheus' text format; `families` are by the name that stands on its TYPE line."""

    def __init__(self, content: bytes) -> None:
        text = content.decode()
        self.kinds = dict(line.split(" ")[2:] for line in text.splitlines() if line.startswith("# TYPE "))
        self.families: dict[str, Metric] = {}
        for family in text_string_to_metric_families(text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert name not in self.families, f"{name} stands twice on the page"
            self.families[name] = family

    def value(self, name: str, **labels: str) -> float | None:
        """The value of one sample; None where there is none."""
        found = [
            sample.value for family in self.families.values() for sample in family.samples if (sample.name, sample.labels) == (name, labels)
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """All samples of a family by the values of their labels, in the order of the labels' names."""
        return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in self.families[name].samples}
