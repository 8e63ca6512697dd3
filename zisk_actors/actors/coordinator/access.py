"""Access control at both ports of a coordinator: which key is refused there, and which has to leave.

Rules of this file:
* Every refusal is counted by its port and reason. The log has the first of an episode, and a sum now and then: a flood of refusals is no
  flood of lines.
* A key that is taken from the allow-list loses its connections within `LOOK_SECONDS`. A list that cannot be read takes nobody's.
"""

from __future__ import annotations

from typing import Final

import trio

from zisk_actors import log
from zisk_actors.settings import CoordinatorSecurity
from zisk_actors.transport.accounts import KeyRates
from zisk_actors.transport.allowlist import AllowList
from zisk_actors.transport.base import Limits, Peer
from zisk_actors.transport.router import RouterListener

LOOK_SECONDS: Final = 0.5
"""How often the allow-list is looked at."""
REFUSED_SECONDS: Final = 10.0
MAX_REFUSED: Final = 1000
"""Addresses of which we remember when a refusal was last logged."""


def limits_of(security: CoordinatorSecurity) -> Limits:
    """What the settings say of the ports."""
    rates = KeyRates(
        messages_per_second=security.max_messages_per_second,
        bytes_per_second=security.max_bytes_per_second,
        bad_per_minute=security.max_bad_messages_per_minute,
        ban_seconds=security.put_off_seconds,
    )
    most = security.max_connections
    return Limits(links=most, connections=most, backlog=most, connections_per_key=security.max_connections_per_key, rates=rates)


class AccessControl:
    """The ports, by name, and the list of those who may come in."""

    def __init__(self, allowed: AllowList) -> None:
        self.ports: dict[str, RouterListener] = {}
        self._allowed = allowed
        self._log = log.get()
        self._refused_from: dict[str, tuple[float, int]] = {}

    def open(self, port: str, listener: RouterListener) -> None:
        """From now on somebody listens there."""
        self.ports[port] = listener

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should look at; no path is in it."""
        return ("the allow-list cannot be read: the one that was read last is in force",) if self._allowed.problem else ()

    def refused(self, port: str, address: str, key: str, reason: str) -> None:
        """A handshake was refused. Say it, but not each time: a client that is refused tries again for ever."""
        if port in self.ports:
            self.ports[port].refuse(reason)
        logged_at, count = self._refused_from.get(address, (-REFUSED_SECONDS, 0))
        now = trio.current_time()
        if now - logged_at < REFUSED_SECONDS:
            self._refused_from[address] = (logged_at, count + 1)
            return
        if len(self._refused_from) > MAX_REFUSED:
            self._refused_from.clear()
        self._refused_from[address] = (now, 0)
        self._log.warning(f"handshake refused: {reason}", role=port, peer=address, key=key, refused_since_last=count)

    async def watch_list(self) -> None:
        """Follow the allow-list, until cancelled."""
        version, problem = self._allowed.version, ""
        while True:
            self._allowed.refresh()
            if self._allowed.problem != problem:
                problem = self._allowed.problem
                if problem:
                    self._log.error("allow-list refused: the one that was read last stays in force", problem=problem)
                else:
                    self._log.info("allow-list can be read again")
            if self._allowed.version != version:
                version = self._allowed.version
                cut = {port: listener.revoke() for port, listener in self.ports.items()}
                self._log.info("allow-list has changed", keys={port: self._allowed.count(port) for port in self.ports}, cut_off=cut)
            await trio.sleep(LOOK_SECONDS)

    async def sum_up(self) -> None:
        """A line now and then about what the ports have refused, until cancelled."""
        logged: dict[str, dict[str, int]] = {port: {} for port in self.ports}
        while True:
            await trio.sleep(REFUSED_SECONDS)
            for port, listener in self.ports.items():
                if listener.refused != logged[port]:
                    logged[port] = dict(listener.refused)
                    self._log.warning("refused so far", role=port, **logged[port])

    def banned(self, port: str, peer: Peer, reason: str) -> None:
        """A key is not let in for a while."""
        name = next((name for role in ("operator", "client", "worker") if (name := self._allowed.name_of(role, peer.key))), "")
        seconds = self.ports[port].limits.rates.ban_seconds
        self._log.error("key put off", role=port, key=peer.key, name=name, peer=peer.address, reason=reason, seconds=seconds)
