"""What pip calls to build the package (PEP 517): setuptools, with the native library compiled first.

Rules of this file: the C++ compiler of the machine is used where there is one ($CXX, c++, g++, clang++); only where there is
none, the build asks pip for one (ziglang, a wheel of about 100 MB that nothing needs afterwards). The library has a C
interface and no Python headers, so one wheel serves every Python 3: its tag is py3-none-<platform>. An editable install
compiles in place, so that what `python -m zisk_actors.backends.build` makes later is what is used.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import setuptools.command.bdist_wheel
from setuptools import build_meta
from setuptools.build_meta import (
    build_sdist,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parents[1]
COMPILERS = ("c++", "g++", "clang++")

Settings = dict[str, Any] | None


class _PlatformWheel(setuptools.command.bdist_wheel.bdist_wheel):
    """A wheel with a compiled library but no extension module."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setuptools.command.bdist_wheel.bdist_wheel = _PlatformWheel  # type: ignore[misc]


def _has_compiler() -> bool:
    named = shlex.split(os.environ.get("CXX", ""))
    return any(shutil.which(name) for name in (*named[:1], *COMPILERS))


def _compiler_requirement() -> list[str]:
    return [] if _has_compiler() else ["ziglang>=0.13"]


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """What the build environment needs beyond pyproject.toml's [build-system]."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compiler_requirement()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """The same for an editable install."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compiler_requirement()]


def _compile() -> None:
    sys.path.insert(0, str(ROOT))
    try:
        from zisk_actors.backends.build import BuildError, build

        try:
            build()
        except BuildError as error:
            raise SystemExit(f"error: {error.message}" + (f"; {error.hint}" if error.hint else "")) from None
    finally:
        sys.path.remove(str(ROOT))


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Compile, then let setuptools pack the package with the library in it."""
    _compile()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Compile in place, then link the checkout."""
    _compile()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
