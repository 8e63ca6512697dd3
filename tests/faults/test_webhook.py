"""Webhooks: each end of a job is told, at least once, however often the receiver or the coordinator fails.

What this pins down: every end state and every kind is told with the manual's fields; the call is signed; a receiver that fails, redirects
or is away gets it again, with the same id, over a restart of the coordinator too; what nobody takes for too long is given up, logged and
counted; a job whose end is owed is not forgotten.
Victim: a receiver, which is a real HTTP server on loopback.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld, World
from zisk_actors.web.webhook import NotDelivered
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(120)

SECRET = "0123456789abcdef0123456789abcdef"


@dataclass
class Receiver:
    """What came in, and the statuses to answer with; 200 when those have run out."""

    answers: list[int] = field(default_factory=list)
    calls: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.calls]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    it = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            it.calls.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status = it.answers.pop(0) if it.answers else 200
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        it.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield it
        server.shutdown()
        thread.join()


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    file.write_text(SECRET)
    return str(file)


@pytest.fixture
def patient_clock() -> MockClock:
    """Virtual time that waits for the receiver's real socket."""
    return MockClock(autojump_threshold=0.1)


async def told(world: World, step: float = 1) -> None:
    """Wait until nothing is owed."""
    await trio.sleep(1)
    with trio.fail_after(2000):
        while world.coordinator.outbox.owed:  # noqa: ASYNC110 - virtual time
            await trio.sleep(step)


@pytest.mark.slow
async def test_every_end_is_told_with_the_manuals_fields_and_signed(
    open_world: OpenWorld, patient_clock: MockClock, receiver: Receiver, secret: str
) -> None:
    async with open_world(webhook_url=receiver.url, webhook_secret_file=secret) as world, world.client() as client:
        queued = await client.submit(Kind.PROVE, ELF, params="test")
        await client.cancel(queued, reason="not wanted")
        late = await client.submit(Kind.PROVE, ELF, params="test", deadline=5)
        await client.wait(late)
        world.worker("a")
        jobs = [await client.submit(kind, ELF, params="test") for kind in Kind]
        for job in jobs:
            assert (await client.wait(job)).state is State.COMPLETED
        await told(world)
    bodies = {body["job_id"]: body for body in receiver.bodies()}
    assert sorted(bodies) == sorted([queued, late, *jobs])
    assert len(receiver.calls) == len(bodies)
    assert [bodies[job]["success"] for job in (queued, late, *jobs)] == [False, False, True, True, True]
    assert bodies[queued]["error"] == {"code": "cancelled", "message": "not wanted"}
    assert bodies[late]["error"]["code"] == "deadline"
    for job, kind in zip(jobs, Kind, strict=True):
        assert bodies[job]["kind"] == kind.value
        assert (bodies[job]["executed_steps"] is None) == (kind is Kind.SETUP)
        assert bodies[job]["result"]["bytes"] > 0
    for path, headers, body in receiver.calls:
        job = json.loads(body)["job_id"]
        assert path == f"/hook/{job}"
        signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
        digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
        assert headers["webhook-id"] == job


@pytest.mark.slow
async def test_a_receiver_that_fails_is_told_again_over_a_restart(
    open_world: OpenWorld, patient_clock: MockClock, receiver: Receiver
) -> None:
    receiver.answers = [500, 302, 404]
    async with open_world(webhook_url=receiver.url) as world:
        world.worker("a")
        async with world.client() as client:
            job = await client.submit(Kind.EXECUTE, ELF)
            await client.wait(job)
            await trio.sleep(1)
            while len(receiver.calls) < 2:  # noqa: ASYNC110 - virtual time
                await trio.sleep(0.1)
        await world.stop()
        await world.start()
        assert job in world.coordinator.jobs.entries
        await told(world)
        assert len(receiver.calls) == 4
        assert len({body for _, _, body in receiver.calls}) == 1
        assert {(path, headers["webhook-id"]) for path, headers, _ in receiver.calls} == {(f"/hook/{job}", job)}
        page = world.coordinator.metrics.render(world.coordinator.overview.view()).decode()
        assert 'coordinator_webhooks_total{outcome="success"} 1.0' in page
        await world.stop()
        await world.start()
        await told(world)
        assert len(receiver.calls) == 4


async def test_what_nobody_takes_is_given_up(open_world: OpenWorld, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[float] = []

    async def refuse(url: str, body: bytes, headers: Mapping[str, str]) -> int:
        calls.append(trio.current_time())
        await trio.sleep(1)
        if len(calls) % 2:
            raise NotDelivered("nobody is there")
        return 500

    async with open_world(webhook_url="http://nobody/", webhook_give_up_seconds=1000, job_ttl_seconds=0) as world:
        world.coordinator.webhooks._post = refuse
        async with world.client() as client:
            job = await client.submit(Kind.EXECUTE, ELF)
            await client.cancel(job)
        await trio.sleep(100)
        assert job in world.coordinator.jobs.entries
        await told(world, step=100)
        assert 7 <= len(calls) <= 15
        page = world.coordinator.metrics.render(world.coordinator.overview.view()).decode()
        assert "coordinator_webhooks_given_up_total 1.0" in page
        assert f'coordinator_webhooks_total{{outcome="failure"}} {len(calls)}.0' in page
        await trio.sleep(100)
        assert job not in world.coordinator.jobs.entries
    streams = capsys.readouterr()
    assert "webhook given up" in streams.out + streams.err
