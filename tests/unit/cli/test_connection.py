"""How a command finds its cluster, without any."""

from __future__ import annotations

from pathlib import Path

import pytest

from zisk_actors.cli.connection import ENVIRONMENT, Address, connect, is_there_a_cluster, named_in
from zisk_actors.errors import Unreachable, UsageError


def test_the_environment_names_a_cluster_wholly_or_not_at_all():
    assert named_in({}) is None
    assert named_in(dict.fromkeys(ENVIRONMENT, "")) is None
    assert named_in(dict(zip(ENVIRONMENT, ("tcp://host:7000", "key", "file"), strict=True))) == Address("tcp://host:7000", "key", "file")
    with pytest.raises(UsageError, match="ZISK_SERVER_KEY and ZISK_KEY_FILE must be set as well"):
        named_in({"ZISK_URL": "tcp://host:7000"})


def test_no_cluster_is_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZISK_HOME", str(tmp_path))
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    assert not is_there_a_cluster()
    with pytest.raises(Unreachable, match="no cluster is running"), connect(embedded=False):
        pass
