"""How a metric is declared, recorded and written for Prometheus.

Rules of this file:
* A metric is declared once, wherever it is counted: name, unit, meaning and labels, and for a gauge also how it is read from a view of
  the state. The page, the recording and the documentation follow from that. Its name begins with its daemon's.
* A gauge is never counted up and down: it is read from a view that was taken for this scrape, so it cannot drift.
* Label values are our own words or checked ids, never a peer's text. A metric keeps at most `MAX_SERIES` combinations of open labels; the
  one that was not recorded for longest goes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Generic, NamedTuple, TypeVar

import prometheus_client as prometheus
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

MAX_SERIES: Final = 5000

QUICK_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""For what should take milliseconds: a flush of the journal, a turn of the loop."""

LONG_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
"""For what takes as long as it takes: a phase, a job."""

ANY_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0)
"""For what may be either: a request, which may wait for the end of a job."""

V = TypeVar("V")
Readings = Iterable[tuple[tuple[str, ...], float]]
"""The values of a gauge: each with the values of its labels, in their order."""


class Label(NamedTuple):
    """A label; `values` are all that it can have, where that is known beforehand."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Declared:
    """Everything that is declared is in ``declared``. ValueError for a second one of a name."""

    def __post_init__(self) -> None:
        name: str = vars(self)["name"]
        if name in _ALL:
            raise ValueError(f"the metric {name} is declared twice")
        _ALL[name] = self


_ALL: Final[dict[str, Any]] = {}


@dataclass(frozen=True)
class Counter(_Declared):
    """What only goes up while a process lives."""

    name: str
    unit: str
    help: str
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True)
class Histogram(_Declared):
    """How long something took; `buckets` are upper bounds in seconds."""

    name: str
    help: str
    buckets: tuple[float, ...]
    labels: tuple[Label, ...] = ()
    unit: str = "seconds"


@dataclass(frozen=True)
class Gauge(_Declared, Generic[V]):
    """How things stand, read from a view of the state."""

    name: str
    unit: str
    help: str
    read: Callable[[V], Readings]
    labels: tuple[Label, ...] = ()


Declared = Counter | Histogram | Gauge[Any]  # Any: the two daemons' gauges read different views


def declared(daemon: str) -> tuple[Declared, ...]:
    """What the modules that were imported so far declare of a daemon, by name."""
    return tuple(_ALL[name] for name in sorted(_ALL) if name.startswith(f"{daemon}_"))


def one(read: Callable[[V], float]) -> Callable[[V], Readings]:
    """For a gauge without labels: its one value."""
    return lambda view: [((), float(read(view)))]


def names(labels: Sequence[Label]) -> list[str]:
    return [label.name for label in labels]


class ViewCollector(Collector, Generic[V]):
    """Gauges for prometheus_client: each collection asks `source` for a view once, and reads all gauges from it."""

    def __init__(self, gauges: Sequence[Gauge[V]], source: Callable[[], V]) -> None:
        self._gauges = gauges
        self._source = source

    def collect(self) -> Iterator[Family]:
        view = self._source()
        for gauge in self._gauges:
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=names(gauge.labels))
            for values, number in gauge.read(view):
                family.add_metric(values, number)
            yield family


class _WithoutCreated(Collector):
    """What a registry has, less the `_created` series, which the text format has no use for."""

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Family]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if sample.name != f"{family.name}_created"]
            yield family


class _Together(Collector):
    def __init__(self, *collectors: Collector) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Family]:
        for collector in self._collectors:
            yield from collector.collect()


class SeriesRecorder(Generic[V]):
    """What a process counts, in a registry of its own, and the page that shows it beside the gauges.

    Counting belongs to the loop's thread; `render` may run in another. `daemon`: whose metrics, by the beginning of their names.
    """

    def __init__(self, daemon: str) -> None:
        self.registry = prometheus.CollectorRegistry()
        self._daemon = daemon
        self._lock = threading.Lock()
        self._gauges: list[Gauge[V]] = []
        self._counters: dict[str, prometheus.Counter] = {}
        self._histograms: dict[str, prometheus.Histogram] = {}
        self._recent: dict[str, OrderedDict[tuple[str, ...], None]] = {}
        prometheus.ProcessCollector(registry=self.registry)
        self._take_up()

    def _take_up(self) -> None:
        """What was declared since this was called last: modules may be imported later than this is made."""
        with self._lock:
            known = {gauge.name for gauge in self._gauges} | self._counters.keys() | self._histograms.keys()
            for metric in declared(self._daemon):
                if metric.name not in known:
                    self._take(metric)

    def _take(self, metric: Declared) -> None:
        labels = names(metric.labels)
        parent: prometheus.Counter | prometheus.Histogram
        if isinstance(metric, Gauge):
            self._gauges.append(metric)
            return
        if isinstance(metric, Counter):
            parent = self._counters[metric.name] = prometheus.Counter(metric.name, metric.help, labels, registry=self.registry)
        else:
            parent = self._histograms[metric.name] = prometheus.Histogram(
                metric.name, metric.help, labels, buckets=metric.buckets, registry=self.registry
            )
        if labels and all(label.values for label in metric.labels):
            for values in product(*(label.values for label in metric.labels)):
                parent.labels(*values)  # a series that is there at 0 can be seen to rise to 1

    def render(self, view: V) -> bytes:
        """The page in Prometheus' text format 0.0.4, of a view that nobody changes."""
        self._take_up()
        return prometheus.generate_latest(_Together(ViewCollector(self._gauges, lambda: view), _WithoutCreated(self.registry)))

    def count(self, metric: Counter, *labels: str, amount: float = 1) -> None:
        """Add to a counter."""
        if metric.name not in self._counters:
            self._take_up()
        parent = self._counters[metric.name]
        self._touch(parent, metric.name, labels)
        (parent.labels(*labels) if labels else parent).inc(amount)

    def observe(self, metric: Histogram, seconds: float, *labels: str) -> None:
        """Add a duration to a histogram; one below 0, as a clock that was set back gives, is 0."""
        if metric.name not in self._histograms:
            self._take_up()
        parent = self._histograms[metric.name]
        self._touch(parent, metric.name, labels)
        (parent.labels(*labels) if labels else parent).observe(max(0.0, seconds))

    def _touch(self, parent: prometheus.Counter | prometheus.Histogram, name: str, labels: tuple[str, ...]) -> None:
        recent = self._recent.setdefault(name, OrderedDict())
        recent[labels] = None
        recent.move_to_end(labels)
        if len(recent) > MAX_SERIES:
            oldest, _ = recent.popitem(last=False)
            parent.remove(*oldest)
