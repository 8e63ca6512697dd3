"""Declaring, recording and writing metrics, on a daemon made up for it."""

from __future__ import annotations

import pytest

from tests.unit.web.pages import Page
from zisk_actors.web import series
from zisk_actors.web.series import CONTENT_TYPE, Counter, Gauge, Histogram, Label, SeriesRecorder, ViewCollector, one

EVENTS = Counter("toy_events_total", "events", "What happened.", (Label("what"),))
COLOURS = Counter("toy_colours_total", "colours", "Of a known set.", (Label("colour", ("red", "blue")), Label("size", ("s", "l"))))
PLAIN = Counter("toy_plain_total", "things", "Without labels.")
SECONDS = Histogram("toy_seconds", "How long it took.", (1.0, 2.0), (Label("what"),))
DEPTH = Gauge[int]("toy_depth", "", "How deep.", one(lambda view: view))
PARTS = Gauge[int]("toy_parts", "", "In two.", lambda view: [(("low",), view % 10), (("high",), view // 10)], (Label("part"),))


@pytest.fixture
def recorder() -> SeriesRecorder[int]:
    return SeriesRecorder("toy")


def test_gauges_are_read_from_the_view_of_each_scrape(recorder: SeriesRecorder[int]):
    for view in (42, 0, 37):
        page = Page(recorder.render(view))
        assert page.value("toy_depth") == view
        assert page.values("toy_parts") == {("low",): view % 10, ("high",): view // 10}


def test_the_collector_asks_once_for_all_gauges():
    asked = []

    def source() -> int:
        asked.append(1)
        return 42

    assert [family.name for family in ViewCollector((DEPTH, PARTS), source).collect()] == ["toy_depth", "toy_parts"]
    assert len(asked) == 1


def test_counters_and_histograms_count(recorder: SeriesRecorder[int]):
    recorder.count(EVENTS, "tick")
    recorder.count(EVENTS, "tick", amount=2)
    recorder.count(PLAIN)
    for seconds in (0.5, 1.5, 99.0):
        recorder.observe(SECONDS, seconds, "tick")
    page = Page(recorder.render(0))
    assert page.value("toy_events_total", what="tick") == 3
    assert page.value("toy_plain_total") == 1
    assert [page.value("toy_seconds_bucket", what="tick", le=bound) for bound in ("1.0", "2.0", "+Inf")] == [1, 2, 3]
    assert page.value("toy_seconds_sum", what="tick") == 101.0


def test_series_of_known_labels_are_there_from_the_start(recorder: SeriesRecorder[int]):
    page = Page(recorder.render(0))
    assert page.values("toy_colours_total") == dict.fromkeys([("red", "s"), ("red", "l"), ("blue", "s"), ("blue", "l")], 0)
    assert page.values("toy_plain_total") == {(): 0}
    assert page.values("toy_events_total") == {}


def test_kinds_and_no_created_series(recorder: SeriesRecorder[int]):
    recorder.count(EVENTS, "tick")
    page = Page(recorder.render(0))
    assert page.kinds["toy_events_total"] == "counter"
    assert page.kinds["toy_seconds"] == "histogram"
    assert page.kinds["toy_depth"] == "gauge"
    assert [name for name in page.kinds if name.endswith("_created")] == []


def test_the_process_itself_is_on_the_page(recorder: SeriesRecorder[int]):
    memory = Page(recorder.render(0)).value("process_resident_memory_bytes")
    if memory is None:
        pytest.skip("no /proc on this machine")
    assert memory > 1_000_000


def test_label_values_are_escaped(recorder: SeriesRecorder[int]):
    recorder.count(EVENTS, 'a "quoted"\n\\ word')
    assert Page(recorder.render(0)).value("toy_events_total", what='a "quoted"\n\\ word') == 1


def test_open_labels_are_bounded_and_the_oldest_goes(recorder: SeriesRecorder[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(series, "MAX_SERIES", 3)
    for name in ("a", "b", "c", "a", "d"):
        recorder.count(EVENTS, name)
        recorder.observe(SECONDS, 1, name)
    page = Page(recorder.render(0))
    assert page.values("toy_events_total") == {("a",): 2, ("c",): 1, ("d",): 1}
    assert page.value("toy_seconds_count", what="b") is None


def test_two_recorders_share_nothing(recorder: SeriesRecorder[int]):
    recorder.count(PLAIN)
    other = SeriesRecorder[int]("toy")
    assert Page(other.render(0)).value("toy_plain_total") == 0


def test_the_content_type_is_that_of_the_manual():
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"


def test_a_metric_is_its_declaration_and_its_call(recorder: SeriesRecorder[int]):
    """All that a new one takes: it may be declared after the recorder was made, in the module that counts it."""
    late = Counter("toy_late_total", "things", "Declared late.", (Label("how", ("a", "b")),))
    assert Page(recorder.render(0)).values("toy_late_total") == {("a",): 0, ("b",): 0}
    recorder.count(late, "a")
    assert Page(recorder.render(0)).value("toy_late_total", how="a") == 1
    later = Histogram("toy_later_seconds", "Counted before anybody looked.", (1.0,))
    recorder.observe(later, 0.5)
    assert Page(recorder.render(0)).value("toy_later_seconds_count") == 1
