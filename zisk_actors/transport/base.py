"""What a link and a listener are.

Rules of this file:
* A message is a list of frames; a link delivers whole messages, in order, or not at all. It promises no delivery: a peer can die with
  messages under way, so whoever needs an answer has a deadline.
* `receive` and `accept` may be cancelled at any time and lose nothing by it.
* A closed link raises `LinkClosed` from `send` and `receive`. That the other side is gone may show late or never: liveness is the actors'
  affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from zisk_actors.errors import NotAuthorised, Unreachable
from zisk_actors.transport.accounts import KeyRates


class Refusals:
    """Counts by reason."""

    def __init__(self) -> None:
        self.refused: dict[str, int] = {}

    def refuse(self, reason: str) -> int:
        """Count one more; how many there are of that reason."""
        count = self.refused[reason] = self.refused.get(reason, 0) + 1
        return count


def seldom(count: int) -> bool:
    """Whether the `count`-th of equal events is worth a line in the log: the 1st, 2nd, 4th, 8th, and so on."""
    return count & (count - 1) == 0


class LinkClosed(Unreachable):
    """The link is closed, by us or by the other side."""

    code = "link-closed"


class KeyRefused(NotAuthorised, LinkClosed):
    """The other side does not let our key in, or not any more; the link is closed."""

    code = "key-refused"


@dataclass(frozen=True)
class Limits:
    """What a listener lets one peer, one key, and all of them together do and hold in memory."""

    frame_bytes: int = 1024 * 1024 + 1024
    frames: int = 2
    inbox: int = 256
    """Messages of one peer that wait to be read; a peer that sends more than that is dropped."""
    held_bytes: int = 64 * 1024**2
    """The same for all messages of one key together, in bytes."""
    links: int = 2000
    connections: int = 2000
    """TCP connections, those that have said nothing yet among them; the oldest of these makes room."""
    connections_per_key: int = 64
    silent_seconds: float = 120
    """A connection that says nothing for so long is hung up on."""
    rates: KeyRates = field(default_factory=KeyRates)
    backlog: int = 2000
    """New links that wait to be accepted."""


@dataclass(frozen=True)
class Peer:
    """Who is at the other end: `key` is the authenticated public key in Z85, empty on links that have no authentication."""

    key: str
    address: str


class Link(Protocol):
    """One end of a two-way stream of messages."""

    @property
    def peer(self) -> Peer: ...

    async def send(self, frames: Sequence[bytes]) -> None:
        """Hand a message over. Raises `LinkClosed`."""

    async def receive(self) -> list[bytes]:
        """The next message. Raises `LinkClosed` when there will be none."""

    def refuse(self, reason: str) -> int:
        """Count a message that was not taken, by reason; how often that reason was counted here."""

    async def aclose(self) -> None: ...


class Listener(Protocol):
    """Where links come in."""

    refused: dict[str, int]
    """What was not let in or not taken, by reason."""

    @property
    def endpoint(self) -> str:
        """The address that a peer dials, with the real port."""

    async def run(self) -> None:
        """Carry messages to their links until cancelled; nothing arrives while this does not run."""

    def refuse(self, reason: str) -> int:
        """Count a peer or message that was not taken, by reason; how often that reason was counted here."""

    async def accept(self) -> Link:
        """The next link, made by the first message of a new peer. Raises `LinkClosed` after `aclose`."""

    async def aclose(self) -> None: ...
