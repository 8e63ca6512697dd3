"""The alert rules and the Grafana dashboard ask for what there is, and the rules say what the runbook's symptoms need.

What this pins down: every series, label and label value in a query is one that our daemons export; every row of the runbook has an alert or
a reason why it has none; every alert leads to the section of its rows; Prometheus' own tool runs the tests beside the rules.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

import prometheus_client
import pytest

from tests.deploy.conftest import DEPLOY, ROOT, load_yaml, tool
from zisk_actors import generated
from zisk_actors.web.metrics import MANUAL, listed
from zisk_actors.web.series import Histogram

RULES = DEPLOY / "prometheus" / "alerts.yaml"
DASHBOARD = DEPLOY / "grafana" / "dashboard.json"
TARGETS = {"job", "instance"}
"""Labels that Prometheus gives every series."""

UNSEEN = {
    7: "a question, not a state",
    10: "a question, not a state",
    12: "a question, not a state",
    24: "an intention of the operator",
}
"""Rows of the runbook that no metric shows, and why."""


class Series(NamedTuple):
    """What one series may be asked for: its labels, each with all its values where they are known beforehand."""

    labels: dict[str, tuple[str, ...]]


@cache
def known() -> dict[str, Series]:
    """Every series that our daemons export, and those that Prometheus makes itself."""
    generated.metrics_page()  # imports every module that declares a metric
    found = {"up": Series({}), "ALERTS": Series({"alertname": (), "alertstate": ()})}
    for metric in (*listed("coordinator"), *listed("worker")):
        labels = {label.name: label.values for label in metric.labels}
        if isinstance(metric, Histogram):
            found[f"{metric.name}_bucket"] = Series({**labels, "le": ()})
            found[f"{metric.name}_sum"] = found[f"{metric.name}_count"] = Series(labels)
        else:
            found[metric.name] = Series(labels)
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    for family in registry.collect():
        found |= {sample.name: Series({}) for sample in family.samples}
    return found


SELECTOR = re.compile(r'(?P<name>[a-zA-Z_:][\w:]*)\s*(?:\{(?P<matchers>(?:[^{}"]|"[^"]*")*)\})?(?P<call>\s*\()?')
WORDS = {"by", "on", "or", "and", "unless", "offset", "without", "ignoring", "bool", "group_left", "group_right", "inf", "nan"}
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


def selectors(query: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """The series that a query asks for, each with its matchers: label, operator, value."""
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", " ", query)
    bare = re.sub(r"\[[^\]]*\]|\boffset\s+\w+", " ", bare)
    for match in SELECTOR.finditer(bare):
        if (match["call"] and not match["matchers"]) or match["name"] in WORDS:
            continue
        yield match["name"], MATCHER.findall(match["matchers"] or "")


def complaints(query: str) -> list[str]:
    """What a query asks for that there is not."""
    series = known()
    found = []
    for name, matchers in selectors(query):
        if name not in series:
            found.append(f"there is no series {name}")
            continue
        for label, operator, value in matchers:
            if label not in series[name].labels and label not in TARGETS:
                found.append(f"{name} has no label {label}")
            values = series[name].labels.get(label, ())
            asked = value.split("|") if operator in ("=~", "!~") else [value]
            found += [f"{name} has no {label} {each}" for each in asked if values and each not in values]
    return found


def rules() -> list[dict[str, Any]]:  # Any: YAML
    return [rule for group in load_yaml(RULES)["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:  # Any: JSON
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> dict[str, str]:
    """Every query that ships, by where it stands."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = {f"alert {rule['alert']}": rule["expr"] for rule in rules()}
    found |= {f"panel {panel['title']} {target['refId']}": target["expr"] for panel in panels() for target in panel["targets"]}
    found |= {f"annotation {each['name']}": each["expr"] for each in dashboard["annotations"]["list"]}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found[f"variable {variable['name']}"] = re.sub(r"label_values\((\w+), \w+\)", r"\1", variable["query"]["query"])
    return found


def test_every_query_asks_for_what_there_is():
    pytest.importorskip("yaml")
    assert len(queries()) > 70
    assert {where: wrong for where, query in queries().items() if (wrong := complaints(query))} == {}


def test_the_checker_of_queries_notices():
    assert complaints("rate(coordinator_jobs_total[5m]) > 0") == []
    assert complaints("sum by (instance) (coordinator_nothing) > 1") == ["there is no series coordinator_nothing"]
    assert complaints('coordinator_jobs_total{outcome="failed"}') == ["coordinator_jobs_total has no outcome failed"]
    assert complaints('coordinator_jobs_total{outcome=~"failure|lost"}') == ["coordinator_jobs_total has no outcome lost"]
    assert complaints('coordinator_ready{state="on"}') == ["coordinator_ready has no label state"]
    assert complaints("coordinator_jobs_total_bucket") == ["there is no series coordinator_jobs_total_bucket"]
    assert complaints("histogram_quantile(0.9, sum by (le) (rate(coordinator_loop_lag_seconds[5m])))") == [
        "there is no series coordinator_loop_lag_seconds"
    ]


def test_every_query_is_one_that_prometheus_reads():
    parser = pytest.importorskip("promql_parser", reason="promql-parser comes with scripts/check-deploy")
    asked = set(known())
    for where, query in queries().items():
        parsed = parser.parse(query.replace("$__rate_interval", "5m").replace("$coordinator", "c:9090"))
        assert parsed is not None, where
        assert {name for name, _ in selectors(query)} <= asked, where


def sections() -> dict[str, set[int | str]]:
    """The rows of each section of the runbook, by the anchor of its heading; "-" where there are rows without a number."""
    found: dict[str, set[int | str]] = {}
    for part in re.split(r"^## ", (ROOT / "docs" / "runbook.md").read_text(), flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        numbers: set[int | str] = {int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
        found[title.lower().replace(" ", "-")] = numbers or {"-"}
    return found


def rows_of(rule: dict[str, Any]) -> set[int | str]:
    return {each if each == "-" else int(each) for each in rule["annotations"]["rows"].split(", ")}


def test_every_symptom_has_an_alert_or_a_reason():
    rows = set().union(*sections().values()) - {"-"}
    alerted = set().union(*(rows_of(rule) for rule in rules())) - {"-"}
    assert len(rows) == 25
    assert alerted | set(UNSEEN) == rows
    assert alerted & set(UNSEEN) == set()


def test_every_alert_leads_to_the_section_of_a_row_of_its_own():
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert set(rule["annotations"]) == {"rows", "runbook_url", "summary", "description"}, rule["alert"]
        page, _, section = rule["annotations"]["runbook_url"].partition("#")
        assert page == "docs/runbook.md", rule["alert"]
        assert rows_of(rule) & sections()[section], rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]


def test_every_alert_is_tried():
    tests = load_yaml(RULES.with_name("alerts.test.yaml"))["tests"]
    tried = {
        re.search(r'"(\w+)"', sample["labels"])[1]
        for test in tests
        for look in test["promql_expr_test"]
        for sample in look.get("exp_samples", ())
    }  # type: ignore[index]
    assert tried == {rule["alert"] for rule in rules()}
    for test in tests:
        for each in test["input_series"]:
            assert complaints(each["series"]) == [], test["name"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("check", "rules", "alerts.yaml"), ("check", "config", "prometheus.yaml"), ("test", "rules", "alerts.test.yaml")]
)
def test_promtool_agrees(words: tuple[str, ...]):
    said = subprocess.run([tool("promtool"), *words], cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_dashboard_is_whole():
    dashboard = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    assert dashboard["uid"] == "zisk-overview"
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert panel["targets"], panel["title"]
    assert [(one["title"], other["title"]) for one, other in combinations(panels(), 2) if _overlap(one, other)] == []


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    a, b = one["gridPos"], other["gridPos"]
    return a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


def test_the_dashboard_shows_what_the_manual_names():
    asked = [name for panel in panels() for target in panel["targets"] for name, _ in selectors(target["expr"])]
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert set(MANUAL) - shown == {"coordinator_worker_jobs_total"}, "that one has a series for each worker: too many for a picture"
