"""Counting who was not let in: what libzmq names, what it does not, and nobody who was."""

from __future__ import annotations

import random

import pytest
import zmq

from zisk_actors.transport.handshakes import NOT_OURS, UNFINISHED, Handshakes

ACCEPTED, GONE, IN = zmq.EVENT_ACCEPTED, zmq.EVENT_DISCONNECTED, zmq.EVENT_HANDSHAKE_SUCCEEDED
BAD, SILENT, KEY = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_HANDSHAKE_FAILED_AUTH


@pytest.mark.parametrize(
    ("events", "reasons"),
    [
        ([(ACCEPTED, 5), (GONE, 5)], [NOT_OURS]),
        ([(ACCEPTED, 5), (IN, 0), (GONE, 5)], []),
        ([(ACCEPTED, 5), (BAD, 1), (GONE, 5)], [NOT_OURS]),
        ([(ACCEPTED, 5), (SILENT, 1), (GONE, 5), (ACCEPTED, 5), (GONE, 5)], [UNFINISHED, NOT_OURS]),
        ([(ACCEPTED, 5), (KEY, 400), (GONE, 5)], []),
        ([(ACCEPTED, 5), (IN, 0), (ACCEPTED, 6), (GONE, 6), (GONE, 5)], [NOT_OURS]),
        ([(ACCEPTED, 5), (ACCEPTED, 6), (IN, 0), (GONE, 6), (GONE, 5)], [NOT_OURS]),
        ([(ACCEPTED, 5), (ACCEPTED, 6), (IN, 0), (IN, 0), (GONE, 6), (GONE, 5)], []),
        ([(GONE, 9)], []),
    ],
)
def test_each_way_not_to_be_let_in(events: list[tuple[int, int]], reasons: list[str]) -> None:
    found: list[str] = []
    handshakes = Handshakes(found.append)
    for number, (event, value) in enumerate(events):
        handshakes.take(event, value, number * 0.01)
    assert found == reasons


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_peers_one_after_the_other_are_counted_exactly(seed: int) -> None:
    chance = random.Random(seed)
    found: list[str] = []
    handshakes = Handshakes(found.append)
    inside: list[int] = []
    noise = 0
    for number in range(500):
        now = number * 1.0
        handshakes.take(ACCEPTED, number, now)
        if chance.random() < 0.5:
            handshakes.take(IN, 0, now + 0.1)
            inside.append(number)
        else:
            handshakes.take(GONE, number, now + 0.1)
            noise += 1
        if inside and chance.random() < 0.3:
            handshakes.take(GONE, inside.pop(chance.randrange(len(inside))), now + 0.2)
    assert found == [NOT_OURS] * noise, f"seed {seed}"
