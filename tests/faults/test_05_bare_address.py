"""Row 5: a coordinator's address without a scheme.

What this pins down: `host:port`, `http://host:port` and `tcp://host:port` are one address; what is none ends the worker at once, with exit
code 2 and the forms that would do, and no attempt to connect is made.
Victim: a worker with an address that cannot be used.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.stage import daemon
from zisk_actors.transport.auth import new_keypair, write_keypair
from zisk_actors.transport.curve import BadUrl, endpoint_of

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("text", ["127.0.0.1:50051", "http://127.0.0.1:50051", "tcp://127.0.0.1:50051", "http://127.0.0.1:50051/"])
def test_three_ways_to_write_one_address(text: str) -> None:
    assert endpoint_of(text) == "tcp://127.0.0.1:50051"


@pytest.mark.parametrize("text", ["127.0.0.1", "host", "https://host:1", "host:0", "host:65536", "host:port", "ftp://host:1", ""])
def test_what_is_no_address_says_what_would_be_one(text: str) -> None:
    with pytest.raises(BadUrl) as caught:
        endpoint_of(text)
    assert "write tcp://HOST:PORT, http://HOST:PORT or HOST:PORT" in caught.value.hint


@pytest.mark.slow
@pytest.mark.cluster
def test_a_worker_with_no_address_ends_before_it_dials(tmp_path: Path) -> None:
    keys = new_keypair()
    write_keypair(tmp_path / "worker.key", keys)
    file = tmp_path / "worker.toml"
    file.write_text(f'[security]\nkey_file = "{tmp_path / "worker.key"}"\nserver_key = "{keys.public}"\n')
    code, _, err = daemon("worker", "--config", file, "-c", "coordinator.example")
    assert code == 2
    assert "error[bad-url]: 'coordinator.example' is not the address of a coordinator" in err
    assert "Connecting" not in err
