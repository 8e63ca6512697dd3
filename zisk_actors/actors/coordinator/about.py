"""What a coordinator says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass
class About:
    """What a coordinator is. `folder` is where its state is, None where that is no folder; `refusals` counts by where and why."""

    version: str = ""
    backend: str = ""
    began_at: float = 0.0
    folder: Path | None = None
    refusals: Callable[[], Mapping[str, int]] = dict
