"""Which tests notice that a check, a message, a term or a rule is gone from the code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutation.source import ROOT, Mutant

STARK: Final = "tests/unit/stark"
TESTS: Final[dict[str, tuple[str, ...]]] = {
    "verifier": (f"{STARK}/test_prover_verifier.py", "tests/property/test_tamper_proof.py", "tests/mutation/test_lying_prover.py"),
    "aggregate": (f"{STARK}/test_aggregate.py",),
    "fri": (f"{STARK}/test_fri.py", f"{STARK}/test_prover_verifier.py", "tests/mutation/test_lying_prover.py"),
    "merkle": (f"{STARK}/test_merkle.py",),
    "constraints": (f"{STARK}/test_prover_verifier.py",),
    "rules": (f"{STARK}/test_rules.py",),
    "statement": (f"{STARK}/test_statement.py",),
    "keys": (f"{STARK}/test_keys.py",),
    "transcript": (f"{STARK}/test_transcript.py", f"{STARK}/test_golden.py"),
    "chips": ("tests/unit/chips/test_chip_set.py",),
}


@dataclass(frozen=True)
class Outcome:
    """What the tests said about a mutant: the first that failed, "" if none did."""

    mutant: Mutant
    failed: str


def suite_of(mutant: Mutant) -> tuple[str, ...]:
    """The tests of a mutant's file."""
    path = Path(mutant.path)
    return TESTS["chips" if path.parent.name == "chips" else path.stem]


def attacked(mutant: Mutant, seconds: float = 300) -> Outcome:
    """Run the tests of its file on a mutant."""
    command = [sys.executable, "-m", "tests.mutation.under", str(mutant), *suite_of(mutant)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode == 0:
        return Outcome(mutant, "")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert failed, f"{mutant}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return Outcome(mutant, failed[0].split(" - ")[0].split(" ", 1)[1])


def all_attacked(mutants: Iterable[Mutant], jobs: int) -> Iterator[Outcome]:
    """Many mutants, that many at a time, in order."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(attacked, mutants)
