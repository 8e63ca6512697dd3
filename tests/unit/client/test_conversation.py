"""Requests that may have been lost are said again, and what is told twice is told once."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import MockClock

from zisk_actors.client.client import Client, attach
from zisk_actors.transport.base import Limits, Peer
from zisk_actors.transport.memory import MemoryLink, memory_pair
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.client_link import ClientSays, JobChanged, JobReply, Ping, Pong, ShowJob, WatchJob
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.values import JobStatus, Kind, State

JOB = "01234567-89ab-4def-8123-456789abcdef"


def status(state: State) -> JobStatus:
    program: Any = reference(b"elf").sha256
    job: Any = JOB
    return JobStatus(job=job, kind=Kind.PROVE, state=state, program=program, params="test", submitted_at=0.0)


async def until(link: MemoryLink, kind: type, *, answer_pings: bool = True) -> Any:
    """The next message of a kind; pings are answered by epoch 2."""
    unpacker: Unpacker[Any] = Unpacker(ClientSays)
    while True:
        message = unpacker.unpack(await link.receive()).message
        if isinstance(message, kind):
            return message
        if isinstance(message, Ping) and answer_pings:
            await link.send(pack(Pong(message.request, connection=1), epoch=2))


async def test_what_was_asked_of_a_coordinator_that_never_answered_is_asked_of_the_next(autojump_clock: MockClock) -> None:
    near, far = memory_pair(Peer("me", "memory"), Peer("", "memory"), Limits())
    found: list[JobStatus] = []

    async def ask(client: Client) -> None:
        found.append(await client.job(JOB))

    async with attach(near) as client, trio.open_nursery() as nursery:
        nursery.start_soon(ask, client)
        with trio.fail_after(60):
            lost = await until(far, ShowJob, answer_pings=False)  # that coordinator ends with it; the link is the next one's
            again = await until(far, ShowJob)
            await far.send(pack(JobReply(again.request, status(State.QUEUED)), epoch=2))
        assert again == lost
    assert [each.state for each in found] == [State.QUEUED]


async def test_a_change_that_is_told_twice_is_seen_once(autojump_clock: MockClock) -> None:
    near, far = memory_pair(Peer("me", "memory"), Peer("", "memory"), Limits())
    seen: list[int] = []

    async def watch(client: Client) -> None:
        seen.extend([number async for number, _ in client.watch(JOB)])

    async with attach(near) as client, trio.open_nursery() as nursery:
        nursery.start_soon(watch, client)
        with trio.fail_after(60):
            request = (await until(far, WatchJob)).request
            for number, state in ((1, State.QUEUED), (2, State.RUNNING), (1, State.QUEUED), (2, State.RUNNING), (3, State.COMPLETED)):
                await far.send(pack(JobChanged(request, number, status(state)), epoch=1))
    assert seen == [1, 2, 3]
