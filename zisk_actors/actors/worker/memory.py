"""How much memory this machine, or the control group that we are in, lets a worker take.

Rules of this file:
* What cannot be read is no limit: a worker that knows of none takes every share, and the system says when it was too much.
* A tenth is left for everything else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of version 2 and 1 of control groups, as a container sees its own."""

PART: Final = 0.9


def memory_of_machine(limits: Sequence[Path] = LIMITS) -> int:
    """Bytes that a worker may take for a share; 0 where nothing is known."""
    known: list[int] = []
    with suppress(ValueError, OSError):
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in limits:
        with suppress(ValueError, OSError):  # "max" is no number: there is no limit
            known.append(int(path.read_text()))
    return int(PART * min((each for each in known if each > 0), default=0))
