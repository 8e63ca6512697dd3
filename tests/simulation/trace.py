"""What happened in a simulated world, in order: a hash over all of it, and the lines themselves where somebody wants to read them.

Rule of this file: two runs of one seed have one hash. Nothing goes in that depends on the process: no address, no hash order, no real time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import trio


class Trace:
    """Lines with the virtual time. `say` gets each of them."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say
        self._hash = hashlib.sha256()
        self.lines = 0

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    @property
    def verbose(self) -> bool:
        return self._say is not None

    def note(self, text: str) -> None:
        line = f"{trio.current_time():.6f} {text}"
        self._hash.update(line.encode())
        self.lines += 1
        if self._say is not None:
            self._say(line)
