"""Each thing that can be wrong on the way to a coordinator, made on purpose: one code from the look, the dial and the doctor, at once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import trio

from zisk_actors.client.probe import probe
from zisk_actors.errors import Unreachable
from zisk_actors.transport import reach as looking
from zisk_actors.transport.auth import new_keypair
from zisk_actors.transport.curve import HandshakeTimeout, Network, WrongServerKey
from zisk_actors.transport.reach import (
    ConnectionRefused,
    ConnectTimeout,
    NameUnresolved,
    NoRoute,
    NotZeroMQ,
    SaysNothing,
    place_of,
    reach,
    resolve,
)

SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
KEYS = new_keypair()


@contextmanager
def closed() -> Iterator[str]:
    with socket.socket() as nobody:  # bound and not listening: refuses, and stays ours
        nobody.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{nobody.getsockname()[1]}"


@contextmanager
def server(says: bytes, answers: bytes = b"", *, hangs_up: bool = False) -> Iterator[str]:
    """Something that says this to everybody who comes, and answers whatever is said."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def serve_one(link: socket.socket) -> None:
        with suppress(OSError):
            link.sendall(says)
            if hangs_up:
                link.close()
            elif answers and link.recv(100):
                link.sendall(answers)

    def serve() -> None:
        with suppress(OSError):
            while True:
                link, _ = listener.accept()
                taken.append(link)
                threading.Thread(target=serve_one, args=(link,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for link in taken:
            link.close()


@contextmanager
def full() -> Iterator[str]:
    """A port whose backlog is full: the kernel drops what comes next, as a firewall does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for each in waiting:
                each.close()


@contextmanager
def unknown() -> Iterator[str]:
    yield "no-such-host.invalid:7000"


@contextmanager
def no_name() -> Iterator[str]:
    yield f"{'x' * 70}.example:7000"


@contextmanager
def unroutable() -> Iterator[str]:
    yield "255.255.255.255:7000"


PLACES = {
    "closed": (closed, ConnectionRefused, "connection-refused"),
    "unknown": (unknown, NameUnresolved, "name-unresolved"),
    "no-name": (no_name, NameUnresolved, "name-unresolved"),
    "full": (full, ConnectTimeout, "connect-timeout"),
    "unroutable": (unroutable, NoRoute, "no-route"),
    "http": (lambda: server(b"", b"HTTP/1.0 400 Bad Request\r\n\r\n"), NotZeroMQ, "not-a-coordinator"),
    "ssh": (lambda: server(b"SSH-2.0-OpenSSH_9.2\r\n"), NotZeroMQ, "not-a-coordinator"),
    "hangs-up": (lambda: server(b"", hangs_up=True), NotZeroMQ, "not-a-coordinator"),
    "silent": (lambda: server(b""), SaysNothing, "says-nothing"),
}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "GREETING_SECONDS", 0.3)


@pytest.mark.parametrize("name", PLACES)
async def test_what_is_wrong_has_a_code_of_its_own(name: str) -> None:
    place, kind, code = PLACES[name]
    with place() as address, trio.fail_after(20):
        with pytest.raises(kind) as looked:
            await reach(f"tcp://{address}", 1)
        with Network() as network, pytest.raises(kind) as dialled:
            await network.dial(address, KEYS.public, KEYS, seconds=2)
        assert looked.value.code == dialled.value.code == code
        assert looked.value.message == dialled.value.message
        assert address in looked.value.message
        assert looked.value.hint == dialled.value.hint != ""
        assert isinstance(looked.value, Unreachable)
        assert looked.value.exit_code == 7


@pytest.mark.parametrize("name", ["closed", "unknown", "ssh"])
async def test_it_is_said_at_once_and_not_at_the_end_of_our_patience(name: str) -> None:
    place, kind, _ = PLACES[name]
    with place() as address, Network() as network, trio.fail_after(10), pytest.raises(kind):
        await network.dial(address, KEYS.public, KEYS, seconds=600)


@pytest.mark.parametrize("name", ["closed", "unknown", "http", "silent"])
def test_the_doctor_says_the_same(name: str) -> None:
    place, _, code = PLACES[name]
    with place() as address:
        *_, last = probe(address, KEYS.public, KEYS, "client", "1")
    assert (last.state, last.code, last.exit_code) == ("fail", code, 7)
    assert last.check == ("name" if name == "unknown" else "port")


async def test_who_speaks_zeromq_and_does_not_end_the_handshake_is_told_from_one_with_another_key() -> None:
    with server(SIGNATURE) as address, trio.fail_after(20):
        assert await reach(f"tcp://{address}", 1) < 1
        with Network() as network, pytest.raises(HandshakeTimeout) as caught:
            await network.dial(address, KEYS.public, KEYS, seconds=1)
        assert caught.value.code == "handshake-timeout"
    with server(SIGNATURE, hangs_up=True) as address, trio.fail_after(20):
        with Network() as network, pytest.raises(WrongServerKey) as wrong:
            await network.dial(address, KEYS.public, KEYS, seconds=5)
        assert wrong.value.code == "wrong-server-key"


async def test_a_name_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(trio.socket, "getaddrinfo", never)
    with trio.fail_after(5), pytest.raises(NameUnresolved, match=r"no name server answers within 0\.1 s"):
        await resolve("tcp://host:7000", 0.1)


async def test_addresses() -> None:
    assert place_of("tcp://[::1]:7000") == ("[::1]", 7000)
    assert await resolve("tcp://127.0.0.1:7000", 1) == [(int(socket.AF_INET), ("127.0.0.1", 7000))]
    (family, found), *_ = await resolve("tcp://[::1]:7000", 1)
    assert (family, found[:2]) == (int(socket.AF_INET6), ("::1", 7000))
