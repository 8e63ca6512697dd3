"""What the two daemons have in common: finding their settings, running until told to stop, and ending with one line and an exit code.

Rules of this file:
* A mistake of the operator is one line on standard error and the exit code of the error tree; only bugs of ours have a traceback.
* Settings are looked for in /etc/zisk, then the user's folder, then the current one, then the file that is named; all that exist are
  merged.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import trio

from zisk_actors import config, log
from zisk_actors.cli.system import refused_by_system
from zisk_actors.config import CoordinatorConfig, Origins, WorkerConfig
from zisk_actors.errors import UsageError, ZiskError
from zisk_actors.printable import printable
from zisk_actors.settings import Logging

HOME: Final = "ZISK_HOME"


def config_files(name: str, named: str | None, environment: Mapping[str, str]) -> list[tuple[Path, bool]]:
    """The files to read for `name`.toml, lowest first, each with whether it must exist."""
    user = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    files = [(Path("/etc/zisk") / f"{name}.toml", False), (user / "zisk" / f"{name}.toml", False), (Path(f"{name}.toml"), False)]
    return [*files, (Path(named), True)] if named else files


def keep_files_private() -> None:
    """Whatever this process and its children write from now on, nobody but its user can read."""
    os.umask(0o077)


def home(environment: Mapping[str, str]) -> Path:
    """Where a daemon keeps its state unless told otherwise."""
    return Path(environment.get(HOME) or Path.home() / ".zisk")


def start_log(settings: Logging, origins: Origins, environment: Mapping[str, str]) -> None:
    """Log as the settings and RUST_LOG say, beginning with what was set and has no effect. Raises `UsageError`."""
    try:
        log.configure(settings.level, settings.format, rust_log=environment.get("RUST_LOG", ""), file_path=settings.file_path)
    except OSError as error:
        raise UsageError(f"cannot write the log {settings.file_path}: {error.strerror or error} (logging.file_path)") from None
    for what, why in origins.ignored.items():
        log.get().warning("setting ignored", setting=what, why=why)


def show(settings: CoordinatorConfig | WorkerConfig, origins: Origins, environment: Mapping[str, str]) -> None:
    """What `--check-config` prints: all settings, and what wins over them."""
    config.show(settings, origins, sys.stdout)
    if text := environment.get("RUST_LOG", ""):
        unknown = log.parse_filter(text).unknown
        parts = f"; parts that mean nothing here: {', '.join(unknown)}" if unknown else ""
        print(f"# RUST_LOG is {text!r} and wins over logging.level{parts}")


def run(main: Callable[[], Awaitable[None]]) -> int:
    """Run a daemon; its exit code."""
    try:
        trio.run(main)
    except BaseException as error:
        cause = _only(error)
        if isinstance(cause, KeyboardInterrupt):
            return 130
        if isinstance(cause, ZiskError):
            say(cause)
            return cause.exit_code
        if isinstance(cause, OSError) and cause.filename is not None:
            say(refused := refused_by_system(cause))
            return refused.exit_code
        traceback.print_exception(error)
        print(f"error[internal]: {type(cause).__name__}: {cause}", file=sys.stderr)
        return 1
    return 0


def say(error: ZiskError) -> None:
    """One line for a person, and one in the log."""
    log.get().error("cannot go on", code=error.code, error=error.message)
    print(printable(f"error[{error.code}]: {error.message}" + (f" ({error.hint})" if error.hint else "")), file=sys.stderr)


def _only(error: BaseException) -> BaseException:
    """The one error in nested groups of one; a group of several, as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def environment() -> Mapping[str, str]:
    return os.environ
