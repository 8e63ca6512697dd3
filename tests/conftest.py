"""Fixtures that every layer's tests may use.

Rules of this file: nothing here imports a heavy part of the package at import time, and no fixture starts a process.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUESTS = ROOT / "tests" / "guests"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def guests() -> Path:
    """The folder of the compiled guest programs (`NAME.elf`)."""
    return GUESTS
