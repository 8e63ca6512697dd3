"""Hostile: a key that floods, one that opens link after link, and one that is taken from the allow-list.

What this pins down: a client whose key sends more that cannot be read than it may loses its connection, and cannot come back for a while;
the log says so once, an honest client's jobs go on, and its key's own name is in the line. A key has so many connections and no more. A
key that leaves the allow-list loses its connection within two seconds, client and worker alike, and is told why. A bad list changes
nothing, is named with file and line, is on the health page, and keeps a coordinator from starting.
Attacker: clients whose keys are, or were, on the list.
"""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cluster.conftest import Start
from tests.faults.hostile import CLIENT, Attack, mutants
from tests.faults.stage import ELF, daemon, lines, process, refusals, said, until
from zisk_actors.client.blocking import BlockingClient
from zisk_actors.errors import NotAuthorised
from zisk_actors.transport.allowlist import AllowList
from zisk_actors.transport.auth import new_keypair
from zisk_actors.wire.client_link import ClientSays
from zisk_actors.wire.values import Kind, State

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(90)]


def test_a_flooding_key_is_cut_off_and_nobody_else_is(start: Start) -> None:
    cluster = start(workers=1, settings={"security.put_off_seconds": 3})
    keys = new_keypair()
    AllowList(cluster.folder / "keys" / "allowed").add("client", keys.public, "mallory")
    with cluster.connect() as client:
        job = client.submit(Kind.EXECUTE, ELF, stdin=b"sleep=1")
        attack = Attack(cluster.client_url, cluster.server_key, keys, mutants(CLIENT, ClientSays, 1), 100_000)
        attack.start()
        said(cluster, "coordinator", "key put off", keys.public, "name=mallory")
        with pytest.raises(NotAuthorised, match="does not allow our key") as refusal:
            BlockingClient(cluster.client_url, cluster.server_key, keys)
        assert "put off" in refusal.value.hint
        assert client.wait(job, seconds=30).state is State.COMPLETED
        attack.join(30)
        found = refusals(cluster, "client")
        assert found["cut-off"] >= 1
        assert found["put-off"] >= 1
        assert len(lines(Path(process(cluster, "coordinator").log), "key put off")) == 1

        def back() -> bool:
            try:
                BlockingClient(cluster.client_url, cluster.server_key, keys).close()
            except NotAuthorised:
                return False
            return True

        until(back, "the key is let in again")


def test_a_key_has_so_many_connections(start: Start) -> None:
    cluster = start(workers=1, settings={"security.max_connections_per_key": 5})
    clients = []
    try:
        for _ in range(5):
            clients.append(cluster.connect())
            clients[-1].jobs()
        with pytest.raises(NotAuthorised, match="does not allow our key"):
            cluster.connect()
        assert refusals(cluster, "client")["too-many-connections"] >= 1
    finally:
        for client in clients:
            client.close()


def test_who_is_taken_from_the_list_has_to_leave(start: Start) -> None:
    cluster = start(workers=2)
    path = cluster.folder / "keys" / "allowed"
    before = path.read_text()
    guest = new_keypair()
    AllowList(path).add("client", guest.public, "guest")
    with cluster.connect() as client, BlockingClient(cluster.client_url, cluster.server_key, guest) as other:
        assert other.jobs() == []
        path.write_text("".join(line for line in before.splitlines(keepends=True) if "worker-2" not in line))
        began = time.monotonic()
        said(cluster, "coordinator", "allow-list has changed", "'client': 1")

        def turned_away() -> bool:
            try:
                return bool(other.jobs())
            except NotAuthorised:
                return True

        until(turned_away, "the guest is told")
        assert time.monotonic() - began < 2
        assert refusals(cluster, "client")["revoked"] == 1
        assert refusals(cluster, "worker")["revoked"] == 1
        said(cluster, "worker-2", "does not allow our key")
        until(lambda: [worker.worker for worker in client.workers()] == ["worker-1"], "the other worker is out", 30)
        assert client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30).state is State.COMPLETED


def test_a_bad_list_changes_nothing_and_is_named(start: Start) -> None:
    cluster = start(workers=1)
    path = cluster.folder / "keys" / "allowed"
    before = path.read_text()

    def warnings() -> list[str]:
        with urllib.request.urlopen(f"{cluster.metrics_url}/readyz", timeout=10) as answer:
            found: list[str] = json.load(answer)["warnings"]
        return found

    with cluster.connect() as client:
        assert warnings() == []
        path.write_text(before + "king of all\n")
        said(cluster, "coordinator", "allow-list refused", f"{path}:3")
        assert len(warnings()) == 1
        with cluster.connect() as another:
            assert another.jobs() == client.jobs()
        code, _, error = daemon("coordinator", "--config", cluster.folder / "coordinator.toml", "--api-port", 0, "--cluster-port", 0)
        assert code == 2
        assert f"{path}:3" in error
        path.write_text(before)
        said(cluster, "coordinator", "allow-list can be read again")
        assert warnings() == []


def test_beyond_this_machine_only_for_somebody(tmp_path: Path) -> None:
    file = tmp_path / "coordinator.toml"
    file.write_text(f'[server]\nhost = "0.0.0.0"\nport = 0\n[coordinator]\nport = 0\n[store]\nfolder = "{tmp_path / "state"}"\n')
    code, _, error = daemon("coordinator", "--config", file)
    assert code == 2
    assert "server.host is 0.0.0.0" in error
    assert "allows no key" in error
