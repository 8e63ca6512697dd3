"""The ZeroMQ wrapper: no wake-up is lost, and no message, whoever is cancelled when."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import trio
import zmq

from zisk_actors.transport.zmq import Socket


@pytest.fixture
def pair() -> Iterator[tuple[Socket, Socket]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    left, right = Socket(context, zmq.PAIR), Socket(context, zmq.PAIR)
    left.raw.sndhwm = left.raw.rcvhwm = right.raw.sndhwm = right.raw.rcvhwm = 50
    port = left.raw.bind_to_random_port("tcp://127.0.0.1")
    right.raw.connect(f"tcp://127.0.0.1:{port}")
    yield left, right
    left.close()
    right.close()
    context.term()


async def test_a_send_that_swallows_the_edge_wakes_the_robbed_receiver(pair: tuple[Socket, Socket]) -> None:
    """A receiver waits; a message arrives while the loop is busy; then a send on the same socket takes the edge of the shared descriptor.

    Without the look at EVENTS after every call the receiver sleeps on, though the message is there.
    """
    left, right = pair
    await right.send([b"warm up"])
    assert (await left.recv())[0].bytes == b"warm up"
    for turn in range(20):
        got: list[bytes] = []

        async def receive(into: list[bytes] = got) -> None:
            into.append((await left.recv())[0].bytes)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                await trio.testing.wait_all_tasks_blocked()
                right.raw.send(b"message %d" % turn)
                left.raw.poll(1000)  # the message is in, the descriptor was readable, and nobody has looked: the edge is gone
                await left.send([b"a send on the same socket"])
        assert got == [b"message %d" % turn]


async def test_a_cancelled_receive_loses_nothing(pair: tuple[Socket, Socket]) -> None:
    left, right = pair
    with trio.move_on_after(0.02):
        await left.recv()
    await right.send([b"later"])
    with trio.fail_after(5):
        assert (await left.recv())[0].bytes == b"later"


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_message_arrives_once_under_random_cancellation(pair: tuple[Socket, Socket], seed: int) -> None:
    left, right = pair
    chance = random.Random(seed)
    count = 1500
    got: list[int] = []
    done = trio.Event()

    async def send() -> None:
        number = 0
        while number < count:
            with trio.move_on_after(chance.random() * 0.001):
                await right.send([b"%d" % number])
                number += 1

    async def receive() -> None:
        while not done.is_set():
            with trio.move_on_after(chance.random() * 0.002):
                got.append(int((await left.recv())[0].bytes))
            if len(got) == count:
                done.set()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            nursery.start_soon(receive)
            nursery.start_soon(receive)
            nursery.start_soon(receive)
    assert sorted(got) == list(range(count)), f"seed {seed}"


async def test_close_wakes_every_waiter(pair: tuple[Socket, Socket]) -> None:
    left, _ = pair
    closed = 0

    async def wait() -> None:
        nonlocal closed
        with pytest.raises(trio.ClosedResourceError):
            await left.recv()
        closed += 1

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            left.close()
    assert closed == 3


async def test_a_router_with_a_full_peer_waits_without_burning_the_processor() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router, dealer = Socket(context, zmq.ROUTER), Socket(context, zmq.DEALER)
    try:
        router.raw.router_mandatory = 1
        router.raw.sndhwm = dealer.raw.rcvhwm = 2
        dealer.raw.rcvbuf = router.raw.sndbuf = 4096
        port = router.raw.bind_to_random_port("tcp://127.0.0.1")
        dealer.raw.connect(f"tcp://127.0.0.1:{port}")
        await dealer.send([b"hello"])
        route = (await router.recv())[0].bytes
        sent = 0
        with trio.move_on_after(0.5):
            while True:
                await router.send([route, bytes(64 * 1024)])
                sent += 1
        steps = trio.lowlevel.current_statistics()
        assert steps is not None
        assert 0 < sent < 200
        with trio.fail_after(5):
            for _ in range(sent):
                await dealer.recv()
    finally:
        router.close()
        dealer.close()
        context.term()
