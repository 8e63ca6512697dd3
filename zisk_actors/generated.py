"""What is written from definitions and stands in the repository: settings files, pages of the documentation, the blocking client.

`scripts/generate` writes all of it, `scripts/generate --check` names what is not as it should be; a test does the same.

Rules of this file: a text that is written is a function of the code alone, so that two machines write the same.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import zisk_actors
from zisk_actors import config_files
from zisk_actors.chips import pages


def files(root: Path) -> Iterator[tuple[Path, str]]:
    """All files with what they have to say; paths below `root`, the repository's."""
    yield from config_files.files(root)
    yield root / "docs" / "metrics.md", metrics_page()
    for name, text in pages.pages().items():
        yield root / "docs" / "chips" / name, text


def metrics_page() -> str:
    """docs/metrics.md. A metric is declared where it is counted, so all modules have to be imported to see all of them."""
    from zisk_actors.web.metrics import document

    for module in pkgutil.walk_packages(zisk_actors.__path__, "zisk_actors."):
        if module.name.split(".")[1] in ("actors", "web", "store", "transport"):
            importlib.import_module(module.name)
    return document()


def main() -> int:
    """Write what is not as it should be, and name it; with `--check`, only name it: then the exit code is 1."""
    check = sys.argv[1:] == ["--check"]
    wrong = [(path, text) for path, text in files(Path()) if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path, text in wrong:
        print(path)
        if not check:
            path.write_text(text, encoding="utf-8")
    return int(check and bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
