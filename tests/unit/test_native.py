"""Loading the native library: what is missing is said, and what is declared exists."""

from __future__ import annotations

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
