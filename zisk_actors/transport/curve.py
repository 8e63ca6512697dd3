"""Binding and dialling with CURVE: the only ways our processes open a socket to the network.

Rules of this file:
* Every network socket is CURVE; there is no plain mode.
* A dial that fails says why: nobody there, not that server's key, or a key that the other side does not allow.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any, Final

import trio
import zmq

from zisk_actors.errors import PortInUse, Unreachable, UsageError
from zisk_actors.transport.allowlist import check_public_key
from zisk_actors.transport.auth import OTHER_PORT, Allowed, KeyPair, OnRefused, serve_zap
from zisk_actors.transport.base import KeyRefused, Limits, Peer
from zisk_actors.transport.reach import reach, resolve
from zisk_actors.transport.router import OnBan, RouterListener
from zisk_actors.transport.zmq import DealerLink, Monitor, Socket, prepare

_URL: Final = re.compile(r"(?:(?:tcp|http)://)?(?P<host>[A-Za-z0-9_.\-]+|\[[0-9A-Fa-f:.%a-z]+\]):(?P<port>[0-9]{1,5})/?")


FAILED: Final = (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_DISCONNECTED)
EVENTS: Final = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_CLOSED | zmq.EVENT_CONNECT_RETRIED | int(sum(FAILED))
)
MOST_FAILURES: Final = 3
SHORTEST_LOOK: Final = 0.5
"""Seconds for looking what is wrong, also where there is hardly any time left."""


class BadUrl(UsageError):
    """An address that is not host and port."""

    code = "bad-url"


class WrongServerKey(Unreachable):
    """ZeroMQ is spoken at the address, and not by the coordinator whose key we have."""

    code = "wrong-server-key"


class HandshakeTimeout(Unreachable):
    """The other side speaks ZeroMQ, and neither lets us in nor refuses us."""

    code = "handshake-timeout"


def endpoint_of(url: str) -> str:
    """`tcp://host:port` from `tcp://`, `http://` or bare `host:port`. Raises `BadUrl` that says what is wrong."""
    match = _URL.fullmatch(url.strip())
    if match is None or not 0 < int(match["port"]) < 65536:
        hint = "write tcp://HOST:PORT, http://HOST:PORT or HOST:PORT"
        if url.startswith("https://"):
            hint = "CURVE encrypts already; " + hint
        raise BadUrl(f"{url!r} is not the address of a coordinator", hint=hint)
    return f"tcp://{match['host']}:{match['port']}"


def is_loopback(host: str) -> bool:
    """Whether an address to listen at is reached from its own machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class WrongPort(KeyRefused):
    """The coordinator is the right one, and our key is for its other port."""

    code = "wrong-port"


class Network:
    """The ZeroMQ context of one process, closed on leaving the `with` block; all sockets of it must be closed by then or are closed with
    it."""

    def __init__(self) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, 4096)
        self._allowed: Allowed = lambda port, key: None
        self._listeners: dict[str, RouterListener] = {}

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *error: object) -> None:
        self._context.destroy(linger=0)

    async def serve_zap(
        self,
        allowed: Allowed,
        refused: OnRefused,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Decide who may connect, until cancelled; see `auth.serve_zap`."""
        self._allowed = allowed
        await serve_zap(self._context, allowed, self._holds_off, refused, task_status)

    def _holds_off(self, port: str, key: str) -> str:
        listener = self._listeners.get(port)
        return listener.holds_off(key) if listener is not None else ""

    def bind(
        self,
        host: str,
        port: int,
        keys: KeyPair,
        role: str,
        limits: Limits | None = None,
        on_ban: OnBan = lambda peer, reason: None,
    ) -> RouterListener:
        """Listen for the peers of one side (`allowlist.PORTS`); port 0 takes a free one. `on_ban` is told of a key that is banned.
        The ZAP task of this context must run. Raises `PortInUse` and `UsageError`."""
        limits = limits or Limits()
        socket = Socket(self._context, zmq.ROUTER)
        raw = socket.raw
        prepare(socket, limits)
        raw.router_mandatory = 1
        raw.curve_server = 1
        raw.curve_secretkey = keys.secret.encode("ascii")
        raw.zap_domain = role.encode("ascii")
        raw.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        raw.ipv6 = ":" in host
        name = f"[{host}]" if ":" in host else host
        try:
            raw.bind(f"tcp://{name}:{port or '*'}")
        except zmq.ZMQError as error:
            socket.close()
            if error.errno == zmq.EADDRINUSE:
                raise PortInUse(
                    f"port {port} of {host} for the {role} side is in use by another process", hint="choose another port, or 0 for any"
                ) from None
            raise UsageError(f"cannot listen at {host}:{port} for the {role} side: {error}") from None
        bound = raw.getsockopt(zmq.LAST_ENDPOINT)
        endpoint = bound.decode("ascii") if isinstance(bound, bytes) else str(bound)
        listener = RouterListener(socket, endpoint.rstrip("\0"), limits, lambda key: self._allowed(role, key) is not None, on_ban)
        self._listeners[role] = listener
        return listener

    async def dial(self, url: str, server_key: str, keys: KeyPair, *, seconds: float, limits: Limits | None = None) -> DealerLink:
        """A link to a coordinator, when the handshake is done.

        Raises `BadUrl`, `KeyFileError` for what is no public key, the errors of `reach.py` as soon as it is clear which, `WrongServerKey`,
        `HandshakeTimeout` after `seconds`, and `KeyRefused` where our key is not let in.
        """
        endpoint = endpoint_of(url)
        check_public_key(server_key, "the coordinator's public key")
        until = trio.current_time() + seconds
        await resolve(endpoint, seconds)
        limits = limits or Limits()
        socket = Socket(self._context, zmq.DEALER)
        raw = socket.raw
        prepare(socket, limits)
        raw.ipv6 = "[" in endpoint
        raw.curve_serverkey = server_key.encode("ascii")
        raw.curve_publickey = keys.public.encode("ascii")
        raw.curve_secretkey = keys.secret.encode("ascii")
        monitor = Monitor(socket, EVENTS)

        def refused(status: int) -> KeyRefused:
            return _refused(endpoint, keys.public, status)

        try:
            raw.connect(endpoint)
            await _shake_hands(monitor, endpoint, until, refused)
        except BaseException:
            monitor.close()
            socket.close()
            raise
        return DealerLink(socket, Peer(server_key, endpoint), monitor, refused)


async def _shake_hands(monitor: Monitor, endpoint: str, until: float, refused: Callable[[int], KeyRefused]) -> None:
    """Return when the other side has let us in. Raises what `Network.dial` says.

    At the first sign of trouble, and where nothing has happened in half of the time, it is looked whether a coordinator can be there.
    """
    failures = 0
    looked = False
    while True:
        now = trio.current_time()
        events: list[tuple[int, int]] = []
        with trio.move_on_at(until if looked else now + (until - now) / 2):
            events = await monitor.next()
        for event, value in events:
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                return
            if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                raise refused(value)
            failures += event in FAILED
        over = looked and not events
        if not looked or failures >= MOST_FAILURES:
            looked = True
            await reach(endpoint, max(SHORTEST_LOOK, until - trio.current_time()))
        if failures >= MOST_FAILURES or (over and failures):
            raise WrongServerKey(
                f"cannot reach a coordinator at {endpoint}: it does not have the key we expect",
                hint="the public key of a coordinator is in its key file (security.key_file); `zisk key show` prints it",
            )
        if over:
            raise HandshakeTimeout(
                f"cannot reach a coordinator at {endpoint}: it speaks ZeroMQ and does not end the handshake",
                hint="the coordinator hangs or is overloaded: see its log, and /readyz",
            )


def _refused(endpoint: str, key: str, status: int) -> KeyRefused:
    if status == OTHER_PORT:
        return WrongPort(
            f"{endpoint} is the wrong port: this coordinator allows our key at its other one",
            hint="clients go to server.port (7000), workers to coordinator.port (50051)",
        )
    return KeyRefused(
        f"{endpoint} does not allow our key {key} (status {status})",
        hint=f"its allow-list (security.allow_file, or the file allowed in store.folder) needs a line ROLE {key} NAME. Where it has one, "
        "the key is put off for a while, or has too many connections: the coordinator's log says which",
    )
