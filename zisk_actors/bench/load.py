"""Jobs for a cluster of simulated workers, from several clients at a time, and when each was submitted, accepted and done.

Rule of this file: jobs are executions. Their report is what the worker says and the coordinator's own run confirms, whose prover knows what
simulated workers say; no proof is involved, so no verifier has to be replaced, and all that is measured is the cluster.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import trio

from zisk_actors.bench.processes import Place, RunningCoordinator
from zisk_actors.client.client import Client, connect
from zisk_actors.ids import JobId
from zisk_actors.wire.values import Kind, State

PROGRAM: Final = b"\x7fELF of nothing: simulated workers do not look inside"
PER_CLIENT: Final = 48
"""Open requests of one client; a coordinator refuses more than 64."""


@dataclass
class Done:
    """What became of some jobs: times by job on the monotonic clock, and those that did not complete."""

    asked: dict[JobId, float] = field(default_factory=dict)
    accepted: dict[JobId, float] = field(default_factory=dict)
    ended: dict[JobId, float] = field(default_factory=dict)
    wrong: list[JobId] = field(default_factory=list)
    seconds: float = 0.0


@asynccontextmanager
async def clients(place: Place, coordinator: RunningCoordinator, in_flight: int) -> AsyncIterator[list[Client]]:
    """As many clients as so many open requests need."""
    async with AsyncExitStack() as stack:
        count = -(-in_flight // PER_CLIENT)
        yield [await stack.enter_async_context(connect(coordinator.client_url, place.server_key, place.keys())) for _ in range(count)]


async def run_jobs(through: Sequence[Client], count: int, in_flight: int, *, wait: bool, rate: float = math.inf) -> Done:
    """Submit `count` jobs, `in_flight` at a time and at most `rate` a second. With `wait` each is waited for before the next takes its
    place, without it only after all are submitted."""
    done = Done()
    numbers = iter(range(count))
    began = time.monotonic()

    async def end(client: Client, job: JobId) -> None:
        status = await client.wait(job)
        done.ended[job] = time.monotonic()
        if status.state is not State.COMPLETED:
            done.wrong.append(job)

    async def submit_some(client: Client) -> None:
        mine: list[JobId] = []
        for number in numbers:
            await trio.sleep(max(0.0, began + number / rate - time.monotonic()))
            asked = time.monotonic()
            job = await client.submit(Kind.EXECUTE, PROGRAM, stdin=b"input %d" % (number % 8), name="bench")
            done.asked[job], done.accepted[job] = asked, time.monotonic()
            if wait:
                await end(client, job)
            else:
                mine.append(job)
        for job in mine:
            await end(client, job)

    async with trio.open_nursery() as nursery:
        for place in range(in_flight):
            nursery.start_soon(submit_some, through[place % len(through)])
    done.seconds = time.monotonic() - began
    return done
