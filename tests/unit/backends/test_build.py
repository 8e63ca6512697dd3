"""The build: what is compiled again, what is not, and what a machine without a compiler is told."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path

import pytest

from tests.conformance.toy_airs import PLAIN
from zisk_actors.backends import build as build_module
from zisk_actors.backends.build import (
    AVX512,
    SCALAR,
    Build,
    BuildError,
    Compiler,
    Unit,
    find_compiler,
    instruction_sets,
)


class CountingBuild(Build):
    """A build whose compiler writes the name of what it was asked for."""

    def __init__(self, folder: Path, version: str = "one") -> None:
        super().__init__(Compiler(("fake",), version), folder)
        self.ran: list[list[str]] = []

    def _run(self, command: object, what: str) -> None:
        assert isinstance(command, list)
        self.ran.append(command)
        Path(command[command.index("-o") + 1]).write_text(what)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated" / "inner.hpp").write_text("int inner;\n")
    (tmp_path / "generated" / "outer.hpp").write_text('#include "inner.hpp"\n')
    path = tmp_path / "unit.cpp"
    path.write_text('#include <vector>\n#include "outer.hpp"\n')
    return path


def compiled(tmp_path: Path, source: Path, **options: str) -> int:
    run = CountingBuild(tmp_path, **options)
    run.compile(Unit(source))
    return len(run.ran)


def test_nothing_is_compiled_twice(tmp_path: Path, source: Path):
    assert compiled(tmp_path, source) == 1
    assert compiled(tmp_path, source) == 0


def test_a_header_of_a_header_counts(tmp_path: Path, source: Path):
    compiled(tmp_path, source)
    (tmp_path / "generated" / "inner.hpp").write_text("int other;\n")
    assert compiled(tmp_path, source) == 1
    assert len(list((tmp_path / "objects").iterdir())) == 1  # the old object is gone


def test_another_compiler_counts(tmp_path: Path, source: Path):
    compiled(tmp_path, source)
    assert compiled(tmp_path, source, version="two") == 1


def test_instruction_sets_have_objects_of_their_own(tmp_path: Path, source: Path):
    run = CountingBuild(tmp_path)
    objects = {run.compile(Unit(source, isa)) for isa in (SCALAR, AVX512)}
    assert len(objects) == 2
    assert "-mavx512f" in run.ran[1]
    assert "-DZK_ISA=avx512" in run.ran[1]
    assert "-mavx512f" not in run.ran[0]


def test_a_library_is_linked_when_its_objects_change(tmp_path: Path, source: Path):
    target = tmp_path / "library.so"
    for change, links in (("a", 1), ("a", 0), ("b", 1)):
        run = CountingBuild(tmp_path)
        (tmp_path / "generated" / "inner.hpp").write_text(f"int {change};\n")
        run.make([Unit(source)], target)
        assert sum("-shared" in command for command in run.ran) == links


def test_compiler_failure_is_one_line(tmp_path: Path):
    bad = tmp_path / "bad.cpp"
    bad.write_text("this is not C++\n")
    with pytest.raises(BuildError, match=r"compiling bad\.cpp"):
        Build(find_compiler(), tmp_path).compile(Unit(bad))


def test_no_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BuildError) as caught:
        find_compiler()
    assert "g++" in caught.value.hint


def test_cxx_is_preferred(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    mine = tmp_path / "my-cxx"
    mine.write_text("#!/bin/sh\necho my compiler 1.0\n")
    mine.chmod(0o755)
    monkeypatch.setenv("CXX", f"{mine} -flag")
    assert find_compiler() == Compiler((str(mine), "-flag"), "my compiler 1.0")


def test_sources_missing_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(build_module, "NATIVE", tmp_path / "nowhere")
    with pytest.raises(BuildError, match="no native sources"):
        build_module.build(tmp_path / "library.so", tmp_path)
    with pytest.raises(BuildError, match="no native sources"):
        build_module.build_air(PLAIN, tmp_path)


def test_evaluators_come_for_one_lane_and_for_eight():
    assert instruction_sets()[0] is SCALAR
    if platform.machine() == "x86_64":
        assert AVX512 in instruction_sets()
        assert len(instruction_sets()) == 3


def test_build_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(os.environ, "ZISK_BUILD_DIR", str(tmp_path))
    assert build_module.build_folder() == tmp_path


def test_round_constants_header_has_all_constants():
    header = build_module.round_constants_header()
    assert header.count("ull") == 8 * 16 + 22
    assert "0x15ebea3fc73397c3ull" in header  # Plonky3's first
