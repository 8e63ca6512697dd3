"""zisk_actors: proves RISC-V programs on a cluster of workers.

Importing the package loads nothing. `zisk_actors.proving` proves and verifies in this process, `zisk_actors.client` talks to a cluster.
"""

from __future__ import annotations

__version__ = "0.1.0"
