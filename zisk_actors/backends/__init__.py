"""Who multiplies: implementations of the one interface in ``base``."""

from __future__ import annotations

from zisk_actors.backends.base import Backend
from zisk_actors.errors import UsageError

NAMES = ("cpu", "reference")


def make_backend(name: str, threads: int | None = None) -> Backend:
    """The backend called ``name``. ``threads``: how many the cpu backend computes with; all cores if not given.

    UsageError for an unknown name, NativeUnavailable if the native library is missing.
    """
    if name == "cpu":
        from zisk_actors.backends.cpu import CpuBackend

        return CpuBackend(threads)
    if name == "reference":
        from zisk_actors.backends.reference import ReferenceBackend

        return ReferenceBackend()
    raise UsageError(f"no backend {name!r}", hint=f"known backends: {', '.join(NAMES)}")
