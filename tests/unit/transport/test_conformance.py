"""What every transport promises, on ZeroMQ with CURVE and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import trio

from zisk_actors.transport.auth import new_keypair
from zisk_actors.transport.base import Limits, Link, LinkClosed, Listener
from zisk_actors.transport.curve import Network
from zisk_actors.transport.memory import MemoryListener


@dataclass
class Transport:
    listener: Listener
    dial: Callable[[], Awaitable[Link]]
    key: str


@pytest.fixture(params=["zmq", "memory"])
async def transport(request: pytest.FixtureRequest, nursery: trio.Nursery, network: Network) -> AsyncIterator[Transport]:
    limits = Limits(inbox=8)
    client = new_keypair()
    links: list[Link] = []
    if request.param == "memory":
        listener: Listener = MemoryListener("memory://here", limits)

        async def call() -> Link:
            assert isinstance(listener, MemoryListener)
            link = await listener.dial(client.public)
            links.append(link)
            return link

        nursery.start_soon(listener.run)
        yield Transport(listener, call, client.public)
        await listener.aclose()
    else:
        server = new_keypair()
        await nursery.start(network.serve_zap, lambda role, key: "test" if key == client.public else None, lambda *why: None)
        listener = network.bind("127.0.0.1", 0, server, "client", limits)

        async def call_zmq() -> Link:
            link = await network.dial(listener.endpoint, server.public, client, seconds=5, limits=limits)
            links.append(link)
            return link

        nursery.start_soon(listener.run)
        yield Transport(listener, call_zmq, client.public)
        for link in links:
            await link.aclose()
        await listener.aclose()
    nursery.cancel_scope.cancel()


async def connect(transport: Transport) -> tuple[Link, Link]:
    near = await transport.dial()
    await near.send([b"hello"])
    with trio.fail_after(5):
        far = await transport.listener.accept()
        assert await far.receive() == [b"hello"]
    return near, far


async def test_messages_arrive_whole_and_in_order_both_ways(transport: Transport) -> None:
    near, far = await connect(transport)
    with trio.fail_after(5):
        for number in range(50):
            await near.send([b"up %d" % number, bytes(1000)])
            assert await far.receive() == [b"up %d" % number, bytes(1000)]
            await far.send([b"down %d" % number])
            assert await near.receive() == [b"down %d" % number]


async def test_the_listener_knows_the_key_of_each_peer(transport: Transport) -> None:
    _, far = await connect(transport)
    assert far.peer.key == transport.key


async def test_a_cancelled_receive_and_accept_lose_nothing(transport: Transport) -> None:
    with trio.move_on_after(0.02):
        await transport.listener.accept()
    near, far = await connect(transport)
    with trio.move_on_after(0.02):
        await far.receive()
    await near.send([b"after"])
    with trio.fail_after(5):
        assert await far.receive() == [b"after"]
    with trio.move_on_after(0.02):
        await near.receive()
    await far.send([b"answer"])
    with trio.fail_after(5):
        assert await near.receive() == [b"answer"]


async def test_two_peers_are_two_links(transport: Transport) -> None:
    first_near, first_far = await connect(transport)
    second_near, second_far = await connect(transport)
    with trio.fail_after(5):
        await first_far.send([b"for the first"])
        await second_far.send([b"for the second"])
        assert await second_near.receive() == [b"for the second"]
        assert await first_near.receive() == [b"for the first"]


async def test_a_closed_link_says_so(transport: Transport) -> None:
    near, far = await connect(transport)
    await far.aclose()
    with pytest.raises(LinkClosed):
        await far.send([b"x"])
    with pytest.raises(LinkClosed):
        await far.receive()
    await near.aclose()
    with pytest.raises(LinkClosed):
        await near.send([b"x"])
    with pytest.raises(LinkClosed):
        await near.receive()


async def test_a_peer_that_left_is_noticed_by_a_send(transport: Transport) -> None:
    near, far = await connect(transport)
    await near.aclose()

    async def send_until_told() -> None:
        while True:
            await far.send([b"anyone there?"])
            await trio.sleep(0.01)

    with trio.fail_after(5), pytest.raises(LinkClosed):
        await send_until_told()


async def test_a_closed_listener_accepts_nobody(transport: Transport) -> None:
    await transport.listener.aclose()
    with trio.fail_after(5), pytest.raises(LinkClosed):
        await transport.listener.accept()
