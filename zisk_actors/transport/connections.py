"""The TCP connections of a listening socket, by descriptor: whose each is, which ones are too many, and how to hang up.

Rules of this file:
* libzmq tells of a descriptor when a connection comes and when it has gone, and each message says by which one it came. It has no call to
  end the connection of one peer: that is done here, on the descriptor.
* A descriptor is used again by the next connection, so that it counts only together with the inode of its socket: what has gone since is
  never taken for what has come.
* A connection that has said nothing yet is nobody's. When there are more than may be, the oldest of those goes first.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from zisk_actors.transport.accounts import Account

_LIBC = ctypes.CDLL(None, use_errno=True)
_NOWHERE = struct.pack("=H14x", socket.AF_UNSPEC)


GONE_SECONDS: Final = 5.0
"""Within this a connection that is said to go has gone."""


@dataclass(eq=False)
class Connection:
    """One connection; `key` is empty while it is nobody's."""

    descriptor: int
    inode: int
    since: float
    key: str = ""
    ended: bool = False
    """We have hung up; libzmq will notice."""

    @property
    def open(self) -> bool:
        return _inode(self.descriptor) == self.inode != 0

    def hang_up(self) -> bool:
        """End it, and throw away what has arrived and nobody has read; libzmq sees an error and clears up. False where it has gone."""
        if self.ended or not self.open:
            return False
        self.ended = True
        # Connecting a TCP socket to nowhere resets it (Linux). Shutting it down would leave megabytes of a flood to be read.
        if _LIBC.connect(self.descriptor, _NOWHERE, len(_NOWHERE)) != 0:
            with suppress(OSError), socket.socket(fileno=os.dup(self.descriptor)) as twin:
                twin.shutdown(socket.SHUT_RDWR)
        return True


class Connections:
    """Those of one listening socket; at most `most` are to be open."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[int, Connection] = {}
        self._leaving: dict[int, tuple[Connection, float]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def came(self, descriptor: int, now: float) -> Connection | None:
        """One came. The one to hang up on, where that makes too many."""
        known = self._of.get(descriptor)
        if known is None or not known.open:
            if known is not None:
                self._leave(self._of.pop(descriptor), now)
            self._of[descriptor] = Connection(descriptor, _inode(descriptor), now)
        if len(self._of) <= self._most:
            return None
        return next((each for each in self._of.values() if not each.key), self._of[descriptor])

    def went(self, descriptor: int, now: float) -> None:
        """One went, or is about to: libzmq says so shortly before it closes the descriptor."""
        known = self._of.get(descriptor)
        if known is not None:
            self._leave(known, now)

    def _leave(self, connection: Connection, now: float) -> None:
        self._leaving[id(connection)] = (connection, now)

    def settle(self, now: float) -> list[Connection]:
        """Those that have gone by now. What was said to go and is still open has come later, by the same descriptor."""
        gone = [each for each, _ in self._leaving.values() if not each.open]
        self._leaving = {
            name: (each, since) for name, (each, since) in self._leaving.items() if each not in gone and now - since < GONE_SECONDS
        }
        for each in gone:
            if self._of.get(each.descriptor) is each:
                del self._of[each.descriptor]
        return gone

    def belongs(self, descriptor: int, key: str, now: float, account: Account) -> Connection:
        """A message of that key came by it; where that is new, its account has one more."""
        if descriptor < 0:
            return Connection(descriptor, 0, now, key)
        known = self._of.get(descriptor)
        if known is None or not known.open:
            if known is not None:
                self._leave(known, now)
            known = self._of[descriptor] = Connection(descriptor, _inode(descriptor), now)
        if not known.key:
            known.key = key
            account.connections += 1
        return known

    def known(self) -> list[Connection]:
        """Those of which we know whose they are."""
        return [each for each in self._of.values() if each.key]

    def silent(self, before: float) -> list[Connection]:
        """Those that came before that time and have said nothing."""
        return [each for each in self._of.values() if not each.key and each.since < before]


def _inode(descriptor: int) -> int:
    try:
        return os.fstat(descriptor).st_ino
    except OSError:
        return 0
