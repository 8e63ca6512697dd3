"""Who multiplies: the backends that there are, one row each, and nothing else that names one.

Rules of this file: settings, commands, capacity, doctor and benchmarks take from here what they need. Nothing heavy is imported before a
backend is made. A row's functions are named `module:name`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from zisk_actors.errors import UsageError, ZiskError

if TYPE_CHECKING:
    from zisk_actors.backends.base import Backend

MOCK: Final = "mock"
"""What settings call the stand-in for a cluster that proves nothing."""


@dataclass(frozen=True)
class Choice:
    """A backend that can be chosen.

    ``name``: the word of the settings. ``made_by``: makes a ``Backend`` from a number of threads (None: all cores); empty where nothing
    is proved. ``footprint``: estimates the bytes that proving a share takes from its records per chip, the program's instructions and
    the log2 of the blowup. ``check``: says in two texts what it runs on here and what to do about that, empty where there is nothing to
    do; raises a ZiskError where it does not run. ``title``: what doctor calls that.
    """

    name: str
    made_by: str = ""
    footprint: str = "zisk_actors.chips.footprint:proving_bytes"
    title: str = ""
    check: str = ""

    @property
    def proves(self) -> bool:
        """Whether what it makes is a proof."""
        return bool(self.made_by)


CHOICES: Final = (
    Choice("cpu", "zisk_actors.backends.cpu:CpuBackend", title="native code", check="zisk_actors.native:level"),
    Choice("reference", "zisk_actors.backends.reference:ReferenceBackend"),
    Choice(MOCK),
)

DEFAULT: Final = CHOICES[0].name
NAMES: Final = tuple(choice.name for choice in CHOICES)
PROVING: Final = tuple(choice.name for choice in CHOICES if choice.proves)
REAL: Final = "coordinator"
"""What `backend.mode` says of a cluster that proves."""
MODES: Final = (REAL, MOCK)


def is_mock(name: str) -> bool:
    """Whether what a backend of this name makes proves nothing. One that only a newer worker knows is taken to prove."""
    return name in NAMES and name not in PROVING


def make_backend(name: str, threads: int | None = None) -> Backend:
    """The backend called ``name``. ``threads``: how many it computes with where it has any; all cores if not given.

    UsageError for an unknown name, NativeUnavailable if the native library is missing.
    """
    backend: Backend = _named(_choice(name).made_by)(threads)
    return backend


def proving_bytes(name: str, records: Mapping[str, int], rom_rows: int, log_blowup: int) -> int:
    """An estimate of what proving a share takes with that backend, in bytes; see ``Choice.footprint``."""
    estimate: int = _named(_choice(name).footprint)(records, rom_rows, log_blowup)
    return estimate


def checks() -> Iterator[tuple[str, str, str, ZiskError | None]]:
    """Of each backend that says how it runs here: title, what on, what to do about that; and the error where it does not run."""
    for choice in CHOICES:
        if choice.check:
            try:
                yield choice.title, *_named(choice.check)(), None
            except ZiskError as error:
                yield choice.title, "", "", error


def either(names: tuple[str, ...]) -> str:
    """Names for people: "a, b or c"."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _choice(name: str) -> Choice:
    found = next((choice for choice in CHOICES if choice.name == name and choice.proves), None)
    if found is None:
        raise UsageError(f"no backend {name!r}", hint=f"known backends: {', '.join(PROVING)}")
    return found


def _named(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
