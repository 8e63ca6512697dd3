"""Settings of the two daemons: frozen structs from the built-in defaults, then files, then the environment, then flags.

Rules of this file:
* Names and defaults are those of the operator's manual, where it has them; seconds and milliseconds are in the name.
* An unknown key is refused with its file, its line and the nearest known key; a value out of its range likewise.
* `origins` remembers where each value came from; what is not in it is a default.
* Nothing is read at import time, and the environment comes in as an argument.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TextIO, TypeVar

import msgspec
import tomli
from msgspec import Meta

from zisk_actors import ids
from zisk_actors.errors import NotFoundError, UsageError

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1, le=10**9)]
Natural = Annotated[int, Meta(ge=0, le=10**9)]


class ConfigError(UsageError):
    """A setting that does not exist, or whose value cannot be used."""

    code = "config"


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables of a configuration."""


class Service(Section, frozen=True):
    """Who we say we are."""

    name: str = "zisk_actors coordinator"
    environment: str = "development"


class Server(Section, frozen=True):
    """Where clients come in. Port 0 takes a free port."""

    host: str = "127.0.0.1"
    port: Port = 7000
    shutdown_timeout_seconds: Natural = 30


class HttpPort(Section, frozen=True):
    """Where metrics and health are, over HTTP and for everyone who can reach it. Port 0 takes a free port."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 9090


class Logging(Section, frozen=True):
    """Logs go to standard error; `format` is pretty, compact or json."""

    level: str = "info"
    format: str = "pretty"


class CoordinatorCore(Section, frozen=True):
    """Where workers come in, and how jobs are run. A phase limit of 0 is no limit."""

    port: Port = 50051
    host: str = ""
    max_workers_per_job: Positive = 10
    max_total_workers: Positive = 1000
    min_compute_units: Positive = 1
    phase1_timeout_seconds: Natural = 300
    phase2_timeout_seconds: Natural = 600
    phase3_timeout_seconds: Natural = 100
    execution_timeout_seconds: Natural = 300
    heartbeat_interval_seconds: Annotated[float, Meta(gt=0, le=3600)] = 30
    heartbeat_max_missed: Annotated[int, Meta(ge=2, le=100)] = 3
    reconnect_grace_period_ms: Natural = 500
    max_queued_jobs: Positive = 1000
    max_attempts_per_share: Positive = 3
    worker_wait_seconds: Natural = 60


class Store(Section, frozen=True):
    """Where the journal and the blobs are; an empty folder is `$ZISK_HOME/coordinator`, or `~/.zisk/coordinator`."""

    folder: str = ""


class CoordinatorSecurity(Section, frozen=True):
    """The coordinator's key pair and the keys it lets in; empty names are files in the store's folder."""

    key_file: str = ""
    allow_file: str = ""


class VerifierSettings(Section, frozen=True):
    """The process that derives keys and verifies proofs. 0 threads are as many as there are processors."""

    backend: str = "cpu"
    threads: Natural = 0


class CoordinatorConfig(Section, frozen=True):
    """All settings of `zisk-coordinator`."""

    service: Service = Service()
    server: Server = Server()
    metrics: HttpPort = HttpPort()
    logging: Logging = Logging()
    coordinator: CoordinatorCore = CoordinatorCore()
    store: Store = Store()
    security: CoordinatorSecurity = CoordinatorSecurity()
    verifier: VerifierSettings = VerifierSettings()


class ComputeCapacity(Section, frozen=True):
    """How much of a job this worker takes, beside the units of others."""

    compute_units: Annotated[int, Meta(ge=1, le=1_000_000)] = 10


class WorkerCore(Section, frozen=True):
    """Who this worker is and what it computes with; `cache_bytes` is for blobs that can be fetched again. An empty id is made at the
    start; 0 threads are as many as there are processors."""

    worker_id: Annotated[str, Meta(pattern=rf"^\Z|{ids.WORKER_PATTERN}")] = ""
    compute_capacity: ComputeCapacity = ComputeCapacity()
    backend: str = "cpu"
    threads: Natural = 0
    cache_folder: str = ""
    cache_bytes: Annotated[int, Meta(ge=0)] = 4 * 1024**3


class CoordinatorAddress(Section, frozen=True):
    """Where the coordinator is: tcp://, http:// or bare host:port of its worker port."""

    url: str = "http://127.0.0.1:50051"


class Connection(Section, frozen=True):
    """How a lost connection is dialled again: after this long at first, then longer each time, up to the maximum."""

    reconnect_interval_seconds: Annotated[float, Meta(gt=0, le=3600)] = 1
    reconnect_max_seconds: Annotated[float, Meta(gt=0, le=3600)] = 30


class WorkerSecurity(Section, frozen=True):
    """This worker's key pair, and the coordinator's public key (the key itself)."""

    key_file: str = ""
    server_key: str = ""


class WorkerConfig(Section, frozen=True):
    """All settings of `zisk-worker`."""

    worker: WorkerCore = WorkerCore()
    coordinator: CoordinatorAddress = CoordinatorAddress()
    connection: Connection = Connection()
    logging: Logging = Logging()
    security: WorkerSecurity = WorkerSecurity()


Origins = dict[str, str]
C = TypeVar("C", CoordinatorConfig, WorkerConfig)

COORDINATOR_ENVIRONMENT: Final = {
    "ZISK_COORDINATOR_API_PORT": "server.port",
    "ZISK_COORDINATOR_CLUSTER_PORT": "coordinator.port",
    "ZISK_COORDINATOR_METRICS_PORT": "metrics.port",
}


def load(
    kind: type[C], files: list[tuple[Path, bool]], environment: Mapping[str, str], names: Mapping[str, str], flags: Mapping[str, Any]
) -> tuple[C, Origins]:
    """Settings from `files` (each with whether it must exist), the environment variables in `names`, and `flags` by dotted key.

    Flags that are None are not given. Raises `ConfigError` and `NotFoundError`.
    """
    tree: dict[str, Any] = {}
    origins: Origins = {}
    for path, required in files:
        content = _read(path, required)
        if content is not None:
            table = _parse(path, content)
            _check_keys(kind, table, "", path, content)
            _merge(tree, table, "", str(path), origins)
    for name, key in names.items():
        if name in environment:
            _put(tree, key, _typed(environment[name]), f"environment {name}", origins)
    for key, value in flags.items():
        if value is not None:
            _put(tree, key, value, "command line", origins)
    try:
        config = msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        key = str(error).rpartition("$.")[2].rstrip("`")
        origin = origins.get(key, "the configuration")
        raise ConfigError(f"{origin}: {key}: {str(error).split(' - at')[0]}") from None
    _check(config)
    return config, origins


def _check(config: CoordinatorConfig | WorkerConfig) -> None:
    """What is wrong only in combination."""
    if config.logging.level not in ("trace", "debug", "info", "warn", "warning", "error"):
        raise ConfigError(f"logging.level is trace, debug, info, warn or error, not {config.logging.level!r}")
    if config.logging.format not in ("pretty", "compact", "json"):
        raise ConfigError(f"logging.format is pretty, compact or json, not {config.logging.format!r}")
    if isinstance(config, CoordinatorConfig):
        core = config.coordinator
        if core.heartbeat_interval_seconds * core.heartbeat_max_missed * 1000 <= core.reconnect_grace_period_ms:
            raise ConfigError("coordinator.reconnect_grace_period_ms is longer than the heartbeats that a worker may miss")
        ports = {"server.port": config.server.port, "coordinator.port": core.port}
        if config.metrics.enabled:
            ports["metrics.port"] = config.metrics.port
        for one, another in itertools.combinations(ports, 2):
            if ports[one] and ports[one] == ports[another]:
                raise ConfigError(f"{one} and {another} are both {ports[one]}")


def _read(path: Path, required: bool) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if required:
            raise NotFoundError(f"there is no configuration file {path}") from None
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None


def _parse(path: Path, content: str) -> dict[str, Any]:
    try:
        return tomli.loads(content)
    except tomli.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None


def _check_keys(kind: type[msgspec.Struct], table: Mapping[str, Any], prefix: str, path: Path, content: str) -> None:
    known = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, 1, 0.5)
            line = next((n for n, text in enumerate(content.splitlines(), 1) if re.match(rf"\s*(\[.*)?{re.escape(key)}\b", text)), 1)
            hint = f"did you mean {prefix}{close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
            raise ConfigError(f"{path}:{line}: there is no setting {prefix}{key}", hint=hint)
        section = known[key]
        if isinstance(section, type) and issubclass(section, Section):
            if not isinstance(value, dict):
                raise ConfigError(f"{path}: {prefix}{key} is a table, not a value")
            _check_keys(section, value, f"{prefix}{key}.", path, content)


def _merge(tree: dict[str, Any], table: Mapping[str, Any], prefix: str, origin: str, origins: Origins) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            _merge(tree.setdefault(key, {}), value, f"{prefix}{key}.", origin, origins)
        else:
            tree[key] = value
            origins[prefix + key] = origin


def _put(tree: dict[str, Any], key: str, value: Any, origin: str, origins: Origins) -> None:
    *path, last = key.split(".")
    for part in path:
        tree = tree.setdefault(part, {})
    tree[last] = value
    origins[key] = origin


def _typed(text: str) -> Any:
    return int(text) if re.fullmatch(r"-?[0-9]+", text) else text


def show(config: CoordinatorConfig | WorkerConfig, origins: Origins, sink: TextIO) -> None:
    """Write every setting with its value and where that came from."""
    sink.writelines(f"{key} = {value!r}  # {origins.get(key, 'default')}\n" for key, value in _flat("", config))


def _flat(prefix: str, section: Section) -> Iterator[tuple[str, object]]:
    for name in section.__struct_fields__:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield prefix + name, value
