"""What is at an address, looked at step by step: its name, its port, and whether ZeroMQ is spoken there.

Rules of this file:
* Each thing that can be wrong is an error of its own, with a code that stays. The worker, the clients and the doctor say the same.
* No key is needed and none is sent. Who only looks costs the other side one connection that ends at once.
* Every step has a limit.
"""

from __future__ import annotations

import socket
from typing import Any, Final

import trio

from zisk_actors.errors import Unreachable

GREETING_SECONDS: Final = 2.0
GREETING_BYTES: Final = 10
QUESTION: Final = b"GET /livez HTTP/1.0\r\nHost: zisk\r\n\r\n"
"""What makes a server that waits for its client say something, so that one that is another's can be told from one that hangs."""


class NameUnresolved(Unreachable):
    """The host of an address has no address in the network."""

    code = "name-unresolved"


class ConnectionRefused(Unreachable):
    """Nobody listens at the port."""

    code = "connection-refused"


class ConnectTimeout(Unreachable):
    """Nothing at all comes back from the address."""

    code = "connect-timeout"


class NoRoute(Unreachable):
    """This machine has no way to the address."""

    code = "no-route"


class NotZeroMQ(Unreachable):
    """Something listens at the port, and it is no coordinator."""

    code = "not-a-coordinator"


class SaysNothing(Unreachable):
    """The port takes connections, and the process behind it does nothing."""

    code = "says-nothing"


Found = list[tuple[int, Any]]
"""Addresses of a host: family and what a socket of it connects to. Any: its shape depends on the family."""


def place_of(endpoint: str) -> tuple[str, int]:
    """Host and port of `tcp://host:port`."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return host, int(port)


async def resolve(endpoint: str, seconds: float) -> Found:
    """The addresses of an endpoint, those of IPv6 only where it is written in brackets, as when it is dialled. Raises `NameUnresolved`."""
    host, port = place_of(endpoint)
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    reason = ""
    try:
        with trio.fail_after(seconds):
            found = await trio.socket.getaddrinfo(host.strip("[]"), port, family, socket.SOCK_STREAM)
        return list(dict.fromkeys((int(each[0]), each[4]) for each in found))
    except trio.TooSlowError:
        reason = f"no name server answers within {seconds:g} s"
    except socket.gaierror as error:
        reason = error.strerror or str(error)
    except (OSError, UnicodeError):
        reason = "it is no name"
    raise NameUnresolved(
        f"cannot reach a coordinator at {endpoint}: {host} has no address: {reason}",
        hint="correct the host in the address, or the name server of this machine",
    )


async def reach(endpoint: str, seconds: float) -> float:
    """How long it takes to connect to an endpoint at which ZeroMQ is spoken, in seconds; `seconds` is the limit of each step. Raises the
    errors above."""
    began = trio.current_time()
    with await _connect(endpoint, seconds) as link:
        took = trio.current_time() - began
        try:
            greeting = await _hear(link, b"") or await _hear(link, QUESTION)
        except OSError:
            greeting = b"hung up"
    if not greeting:
        raise SaysNothing(
            f"cannot reach a coordinator at {endpoint}: it takes connections and says nothing",
            hint="the process there is stopped or hangs: see its log, its processor time, and `ps` (state T is stopped)",
        )
    if len(greeting) < GREETING_BYTES or greeting[0] != 0xFF or greeting[9] != 0x7F:
        raise NotZeroMQ(
            f"cannot reach a coordinator at {endpoint}: something listens there, and it does not speak ZeroMQ",
            hint="is that the port for metrics (9090, HTTP), or another program's? Clients go to 7000, workers to 50051",
        )
    return took


async def _connect(endpoint: str, seconds: float) -> trio.socket.SocketType:
    """A connection to the first of the addresses that takes one."""
    trouble: Unreachable | None = None
    for family, address in await resolve(endpoint, seconds):
        link = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            with trio.fail_after(seconds):
                await link.connect(address)
        except (trio.TooSlowError, OSError) as error:
            link.close()
            trouble = _trouble(endpoint, error)
        except BaseException:
            link.close()
            raise
        else:
            return link
    raise trouble or NameUnresolved(f"cannot reach a coordinator at {endpoint}: it has no address")


def _trouble(endpoint: str, error: trio.TooSlowError | OSError) -> Unreachable:
    if isinstance(error, ConnectionRefusedError):
        return ConnectionRefused(
            f"cannot reach a coordinator at {endpoint}: connection refused, nobody listens there",
            hint="is the coordinator running on its host, on that port, and at an address beyond 127.0.0.1 if that is another machine "
            "(server.host, coordinator.host)?",
        )
    if isinstance(error, trio.TooSlowError | TimeoutError):
        return ConnectTimeout(
            f"cannot reach a coordinator at {endpoint}: timed out, nothing comes back",
            hint="a firewall drops the packets, or the machine is down",
        )
    return NoRoute(
        f"cannot reach a coordinator at {endpoint}: {error.strerror or error}",
        hint="check the address, the route and the firewall between us",
    )


async def _hear(link: trio.socket.SocketType, question: bytes) -> bytes:
    """The first bytes that are said, after a question or without one: those of a greeting, or fewer where the other side hangs up or falls
    silent. Raises `OSError`."""
    heard = b""
    with trio.move_on_after(GREETING_SECONDS):
        if question:
            await link.send(question)
        while len(heard) < GREETING_BYTES:
            more = await link.recv(GREETING_BYTES - len(heard))
            if not more:
                return heard or b"hung up"
            heard += more
    return heard
