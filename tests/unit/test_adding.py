"""docs/adding.md: each change is applied to a copy of the sources, touches as few files as CONTRIBUTING.md says, and works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adding.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def blocks(section: str, language: str) -> str:
    """The code of one language in a section."""
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL))


def files_of(diff: str) -> dict[str, str]:
    """The files that a diff touches, each with its hunks."""
    parts = re.split(r"^--- \S+\n\+\+\+ b/(\S+)\n", diff, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def apply(diff: str, root: Path) -> None:
    """Make a change. A hunk stands where its lines do, of which there has to be one place."""
    for name, hunks in files_of(diff).items():
        path = root / name
        text = path.read_text() if path.exists() else ""
        for hunk in hunks.split("@@\n")[1:]:
            lines = hunk.splitlines(keepends=True)
            before = "".join(line[1:] or "\n" for line in lines if line[0] in " -")
            after = "".join(line[1:] or "\n" for line in lines if line[0] in " +")
            assert not before or text.count(before) == 1, f"{name}: there are {text.count(before)} places for\n{before}"
            text = text.replace(before, after, 1) if before else after
        path.write_text(text)


def changed_sources(section: str, root: Path) -> None:
    """A copy of the package and the native sources with a section's change."""
    for folder in ("zisk_actors", "native"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    objects = ROOT / "build" / "native" / "objects"
    if objects.exists() and "backends.build" in blocks(section, "python"):
        shutil.copytree(objects, root / "build" / "native" / "objects")  # what the change does not touch is not compiled again
    apply(blocks(section, "diff"), root)


def runs(section: str, root: Path) -> None:
    """Run what a section says is so then."""
    changed_sources(section, root)
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{ROOT}", "ZISK_HOME": str(root / "home")}
    command = [sys.executable, "-c", blocks(section, "python")]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]


def costs() -> dict[str, int]:
    """The table of CONTRIBUTING.md: how many files a kind of change touches."""
    rows = re.findall(r"^\| \[(.+?)\]\(docs/adding\.md#\S+\) \| \d+ \| (\d+) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    return {title: int(count) for title, count in rows}


def test_each_section_has_its_row_and_touches_so_many_files():
    assert costs() == {title: len(files_of(blocks(title, "diff"))) for title in SECTIONS}


# What a section's code takes: a cluster, or a compiler and a proof; the others are quick.
CLUSTER = [title for title in SECTIONS if "local.start" in blocks(title, "python")]
PROVED = [title for title in SECTIONS if "contribute" in blocks(title, "python")]


@pytest.mark.parametrize("section", [title for title in SECTIONS if title not in (*CLUSTER, *PROVED)])
def test_a_change_is_what_the_page_says(section: str, tmp_path: Path):
    runs(section, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("section", PROVED)
def test_a_change_of_what_is_proved_is_what_the_page_says(section: str, tmp_path: Path):
    runs(section, tmp_path)


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("section", CLUSTER)
def test_a_change_of_a_cluster_is_what_the_page_says(section: str, tmp_path: Path):
    runs(section, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_a_change_keeps_the_types(section: str, tmp_path: Path):
    changed_sources(section, tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [sys.executable, "-m", "mypy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_hunk_without_its_place_is_noticed(tmp_path: Path):
    (tmp_path / "a.py").write_text("one\ntwo\n")
    apply("--- a/a.py\n+++ b/a.py\n@@\n one\n+and a half\n", tmp_path)
    assert (tmp_path / "a.py").read_text() == "one\nand a half\ntwo\n"
    with pytest.raises(AssertionError, match="there are 0 places"):
        apply("--- a/a.py\n+++ b/a.py\n@@\n-three\n+four\n", tmp_path)
