"""native/verifier compiled for our own machine: the guest that verifies a proof, and where its cycles go.

The compiler is Debian's gcc-riscv64-unknown-elf where it is installed, else the clang in the ziglang package.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from zisk_actors.backends.build import NATIVE, build_folder, emit_verifier, locked
from zisk_actors.machine.emulator import Emulator
from zisk_actors.machine.events import REFRESH
from zisk_actors.machine.rom import load_program

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = ROOT / "tests" / "guests" / "runtime"

_COMMON = ("-O2", "-Wall", "-Wextra", "-ffreestanding", "-fno-builtin", "-fno-asynchronous-unwind-tables", "-ffunction-sections")
_CXX = ("-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")
_LINK = ("-static", "-nostdlib", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-z,max-page-size=64")


def _compilers() -> tuple[list[str], list[str]]:
    """The commands for C and C++, with the machine's flags."""
    if shutil.which("riscv64-unknown-elf-g++"):
        machine = ["-march=rv64im", "-mabi=lp64", "-mcmodel=medany", "-mstrict-align", "-fno-tree-loop-distribute-patterns"]
        return ["riscv64-unknown-elf-gcc", *machine], ["riscv64-unknown-elf-g++", *machine]
    zig = [sys.executable, "-m", "ziglang"]
    machine = ["-target", "riscv64-freestanding-none", "-mcpu=generic_rv64+m", "-mabi=lp64", "-mcmodel=medany", "-fno-sanitize=undefined"]
    return [*zig, "cc", *machine], [*zig, "c++", *machine]


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stderr}"


def build() -> Path:
    """The guest's ELF; compiled once for its sources."""
    cc, cxx = _compilers()
    folder = build_folder() / "guest"
    with locked(folder):
        chip_set = emit_verifier(folder)
        includes = [f"-I{each}" for each in (NATIVE, NATIVE / "include", folder / "generated", RUNTIME)]
        sources = [*NATIVE.glob("verifier/*"), *NATIVE.glob("include/zk/*"), *RUNTIME.iterdir(), *(folder / "generated").iterdir()]
        key = hashlib.sha256(repr((cc, cxx, _COMMON, _CXX, _LINK)).encode())
        for source in sorted([*sources, NATIVE / "kernels" / "hash.hpp", NATIVE / "cpu" / "poseidon2_pairs.hpp"]):
            key.update(source.read_bytes())
        elf = folder / f"verifier-{key.hexdigest()[:16]}.elf"
        if not elf.exists():
            objects = []
            for source in (RUNTIME / "crt0.S", RUNTIME / "zisk.c", NATIVE / "verifier" / "guest.cpp", chip_set):
                target = folder / f"{source.stem}.o"
                flags = [*_COMMON, *_CXX] if source.suffix == ".cpp" else list(_COMMON)
                _run([*(cxx if source.suffix == ".cpp" else cc), *flags, *includes, "-c", str(source), "-o", str(target)])
                objects.append(str(target))
            partial = elf.with_suffix(".partial")
            _run([*cc, *_LINK, "-T", str(RUNTIME / "zisk.ld"), *objects, "-o", str(partial)])
            partial.replace(elf)
    return elf


def records(*parts: bytes) -> bytes:
    """A guest's input of these records."""
    return b"".join(len(part).to_bytes(8, "little") + part + bytes(-len(part) % 8) for part in parts)


# Steps of one replay: its records take 112 bytes each.
_SLICE = 2**21

# What a function's cycles count as, by parts of its symbol; the first that matches.
PARTS = (
    ("permutation", ("permuted",)),
    ("words of hashes", ("hash_level", "paths_match", "root_of_cap", "join_nodes", "Transcript", "global_challenge")),
    ("products of queries", ("add_products", "deep_at", "fold_leaf", "follow_layers", "point_at")),
    (
        "constraints",
        ("constraints_", "now", "next", "constant", "subtract", "multiply", "scale", "horner", "add_word", "word_minus", "3add"),
    ),
    ("decoding", ("all_canonical", "read_", "Reader", "check_words", "check_shape")),
)


def cycles_by_function(elf: bytes, stdin: bytes) -> dict[str, int]:
    """Steps of a run per function, by the ELF's symbols."""
    program = load_program(elf)
    counts = np.zeros(len(program.rom), dtype=np.int64)
    with Emulator(program, stdin) as emulator:
        steps = emulator.run().steps
        for start in range(0, steps, _SLICE):
            records = emulator.replay(start, min(start + _SLICE, steps)).records
            for table in (table for kind, table in records.items() if kind != REFRESH):
                counts += np.bincount(table["pc"].astype(np.int64), minlength=len(counts))
    found: Counter[str] = Counter()
    for row in np.flatnonzero(counts).tolist():
        found[program.location(row).split("+")[0]] += int(counts[row])
    return dict(found)


def cycles_by_part(functions: dict[str, int]) -> dict[str, int]:
    """The same by ``PARTS``, and "the rest"."""
    parts = dict.fromkeys([*(part for part, _ in PARTS), "the rest"], 0)
    for function, cycles in functions.items():
        parts[next((part for part, names in PARTS if any(name in function for name in names)), "the rest")] += cycles
    return parts


def main() -> int:
    """verifier_guest.py KEY PROOF [LEVEL]: the cycles of verifying a proof, by part and by function."""
    key, proof = (Path(name).read_bytes() for name in sys.argv[1:3])
    level = int(sys.argv[3]) if len(sys.argv) > 3 else 128
    functions = cycles_by_function(build().read_bytes(), records(key, proof, level.to_bytes(8, "little")))
    for title, counts in (("part", cycles_by_part(functions)), ("function", functions)):
        total = sum(counts.values())
        print(f"{total:>14,}  100 %  {title}")
        for name, cycles in sorted(counts.items(), key=lambda item: -item[1])[:24]:
            print(f"{cycles:>14,} {100 * cycles / total:>5.1f} %  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
