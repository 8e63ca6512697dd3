"""Settings of the two daemons: from the built-in defaults, then files, then the environment, then flags.

Rules of this file:
* What there is to set is in `settings.py`; this file finds the values, and refuses what cannot be used.
* The file that `coordinator.config_file` names wins over the files that are found, and not over the environment or flags.
* An unknown key is refused with its file, its line and the nearest known key; a value out of its range likewise.
* `origins` remembers where each value came from; what is not in it is a default.
* Nothing is read at import time, and the environment comes in as an argument.
"""

from __future__ import annotations

import difflib
import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

import msgspec

from zisk_actors import backends
from zisk_actors.errors import NotFoundError, UsageError
from zisk_actors.settings import (
    COORDINATOR_ENVIRONMENT,
    WITHOUT_EFFECT,
    WORKER_ENVIRONMENT,
    CoordinatorConfig,
    CoordinatorCore,
    Section,
    WorkerConfig,
    keys,
)

__all__ = [
    "COORDINATOR_ENVIRONMENT",
    "WORKER_ENVIRONMENT",
    "ConfigError",
    "CoordinatorConfig",
    "CoordinatorCore",
    "Origins",
    "WorkerConfig",
    "load",
    "show",
]


class ConfigError(UsageError):
    """A setting that does not exist, or whose value cannot be used."""

    code = "config"


class Origins(dict[str, str]):
    """Where each value that is not a default came from. `ignored` are the keys that were set and have no effect, with why."""

    def __init__(self) -> None:
        super().__init__()
        self.ignored: dict[str, str] = {}


C = TypeVar("C", CoordinatorConfig, WorkerConfig)


def load(
    kind: type[C], files: list[tuple[Path, bool]], environment: Mapping[str, str], names: Mapping[str, str], flags: Mapping[str, Any]
) -> tuple[C, Origins]:
    """Settings from `files` (each with whether it must exist), the environment variables in `names`, and `flags` by dotted key.

    Flags that are None are not given. Raises `ConfigError` and `NotFoundError`.
    """
    tree: dict[str, Any] = {}
    origins = Origins()
    for path, required in files:
        content = _read(path, required)
        if content is not None:
            _merge(tree, _known(kind, _parse(path, content), "", path, content, origins), "", str(path), origins)
    if kind is CoordinatorConfig:
        _read_core(tree, origins)
    defaults = {key.dotted: key.default for key in keys(kind)}
    for name, key in names.items():
        if name in environment:
            _put(tree, key, _typed(environment[name], defaults[key]), f"environment {name}", origins)
    for key, value in flags.items():
        if value is not None:
            _put(tree, key, value, "command line", origins)
    if origins.get("metrics.port", "").startswith(("environment", "command line")) and "metrics.enabled" not in origins:
        _put(tree, "metrics.enabled", True, origins["metrics.port"], origins)
    try:
        config = msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        key = str(error).rpartition("$.")[2].rstrip("`")
        raise ConfigError(f"{_place(key, origins)}: {key}: {_plainly(str(error).split(' - at')[0], _value(tree, key))}") from None
    _check_words(config, origins)
    _check(config, origins)
    return config, origins


def _read_core(tree: dict[str, Any], origins: Origins) -> None:
    """Merge the file that `coordinator.config_file` names. Its other tables are the server file's business."""
    table = tree.get("coordinator")
    named = table.get("config_file") if isinstance(table, dict) else None
    if not named or not isinstance(named, str):
        return
    path = Path(origins["coordinator.config_file"]).parent / named
    content = _read(path, required=True) or ""
    core = _parse(path, content)
    for other in ("service", "server", "logging"):
        if core.pop(other, None) is not None:
            origins.ignored[f"[{other}] of {path}"] = "only the [coordinator] table of this file counts"
    if isinstance(core.get("coordinator"), dict) and "config_file" in core["coordinator"]:
        raise ConfigError(f"{path}: coordinator.config_file: this file is named by one already")
    for other in core:
        if other != "coordinator":
            raise ConfigError(f"{path}:{_line(content, other)}: there is no setting {other}", hint="known here: coordinator")
    _merge(tree, _known(CoordinatorConfig, core, "", path, content, origins), "", str(path), origins)


def _value(tree: Mapping[str, Any], key: str) -> Any:
    """What was set for a dotted key."""
    value: Any = tree
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _plainly(complaint: str, value: Any) -> str:
    """A complaint about a value's range or type in words that name the value."""
    limit = re.fullmatch(r"Expected `\w+` (<=|>=|<|>) (\S+)", complaint)
    if limit is not None:
        words = {"<=": "at most", ">=": "at least", "<": "below", ">": "above"}[limit[1]]
        return f"must be {words} {limit[2].removesuffix('.0')}, not {value!r}"
    if "matching regex" in complaint:
        return f"{value!r} has other characters than are allowed here, or too many"
    return f"{complaint}: {value!r}"


WORDS: Final = {
    "backend.mode": backends.MODES,
    "worker.backend": backends.NAMES,
    "verifier.backend": backends.PROVING,
    "service.environment": ("development", "staging", "production"),
}
"""Keys whose values are one of a few words."""

HOST: Final = r"[A-Za-z0-9_.:%\[\]-]{0,255}"


def _check_words(config: CoordinatorConfig | WorkerConfig, origins: Origins) -> None:
    for key, value in _flat("", config):
        words = WORDS.get(key, ())
        if words and value not in words:
            close = difflib.get_close_matches(str(value), words, 1, 0.4)
            hint = f"did you mean {close[0]}?" if close else ""
            raise ConfigError(f"{_place(key, origins)}: {key} is {', '.join(words[:-1])} or {words[-1]}, not {value!r}", hint=hint)


def _place(key: str, origins: Origins) -> str:
    """Where a value came from, with its line where that is a file."""
    origin = origins.get(key, "the configuration")
    try:
        content = Path(origin).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return origin
    table, _, name = key.rpartition(".")
    lines = content.splitlines()
    begin = next((number for number, text in enumerate(lines) if text.replace(" ", "").startswith(f"[{table}]")), 0)
    line = next((number for number in range(begin, len(lines)) if re.match(rf"\s*(?:[\w.]+\.)?{name}\s*=", lines[number])), begin)
    return f"{origin}:{line + 1}"


def _check(config: CoordinatorConfig | WorkerConfig, origins: Origins) -> None:
    """What is wrong only in combination."""
    if config.logging.level not in ("trace", "debug", "info", "warn", "warning", "error"):
        raise ConfigError(
            f"{_place('logging.level', origins)}: logging.level is trace, debug, info, warn or error, not {config.logging.level!r}"
        )
    if config.logging.format not in ("pretty", "compact", "json"):
        raise ConfigError(f"{_place('logging.format', origins)}: logging.format is pretty, compact or json, not {config.logging.format!r}")
    for key, value in _flat("", config):
        if key.endswith(".host") and not re.fullmatch(HOST, str(value)):
            raise ConfigError(f"{_place(key, origins)}: {key} is an address or a host name, not {value!r}")
    if isinstance(config, WorkerConfig):
        pauses = config.connection
        if pauses.reconnect_max_seconds < pauses.reconnect_interval_seconds:
            raise ConfigError("connection.reconnect_max_seconds is shorter than connection.reconnect_interval_seconds")
    if isinstance(config, CoordinatorConfig):
        core = config.coordinator
        if core.heartbeat_interval_seconds * core.heartbeat_max_missed * 1000 <= core.reconnect_grace_period_ms:
            budget = core.heartbeat_interval_seconds * core.heartbeat_max_missed
            raise ConfigError(
                f"coordinator.reconnect_grace_period_ms ({core.reconnect_grace_period_ms} ms) is not below the heartbeats that a worker may"
                f" miss: heartbeat_interval_seconds × heartbeat_max_missed = {budget:g} s"
            )
        from zisk_actors.web.webhook import check_url  # here: it loads the loop, which no other use of this file needs

        if core.webhook_url and (problem := check_url(core.webhook_url)):
            raise ConfigError(f"coordinator.webhook_url: {problem}")
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
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None


def _line(content: str, key: str) -> int:
    """Where a key is, or 1."""
    return next((n for n, text in enumerate(content.splitlines(), 1) if re.match(rf"\s*(\[.*)?{re.escape(key)}\b", text)), 1)


def _known(kind: type[Section], table: Mapping[str, Any], prefix: str, path: Path, content: str, origins: Origins) -> dict[str, Any]:
    """A table without the keys that have no effect. Raises `ConfigError` for a key that does not exist."""
    known = {field.name: field.type for field in msgspec.structs.fields(kind)}
    kept: dict[str, Any] = {}
    for key, value in table.items():
        if prefix + key in WITHOUT_EFFECT and not isinstance(value, dict):
            origins.ignored[f"{prefix}{key} of {path}"] = WITHOUT_EFFECT[prefix + key]
            continue
        if key not in known:
            close = difflib.get_close_matches(key, known, 1, 0.5)
            hint = f"did you mean {prefix}{close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
            raise ConfigError(f"{path}:{_line(content, key)}: there is no setting {prefix}{key}", hint=hint)
        section = known[key]
        if isinstance(section, type) and issubclass(section, Section):
            if not isinstance(value, dict):
                raise ConfigError(f"{path}:{_line(content, key)}: {prefix}{key} is a table, not a value")
            value = _known(section, value, f"{prefix}{key}.", path, content, origins)
        kept[key] = value
    return kept


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


def _typed(text: str, default: Any) -> Any:
    """A value from the environment, as the type that its key has; what is not of that type is refused later, by name."""
    return int(text) if isinstance(default, int) and re.fullmatch(r"-?[0-9]+", text) else text


def show(config: CoordinatorConfig | WorkerConfig, origins: Origins, sink: TextIO) -> None:
    """Write every setting with its value and where that came from, then what was set and has no effect."""
    sink.writelines(f"{key} = {value!r}  # {origins.get(key, 'default')}\n" for key, value in _flat("", config))
    sink.writelines(f"# ignored: {what}: {why}\n" for what, why in origins.ignored.items())


def _flat(prefix: str, section: Section) -> Iterator[tuple[str, object]]:
    for name in section.__struct_fields__:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield prefix + name, value
