"""One session for each worker, the last that was opened; who cannot be told is not connected."""

from __future__ import annotations

import msgspec
import trio

from zisk_actors.actors.dispatch.sessions import Sessions
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.transport.base import LinkClosed
from zisk_actors.wire.values import Lease, WorkerStatus
from zisk_actors.wire.worker_link import Heartbeat


class Fake:
    """A session that remembers what it was told; `dead` when its link is."""

    def __init__(self, name: str, start: str, *, dead: bool = False) -> None:
        self.worker, self.incarnation, self.key = WorkerId(name), Incarnation(start), f"key of {name}"
        self.told: list[msgspec.Struct] = []
        self.dead = dead
        self.over = False

    async def send(self, message: msgspec.Struct) -> None:
        await trio.lowlevel.checkpoint()
        if self.dead:
            raise LinkClosed("gone")
        self.told.append(message)

    def end(self) -> None:
        self.over = True

    def status(self) -> WorkerStatus:
        raise NotImplementedError


async def test_the_last_session_of_a_worker_counts() -> None:
    sessions, first, second = Sessions(), Fake("a", "1"), Fake("a", "2")
    sessions.open(first)
    sessions.open(second)
    assert (first.over, second.over, list(sessions), sessions.find(WorkerId("a"))) == (True, False, ["a"], second)
    lease = Lease(WorkerId("a"), Incarnation("1"), JobId("one"), 0, 1)
    assert sessions.holder_of(lease) is None, "it was another start of the worker"
    assert sessions.holder_of(msgspec.structs.replace(lease, incarnation=Incarnation("2"))) is second
    sessions.close(WorkerId("a"))
    assert (second.over, list(sessions)) == (True, [])


async def test_who_cannot_be_told_is_not_connected() -> None:
    sessions, dead, live = Sessions(), Fake("a", "1", dead=True), Fake("b", "1")
    sessions.open(dead)
    sessions.open(live)
    assert [await sessions.send(WorkerId(name), Heartbeat(0)) for name in ("a", "b", "c")] == [False, True, False]
    assert (dead.over, live.over, live.told) == (True, False, [Heartbeat(0)])
