"""The ports of a coordinator: bound all at once, served link by link.

Rule of this file: all ports that are taken are named at once, with the setting of each and who has it.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from zisk_actors import log
from zisk_actors.actors.coordinator.access import AccessControl, limits_of
from zisk_actors.actors.coordinator.port_owner import owner_of
from zisk_actors.config import CoordinatorConfig
from zisk_actors.errors import PortInUse, UsageError, ZiskError
from zisk_actors.transport.auth import KeyPair
from zisk_actors.transport.base import Link, LinkClosed, Listener
from zisk_actors.transport.curve import Network, is_loopback
from zisk_actors.transport.router import RouterListener
from zisk_actors.web.server import listen_http


def say_reach(config: CoordinatorConfig, endpoint: str) -> None:
    """Say who can reach the workers' port. That nobody from elsewhere can is worth a warning where such workers are to be expected."""
    host = config.coordinator.host or config.server.host
    port = endpoint.rpartition(":")[2]
    words = log.get()
    if is_loopback(host):
        say = words.info if config.service.environment == "development" else words.warning
        hint = 'for workers elsewhere set coordinator.host to an address of this machine, or to "0.0.0.0" for all of them'
        say("only workers on this machine can connect: the address is loopback", host=host, port=port, hint=hint)
    else:
        name = socket.gethostname() if host in ("0.0.0.0", "::") else host
        words.info("workers on other machines connect with coordinator.url", url=f"tcp://{name}:{port}", host=host)


async def bind(
    config: CoordinatorConfig, network: Network, keys: KeyPair, access: AccessControl
) -> tuple[RouterListener, RouterListener, list[trio.SocketListener]]:
    """All ports, or an error that names each one that cannot be had; `access` is told of banned keys. No HTTP listeners where metrics are
    off."""
    bound: list[RouterListener] = []
    limits = limits_of(config.security)
    problems: list[ZiskError] = []
    places = (
        ("client", config.server.host, config.server.port, "server.port, --api-port"),
        ("worker", config.coordinator.host or config.server.host, config.coordinator.port, "coordinator.port, --cluster-port"),
    )
    for role, host, port, setting in places:
        try:
            bound.append(network.bind(host, port, keys, role, limits, partial(access.banned, role)))
        except UsageError as error:
            owner = owner_of(port) if isinstance(error, PortInUse) else ""
            problems.append(type(error)(f"{error.message} ({'; '.join(filter(None, (setting, owner)))})", hint=error.hint))
    http: list[trio.SocketListener] = []
    if config.metrics.enabled:
        try:
            http = await listen_http(config.metrics.host, config.metrics.port, "metrics.port, --metrics-port")
        except UsageError as error:
            owner = owner_of(config.metrics.port) if isinstance(error, PortInUse) else ""
            problems.append(type(error)(f"{error.message}{owner and f' ({owner})'}", hint=error.hint))
    if problems:
        for listener in bound:
            await listener.aclose()
        for place in http:
            await place.aclose()
        if len(problems) == 1:
            raise problems[0]
        raise PortInUse("; ".join(error.message for error in problems), hint=problems[0].hint)
    return bound[0], bound[1], http


async def accept(listener: Listener, serve: Callable[[Link], Awaitable[None]]) -> None:
    """Serve every link of a listener until cancelled."""
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.run)
            while True:
                try:
                    link = await listener.accept()
                except LinkClosed:
                    break
                nursery.start_soon(serve, link)
    finally:
        with trio.CancelScope(shield=True):
            await listener.aclose()
