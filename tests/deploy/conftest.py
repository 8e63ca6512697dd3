"""What the tests of configs/deploy share: where the files are, and how a tool is found that judges them.

Rules of this file: a tool that is not here is a skip that names it and how it comes here; `scripts/check-deploy` brings all of them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "configs" / "deploy"
BIN = Path(sys.executable).parent


def tool(name: str) -> str:
    """The path of a program, beside this Python or on the path; skips the test where there is none."""
    found = shutil.which(name, path=str(BIN)) or shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here; scripts/check-deploy brings it")
    return found


def load_yaml(path: Path) -> Any:  # Any: whatever the file says
    """The documents of a YAML file, where PyYAML is here."""
    return pytest.importorskip("yaml").safe_load(path.read_text())
