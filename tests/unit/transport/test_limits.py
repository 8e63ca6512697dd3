"""What one peer can do to the others: nothing. Each limit has a count of what it kept out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import trio

from zisk_actors.transport.auth import KeyPair, new_keypair
from zisk_actors.transport.base import Limits, LinkClosed
from zisk_actors.transport.curve import Network
from zisk_actors.transport.zmq import DealerLink, RouterListener


@dataclass
class Port:
    network: Network
    listener: RouterListener
    server: KeyPair
    client: KeyPair

    async def dial(self) -> DealerLink:
        return await self.network.dial(self.listener.endpoint, self.server.public, self.client, seconds=5)


@pytest.fixture
async def port(network: Network, nursery: trio.Nursery) -> AsyncIterator[Port]:
    server, client = new_keypair(), new_keypair()
    await nursery.start(network.serve_zap, lambda role, key: "test", lambda *why: None)
    limits = Limits(frame_bytes=10_000, inbox=4, links=2, backlog=2)
    listener = network.bind("127.0.0.1", 0, server, "client", limits)
    nursery.start_soon(listener.run)
    yield Port(network, listener, server, client)
    await listener.aclose()
    nursery.cancel_scope.cancel()


async def counted(port: Port, reason: str) -> int:
    with trio.fail_after(5):
        while reason not in port.listener.refused:  # noqa: ASYNC110 - the count has no event
            await trio.sleep(0.01)
    return port.listener.refused[reason]


async def test_who_sends_more_than_its_inbox_holds_is_dropped(port: Port) -> None:
    link = await port.dial()
    for number in range(20):
        await link.send([b"%d" % number])
    far = await port.listener.accept()
    assert await counted(port, "inbox-full")
    with trio.fail_after(5):
        assert [await far.receive() for _ in range(4)] == [[b"0"], [b"1"], [b"2"], [b"3"]]
        with pytest.raises(LinkClosed):
            await far.receive()
    await link.aclose()


async def test_messages_of_too_many_frames_reach_nobody(port: Port) -> None:
    link = await port.dial()
    await link.send([b"x"] * 3)
    await link.send([b"good"])
    far = await port.listener.accept()
    with trio.fail_after(5):
        assert await far.receive() == [b"good"]
    assert await counted(port, "frame-count") == 1
    await link.aclose()


async def test_a_frame_over_the_limit_reaches_nobody(port: Port) -> None:
    link = await port.dial()
    await link.send([bytes(20_000)])
    with trio.move_on_after(0.3) as scope:
        await port.listener.accept()
    assert scope.cancelled_caught
    await link.aclose()


async def test_no_more_links_than_the_limit_and_a_closed_one_makes_room(port: Port) -> None:
    links = [await port.dial() for _ in range(3)]
    await links[0].send([b"0"])
    await links[1].send([b"1"])
    with trio.fail_after(5):
        first = await port.listener.accept()
        await port.listener.accept()
        await links[2].send([b"2"])
        assert await counted(port, "too-many-links") == 1
        await first.aclose()
        await links[2].send([b"again"])
        third = await port.listener.accept()
        assert await third.receive() == [b"again"]
    for link in links:
        await link.aclose()
