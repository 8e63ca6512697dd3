"""The native library, loaded once.

Rules of this file: what there is to call, and with what, is said by native/include/zk/interface.h, which the library carries
(``c_interface.py``); no signature stands in Python. ctypes lets go of the interpreter lock for the duration of a call. ZISK_CPU
(scalar, avx2, avx512) overrides the choice of instruction set, for tests.
`python -m zisk_actors.backends.build` makes the library; `pip install` ships it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from zisk_actors.c_interface import BadHeader, Header
from zisk_actors.errors import MemoryShort, ZiskError

LIBRARY = Path(__file__).resolve().parent / "_native" / "libzisk_native.so"
_REBUILD = "run `python -m zisk_actors.backends.build`"


class NativeUnavailable(ZiskError, OSError):
    """The native library is missing or does not load on this machine."""

    code = "native-unavailable"
    exit_code = 2


class Library:
    """A shared library; its attributes are the functions that a header declares, with their arguments checked (`BadArgument`).

    One that the library or the header lacks raises NativeUnavailable; a call that finds no memory MemoryShort. A library that is the
    verifier alone takes no memory, and has nothing to ask.
    """

    def __init__(self, path: Path, header: Header | None = None) -> None:
        try:
            self.dll = ctypes.CDLL(str(path))
        except OSError as error:
            raise NativeUnavailable(f"the native library does not load: {error}", hint="build it on this machine") from error
        self._takes_memory = hasattr(self.dll, "zk_out_of_memory")
        try:
            self.header = header or Header(_text(self.dll))
        except (AttributeError, BadHeader):
            raise NativeUnavailable("the native library is of another version: its interface cannot be read", hint=_REBUILD) from None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not name.startswith("zk_"):
            raise AttributeError(name)
        try:
            function = self.header.functions[name].bound(self.dll)
        except (KeyError, AttributeError):
            raise NativeUnavailable(f"the native library is of another version: it has no {name}", hint=_REBUILD) from None
        call = self._watched(name, function) if self._takes_memory and name != "zk_out_of_memory" else function
        setattr(self, name, call)
        return call

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            result = function(*arguments)
            if self.zk_out_of_memory():
                raise MemoryShort(f"{name} did not find the memory that it needs beside its arguments")
            return result

        return call

    def record(self, name: str) -> Any:
        """A new struct of the header, all zeros."""
        return self.header.structs[name]()

    def address(self, symbol: str) -> int:
        """Where a table of the library lies."""
        return ctypes.addressof(ctypes.c_char.in_dll(self.dll, symbol))


def level() -> tuple[str, str]:
    """What the library runs on here, and what to do about that, for `zisk doctor`. Raises NativeUnavailable."""
    name = load().zk_cpu_name()
    slow = "this processor has neither AVX2 nor AVX-512: proving takes several times as long" if name == "scalar" else ""
    return f"loads, and runs at the level {name} with up to {os.cpu_count()} threads", slow


def _text(dll: ctypes.CDLL) -> str:
    """The header that a library was compiled with. AttributeError where it carries none."""
    function = dll.zk_interface
    function.restype = ctypes.c_char_p
    text: bytes = function()
    return text.decode()


@cache
def load() -> Library:
    """The library of this package; raises NativeUnavailable, which is an OSError."""
    if not LIBRARY.exists():
        raise NativeUnavailable("the native library was not built", hint=f"reinstall, or {_REBUILD}")
    library = Library(LIBRARY)
    wish, name = os.environ.get("ZISK_CPU"), library.zk_cpu_name()
    if wish and wish != name:
        raise NativeUnavailable(
            f"ZISK_CPU asks for {wish}, which this machine does not run", hint="scalar, avx2 or avx512; unset it for the best"
        )
    return library
