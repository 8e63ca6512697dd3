"""Compiling native code: headers written from Python definitions, sources under native/, one shared library.

    python -m zisk_actors.backends.build        builds zisk_actors/_native/libzisk_native.so in place, only what changed

Rules of this file:
* Nothing generated is ever committed: round constants and the evaluators of AIRs are written to the build folder.
* An object is named after the digest of everything it is made of (source, headers it includes, flags, compiler), so an
  unchanged one is never compiled again and a changed one never mistaken.
* native/cpu/kernels.cpp and the AIR evaluators are compiled once per instruction set, with that set's flags; all else for
  the plain machine. The library chooses at run time (native/cpu/dispatch.cpp), so one build serves every machine of its kind.
* AIRs outside the shipped set (tests) get a small library of their own, cached under the digest of the AIR.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zisk_actors.air.air import Air
from zisk_actors.air.emit import Emitted, emit, emit_source, emit_table
from zisk_actors.errors import ZiskError

if TYPE_CHECKING:
    from zisk_actors.stark.chipset import ChipSet

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "native"
LIBRARY = Path(__file__).resolve().parents[1] / "_native" / "libzisk_native.so"
JOBS = 2

_COMMON_FLAGS = ("-std=c++17", "-O2", "-fPIC", "-pthread", "-Wall", "-Wextra", "-Werror=return-type")
_INCLUDE = re.compile(r'^\s*#include "([^"]+)"', re.MULTILINE)


class BuildError(ZiskError):
    """Native code could not be compiled."""

    code = "native-build"
    exit_code = 2


@dataclass(frozen=True)
class InstructionSet:
    """A variant of the vector code: its name in C++, and the flags it is compiled with."""

    name: str
    flags: tuple[str, ...]


SCALAR = InstructionSet("scalar", ())
AVX2 = InstructionSet("avx2", ("-mavx2", "-DZK_AVX2"))
AVX512 = InstructionSet("avx512", ("-mavx512f", "-mavx512dq", "-mavx512vl", "-DZK_AVX512"))


def instruction_sets() -> tuple[InstructionSet, ...]:
    """Those that this machine's compiler makes; which of them runs is decided on the machine that runs it."""
    return (SCALAR, AVX2, AVX512) if platform.machine() in ("x86_64", "AMD64") else (SCALAR,)


@dataclass(frozen=True)
class Compiler:
    """A command that compiles and links C++, and what it says of itself."""

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class Unit:
    """One object file to be: a source, and for which instruction set."""

    source: Path
    isa: InstructionSet = SCALAR


def find_compiler() -> Compiler:
    """$CXX, c++, g++, clang++, or the compiler in the ziglang package; BuildError says what to install."""
    candidates = [shlex.split(os.environ["CXX"])] if os.environ.get("CXX") else []
    candidates += [[name] for name in ("c++", "g++", "clang++")]
    for command in candidates:
        if shutil.which(command[0]):
            return _compiler(command)
    if importlib.util.find_spec("ziglang"):
        target = f"{platform.machine()}-linux-gnu.2.17" if sys.platform == "linux" else "native"
        return _compiler([sys.executable, "-m", "ziglang", "c++", "-target", target, "-fno-sanitize=undefined"])
    raise BuildError("no C++ compiler found", hint="install g++ or clang++, or `pip install ziglang`")


def _compiler(command: Sequence[str]) -> Compiler:
    asked = [sys.executable, "-m", "ziglang", "version"] if "ziglang" in command else [*command, "--version"]
    result = subprocess.run(asked, capture_output=True, text=True)
    if result.returncode:
        raise BuildError(f"{' '.join(command)} does not run: {result.stderr or result.stdout}", hint="set CXX to a working C++ compiler")
    return Compiler(tuple(command), result.stdout.splitlines()[0])


def build_folder() -> Path:
    """Where objects and generated files go: ZISK_BUILD_DIR, or build/native in the checkout."""
    return Path(os.environ["ZISK_BUILD_DIR"]) if "ZISK_BUILD_DIR" in os.environ else ROOT / "build" / "native"


def _write_if_changed(path: Path, text: str) -> None:
    """Write a generated file unless it says the same already."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def round_constants_header() -> str:
    """poseidon2_constants.hpp: the round constants that stark/poseidon2.py derives."""
    from zisk_actors.stark.poseidon2 import round_constants

    def row(words: Sequence[int]) -> str:
        return "{" + ", ".join(f"0x{word:016x}ull" for word in words) + "}"

    full, partial = round_constants()
    rows = ",\n     ".join(row(words) for words in full)
    return (
        "// Written by zisk_actors/backends/build.py from stark/poseidon2.py.\n#pragma once\n\n"
        '#include "zk/poseidon2.hpp"\n\nnamespace zk {\n\n'
        f"static const RoundConstants round_constants = {{\n    {{{rows}}},\n    {row(partial)}}};\n\n}}  // namespace zk\n"
    )


class Build:
    """One run: a compiler, the folders that includes are looked up in, and the objects made so far."""

    def __init__(self, compiler: Compiler, folder: Path) -> None:
        self.compiler = compiler
        self.folder = folder
        self.generated = folder / "generated"
        self.includes = (NATIVE, NATIVE / "include", self.generated)
        self._digests: dict[Path, bytes] = {}

    def _closure_digest(self, source: Path) -> bytes:
        """Digest of a source and, transitively, of every header of ours that it includes."""
        seen: dict[Path, bytes] = {}
        queue = [source]
        while queue:
            path = queue.pop()
            if path in seen:
                continue
            content = path.read_bytes()
            seen[path] = hashlib.sha256(content).digest()
            for name in _INCLUDE.findall(content.decode()):
                for folder in (path.parent, *self.includes):
                    if (folder / name).exists():
                        queue.append((folder / name).resolve())
                        break
        return hashlib.sha256(b"".join(sorted(seen.values()))).digest()

    def _command(self, unit: Unit) -> list[str]:
        includes = [f"-I{folder}" for folder in self.includes]
        return [*self.compiler.command, *_COMMON_FLAGS, *unit.isa.flags, f"-DZK_ISA={unit.isa.name}", *includes]

    def compile(self, unit: Unit) -> Path:
        """The object of ``unit``, made now if there is none of this digest."""
        key = hashlib.sha256()
        key.update(repr((self.compiler.version, _COMMON_FLAGS, unit.isa)).encode())
        key.update(self._closure_digest(unit.source))
        stem = f"{unit.source.parent.name}-{unit.source.stem}-{unit.isa.name}"
        target = self.folder / "objects" / f"{stem}-{key.hexdigest()[:16]}.o"
        if target.exists():
            os.utime(target)
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        self._run([*self._command(unit), "-c", str(unit.source), "-o", str(partial)], f"compiling {unit.source.name} ({unit.isa.name})")
        partial.replace(target)
        for old in target.parent.glob(f"{stem}-????????????????.o"):
            if old != target:
                old.unlink()
        return target

    def link(self, objects: Sequence[Path], target: Path) -> None:
        """A shared library of ``objects``; swapped in whole, so that a process that has the old one open keeps it."""
        stamp = self.folder / f"{target.name}.objects"
        listing = "\n".join(str(each) for each in objects)
        if target.exists() and stamp.exists() and stamp.read_text() == listing:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        self._run([*self.compiler.command, "-shared", "-s", "-pthread", *map(str, objects), "-o", str(partial)], f"linking {target.name}")
        partial.replace(target)
        _write_if_changed(stamp, listing)

    def make(self, units: Sequence[Unit], target: Path) -> None:
        """Compile what changed, in parallel, and link."""
        with ThreadPoolExecutor(JOBS) as pool:
            objects = list(pool.map(self.compile, units))
        self.link(objects, target)

    def _run(self, command: Sequence[str], what: str) -> None:
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            sys.stderr.write(result.stderr)
            raise BuildError(f"{what} failed with exit code {result.returncode}; the compiler's messages are above")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One build at a time in a folder, over all processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _emit_airs(run: Build, airs: Sequence[Air]) -> list[Unit]:
    """Write the evaluators of ``airs`` and their table into the build folder; the units to compile."""
    emitted: list[Emitted] = [emit(air) for air in airs]
    names = [each.identifier for each in emitted]
    if len(set(names)) != len(names):
        raise BuildError(f"two AIRs have the same C++ name: {', '.join(sorted(names))}")
    sets = instruction_sets()
    units: list[Unit] = []
    for each in emitted:
        _write_if_changed(run.generated / f"air_{each.identifier}.hpp", each.header)
        source = run.generated / f"air_{each.identifier}.cpp"
        _write_if_changed(source, emit_source(each))
        units += [Unit(source, isa) for isa in sets]
    table = run.generated / "airs.cpp"
    _write_if_changed(table, emit_table(emitted, [isa.name for isa in sets]))
    return [*units, Unit(table)]


def _emit_constants(run: Build) -> None:
    """Write what every unit may include."""
    from zisk_actors.stark.emit_verifier import constants_header

    _write_if_changed(run.generated / "poseidon2_constants.hpp", round_constants_header())
    _write_if_changed(run.generated / "verifier_constants.hpp", constants_header())


def interface_source(header: str) -> str:
    """The C++ of ``zk_interface``, which gives the text of native/include/zk/interface.h."""
    lines = "\n".join(f"    {json.dumps(line + chr(10))}" for line in header.splitlines())
    return f'#include "zk/interface.h"\n\nconst char* zk_interface(void) {{\n    return\n{lines};\n}}\n'


def _emit_interface(run: Build) -> Unit:
    """Write the header as text into the build folder; the unit to compile."""
    source = run.generated / "interface.cpp"
    _write_if_changed(source, interface_source((NATIVE / "include" / "zk" / "interface.h").read_text()))
    return Unit(source)


def _emit_machine(run: Build) -> None:
    """Write what the emulator includes: the instruction table's ops, and the records that chips take."""
    from zisk_actors.chips import LAYOUTS
    from zisk_actors.machine.emit import tables_header

    _write_if_changed(run.generated / "machine_tables.hpp", tables_header(LAYOUTS))


def _emit_chip_set(run: Build, chip_set: ChipSet) -> Unit:
    """Write the verifier's table of a chip set; the unit to compile."""
    from zisk_actors.stark.emit_verifier import chip_set_source

    source = run.generated / "chip_set.cpp"
    _write_if_changed(source, chip_set_source(chip_set))
    return Unit(source)


def shipped_chip_set() -> ChipSet:
    """The chip set that the library verifies for."""
    from zisk_actors.chips import CHIP_SET

    return CHIP_SET


def shipped_airs() -> list[Air]:
    """The AIRs that the library is built for: those of the chip registry."""
    from zisk_actors.chips import AIRS

    return list(AIRS)


def build(library: Path = LIBRARY, folder: Path | None = None) -> Path:
    """Compile and link everything that changed; the path of the library."""
    _require_sources()
    folder = folder or build_folder()
    with locked(folder):
        run = Build(find_compiler(), folder)
        _emit_constants(run)
        _emit_machine(run)
        wide = (NATIVE / "cpu" / "kernels.cpp", NATIVE / "verifier" / "verify.cpp")
        units = [Unit(source, isa) for source in wide for isa in instruction_sets()]
        units += _emit_airs(run, shipped_airs())
        units += [_emit_chip_set(run, shipped_chip_set()), _emit_interface(run)]
        # The guest is for another machine: tests/verifier_guest.py builds it.
        done = (*wide, NATIVE / "verifier" / "guest.cpp")
        for part in ("cpu", "emulator", "verifier"):
            units += [Unit(source) for source in sorted((NATIVE / part).glob("*.cpp")) if source not in done]
        run.make(units, library)
    return library


def build_air(air: Air, folder: Path | None = None) -> Path:
    """A library of one AIR outside the shipped set; made once per digest."""
    _require_sources()
    folder = (folder or build_folder()) / "airs" / f"{air.name}-{air.digest.hex()[:16]}"
    with locked(folder):
        run = Build(find_compiler(), folder)
        library = folder / "air.so"
        run.make(_emit_airs(run, [air]), library)
    return library


def build_chip_set(chip_set: ChipSet, folder: Path | None = None) -> Path:
    """A library of the verifier's table of a chip set other than the shipped one; made once per digest."""
    _require_sources()
    name = "".join(f"{word:016x}" for word in chip_set.digest)[:16]
    folder = (folder or build_folder()) / "chip-sets" / name
    with locked(folder):
        run = Build(find_compiler(), folder)
        _emit_constants(run)
        library = folder / "chip_set.so"
        run.make([_emit_chip_set(run, chip_set)], library)
    return library


def emit_verifier(folder: Path, chip_set: ChipSet | None = None) -> Path:
    """Write what native/verifier includes, and a chip set's tables, for another build than this one; the path of the tables.

    ``chip_set``: the shipped one where it is None.
    """
    _require_sources()
    run = Build(Compiler((), ""), folder)
    _emit_constants(run)
    return _emit_chip_set(run, chip_set or shipped_chip_set()).source


def _require_sources() -> None:
    if not NATIVE.is_dir():
        raise BuildError(f"no native sources at {NATIVE}", hint="build from a checkout of the repository")


def main() -> int:
    """Build in place and say where."""
    try:
        print(build())
    except ZiskError as error:
        print(f"build: {error.message}" + (f" ({error.hint})" if error.hint else ""), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
