"""All TOML that is written: settings, key files, and the values in the tables of the documentation.

Rules of this file: one renderer (tomli_w), so that every text is read back as it was, a path with quotes, backslashes or control
characters in it too. Text that a file in UTF-8 cannot hold is refused. Settings are named as everywhere, `table.key`.
"""

from __future__ import annotations

from collections.abc import Mapping

import tomli_w

from zisk_actors.errors import UsageError

Value = str | bool | int | float


class NotText(UsageError):
    """A text has no UTF-8: the name of a file, say, that is made of other bytes."""

    code = "not-text"


def document(settings: Mapping[str, Value], comment: str = "") -> str:
    """A whole file: each setting in its table, tables in the order in which they are first named, under `comment`. Raises `NotText`."""
    tables: dict[str, object] = {}
    for dotted, setting in settings.items():
        *path, name = dotted.split(".")
        table = tables
        for part in path:
            below = table.setdefault(part, {})
            assert isinstance(below, dict), f"{part} of {dotted} is a setting and a table"
            table = below
        table[name] = setting
    return "".join(f"# {said}\n" for said in comment.splitlines()) + _checked(tomli_w.dumps(tables))


def line(name: str, setting: Value) -> str:
    """`name = setting`, without an end of line. Raises `NotText`."""
    return _checked(tomli_w.dumps({name: setting})).removesuffix("\n")


def value(setting: Value) -> str:
    """A setting alone, as it stands behind the `=`. Raises `NotText`."""
    return line("x", setting).removeprefix("x = ")


def _checked(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NotText(f"{error.object[max(0, error.start - 40) : error.end]!r} cannot be written into a file of settings") from None
    return text
