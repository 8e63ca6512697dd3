"""Who has a port: ourselves, nobody, and somebody whom we cannot look at."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from zisk_actors.actors.coordinator.port_owner import owner_of

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")


def test_the_owner_of_a_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert owner_of(port).startswith(f"process {os.getpid()}, ")
    assert owner_of(port) == ""


def test_where_it_cannot_be_known_nothing_is_said(tmp_path: Path) -> None:
    assert owner_of(80, tmp_path) == ""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("header\n 0: 0100007F:0050 00000000:0000 0A 0:0 00:0 0 0 0 4242 1\n short\n")
    (tmp_path / "7").mkdir()
    assert owner_of(80, tmp_path) == ""
