"""The files in configs/ and the tables of docs/operations.md, written from the settings themselves.

`scripts/generate` writes them; a test compares.

Rules of this file: every key is in every file of its daemon, with its meaning, unit and default; only values differ between the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from zisk_actors.settings import (
    COORDINATOR_ENVIRONMENT,
    COORDINATOR_FLAGS,
    WORKER_ENVIRONMENT,
    WORKER_FLAGS,
    CoordinatorConfig,
    Key,
    Section,
    WorkerConfig,
    keys,
)
from zisk_actors.toml_files import Value, line, value

WIDTH: Final = 120
BEGIN: Final = "<!-- written by scripts/generate: {} -->"
END: Final = "<!-- end -->"


class Variant(NamedTuple):
    """One file: whose it is, what it is for, and the values that are not the defaults."""

    kind: type[Section]
    purpose: str
    values: Mapping[str, Value]


# Time limits that no real proof of one machine reaches; a worker that is gone is noticed soon.
LOCAL_COORDINATOR: Final[Mapping[str, Value]] = {
    "coordinator.heartbeat_interval_seconds": 2,
    "coordinator.heartbeat_max_missed": 5,
    "coordinator.phase1_timeout_seconds": 3600,
    "coordinator.phase2_timeout_seconds": 3600,
    "coordinator.phase3_timeout_seconds": 600,
    "coordinator.execution_timeout_seconds": 3600,
}

VARIANTS: Final = {
    "local.toml": Variant(
        CoordinatorConfig,
        "A coordinator for one machine: loopback only, patient with slow processors, quick to notice a worker that is gone.",
        LOCAL_COORDINATOR,
    ),
    "dev.toml": Variant(
        CoordinatorConfig,
        "A coordinator to develop against: as for one machine, with everything in the log and no waiting when it is stopped.",
        {**LOCAL_COORDINATOR, "logging.level": "debug", "logging.format": "compact", "server.shutdown_timeout_seconds": 1},
    ),
    "prod.toml": Variant(
        CoordinatorConfig,
        "A coordinator that clients and workers reach over the network. Anyone who can reach metrics.port reads metrics and health.",
        {
            "service.environment": "production",
            "server.host": "0.0.0.0",
            "metrics.host": "0.0.0.0",
            "logging.format": "json",
            "coordinator.max_workers_per_job": 20,
            "coordinator.max_total_workers": 5000,
            "coordinator.phase1_timeout_seconds": 600,
            "coordinator.phase2_timeout_seconds": 1200,
        },
    ),
    "worker-local.toml": Variant(
        WorkerConfig,
        "A worker on the coordinator's own machine. security.key_file and security.server_key have to be filled in.",
        {"connection.reconnect_interval_seconds": 0.2, "connection.reconnect_max_seconds": 2},
    ),
    "worker-dev.toml": Variant(
        WorkerConfig,
        "A worker to develop against: everything in the log, and metrics. security.key_file and security.server_key have to be filled in.",
        {
            "connection.reconnect_interval_seconds": 0.2,
            "connection.reconnect_max_seconds": 2,
            "logging.level": "debug",
            "logging.format": "compact",
            "metrics.enabled": True,
        },
    ),
    "worker-prod.toml": Variant(
        WorkerConfig,
        "A worker on a machine of its own. coordinator.url, security.key_file and security.server_key have to be filled in.",
        {"logging.format": "json", "metrics.enabled": True, "metrics.host": "0.0.0.0", "worker.cache_folder": "/var/cache/zisk-worker"},
    ),
}


def render(name: str) -> str:
    """The content of one file of configs/."""
    variant = VARIANTS[name]
    daemon = "zisk-worker" if variant.kind is WorkerConfig else "zisk-coordinator"
    lines = [
        f"# {variant.purpose}",
        "#",
        f"#   {daemon} --config configs/{name}",
        "#",
        "# Written by scripts/generate; a copy is yours to change. A key that is left out has its default.",
    ]
    table = ""
    for key in keys(variant.kind):
        if key.table != table:
            table = key.table
            lines += ["", f"[{table}]"]
        lines += [f"# {_comment(key)}", line(key.name, variant.values.get(key.dotted, key.default))]
    return "\n".join(lines) + "\n"


def tables() -> dict[str, str]:
    """The tables of docs/operations.md, by the name of the place where each goes."""
    return {
        "coordinator": _table(CoordinatorConfig, COORDINATOR_FLAGS, COORDINATOR_ENVIRONMENT),
        "worker": _table(WorkerConfig, WORKER_FLAGS, WORKER_ENVIRONMENT),
    }


def fill(page: str) -> str:
    """A page with the tables in their places."""
    for name, table in tables().items():
        begin = BEGIN.format(name)
        before, found, rest = page.partition(begin)
        if not found or END not in rest:
            raise ValueError(f"the page has no place for the table {name}")
        page = f"{before}{begin}\n\n{table}\n{END}{rest.partition(END)[2]}"
    return page


def _table(kind: type[Section], flags: Mapping[str, str], environment: Mapping[str, str]) -> str:
    variables = {key: name for name, key in environment.items()}
    rows = ["| key | default | unit | flag | environment | meaning |", "|---|---|---|---|---|---|"]
    for key in keys(kind):
        flag, variable = _code(flags.get(key.dotted)), _code(variables.get(key.dotted))
        rows.append(f"| `{key.dotted}` | {_default(key)} | {key.unit} | {flag} | {variable} | {key.meaning} |")
    return "\n".join(rows) + "\n"


def _comment(key: Key) -> str:
    unit = f"; {key.unit}" if key.unit else ""
    return f"{key.meaning}{unit} (default {value(key.default)})"


def _default(key: Key) -> str:
    return "empty" if key.default == "" else f"`{value(key.default)}`"


def _code(text: str | None) -> str:
    return "" if text is None else f"`{text}`"


def files(root: Path) -> Iterator[tuple[Path, str]]:
    """What is written, each file with its content."""
    for name in VARIANTS:
        yield root / "configs" / name, render(name)
    page = root / "docs" / "operations.md"
    yield page, fill(page.read_text(encoding="utf-8"))
