"""Roles at the client port: every message has one, and a client has its own jobs only."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.actors.clients.caller import Caller
from zisk_actors.actors.clients.requests import ROWS, answers, perform
from zisk_actors.actors.clients.rights import CLIENT, OPERATOR, Rights, RoleNeeded
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.wire.client_link import ClientSays, Leave, Ping, ShowJob, Unwatch
from zisk_actors.wire.requests import Request, below
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk
from zisk_actors.wire.values import Kind


def test_every_request_of_a_client_has_a_row_and_a_role() -> None:
    assert set(ROWS) | {Ping} == set(below(Request)), "a ping is answered by the gateway, to whoever is connected"
    assert {row.role for row in ROWS.values()} <= {CLIENT, OPERATOR}
    # What else can be said asks for nothing.
    assert set(get_args(ClientSays)) - set(below(Request)) == {Leave, Unwatch, FetchChunk, Chunk, NoChunk}


def test_a_request_has_one_row() -> None:
    with pytest.raises(ValueError, match="ShowJob has two rows"):
        answers(ShowJob)(lambda caller, message: None)  # type: ignore[arg-type]


def test_who_has_no_role_may_ask_for_nothing() -> None:
    Rights("key", lambda key: CLIENT).check(Ping(1), CLIENT)
    Rights("key", lambda key: OPERATOR).check(Ping(1), CLIENT)
    for role in (None, "worker"):
        with pytest.raises(RoleNeeded, match="Ping needs the role client"):
            Rights("key", lambda key, role=role: role).check(Ping(1), CLIENT)
    with pytest.raises(RoleNeeded):
        Rights("key", lambda key: OPERATOR).check(object(), None)


async def test_what_has_no_row_is_refused_to_everybody() -> None:
    caller = Caller(None, Rights("key", lambda key: OPERATOR), None, None, None)  # type: ignore[arg-type]
    with pytest.raises(RoleNeeded, match="Ping needs the role of nobody"):
        await perform(caller, Ping(1), b"")


async def test_a_client_has_its_own_jobs_only(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world() as world, world.client("anna", CLIENT) as anna, world.client("ben", CLIENT) as ben:
        job = await anna.submit(Kind.EXECUTE, ELF, stdin=b"vsleep=5")
        assert [each.job for each in await anna.jobs()] == [job]
        assert await ben.jobs() == []
        for ask in (lambda: ben.job(job), lambda: ben.job(job[:8]), lambda: ben.cancel(job), lambda: ben.wait(job, seconds=1)):
            with pytest.raises(ClusterRefused) as refusal:
                await ask()
            assert refusal.value.code == "job-not-found"
        with pytest.raises(ClusterRefused):
            async for _ in ben.watch(job):
                pass
        async with world.client("olga", OPERATOR) as olga:
            assert (await olga.job(job[:8])).job == job
            assert [each.job for each in await olga.jobs()] == [job]
            assert (await olga.cancel(job))[0]


async def test_what_workers_do_for_others_is_not_shown(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world() as world, world.client("anna", CLIENT) as anna, world.client("ben", CLIENT) as ben:
        world.worker("w")
        await world.workers_are("w")
        job = await anna.submit(Kind.EXECUTE, ELF, stdin=b"vsleep=50")
        while not (await anna.workers())[0].jobs:
            pass
        assert (await anna.workers())[0].jobs == (job,)
        assert (await ben.workers())[0].jobs == ()
