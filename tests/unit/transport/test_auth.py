"""Keys, the allow-list, and who gets in."""

from __future__ import annotations

import socket as plain
from pathlib import Path

import pytest
import trio

from zisk_actors.errors import NotAuthorised, NotFoundError, PortInUse, Unreachable
from zisk_actors.transport.allowlist import KeyFileError
from zisk_actors.transport.auth import new_keypair, read_keypair, write_keypair
from zisk_actors.transport.curve import BadUrl, Network, WrongPort, WrongServerKey, endpoint_of


def test_a_key_file_is_read_back_and_is_private(tmp_path: Path) -> None:
    keys = new_keypair()
    path = tmp_path / "it.key"
    write_keypair(path, keys)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_keypair(path) == keys
    assert keys.secret not in repr(keys)
    with pytest.raises(KeyFileError, match="exists already"):
        write_keypair(path, keys)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "it.key"
    write_keypair(path, new_keypair())
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="read by others"):
        read_keypair(path)


def test_halves_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    one, other = new_keypair(), new_keypair()
    path = tmp_path / "it.key"
    path.write_text(f'public = "{one.public}"\nsecret = "{other.secret}"\n')
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="belong together") as caught:
        read_keypair(path)
    assert other.secret not in str(caught.value)
    with pytest.raises(NotFoundError):
        read_keypair(tmp_path / "none.key")


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp://10.0.0.1:50051", "tcp://10.0.0.1:50051"),
        ("http://127.0.0.1:50051/", "tcp://127.0.0.1:50051"),
        ("coordinator:7000", "tcp://coordinator:7000"),
        ("tcp://[::1]:7000", "tcp://[::1]:7000"),
    ],
)
def test_addresses_are_normalised(text: str, endpoint: str) -> None:
    assert endpoint_of(text) == endpoint


@pytest.mark.parametrize("text", ["", "host", "https://h:1", "tcp://h:0", "h:70000", "ipc:///tmp/x", "h:1:2", "a b:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadUrl):
        endpoint_of(text)


async def test_only_allowed_keys_of_the_right_role_get_in(nursery: trio.Nursery, network: Network) -> None:
    server, friend, stranger = new_keypair(), new_keypair(), new_keypair()
    refused: list[tuple[str, str, str, str]] = []
    names = {("client", friend.public): "friend"}
    await nursery.start(network.serve_zap, lambda role, key: names.get((role, key)), lambda *why: refused.append(why))
    listener = network.bind("127.0.0.1", 0, server, "client")
    workers = network.bind("127.0.0.1", 0, server, "worker")
    for each in (listener, workers):
        nursery.start_soon(each.run)
    with trio.fail_after(20):
        link = await network.dial(listener.endpoint, server.public, friend, seconds=5)
        await link.send([b"hi"])
        far = await listener.accept()
        assert far.peer.key == friend.public
        with pytest.raises(NotAuthorised, match="does not allow"):
            await network.dial(listener.endpoint, server.public, stranger, seconds=5)
        with pytest.raises(WrongPort, match="is the wrong port"):
            await network.dial(workers.endpoint, server.public, friend, seconds=5)
        assert ("client", "127.0.0.1", stranger.public, "key-not-allowed") in refused
        assert ("worker", "127.0.0.1", friend.public, "wrong-port") in refused
        with pytest.raises(WrongServerKey):
            await network.dial(listener.endpoint, stranger.public, friend, seconds=2)
        with plain.create_connection(("127.0.0.1", int(listener.endpoint.rsplit(":", 1)[1]))) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20)
            with trio.move_on_after(0.3) as scope:
                await listener.accept()
            assert scope.cancelled_caught
        assert listener.refused["not-our-protocol"] >= 1
        await link.aclose()
        await listener.aclose()
        await workers.aclose()
    nursery.cancel_scope.cancel()


async def test_nobody_there_and_port_taken_have_names(network: Network) -> None:
    keys = new_keypair()
    with plain.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(Unreachable, match="connection refused"):
            await network.dial(f"127.0.0.1:{port}", keys.public, keys, seconds=0.5)
        taken.listen()
        with pytest.raises(PortInUse, match=str(port)):
            network.bind("127.0.0.1", port, keys, "client")
