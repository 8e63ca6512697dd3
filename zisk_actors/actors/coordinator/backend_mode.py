"""Whether a state is that of a cluster that proves, or of a mock: no state is ever both.

Rule of this file: a state that a mock began says so in a file of its own, before there is anything else in it; one without that file is
of a cluster that proves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from zisk_actors.errors import UsageError
from zisk_actors.store.errors import StoreUnwritable

MARK: Final = "MOCK"
WORDS: Final = "A mock backend made what is here: its proofs prove nothing, and are refused everywhere.\n"


class OtherBackend(UsageError):
    """A coordinator that proves was given the state of a mock, or the other way round."""

    code = "backend-mode"


def claim(folder: Path, *, mocked: bool) -> None:
    """Make sure that the state in a folder is of this mode; a new one is from now on. Raises `OtherBackend`."""
    mark = folder / MARK
    if mocked and not mark.exists():
        if (folder / "journal").exists():
            raise OtherBackend(
                f"{folder} is the state of a cluster that proves, and backend.mode is mock", hint="name another store.folder for the mock"
            )
        try:
            mark.write_text(WORDS, encoding="ascii")
        except OSError as error:
            raise StoreUnwritable(f"cannot write {mark}: {error}") from None
    if not mocked and mark.exists():
        raise OtherBackend(
            f"{folder} is the state of a mock, whose jobs were never proved, and backend.mode is coordinator",
            hint="name another store.folder",
        )
