"""Hostile: messages from keys that are allowed.

What this pins down: 20,000 mutated messages, oversize frames, messages of many frames, deep nesting, duplicate keys and unknown fields, to
each port: the process lives, the state is as before (jobs, programs, workers, a running job and its holder), memory is bounded, each kind
of refusal is counted, the log does not grow with the flood, and an honest client is answered meanwhile.
Attacker: a client, and a worker, whose keys are on the list. `python -m tests.faults.hostile` sends more. Seed: 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cluster.conftest import Start
from tests.faults.hostile import CLIENT, WORKER, Attack, Frames, mutants, nested, p99, resident, waits
from tests.faults.stage import ELF, lines, process, refusals, until
from zisk_actors.transport.allowlist import AllowList
from zisk_actors.transport.auth import new_keypair
from zisk_actors.wire.client_link import ClientSays, Ping
from zisk_actors.wire.codec import pack
from zisk_actors.wire.values import Kind, State
from zisk_actors.wire.worker_link import WorkerSays

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(180)]

SEED = 1
OPEN = {"security.max_bad_messages_per_minute": 1000000000}
"""A coordinator that cuts nobody off, so that it decodes all of a flood."""
COUNT = 10_000


@pytest.mark.parametrize(("at", "samples", "union"), [("client", CLIENT, ClientSays), ("worker", WORKER, WorkerSays)])
def test_mutated_messages_change_nothing(start: Start, at: str, samples: tuple[msgspec.Struct, ...], union: Any) -> None:
    cluster = start(workers=1, settings=OPEN)
    pid = process(cluster, "coordinator").pid
    keys = new_keypair()
    AllowList(cluster.folder / "keys" / "allowed").add(at, keys.public, "mallory")
    with cluster.connect() as client:
        done = client.submit(Kind.EXECUTE, ELF, key="done")
        assert client.wait(done, seconds=30).state is State.COMPLETED
        running = client.submit(Kind.PROVE, ELF, stdin=b"hang=0", params="test")
        until(lambda: client.job(running).shares, "a share that runs")
        until(lambda: client.programs()[0].keys, "the key of its program, which the coordinator makes beside it")

        def state() -> object:
            holders = [(share.worker, share.attempt) for share in client.job(running).shares]
            jobs = [(status.job, status.state) for status in client.jobs()]
            return jobs, holders, client.programs(), [(worker.worker, worker.pid) for worker in client.workers()]

        before, memory = state(), resident(pid)
        url = cluster.client_url if at == "client" else cluster.facts.worker_url
        attack = Attack(url, cluster.server_key, keys, mutants(samples, union, SEED), COUNT)
        attack.start()
        seconds = waits(client, lambda count: not attack.is_alive() and count >= 50)
        assert attack.error is None, f"seed {SEED}"
        assert attack.sent == COUNT
        assert state() == before, f"seed {SEED}"
        assert resident(pid) - memory < 64 * 2**20
        found = refusals(cluster, at)
        assert {"frame-count", "wire-malformed", "wire-field", "wire-duplicate-key", "wire-version"} <= set(found), f"seed {SEED}"
        assert sum(found.values()) > COUNT / 2, f"{found}, seed {SEED}"
        assert p99(seconds) < 1.0, f"an honest client waits up to {p99(seconds):.3f} s"
        assert client.cancel(running)[0]
        assert client.wait(client.submit(Kind.PROVE, ELF, params="test"), seconds=60).state is State.COMPLETED
    assert len(lines(Path(process(cluster, "coordinator").log), "bad message")) < 100, "a flood is not a flood of lines"


def oversized() -> Iterator[Frames]:
    """Each limit of a message, passed."""
    header = pack(Ping(1))[0]
    for _ in range(5):
        yield [bytes(1024 * 1024 + 1024 + 1)]  # more than a frame may have, and little enough that we get to see it
        yield [header, bytes(1024 * 1024 + 512)]  # more than a bulk frame may have
        yield [bytes(64 * 1024 + 1)]  # more than a header may have
        yield [header] * 1000
        yield [nested(60_000)]
        yield [bytes(8 * 1024 * 1024)]  # ZeroMQ itself hangs up


def test_messages_over_the_limits_reach_nobody(start: Start) -> None:
    cluster = start(workers=1, settings=OPEN)
    pid = process(cluster, "coordinator").pid
    with cluster.connect() as client:
        memory = resident(pid)
        for at, url in (("client", cluster.client_url), ("worker", cluster.facts.worker_url)):
            keys = new_keypair()
            AllowList(cluster.folder / "keys" / "allowed").add(at, keys.public, "mallory")
            for frames in oversized():
                attack = Attack(url, cluster.server_key, keys, iter([frames]), 1)
                attack.run()
                assert attack.error is None
            found = refusals(cluster, at)
            assert {name: found.get(name) for name in ("frame-size", "frame-count")} == {"frame-size": 5, "frame-count": 5}
            assert found.get("wire-too-large", 0) == 10
            assert found.get("wire-malformed", 0) == 5
        assert resident(pid) - memory < 64 * 2**20
        assert client.jobs() == []
        assert [worker.worker for worker in client.workers()] == ["worker-1"]
        assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30).state is State.COMPLETED
