"""Row 6: ports that somebody else has.

What this pins down: the coordinator names every port that it cannot have in one error, each with the setting and the flag that change it,
and ends with exit code 2 before it says that it listens anywhere; nothing that it had opened stays open.
Victim: a coordinator all of whose ports are taken.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.stage import daemon

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(60)]


def test_all_conflicts_are_named_at_once(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ports = []
        for _ in range(3):
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            ports.append(taken.getsockname()[1])
        flags = ("--api-port", ports[0], "--cluster-port", ports[1], "--metrics-port", ports[2])
        code, _, err = daemon("coordinator", *flags, ZISK_HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path))
    assert code == 2
    said = next(line for line in err.splitlines() if line.startswith("error["))
    for port, key, flag in zip(
        ports, ("server", "coordinator", "metrics"), ("--api-port", "--cluster-port", "--metrics-port"), strict=True
    ):
        assert str(port) in said
        assert f"{key}.port" in said
        assert flag in said
    assert said.startswith("error[port-in-use]")
    assert "listening" not in err
