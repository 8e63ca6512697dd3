"""A client with one job: submits it, follows it through everything that happens, and checks what it gets.

Rules of this file:
* It uses the real client, one connection after the other, and does what a person's script would: ask again with the same key.
* It tells the laws whatever it is told.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from tests.simulation.disk import Disk, Machine
from tests.simulation.faults import Order
from tests.simulation.prover import judge, key_of
from zisk_actors.actors.threads import RUNNER
from zisk_actors.client.client import Client, attach
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.errors import JobCancelled, JobFailed, NotFoundError, Unreachable
from zisk_actors.ids import JobId
from zisk_actors.transport.base import LinkClosed
from zisk_actors.wire.values import JobStatus, Kind, State

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")

AGAIN: Final = frozenset({"queue-full", "draining", "store-unwritable", "too-many-requests", "starting", "input-closed"})
"""Refusals after which one tries again."""


class SimClient:
    """One job's client. `where` says what it is doing, `job` what it was promised."""

    def __init__(self, world: World, index: int, order: Order) -> None:
        self.world = world
        self.order = order
        self.name = f"c{index}"
        self.owner = f"key of client {order.client}"
        self.key = f"job {index}"
        self.elf = b"\x7fELF program %d" % order.program
        self.job: JobId | None = None
        self.where = "not begun"
        self.seen = 0
        self._chance = world.chance(self.name)

    async def run(self) -> None:
        RUNNER.set(Machine(Disk(), self._chance))
        await trio.sleep(self.order.at)
        async with trio.open_nursery() as nursery:
            await self._persist("submitting", self._submit_or_find)
            if self.order.cancel_after is not None:
                nursery.start_soon(self._cancel)
            status = await self._persist("following", self._follow)
            if status is not None and status.state is State.COMPLETED:
                await self._persist("fetching", lambda client: self._fetch(client, status))
            nursery.cancel_scope.cancel()
        await self._persist("asking again", self._look)
        self.where = "done"

    async def _persist(self, what: str, step: Callable[[Client], Awaitable[T]]) -> T:
        """Do something over as many connections as it takes."""
        self.where = f"{self.name} {what} {self.job or ''}"
        while True:
            try:
                link = await self.world.network.dial("clients", self.name, self.owner)
                try:
                    async with attach(link, self._chance) as client:
                        return await step(client)
                finally:
                    with trio.CancelScope(shield=True):
                        await link.aclose()
            except (Unreachable, LinkClosed):
                pass
            except ClusterRefused as refusal:
                self.world.laws.law(refusal.code in AGAIN, f"{self.name} {what}: refused as {refusal.code}: {refusal.message}")
            await trio.sleep(0.2 + self._chance.random())

    async def _submit_or_find(self, client: Client) -> None:
        """Submit; a job whose input is not sent to its end may have ended before, which is said with the next try."""
        try:
            await self._submit(client)
        except (JobCancelled, JobFailed) as error:
            found = self.world.laws.keys.get((self.owner, self.key))
            self.world.laws.law(self.order.streams and found is not None, f"{self.name}: {error.message}")
            self.job = found

    async def _submit(self, client: Client) -> None:
        order = self.order
        with trio.move_on_after(2.0 * self._chance.random() if order.loses_reply and self.job is None else float("inf")):
            job = await client.submit(
                order.kind,
                self.elf,
                stdin=self._parts() if order.streams and order.kind is not Kind.SETUP else order.stdin,
                params="test",
                key=self.key,
                priority=order.priority,
                deadline=order.deadline,
                units=order.units,
            )
            self.world.laws.law(self.job in (None, job), f"{self.name}: the same key gave {self.job} and {job}")
            first, self.job = self.job is None, job
            self.world.laws.promised(self.owner, self.key, job)
            if first and order.loses_reply:
                raise Unreachable("the client asks once more, as if it had not heard")
            return
        raise Unreachable("the client went away before the reply")

    async def _parts(self) -> AsyncGenerator[bytes, None]:
        """The input, while it is made."""
        for start in range(0, len(self.order.stdin), 4):
            await trio.sleep(0.3 * self._chance.random())
            yield self.order.stdin[start : start + 4]

    async def _follow(self, client: Client) -> JobStatus:
        job = self.job or ""
        if not self.order.watches:
            status = await client.wait(job)
            self.world.laws.heard(status)
            return status
        async with aclosing(client.watch(job, after=self.seen)) as changes:
            async for number, status in changes:
                self.world.laws.law(number >= self.seen, f"{self.name}: change {number} of job {job} after {self.seen}")
                self.seen = number
                self.world.laws.heard(status)
                if status.state.final:
                    return status
        raise Unreachable("the watch has ended before the job")

    async def _cancel(self) -> None:
        await trio.sleep(self.order.cancel_after or 0.0)

        async def cancel(client: Client) -> None:
            cancelled, status = await client.cancel(self.job or "")
            self.world.laws.heard(status)
            self.world.laws.law(status.state.final, f"{self.name}: cancelled ({cancelled}), and still {status.state}")

        await self._persist("cancelling", cancel)

    async def _fetch(self, client: Client, status: JobStatus) -> None:
        order, laws = self.order, self.world.laws
        if status.result is None:
            laws.law(False, f"job {self.job} is completed without a result")
            return
        try:
            content = await client.fetch(status.result)
        except NotFoundError as error:
            laws.law(False, f"the result of job {self.job} cannot be had: {error.message}")
            return
        if order.kind is Kind.PROVE:
            wrong = judge(content, self.elf, order.stdin, "test", status.weights)
            laws.law(not wrong, f"{self.name} was given no proof: {wrong}")
        elif order.kind is Kind.SETUP:
            laws.law(content == key_of(self.elf, "test"), f"{self.name} was given the wrong key")
        else:
            laws.reported(self.job or JobId(""), content, order.stdin, status.reason)

    async def _look(self, client: Client) -> None:
        status = await client.job(self.job or "")
        self.world.laws.heard(status)
        self.world.laws.law(status.state.final, f"{self.name} heard that its job had ended, and now that it is {status.state}")
