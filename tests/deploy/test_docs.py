"""The commands of docs/deployment.md, run as they stand there by the tools that they are for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import BIN, ROOT, tool

PLACES = {"one machine with both", "where promtool is", "where zisk is"}


def blocks() -> list[tuple[str, str]]:
    """The page's blocks of commands: where they are for, and what they are."""
    page = (ROOT / "docs" / "deployment.md").read_text()
    return re.findall(r"^```sh\n# ([^\n]*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_every_block_says_where_it_is_for():
    assert {where for where, _ in blocks()} == PLACES
    assert len(blocks()) == (ROOT / "docs" / "deployment.md").read_text().count("```sh\n")


@pytest.mark.slow
@pytest.mark.parametrize("where", ["where promtool is", "where zisk is"])
def test_the_blocks_run(where: str, tmp_path: Path):
    tool(where.split()[1])
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    commands = "".join(block for place, block in blocks() if place == where)
    shell = ["bash", "-euo", "pipefail", "-c", f'PATH="{BIN}:$PATH"\n{commands}']
    said = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    if where == "where zisk is":
        assert [line.split()[0] for line in (tmp_path / "allowed").read_text().splitlines()] == ["worker", "operator"]
