"""The workers that are connected, by id: what is to be said to one of them goes through its session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from zisk_actors.ids import Incarnation, WorkerId
from zisk_actors.transport.base import LinkClosed
from zisk_actors.wire.values import Lease, WorkerStatus


class Connected(Protocol):
    """A worker that is connected: what others need of its session. `key` is the one that CURVE has proved."""

    @property
    def worker(self) -> WorkerId: ...
    @property
    def incarnation(self) -> Incarnation: ...
    @property
    def key(self) -> str: ...

    async def send(self, message: msgspec.Struct) -> None:
        """Raises `LinkClosed`."""

    def end(self) -> None:
        """The link is dead, or another took its place."""

    def status(self) -> WorkerStatus:
        """What a client is told of it."""


class Sessions:
    """One session for each connected worker, the last one that was opened."""

    def __init__(self) -> None:
        self._of: dict[WorkerId, Connected] = {}

    def __iter__(self) -> Iterator[WorkerId]:
        return iter(self._of)

    def __contains__(self, worker: object) -> bool:
        return worker in self._of

    def find(self, worker: WorkerId) -> Connected | None:
        return self._of.get(worker)

    def holder_of(self, lease: Lease) -> Connected | None:
        """The session of that start of a worker which a lease was given to."""
        session = self._of.get(lease.worker)
        return session if session is not None and session.incarnation == lease.incarnation else None

    def statuses(self) -> list[WorkerStatus]:
        """What clients are told of all of them, by name."""
        return [self._of[worker].status() for worker in sorted(self._of)]

    def open(self, session: Connected) -> None:
        """A worker is connected; a session that it had before is over."""
        before = self._of.get(session.worker)
        self._of[session.worker] = session
        if before is not None:
            before.end()

    def close(self, worker: WorkerId) -> None:
        """A worker is lost; its session, where it has one, is over."""
        session = self._of.pop(worker, None)
        if session is not None:
            session.end()

    async def send(self, worker: WorkerId, message: msgspec.Struct) -> bool:
        """Say something to a worker; False where it is not connected, or turns out not to be."""
        session = self._of.get(worker)
        if session is None:
            return False
        try:
            await session.send(message)
        except LinkClosed:
            session.end()
            return False
        return True
