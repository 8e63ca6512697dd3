"""The native library, loaded once.

Rules of this file: every C function that Python calls is declared in ``_SIGNATURES``, so that a wrong number of arguments
fails here and not in C; sizes are the caller's to check before the call. ctypes lets go of the interpreter lock for the
duration of a call. ZISK_CPU (scalar, avx2, avx512) overrides the choice of instruction set, for tests.
`python -m zisk_actors.backends.build` makes the library; `pip install` ships it.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

from zisk_actors.errors import ZiskError

LIBRARY = Path(__file__).resolve().parent / "_native" / "libzisk_native.so"

_pointer, _size, _int, _u64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_uint64

# name: (result, arguments). What the functions do is said where they are defined, in native/cpu and native/verifier.
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "zk_cpu_name": (ctypes.c_char_p, ()),
    "zk_set_threads": (None, (_size,)),
    "zk_threads": (_size, ()),
    "zk_poseidon2_permute": (None, (_pointer, _size)),
    "zk_hash_rows": (None, (_pointer, _size, _size, _u64, _size, _pointer)),
    "zk_compress": (None, (_pointer, _pointer, _size, _pointer)),
    "zk_grind": (_u64, (_pointer, _u64)),
    "zk_ntt": (None, (_pointer, _pointer, _size, _int, _u64, _int)),
    "zk_lde": (None, (_pointer, _pointer, _size, _int, _int)),
    "zk_all_canonical": (_int, (_pointer, _size)),
    "zk_find_air": (_pointer, (_pointer, _size, _pointer)),
    "zk_logup": (_int, (_pointer, _pointer, _pointer, _int, _pointer, _int, _pointer, _pointer)),
    "zk_add_quotient": (None, (_pointer, _pointer, _pointer, _pointer, _size, _int, _pointer, _int, _pointer)),
    "zk_split_quotient": (None, (_pointer, _pointer, _int, _int)),
    "zk_weights": (None, (_pointer, _int, _pointer)),
    "zk_weighted_sums": (None, (_pointer, _int, _pointer, _size, _pointer)),
    "zk_deep": (None, (_pointer, _pointer, _pointer, _pointer, _pointer, _size, _int, _pointer)),
    "zk_fold": (None, (_pointer, _int, _int, _pointer, _pointer)),
    "zk_chip_set": (_pointer, ()),
    "zk_verifier_memory": (_u64, (_pointer,)),
    "zk_verifier_digest": (None, (_pointer, _pointer)),
    "zk_verdict_code": (ctypes.c_char_p, (ctypes.c_uint32,)),
    "zk_verify": (None, (_pointer, _u64, _pointer, _u64, _u64, _pointer, _pointer, _u64, _pointer)),
    "zk_add_scaled": (None, (_pointer, _pointer, _pointer, _pointer, _size, _int)),
}


class NativeUnavailable(ZiskError, OSError):
    """The native library is missing or does not load on this machine."""

    code = "native-unavailable"
    exit_code = 2


@cache
def load() -> ctypes.CDLL:
    """The library with its functions declared; raises NativeUnavailable, which is an OSError."""
    if not LIBRARY.exists():
        raise NativeUnavailable("the native library was not built", hint="reinstall, or run `python -m zisk_actors.backends.build`")
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise NativeUnavailable(f"the native library does not load: {error}", hint="build it on this machine") from error
    for name, (result, arguments) in _SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise NativeUnavailable(
                f"the native library is of another version: it has no {name}", hint="run `python -m zisk_actors.backends.build`"
            ) from None
        function.restype, function.argtypes = result, arguments
    wish, name = os.environ.get("ZISK_CPU"), library.zk_cpu_name().decode()
    if wish and wish != name:
        raise NativeUnavailable(
            f"ZISK_CPU asks for {wish}, which this machine does not run", hint="scalar, avx2 or avx512; unset it for the best"
        )
    return library
