"""Who knocked at a port and was not let in, from the events of a listening socket.

Rules of this file:
* libzmq names most failed handshakes, and says nothing but "accepted" and "disconnected" of peers that do not begin like ZeroMQ (HTTP,
  TLS, noise). A success has no descriptor, so whose it is shows when as many are open as have succeeded.
* While that does not show, a peer that goes within `SHORT_SECONDS` is taken for one that was not let in. Only a count depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import zmq

NOT_OURS: Final = "not-our-protocol"
UNFINISHED: Final = "handshake-unfinished"
SHORT_SECONDS: Final = 1.0

_REASONS: Final[dict[int, str | None]] = {
    int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL): NOT_OURS,  # ZeroMQ that is broken, or without our security
    int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL): UNFINISHED,  # it hung up, or was silent for too long
    int(zmq.EVENT_HANDSHAKE_FAILED_AUTH): None,  # counted by who refused the key
}
EVENTS: Final = int(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED) | sum(_REASONS)


class Handshakes:
    """Follows the events of one listening socket; `refuse` is told the reason of each peer that was not let in."""

    def __init__(self, refuse: Callable[[str], object]) -> None:
        self._refuse = refuse
        self._unknown: dict[int, float] = {}
        """Descriptors of which we do not know whether they were let in, with the time of their arrival."""
        self._succeeded = 0
        """How many of those were."""
        self._failed = False

    def take(self, event: int, value: int, now: float) -> None:
        """One event with its value, at a time in seconds."""
        if event == zmq.EVENT_ACCEPTED:
            self._unknown[value] = now
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._succeeded += 1
        elif event in _REASONS:
            self._failed = True  # "disconnected" comes next, with the descriptor
            reason = _REASONS[event]
            if reason is not None:
                self._refuse(reason)
        elif event == zmq.EVENT_DISCONNECTED:
            self._gone(value, now)
        if self._succeeded >= len(self._unknown):
            self._unknown.clear()
            self._succeeded = 0

    def _gone(self, descriptor: int, now: float) -> None:
        failed, self._failed = self._failed, False
        since = self._unknown.pop(descriptor, None)
        if since is None or failed:
            return
        if self._succeeded == 0 or (self._succeeded <= len(self._unknown) and now - since < SHORT_SECONDS):
            self._refuse(NOT_OURS)
        else:
            self._succeeded -= 1
