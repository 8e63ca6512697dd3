"""Where a coordinator listens, in a file for who started it: that it is there says that all ports listen."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Endpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a coordinator listens; `metrics_url` is empty where metrics are off."""

    pid: int
    client_url: str
    worker_url: str
    server_key: str
    metrics_url: str = ""


def write_ready_file(path: Path, ready: Endpoints) -> None:
    """Say where we listen, for who started us; the file appears whole."""
    temporary = path.with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(ready))
    temporary.replace(path)
