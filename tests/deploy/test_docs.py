"""The commands of docs/deployment.md, run as they stand there by the tools that they are for."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.deploy.conftest import BIN, ROOT, tool

PLACES = {"one machine with both", "where promtool is"}


def blocks() -> list[tuple[str, str]]:
    """The page's blocks of commands: where they are for, and what they are."""
    page = (ROOT / "docs" / "deployment.md").read_text()
    return re.findall(r"^```sh\n# ([^\n]*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_every_block_says_where_it_is_for():
    assert {where for where, _ in blocks()} == PLACES
    assert len(blocks()) == (ROOT / "docs" / "deployment.md").read_text().count("```sh\n")


@pytest.mark.parametrize("where", ["where promtool is"])
def test_the_blocks_run(where: str):
    tool(where.split()[1])
    commands = "".join(block for place, block in blocks() if place == where)
    shell = ["bash", "-euo", "pipefail", "-c", f'PATH="{BIN}:$PATH"\n{commands}']
    said = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
