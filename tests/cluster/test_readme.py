"""The blocks of the README, pasted as they are into a shell: each does what it says and leaves nothing running.

What this pins down: the commands of "A first proof" in one shell, one after the other, end in proofs that verify. What makes the virtual
environment is left out: it is there, or this test would not run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import gone

ROOT = Path(__file__).resolve().parent.parent.parent
MADE = ("python3 -m venv .venv", ".venv/bin/pip install .")

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


def section(title: str) -> str:
    return re.split(r"^## ", (ROOT / "README.md").read_text().partition(f"## {title}\n")[2], flags=re.MULTILINE)[0]


def blocks(text: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that looks like the repository, as far as the README's commands see."""
    folder = tmp_path / "repository"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    for name in ("tests", "LICENSE", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def paste(script: str, place: Path) -> subprocess.CompletedProcess[str]:
    """A script in a shell that stops at the first command that fails, and its processes after it."""
    environment = {**os.environ, "ZISK_HOME": str(place / "home"), "HOME": str(place)}
    for name in ("ZISK_URL", "ZISK_SERVER_KEY", "ZISK_KEY_FILE"):
        environment.pop(name, None)
    try:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=place, env=environment, capture_output=True, text=True, timeout=280, check=False
        )
    finally:
        subprocess.run([place / ".venv" / "bin" / "zisk", "down"], env=environment, capture_output=True, timeout=60, check=False)


def test_a_first_proof_works_as_pasted(place: Path) -> None:
    first, second = blocks(section("A first proof"))
    for line in MADE:
        assert f"{line}\n" in first
        first = first.replace(f"{line}\n", "")
    said = paste(first + second + "\n" + first.splitlines()[-1], place)
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.splitlines().count("valid") == 3
    assert re.search(r"^stopped 3 processes$", said.stderr, re.MULTILINE)
    pids = [int(pid) for pid in re.findall(r"^(?:coordinator|worker)\t\S+\t(\d+)\t", said.stdout, re.MULTILINE)]
    assert len(pids) >= 3
    assert gone(pids)


def test_the_python_of_the_readme_runs(place: Path) -> None:
    (block,) = blocks(section("From Python"), "python")
    (place / "example.py").write_text(block)
    said = paste(f"{sys.executable} example.py", place)
    assert said.returncode == 0, said.stderr
    exit_code, bits, output = said.stdout.splitlines()[-1].split()
    assert (exit_code, len(output)) == ("0", 512)
    assert float(bits) >= 128
