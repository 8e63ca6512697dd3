"""The stages that the scenarios play on: real processes with the fake prover, and the same cluster in one process in virtual time.

Rules of this file:
* A scenario has a limit of its own (`pytestmark`), and ends with every process of its own gone; `start` sees to that.
* A scenario that waits for something waits for that, not for a time.
"""

from __future__ import annotations

from tests.cluster.conftest import import_path, start
from tests.unit.actors.conftest import autojump_clock, open_world

__all__ = ["autojump_clock", "import_path", "open_world", "start"]
