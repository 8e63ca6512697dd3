"""zisk_actors: proves RISC-V programs on a cluster of workers.

Importing the package loads nothing heavy: public names are resolved on first use.
"""

from __future__ import annotations

__version__ = "0.1.0"
