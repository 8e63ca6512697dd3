"""Row 2: the client's port and the workers' port taken for one another, and HTTP at either.

What this pins down: who knocks at the wrong port with a key that is allowed at the other one is told so by name, on both sides; an HTTP
request at a ZeroMQ port is counted as not our protocol; a client at the HTTP port hears that no coordinator is there; nobody is let in, and
the right ports serve on.
Victim: a worker that is given the client's port, a client that is given the workers'.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.conftest import Start
from tests.faults.stage import ELF, lines, refusals, running, said, until
from zisk_actors.client import local
from zisk_actors.errors import Unreachable
from zisk_actors.transport.curve import WrongPort
from zisk_actors.wire.values import Kind, State

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(60)]


def test_the_wrong_port_is_named_as_such(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=1)
    log = tmp_path / "astray.log"
    worker = ("--config", cluster.folder / "worker-1.toml", "--worker-id", "astray")
    with running("worker", log, *worker, "-c", cluster.client_url):
        until(lambda: lines(log, "Connection failed", cluster.client_url, "is the wrong port"), "the worker says so")
    with pytest.raises(WrongPort, match="is the wrong port") as caught:
        local.BlockingClient(cluster.facts.worker_url, cluster.server_key, cluster.keys)
    assert "7000" in caught.value.hint
    assert "50051" in caught.value.hint
    assert caught.value.exit_code == 8
    assert said(cluster, "coordinator", "handshake refused: wrong-port", "role=client")
    for at in ("client", "worker"):
        assert refusals(cluster, at)["wrong-port"] >= 1

    for at, url in (("client", cluster.client_url), ("worker", cluster.facts.worker_url)):
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as browser:
            browser.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with suppress(ConnectionResetError):
                while browser.recv(1000):
                    pass
        until(lambda at=at: refusals(cluster, at).get("not-our-protocol"), "HTTP is counted")
    with pytest.raises(Unreachable, match="cannot reach a coordinator"):
        local.BlockingClient(cluster.metrics_url.removeprefix("http://"), cluster.server_key, cluster.keys, seconds=3)

    with cluster.connect() as client:
        assert [worker.worker for worker in client.workers()] == ["worker-1"]
        assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30).state is State.COMPLETED
