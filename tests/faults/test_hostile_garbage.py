"""Hostile: connections that are none, and handshakes that never end.

What this pins down: 300 connections of noise, HTTP, TLS, ZeroMQ without security and broken CURVE at each port, and 500 that begin a
handshake and fall silent, let nobody in, end nothing, and are counted; the silent ones are hung up on; meanwhile an honest client is
answered, and afterwards a job runs.
Attacker: anybody who reaches the ports. Seed: 1.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress

import pytest

from tests.cluster.conftest import Start
from tests.faults.hostile import GREETING, address, garbage, knock, p99, resident, waits
from tests.faults.stage import ELF, process, refusals, until
from zisk_actors.wire.values import Kind, State

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]

SEED = 1


def test_noise_is_counted_and_lets_nobody_in(start: Start) -> None:
    cluster = start(workers=1)
    pid = process(cluster, "coordinator").pid
    with cluster.connect() as client:
        before = resident(pid)
        for at, url in (("client", cluster.client_url), ("worker", cluster.facts.worker_url)):
            for content in garbage(SEED, 300):
                knock(url, content)

            def counted(at: str = at) -> bool:
                found = refusals(cluster, at)
                return found.get("not-our-protocol", 0) + found.get("handshake-unfinished", 0) >= 290

            until(counted, f"300 refusals at the {at} port, seed {SEED}")
            assert not set(refusals(cluster, at)) - {"not-our-protocol", "handshake-unfinished"}
        assert resident(pid) - before < 32 * 2**20
        assert [worker.worker for worker in client.workers()] == ["worker-1"]
        assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30).state is State.COMPLETED


def test_handshakes_that_never_end_are_hung_up_on(start: Start) -> None:
    cluster = start(workers=1)
    pid = process(cluster, "coordinator").pid
    with cluster.connect() as client, ExitStack() as stack:
        before = resident(pid)
        silent = []
        for number in range(500):
            url = cluster.client_url if number % 2 else cluster.facts.worker_url
            link = stack.enter_context(socket.create_connection(address(url), timeout=10))
            link.sendall(GREETING[: 1 + number % len(GREETING)])
            silent.append(link)
        seconds = waits(client, lambda count: count >= 100)
        assert p99(seconds) < 1.0, f"an honest client waits up to {p99(seconds):.3f} s"
        with cluster.connect() as another:
            assert len(another.workers()) == 1, "there is room for who knows the way"
        for link in silent:
            link.settimeout(20)
            with suppress(ConnectionResetError):
                while link.recv(4096):
                    pass

        def unfinished() -> int:
            return sum(refusals(cluster, at).get("handshake-unfinished", 0) for at in ("client", "worker"))

        until(lambda: unfinished() >= 490, f"490 of 500 counted, a moment after the last was hung up on; there are {unfinished()}")
        assert resident(pid) - before < 64 * 2**20
        assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30).state is State.COMPLETED
