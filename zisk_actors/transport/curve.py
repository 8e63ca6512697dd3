"""Binding and dialling with CURVE: the only ways our processes open a socket to the network.

Rules of this file:
* Every network socket is CURVE; there is no plain mode.
* A dial that fails says why: nobody there, not that server's key, or a key that the other side does not allow.
"""

from __future__ import annotations

import re
from typing import Any, Final

import trio
import zmq

from zisk_actors.errors import NotAuthorised, PortInUse, Unreachable, UsageError
from zisk_actors.transport.auth import OTHER_PORT, Allowed, KeyPair, Refused, serve_zap
from zisk_actors.transport.base import Limits, Peer
from zisk_actors.transport.zmq import DealerLink, RouterListener, Socket, event_of, monitored, prepare

_URL: Final = re.compile(r"(?:(?:tcp|http)://)?(?P<host>[A-Za-z0-9_.\-]+|\[[0-9A-Fa-f:.%a-z]+\]):(?P<port>[0-9]{1,5})/?")


class BadUrl(UsageError):
    """An address that is not host and port."""

    code = "bad-url"


class HandshakeFailed(Unreachable):
    """Something answers at the address, and it is not the coordinator whose key we have."""

    code = "handshake-failed"


def endpoint_of(url: str) -> str:
    """`tcp://host:port` from `tcp://`, `http://` or bare `host:port`. Raises `BadUrl` that says what is wrong."""
    match = _URL.fullmatch(url.strip())
    if match is None or not 0 < int(match["port"]) < 65536:
        hint = "write tcp://HOST:PORT, http://HOST:PORT or HOST:PORT"
        if url.startswith("https://"):
            hint = "CURVE encrypts already; " + hint
        raise BadUrl(f"{url!r} is not the address of a coordinator", hint=hint)
    return f"tcp://{match['host']}:{match['port']}"


class WrongPort(NotAuthorised):
    """The coordinator is the right one, and our key is for its other port."""

    code = "wrong-port"


class Network:
    """The ZeroMQ context of one process, closed on leaving the `with` block; all sockets of it must be closed by then or are closed with
    it."""

    def __init__(self) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, 4096)

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *error: object) -> None:
        self._context.destroy(linger=0)

    async def serve_zap(
        self,
        allowed: Allowed,
        refused: Refused,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Decide who may connect, until cancelled; see `auth.serve_zap`."""
        await serve_zap(self._context, allowed, refused, task_status)

    def bind(self, host: str, port: int, keys: KeyPair, role: str, limits: Limits | None = None) -> RouterListener:
        """Listen for peers of one role; port 0 takes a free one. The ZAP task of this context must run. Raises `PortInUse` and
        `UsageError`."""
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
        return RouterListener(socket, endpoint.rstrip("\0"), limits)

    async def dial(self, url: str, server_key: str, keys: KeyPair, *, seconds: float, limits: Limits | None = None) -> DealerLink:
        """A link to a coordinator, when the handshake is done.

        Raises `BadUrl`, `Unreachable` where nobody answers within `seconds`, `HandshakeFailed`, and `NotAuthorised` where our key is not
        on its list.
        """
        endpoint = endpoint_of(url)
        limits = limits or Limits()
        socket = Socket(self._context, zmq.DEALER)
        raw = socket.raw
        prepare(socket, limits)
        raw.ipv6 = "[" in endpoint
        raw.curve_serverkey = server_key.encode("ascii")
        raw.curve_publickey = keys.public.encode("ascii")
        raw.curve_secretkey = keys.secret.encode("ascii")
        trouble = "no answer"
        failures = 0
        try:
            async with monitored(socket, zmq.EVENT_ALL) as monitor:
                raw.connect(endpoint)
                with trio.move_on_after(seconds):
                    while True:
                        event, value = event_of(await monitor.recv())
                        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                            return DealerLink(socket, Peer(server_key, endpoint), limits)
                        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH and value == OTHER_PORT:
                            raise WrongPort(
                                f"{endpoint} is the wrong port: this coordinator allows our key at its other one",
                                hint="clients go to server.port (7000), workers to coordinator.port (50051)",
                            )
                        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                            raise NotAuthorised(
                                f"{endpoint} does not allow our key {keys.public} on this port (status {value})",
                                hint="is it the right port (client 7000, worker 50051), and is the key on the allow-list?",
                            )
                        if event in (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_DISCONNECTED):
                            failures += 1
                            trouble = "it does not have the key we expect, or is no coordinator"
                            if failures >= 3:
                                break
                        elif event in (zmq.EVENT_CLOSED, zmq.EVENT_CONNECT_RETRIED) and not failures:
                            trouble = "connection refused"
            kind = HandshakeFailed if failures else Unreachable
            raise kind(f"cannot reach a coordinator at {endpoint}: {trouble}", hint="is it running, and is the address right?")
        except BaseException:
            socket.close()
            raise
