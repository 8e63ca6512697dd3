"""Hostile: an allowed client that asks for much and reads nothing.

What this pins down: replies to a peer that does not read wait in a bounded queue, so that asking a thousand times for the largest chunk
costs the coordinator at most some tens of megabytes, and other clients nothing.
Attacker: a client whose key is on the list, over one connection.
"""

from __future__ import annotations

import time

import pytest
import zmq

from tests.cluster.conftest import Start
from tests.faults.hostile import p99, resident, waits
from tests.faults.stage import ELF, process
from zisk_actors.wire.codec import pack
from zisk_actors.wire.transfer import FetchChunk
from zisk_actors.wire.values import Kind, State

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(60)]

MOST = 160 * 2**20


def test_who_does_not_read_is_not_read_to_for_ever(start: Start) -> None:
    cluster = start(workers=1)
    pid = process(cluster, "coordinator").pid
    with cluster.connect() as client:
        big = client.add_program(ELF + bytes(2 * 2**20), name="big")
        memory, peak = resident(pid), 0
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        peer = context.socket(zmq.DEALER)
        peer.linger, peer.rcvhwm, peer.rcvbuf = 0, 1, 4096
        peer.curve_serverkey = cluster.server_key.encode()
        peer.curve_publickey, peer.curve_secretkey = cluster.keys.public.encode(), cluster.keys.secret.encode()
        peer.connect(cluster.client_url)
        try:
            for _ in range(1000):
                peer.send_multipart(pack(FetchChunk(big.program, 0, 2**20)))
                time.sleep(0.002)  # as fast as the coordinator takes them
                peak = max(peak, resident(pid))
            seconds = waits(client, lambda count: count >= 100)
            peak = max(peak, resident(pid))
        finally:
            peer.close()
            context.term()
        assert peak - memory < MOST, f"{(peak - memory) / 2**20:.0f} MiB"
        assert p99(seconds) < 1.0
        assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30).state is State.COMPLETED
