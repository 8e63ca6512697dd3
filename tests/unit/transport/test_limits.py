"""What one peer can do to the others: nothing. Each limit has a count of what it kept out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import trio

from zisk_actors.transport.accounts import KeyRates
from zisk_actors.transport.auth import KeyPair, new_keypair
from zisk_actors.transport.base import KeyRefused, Limits, LinkClosed
from zisk_actors.transport.curve import Network
from zisk_actors.transport.router import RouterListener
from zisk_actors.transport.zmq import DealerLink


@dataclass
class Port:
    network: Network
    listener: RouterListener
    server: KeyPair
    client: KeyPair
    allowed: set[str]
    banned: list[str]

    async def dial(self) -> DealerLink:
        return await self.network.dial(self.listener.endpoint, self.server.public, self.client, seconds=5)


@pytest.fixture
async def port(network: Network, nursery: trio.Nursery) -> AsyncIterator[Port]:
    server, client = new_keypair(), new_keypair()
    allowed = {client.public}
    await nursery.start(network.serve_zap, lambda role, key: "test" if key in allowed else None, lambda *why: None)
    rates = KeyRates(messages_per_second=50, bad_per_minute=5, ban_seconds=1.5)
    limits = Limits(frame_bytes=10_000, inbox=4, links=2, backlog=2, connections_per_key=3, rates=rates)
    banned: list[str] = []
    listener = network.bind("127.0.0.1", 0, server, "client", limits, lambda peer, reason: banned.append(peer.key))
    nursery.start_soon(listener.run)
    yield Port(network, listener, server, client, allowed, banned)
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


async def test_who_sends_faster_than_it_may_is_read_more_slowly(port: Port) -> None:
    link = await port.dial()
    await link.send([b"first"])
    far = await port.listener.accept()
    with trio.fail_after(10):
        began = trio.current_time()
        assert await far.receive() == [b"first"]
        for number in range(119):
            await link.send([b"%d" % number])
            assert await far.receive() == [b"%d" % number]
    assert trio.current_time() - began > 0.3, "120 messages at 50 a second, 100 of them at once"
    assert port.listener.refused["slowed-down"] >= 1
    await link.aclose()


@pytest.mark.slow
async def test_who_sends_what_cannot_be_read_is_cut_off_and_comes_back_later(port: Port) -> None:
    link = await port.dial()
    await link.send([b"hello"])
    far = await port.listener.accept()
    with trio.fail_after(10):
        assert await far.receive() == [b"hello"]
        for _ in range(5):
            far.refuse("bad")
        await link.send([b"still here"])
        assert await far.receive() == [b"still here"]
        far.refuse("bad")
        with pytest.raises(LinkClosed):
            await far.receive()
        with pytest.raises(KeyRefused, match="does not allow our key"):
            await link.receive()
        with pytest.raises(KeyRefused):
            await port.dial()
        assert port.banned == [port.client.public]
        assert port.listener.refused == {"bad": 6, "cut-off": 1}
        await trio.sleep(1.6)
        link = await port.dial()
        await link.send([b"again"])
        assert await (await port.listener.accept()).receive() == [b"again"]
    await link.aclose()


async def test_a_key_has_so_many_connections_and_no_more(port: Port) -> None:
    links = [await port.dial() for _ in range(3)]
    for link in links:
        await link.send([b"x"])
    await counted(port, "too-many-links")
    with trio.fail_after(10):
        with pytest.raises(KeyRefused):
            await port.dial()
        await links.pop().aclose()
        while True:
            try:
                links.append(await port.dial())
                break
            except KeyRefused:  # until the coordinator knows that the other has gone
                await trio.sleep(0.01)
    for link in links:
        await link.aclose()


async def test_a_key_that_is_taken_away_loses_what_it_has(port: Port) -> None:
    link, silent = await port.dial(), await port.dial()
    await link.send([b"hello"])
    far = await port.listener.accept()
    with trio.fail_after(10):
        assert await far.receive() == [b"hello"]
        assert port.listener.revoke() == 0
        port.allowed.clear()
        assert port.listener.revoke() == 1
        for cut in (link, far):
            with pytest.raises(LinkClosed):
                await cut.receive()
        await silent.send([b"I was let in, and say so now"])
        with pytest.raises(KeyRefused):
            await silent.receive()
    assert port.listener.refused == {"revoked": 2}
