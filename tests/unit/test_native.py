"""Loading the native library: what is missing is said, and what is declared exists."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from zisk_actors import native
from zisk_actors.errors import ZiskError


def test_every_declared_function_exists_and_the_library_is_kept():
    library = native.load()
    assert library is native.load()
    assert library.zk_cpu_name() in ("scalar", "avx2", "avx512")


def test_a_missing_library_is_an_os_error_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(native, "LIBRARY", tmp_path / "none.so")
    with pytest.raises(native.NativeUnavailable) as caught:
        native.load.__wrapped__()
    assert isinstance(caught.value, ZiskError)
    assert isinstance(caught.value, OSError)
    assert "backends.build" in caught.value.hint


def test_a_broken_library_is_an_os_error_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(native, "LIBRARY", broken)
    with pytest.raises(native.NativeUnavailable):
        native.load.__wrapped__()


def test_an_instruction_set_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZISK_CPU", "abacus")
    with pytest.raises(native.NativeUnavailable, match="abacus"):
        native.load.__wrapped__()


def test_a_library_of_another_version_is_said(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(native.NativeUnavailable, match="another version: it has no zk_from_the_future"):
        native.load().zk_from_the_future()
    monkeypatch.setattr(native, "LIBRARY", Path(find_spec("_ctypes").origin))  # a library that carries no interface
    with pytest.raises(native.NativeUnavailable, match="another version: its interface"):
        native.load.__wrapped__()


SHORT = """
import resource
import numpy as np
from zisk_actors.errors import MemoryShort
from zisk_actors.native import load

library = load()
library.zk_set_threads(THREADS)
codeword, beta = np.ones((3, 1 << 21), np.uint64), np.array([5, 0, 0], np.uint64)
folded = np.zeros((3, 1 << 18), np.uint64)
library.zk_fold(codeword, 21, 3, beta, folded)
before = folded.copy()
with open("/proc/self/statm") as file:
    taken = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (1 << 22), resource.RLIM_INFINITY))
try:
    library.zk_fold(codeword, 21, 3, beta, folded)
except MemoryShort as error:
    print(error.message)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
library.zk_fold(codeword, 21, 3, beta, folded)
assert np.array_equal(folded, before)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_a_call_without_memory_is_an_error_and_the_next_one_works(threads: int):
    script = SHORT.replace("THREADS", str(threads))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == "zk_fold did not find the memory that it needs beside its arguments", done.stderr
