"""The estimate of a share's memory: it grows as the share does, and holds for what a run really takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zisk_actors.chips import OP_CHIPS
from zisk_actors.chips.footprint import proving_bytes

ROOT = Path(__file__).resolve().parents[3]

SCRIPT = """
import resource, struct, sys
from pathlib import Path
from zisk_actors.chips.footprint import proving_bytes
from zisk_actors.proving import Prover
elf = Path(sys.argv[1]).read_bytes()
stdin = struct.pack("<QQ", 8, int(sys.argv[2]))
prover = Prover("cpu", 2)
emulator, run = prover._run(elf, stdin)
estimate = proving_bytes(emulator.count(0, run.steps), len(prover.program(elf).rom), 1)
part = prover.contribute(elf, stdin, "test", 0, (1,))
prover.prove(elf, stdin, "test", 0, (1,), [part])
print(estimate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""

LIMITED = """
import struct, sys
from pathlib import Path
from zisk_actors.errors import MemoryShort
from zisk_actors.proving import Prover
prover = Prover("cpu", 2)
prover.memory_bytes = 300 * 2**20
elf, stdin = Path(sys.argv[1]).read_bytes(), struct.pack("<QQ", 8, 500_000)
try:
    prover.contribute(elf, stdin, "test", 0, (1,))
except MemoryShort as error:
    print(error.message)
prover.contribute(elf, stdin, "test", 1, (1,) * 8)
"""


def run(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, str(ROOT / "tests" / "guests" / "cycles.elf"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=120).stdout


def test_more_rows_are_more_bytes() -> None:
    name = OP_CHIPS[0].name
    sizes = [proving_bytes({name: count}, 1000, 1) for count in (0, 1 << 10, 1 << 16, 1 << 20)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 2 * sizes[0]
    assert proving_bytes({name: 1000}, 1 << 20, 1) > proving_bytes({name: 1000}, 1000, 1)
    assert proving_bytes({name: 1 << 20}, 1000, 3) > 2 * proving_bytes({name: 1 << 20}, 1000, 1)


@pytest.mark.slow
def test_a_run_takes_about_as_much_as_is_said() -> None:
    estimate, taken = map(int, run(SCRIPT, "500000").split())
    assert 0.6 * estimate < taken < estimate


@pytest.mark.slow
def test_what_is_too_large_is_refused_before_it_is_begun_and_a_smaller_share_is_not() -> None:
    words = run(LIMITED)
    assert "share 0 of 1" in words
    assert "this worker has 0.3 GiB" in words
