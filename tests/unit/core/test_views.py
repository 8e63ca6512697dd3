"""The scheduler is changed by events alone: nobody outside of `core` writes its attributes, or calls a verb of its tables."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zisk_actors
from zisk_actors.core import views
from zisk_actors.core.leases import Claims, Crew, Leases
from zisk_actors.core.pool import WorkerPool
from zisk_actors.core.queue import Queue
from zisk_actors.core.registry import Registry
from zisk_actors.core.scheduler import Scheduler

PACKAGE = Path(zisk_actors.__file__).parent
SOURCES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] != "core"]
VERBS = {"append", "add", "clear", "discard", "insert", "pop", "popitem", "remove", "setdefault", "update"}


def chain(node: ast.expr) -> list[str]:
    """The names of `a.b[c].d`, from the left: a, b, d."""
    names: list[str] = []
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        if isinstance(node, ast.Attribute):
            names.insert(0, node.attr)
        node = node.func if isinstance(node, ast.Call) else node.value
    return [node.id, *names] if isinstance(node, ast.Name) else names


def inside(node: ast.expr) -> list[str]:
    """What of a chain is inside of a scheduler."""
    names = [name.lstrip("_") if name in ("scheduler", "_scheduler") else name for name in chain(node)]
    return names[names.index("scheduler") + 1 :] if "scheduler" in names else []


def offences(source: str) -> Iterator[str]:
    """Where a source reaches into a scheduler to change it."""
    for node in ast.walk(ast.parse(source)):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = list(node.targets)
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in VERBS and inside(node.func.value):
            targets = [node.func]
        targets += [node] if isinstance(node, ast.Attribute) and any(name.startswith("_") for name in inside(node)) else []
        for target in targets:
            for each in target.elts if isinstance(target, ast.Tuple) else [target]:
                if inside(each):
                    yield f"line {node.lineno}: {ast.unparse(each)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_reaches_into_the_scheduler(path: Path) -> None:
    assert not list(offences(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "line",
    [
        "coordinator.scheduler.opens_at = 1.0",
        "self._scheduler.late += 1",
        "self._scheduler.crews[job].leases[0] = lease",
        "del scheduler.registry.records[worker]",
        "scheduler.awaited.clear()",
        "scheduler.crews[job].excluded.setdefault(0, set()).add(worker)",
        "a, scheduler.late = 1, 2",
        "scheduler._tables.queue.enqueue(job)",
    ],
)
def test_who_reaches_into_the_scheduler_is_found(line: str) -> None:
    assert list(offences(line))


def test_what_the_scheduler_shows_cannot_be_replaced() -> None:
    scheduler: Any = Scheduler(heartbeat_seconds=1, max_missed=3)
    shown = [name for name, value in vars(Scheduler).items() if isinstance(value, property)]
    assert {"queue", "registry", "leases", "opens_at", "awaited", "late", "wanted", "claims", "pool", "crews"} <= set(shown)
    assert [name for name in vars(scheduler) if not name.startswith("_")] == []
    for name in shown:
        with pytest.raises(AttributeError):
            setattr(scheduler, name, None)


@pytest.mark.parametrize(
    ("view", "table", "verbs"),
    [
        (views.RegistryView, Registry, {"hello", "heard", "measured", "works_on", "condemn", "gone", "expire", "forgive"}),
        (views.QueueView, Queue, {"enqueue", "start", "remove"}),
        (views.PoolView, WorkerPool, {"refresh"}),
        (views.LeasesView, Leases, {"open", "give", "adopt", "double", "drop", "reissue", "close"}),
        (views.ClaimsView, Claims, {"note", "take", "drop_worker"}),
        (views.CrewView, Crew, set()),
    ],
)
def test_no_view_has_a_verb(view: type, table: type, verbs: set[str]) -> None:
    """A new verb of a table has to be named here; the type checker refuses what is not in a view."""
    assert verbs <= set(dir(table))
    assert not verbs & set(dir(view))
