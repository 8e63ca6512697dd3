"""Connections by descriptor: one that is used again is another connection, and hanging up ends the right one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from zisk_actors.transport.accounts import Account, KeyRates
from zisk_actors.transport.connections import GONE_SECONDS, Connections


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        far = socket.create_connection(server.getsockname())
        near, _ = server.accept()
        with far, near:
            yield near, far


def account() -> Account:
    return Account(KeyRates(), 0.0)


def test_hanging_up_ends_it_and_throws_away_what_waits(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    far.sendall(b"x" * 100_000)
    connection = Connections(10).belongs(near.fileno(), "key", 0.0, account())
    assert connection.hang_up()
    near.settimeout(5)
    with pytest.raises(OSError):
        near.recv(1)
    far.settimeout(5)
    with pytest.raises(ConnectionError):
        far.recv(1)


def test_a_descriptor_that_is_used_again_is_left_alone(pair: tuple[socket.socket, socket.socket]) -> None:
    near, _ = pair
    number = near.fileno()
    connection = Connections(10).belongs(number, "key", 0.0, account())
    near.close()
    with socket.socket() as another:
        assert another.fileno() == number, "the lowest free descriptor"
        assert not connection.open
        assert not connection.hang_up()
        another.bind(("127.0.0.1", 0))


def test_what_belongs_to_a_key_counts_until_it_has_gone(pair: tuple[socket.socket, socket.socket]) -> None:
    near, _ = pair
    connections, owner = Connections(10), account()
    number = near.fileno()
    assert connections.came(number, 0.0) is None
    for _ in range(3):
        connection = connections.belongs(number, "key", 1.0, owner)
    assert owner.connections == 1
    assert connections.known() == [connection]
    connections.went(number, 2.0)
    assert connections.settle(2.0) == [], "libzmq speaks before it closes"
    near.close()
    assert connections.settle(2.1) == [connection]
    assert (connections.settle(2.2), len(connections)) == ([], 0)


def test_news_of_one_that_went_before_ours_came_does_not_count(pair: tuple[socket.socket, socket.socket]) -> None:
    near, _ = pair
    connections = Connections(10)
    connections.belongs(near.fileno(), "key", 0.0, account())
    connections.went(near.fileno(), 0.0)
    assert connections.settle(GONE_SECONDS + 1) == []
    assert len(connections) == 1
    near.close()
    assert connections.settle(GONE_SECONDS + 2) == []


def test_the_oldest_that_has_said_nothing_makes_room() -> None:
    connections = Connections(2)
    with socket.socket() as one, socket.socket() as two, socket.socket() as three, socket.socket() as four:
        assert connections.came(one.fileno(), 0.0) is None
        connections.belongs(one.fileno(), "key", 0.5, account())
        assert connections.came(two.fileno(), 1.0) is None
        surplus = connections.came(three.fileno(), 2.0)
        assert surplus is not None
        assert surplus.descriptor == two.fileno()
        assert [each.descriptor for each in connections.silent(1.5)] == [two.fileno()]
        for each in (two, three):
            connections.belongs(each.fileno(), "key", 3.0, account())
        surplus = connections.came(four.fileno(), 4.0)
        assert surplus is not None
        assert surplus.descriptor == four.fileno(), "who belongs to a key stays"
