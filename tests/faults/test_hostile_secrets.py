"""Hostile: somebody who reads the logs, and somebody who writes names that are paths or addresses.

What this pins down: with every line of the log on, after jobs, refusals, a key file that others can read and halves that do not belong
together, no secret half of a key is in any log, on any page, or in what a daemon says as it refuses; ids that are paths or addresses are
refused before anything looks for a file.
Attacker: a reader of logs and pages, and a client whose key is on the list.
"""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import pytest
import trio

from tests.cluster.conftest import Start
from tests.faults.hostile import send_all
from tests.faults.stage import ELF, daemon, process, refusals, until
from zisk_actors.client.blocking import BlockingClient
from zisk_actors.errors import NotAuthorised, ZiskError
from zisk_actors.transport.auth import new_keypair, write_keypair
from zisk_actors.wire.client_link import Submit
from zisk_actors.wire.codec import pack
from zisk_actors.wire.transfer import FetchChunk
from zisk_actors.wire.values import BlobRef, Kind, State

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(90)]

NAMES = ("../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1/", "tcp://127.0.0.1:1", "a\0b", "..", "~/.ssh/id_rsa")


def test_no_secret_is_in_what_anybody_can_read(start: Start, tmp_path: Path) -> None:
    cluster = start(workers=1, log_level="trace")
    stranger = new_keypair()
    said = ""
    with cluster.connect() as client:
        assert client.wait(client.submit(Kind.PROVE, ELF, params="test"), seconds=60).state is State.COMPLETED
        with pytest.raises(NotAuthorised) as refusal:
            BlockingClient(cluster.client_url, cluster.server_key, stranger)
        said += refusal.value.message + refusal.value.hint + repr(stranger)
        for page in ("metrics", "health", "livez", "readyz"):
            with urllib.request.urlopen(f"{cluster.metrics_url}/{page}", timeout=10) as answer:
                said += answer.read().decode()
    key_file = cluster.folder / "keys" / "worker-1.key"
    key_file.chmod(0o644)
    said += "".join(daemon("worker", "--config", cluster.folder / "worker-1.toml")[1:])
    assert "can be read by others" in said
    key_file.chmod(0o600)
    mixed = tmp_path / "mixed.key"
    write_keypair(mixed, stranger)
    mixed.write_text(mixed.read_text().replace(stranger.public, new_keypair().public))
    settings = tmp_path / "worker.toml"
    settings.write_text((cluster.folder / "worker-1.toml").read_text().replace(str(key_file), str(mixed)))
    said += "".join(daemon("worker", "--config", settings)[1:])
    assert "do not belong together" in said
    said += "".join(daemon("coordinator", "--config", cluster.folder / "coordinator.toml", "--check-config")[1:])

    secrets = [stranger.secret]
    for path in (cluster.folder / "keys").glob("*.key"):
        secrets += re.findall(r'secret = "(.*)"', path.read_text())
    assert len(secrets) == 4
    for log in cluster.folder.glob("*.log"):
        said += log.read_text(errors="replace")
    assert "listening on" in said
    assert not [secret[:4] for secret in secrets if secret in said]


def test_what_names_a_file_or_an_address_is_refused(start: Start) -> None:
    cluster = start(workers=1, settings={"security.max_bad_messages_per_minute": 1000})
    before = sorted(cluster.folder.rglob("*"))

    def messages() -> list[list[bytes]]:
        found = []
        for name in NAMES:
            blob = BlobRef(name, 10)  # type: ignore[arg-type]
            found += [
                pack(Submit(request=1, kind=Kind.EXECUTE, program=blob, stdin=blob, params="test", name="n", key="k")),
                pack(FetchChunk(name, 0, 100)),  # type: ignore[arg-type]
                pack(Submit(request=2, kind=Kind.EXECUTE, program=BlobRef("0" * 64, 1), params=name, name="n", key="k")),  # type: ignore[arg-type]
            ]
        return found

    sent = trio.run(send_all, cluster.client_url, cluster.server_key, cluster.keys, iter(messages()), len(messages()))
    until(lambda: refusals(cluster, "client").get("wire-field", 0) == sent, f"{sent} refusals")
    with cluster.connect() as client:
        for name in NAMES:
            with pytest.raises(ZiskError, match=r"there is no job|not a message|Expected"):
                client.job(name)
        assert client.jobs() == []
    assert [path for path in sorted(cluster.folder.rglob("*")) if path not in before and "ready" not in path.name] == []
    assert process(cluster, "coordinator").alive
