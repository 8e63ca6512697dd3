"""The blocking twin: the same names, and errors that are the client's own."""

from __future__ import annotations

import inspect
import socket

import pytest

from zisk_actors.client.blocking import BlockingClient
from zisk_actors.client.client import Client
from zisk_actors.errors import Unreachable
from zisk_actors.transport.auth import new_keypair


def public(kind: type) -> dict[str, inspect.Signature]:
    return {name: inspect.signature(member) for name, member in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def test_the_names_and_parameters_are_the_same() -> None:
    ours, theirs = public(BlockingClient), public(Client)
    only_async = {"run", "leave", "ping"}
    assert set(theirs) - set(ours) == only_async
    assert set(ours) - set(theirs) == {"close"}
    for name in set(ours) & set(theirs):
        assert set(ours[name].parameters) == set(theirs[name].parameters), name


def test_nobody_there_is_said_by_the_constructor() -> None:
    keys = new_keypair()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match="connection refused"):
            BlockingClient(f"127.0.0.1:{taken.getsockname()[1]}", keys.public, keys, seconds=0.5)
