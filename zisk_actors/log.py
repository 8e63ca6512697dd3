"""Logs: one line per thing that happened, to standard error, pretty for people or JSON for machines.

Rules of this file:
* An event is a short sentence fragment with a word to search for; what varies is in fields, ids whole.
* Job, worker and share are bound once per task with `bind`.
* Secrets are never fields.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

Log = structlog.stdlib.BoundLogger

_LEVELS: Final = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(level: str = "info", form: str = "pretty", *, rust_log: str = "") -> None:
    """Set up logging for this process. `rust_log` is the value of RUST_LOG, whose plain level, if it has one, wins over `level`."""
    number = _LEVELS.get(rust_log.lower(), _LEVELS.get(level, logging.INFO))
    if form == "json":
        renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    elif form == "compact":
        renderer = _compact
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=32)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if form != "pretty" else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def get(**fields: object) -> Log:
    """A logger with fields bound."""
    logger: Log = structlog.get_logger(**fields)
    return logger


def _compact(logger: object, name: str, fields: MutableMapping[str, Any]) -> str:
    time, level, event = fields.pop("timestamp", ""), fields.pop("level", ""), fields.pop("event", "")
    return " ".join([str(time), str(level), str(event), *(f"{key}={value}" for key, value in fields.items())])
