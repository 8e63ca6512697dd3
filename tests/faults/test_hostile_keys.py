"""Hostile: keys that are not allowed, and allowed keys at the wrong door.

What this pins down: an unknown key gets nothing but the refusal, which is counted and in the log with the key, not once per attempt; a
worker's key cannot be a client, nor a client's a worker; a key that is allowed while the coordinator runs gets in at once, and is out
again, for new connections, when it is taken from the list.
Attacker: somebody with the server's public key and a key pair of their own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.conftest import Start
from tests.faults.stage import ELF, lines, process, refusals
from zisk_actors.client.blocking import BlockingClient
from zisk_actors.errors import NotAuthorised
from zisk_actors.transport.allowlist import AllowList
from zisk_actors.transport.auth import new_keypair, read_keypair
from zisk_actors.transport.curve import WrongPort
from zisk_actors.wire.values import Kind, State

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(60)]


def test_only_the_right_key_at_the_right_port(start: Start) -> None:
    cluster = start(workers=1)
    log = Path(process(cluster, "coordinator").log)
    strangers = [new_keypair() for _ in range(10)]
    for keys in strangers:
        for url in (cluster.client_url, cluster.facts.worker_url):
            with pytest.raises(NotAuthorised, match="does not allow"):
                BlockingClient(url, cluster.server_key, keys)
    for at in ("client", "worker"):
        assert refusals(cluster, at)["key-not-allowed"] >= 10
    assert 1 <= len(lines(log, "handshake refused: key-not-allowed")) <= 5, "a flood is not a flood of lines"
    assert any(keys.public in line for keys in strangers for line in lines(log, "key-not-allowed"))
    assert not any(keys.secret in log.read_text() for keys in strangers)

    worker = read_keypair(cluster.folder / "keys" / "worker-1.key")
    with pytest.raises(WrongPort):
        BlockingClient(cluster.client_url, cluster.server_key, worker)
    with pytest.raises(WrongPort):
        BlockingClient(cluster.facts.worker_url, cluster.server_key, cluster.keys)

    allowed = cluster.folder / "keys" / "allowed"
    before = allowed.read_text()
    AllowList(allowed).add("client", strangers[0].public, "guest")
    with BlockingClient(cluster.client_url, cluster.server_key, strangers[0]) as client:
        assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30).state is State.COMPLETED
    allowed.write_text(before)
    with pytest.raises(NotAuthorised, match="does not allow"):
        BlockingClient(cluster.client_url, cluster.server_key, strangers[0])
