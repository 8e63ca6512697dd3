"""The blocking twin: the same names, and errors that are the client's own."""

from __future__ import annotations

import inspect
import pydoc
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
    only_async = {"run", "leave"}
    assert set(theirs) - set(ours) == only_async
    assert set(ours) - set(theirs) == {"close"}
    for name in set(ours) & set(theirs):
        assert set(ours[name].parameters) == set(theirs[name].parameters), name


def test_help_has_signatures_and_words() -> None:
    """A call that is carried over has all of its twin's; one that is written again has its words and parameters."""
    for name, theirs in inspect.getmembers(Client, inspect.isfunction):
        ours = getattr(BlockingClient, name, None)
        if ours is None or name.startswith("_"):
            continue
        assert not inspect.iscoroutinefunction(ours), name
        assert ours.__name__ == name
        if name != "watch":  # whose numbers are kept for the caller
            assert inspect.getdoc(ours) == inspect.getdoc(theirs), name
        if name not in ("watch", "open_input"):
            assert inspect.signature(ours) == inspect.signature(theirs), name
    text = pydoc.plain(pydoc.render_doc(BlockingClient))
    assert "jobs(self, *, limit: 'int' = 100, state: 'str' = ''" in text
    assert "The newest jobs first, at most `limit` (any number)" in text


def test_nobody_there_is_said_by_the_constructor() -> None:
    keys = new_keypair()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match="connection refused"):
            BlockingClient(f"127.0.0.1:{taken.getsockname()[1]}", keys.public, keys, seconds=0.5)
