"""Logs: one line per thing that happened, to standard error, pretty for people or JSON for machines.

Rules of this file:
* An event is a short sentence fragment with a word to search for; what varies is in fields, ids whole.
* Job, worker and share are bound once per task with `bind`.
* Secrets are never fields.
* RUST_LOG is a list of levels and of `target=level`; a target is a module of ours, as `zisk_actors.actors.jobs` or with `::`, and covers
  those below it. What is neither is named in a warning, and the rest of the list counts.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import structlog

from zisk_actors.printable import printable

Log = structlog.stdlib.BoundLogger

_LEVELS: Final = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}

_PACKAGE: Final = Path(__file__).parent


class Filter(NamedTuple):
    """What a value of RUST_LOG says: the level without a target, None where there is none, those of targets, and the parts that say
    nothing."""

    level: int | None
    targets: Mapping[str, int]
    unknown: tuple[str, ...]


def parse_filter(text: str) -> Filter:
    """Read a value of RUST_LOG. Of two levels for one target the last one counts; a target without a level has all of it."""
    level: int | None = None
    targets: dict[str, int] = {}
    unknown: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        target, equals, word = part.partition("=")
        module = target.strip().replace("::", ".")
        if not equals and part.lower() in _LEVELS:
            level = _LEVELS[part.lower()]
        elif _is_module(module) and (word.strip().lower() or "trace") in _LEVELS:
            targets[module] = _LEVELS[word.strip().lower() or "trace"]
        else:
            unknown.append(part[:100])
    return Filter(level, targets, tuple(unknown[:20]))


def _is_module(name: str) -> bool:
    package, *path = name.split(".")
    place = _PACKAGE.joinpath(*path)
    names = all(re.fullmatch(r"[a-z_][a-z0-9_]*", part) for part in path)
    return package == "zisk_actors" and names and (place.is_dir() or place.with_suffix(".py").is_file())


class DailyFile:
    """Appends to one file a day (UTC), named with the date: `worker.log` is `worker.log.2025-01-31`. No file is held open, so that it can
    be moved away at any time."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError` where it cannot be written."""
        self._path = path if path.is_absolute() else Path("logs") / path
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.write("")

    def write(self, text: str) -> None:
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        with self._path.with_name(f"{self._path.name}.{day}").open("a", encoding="utf-8") as file:
            file.write(text)


class _Steady:
    """Standard error, for as long as it takes anything: a full disk or a reader that has left ends no daemon."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _Both:
    """Standard error, and a file. When the file cannot be written any more, that is said once, and the rest is on standard error."""

    def __init__(self, file: DailyFile, stream: _Steady) -> None:
        self._file = file
        self._stream = stream
        self._lost = 0

    def write(self, text: str) -> int:
        self._stream.write(text)
        try:
            self._file.write(f"the log file could not be written: {self._lost} lines are missing\n{text}" if self._lost else text)
        except OSError as error:
            if not self._lost:
                self._stream.write(f"the log file cannot be written: {error.strerror}; it goes on here\n")
            self._lost += 1
        else:
            if self._lost:
                self._stream.write(f"the log file is written again; it lacks {self._lost} lines\n")
            self._lost = 0
        return len(text)

    def flush(self) -> None:
        self._stream.flush()


class _Chosen(NamedTuple):
    """How this process logs."""

    level: str
    form: str
    file_path: str


_now = _Chosen("info", "pretty", "")


class _ByTarget:
    """Drops what is below the level of the module that says it."""

    def __init__(self, level: int, targets: Mapping[str, int]) -> None:
        self._level = level
        self._targets = sorted(targets.items(), key=lambda item: -len(item[0]))  # the longest, which is the narrowest, first

    def __call__(self, logger: object, name: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        module = _speaker()
        limit = next((level for target, level in self._targets if module == target or module.startswith(f"{target}.")), self._level)
        if _LEVELS.get(name, logging.ERROR) < limit:
            raise structlog.DropEvent
        return fields


def _speaker() -> str:
    """The module whose code logs: the innermost one that is neither structlog nor this one."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(("structlog", __name__)):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def configure(level: str = "info", form: str = "pretty", *, rust_log: str = "", file_path: str = "") -> None:
    """Set up logging for this process. `rust_log` is the value of RUST_LOG, which wins over `level`; `file_path` is written as well.

    Raises `OSError` where the file cannot be written.
    """
    global _now
    chosen = parse_filter(rust_log)
    base = chosen.level if chosen.level is not None else _LEVELS.get(level, logging.INFO)
    number = min(base, *chosen.targets.values()) if chosen.targets else base
    steady = _Steady(sys.stderr)
    sink: Any = _Both(DailyFile(Path(file_path)), steady) if file_path else steady  # Any: all of a stream that a logger uses
    if form == "json":
        renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    elif form == "compact":
        renderer = _compact
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and not file_path, pad_event_to=32)
    structlog.configure(
        processors=[
            *([_ByTarget(base, chosen.targets)] if chosen.targets else []),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if form != "pretty" else [_clean]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sink),
        cache_logger_on_first_use=False,
    )
    _now = _Chosen(rust_log or level, form, file_path)
    if chosen.unknown:
        get().warning("RUST_LOG has parts that mean nothing here", parts=list(chosen.unknown), targets="zisk_actors and modules below it")


def level() -> str:
    """What decides how much is logged now: a level, or a value of RUST_LOG."""
    return _now.level[:200]


def set_level(level: str) -> None:
    """Log so much from now on, whatever RUST_LOG said; form and file stay. What was bound before keeps its level, which no task's logger
    outlives."""
    configure(level, _now.form, file_path=_now.file_path)


def get(**fields: object) -> Log:
    """A logger with fields bound."""
    logger: Log = structlog.get_logger(**fields)
    return logger


def _compact(logger: object, name: str, fields: MutableMapping[str, Any]) -> str:
    time, level, event = fields.pop("timestamp", ""), fields.pop("level", ""), fields.pop("event", "")
    trace = fields.pop("exception", "")
    line = " ".join([str(time), str(level), str(event), *(f"{key}={value}" for key, value in fields.items())])
    return printable(line) + (f"\n{trace}" if trace else "")


def _clean(logger: object, name: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """One line, whatever a peer has put into a field of it; a traceback is our own text."""
    for key, value in fields.items():
        if isinstance(value, str) and key != "exception":
            fields[key] = printable(value)
    return fields
