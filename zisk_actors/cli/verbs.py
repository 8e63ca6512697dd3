"""The verbs of `zisk`: each registers itself in the module that defines it, and nothing lists them.

Rules of this file:
* A module in this folder is a module of verbs, unless it is a daemon's (`DAEMONS`) or has none. All are imported when `zisk` starts, so
  they import at the top only what is quick to load.
* `place` orders the verbs as people need them; those of groups are registered with their group.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Final, TypeVar

import click

DAEMONS: Final = ("coordinator", "worker", "daemon")
_VERBS: Final[dict[str, tuple[int, click.Command]]] = {}

C = TypeVar("C", bound=click.Command)


def verb(place: int) -> Callable[[C], C]:
    """Have a command be a verb of `zisk`, listed by its place."""

    def register(command: C) -> C:
        assert command.name is not None, "a command has a name"
        _VERBS[command.name] = (place, command)
        return command

    return register


def verbs() -> list[click.Command]:
    """All of them, in their order."""
    from zisk_actors import cli

    for module in pkgutil.iter_modules(cli.__path__):
        if module.name not in (*DAEMONS, "main"):
            importlib.import_module(f"{cli.__name__}.{module.name}")
    return [command for _, command in sorted(_VERBS.values(), key=lambda each: each[0])]
