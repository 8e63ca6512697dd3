"""Kill processes at random under load, and say what became of the jobs.

Rules of this file:
* Everything that chance decides comes from the seed of the plan; what the operating system decides does not.
* Clients submit with idempotency keys and try again through every outage. A submit that is repeated must give the same job.
* The jobs are dealt out over the kills, so that neither ends much before the other.
* A figure is of what was seen: proofs are verified by the verifier of `zisk verify`, or with a mock compared with the one right answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import trio

from zisk_actors.bench.figures import Spread, spread
from zisk_actors.bench.verdict import OnDisk, look
from zisk_actors.bench.victims import ChaosFailed, Victims
from zisk_actors.client.client import Client, connect
from zisk_actors.errors import ProofInvalid, RefusedRetryLater, Unreachable, WaitTimeout, ZiskError
from zisk_actors.wire.values import JobStatus, Kind, State

OUTAGE_SECONDS: Final = 0.05
STUCK_SECONDS: Final = 20.0
"""How long one attempt at a job may take before it is made again over a new connection."""
AGAIN: Final = (WaitTimeout.exit_code, Unreachable.exit_code, RefusedRetryLater.exit_code)
"""The errors after which a client tries again."""


@dataclass(frozen=True)
class Plan:
    """What to do. Kill counts of workers: 0 is as many as there is time for. `shares` of a job at most."""

    jobs: int
    seed: int
    workers: int
    worker_kills: int
    worker_every: float
    at_once: int
    coordinator_kills: int
    coordinator_every: float
    mock: bool
    verb_seconds: float
    settle_seconds: float
    in_flight: int
    limit_seconds: float
    elf: bytes
    params: str
    stdin: Callable[[int], bytes]


@dataclass
class Tally:
    """What the clients saw."""

    accepted: dict[int, str] = field(default_factory=dict)
    ended: dict[int, JobStatus] = field(default_factory=dict)
    proofs: dict[int, bytes] = field(default_factory=dict)
    resubmitted: int = 0
    other_id: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    outages: int = 0
    worker_kills: int = 0
    coordinator_kills: int = 0
    starting_kills: int = 0
    serving_seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """The figures of a run, and what broke."""

    plan: Plan
    seconds: float
    tally: Tally
    disk: OnDisk
    completed: int
    failed: int
    lost: int
    verified: int
    serving: Spread | None
    breaks: tuple[str, ...]


def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Carry the plan out in a folder. Raises `ChaosFailed` where a process does not even start."""
    victims = Victims(folder, plan.workers, mock=plan.mock, verb_seconds=plan.verb_seconds, settle_seconds=plan.settle_seconds)
    chaos = _Chaos(plan, victims, say)
    began = time.monotonic()
    try:
        trio.run(chaos.run)
        seconds = time.monotonic() - began
        victims.stop()
    except BaseExceptionGroup as group:
        raise _first(group) from None
    finally:
        victims.kill_all()
    return _judge(plan, chaos.tally, seconds, look(folder / "state", victims.starts), victims.ended_alone)


class _Chaos:
    """One run."""

    def __init__(self, plan: Plan, victims: Victims, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._victims = victims
        self._say = say
        self._next = 0
        self.tally = Tally()

    async def run(self) -> None:
        victims, plan = self._victims, self._plan
        victims.start_coordinator()
        await victims.serving()
        for name in victims.names:
            victims.start_worker(name)
        with trio.move_on_after(plan.limit_seconds):
            async with trio.open_nursery() as killers:
                killers.start_soon(self._kill_workers, Random(f"{plan.seed} workers"))
                killers.start_soon(self._kill_coordinator, Random(f"{plan.seed} coordinator"))
                killers.start_soon(self._report)
                async with trio.open_nursery() as clients:
                    for _ in range(plan.in_flight):
                        clients.start_soon(self._client)
                killers.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            if victims.coordinator is None or victims.coordinator.poll() is not None:
                victims.start_coordinator()
                await victims.serving()

    # ---------------------------------------------------------------------------------------------------------------- killing

    def _dealt(self) -> float:
        """Which part of the jobs may have been submitted by now: that of the kills that were carried out."""
        plan, tally = self._plan, self.tally
        parts = [tally.coordinator_kills / plan.coordinator_kills] if plan.coordinator_kills else []
        parts += [tally.worker_kills / plan.worker_kills] if plan.worker_kills else []
        return min(parts, default=1.0)

    async def _kill_workers(self, chance: Random) -> None:
        plan, tally = self._plan, self.tally
        while not plan.worker_kills or tally.worker_kills < plan.worker_kills:
            await trio.sleep(plan.worker_every * chance.uniform(0.5, 1.5))
            left = plan.worker_kills - tally.worker_kills if plan.worker_kills else plan.at_once
            chosen = chance.sample(self._victims.names, min(plan.at_once, left, plan.workers))
            with trio.CancelScope(shield=True):
                tally.worker_kills += await self._victims.kill_workers(chosen)

    async def _kill_coordinator(self, chance: Random) -> None:
        """Kill it while it serves, and now and then while it starts."""
        plan, tally, victims = self._plan, self.tally, self._victims
        while tally.coordinator_kills < plan.coordinator_kills:
            await trio.sleep(plan.coordinator_every * chance.uniform(0.25, 1.75))
            with trio.CancelScope(shield=True):
                await victims.kill_coordinator()
                tally.coordinator_kills += 1
                await trio.sleep(chance.uniform(0, OUTAGE_SECONDS))
                while True:
                    began = time.monotonic()
                    victims.start_coordinator()
                    with trio.move_on_after(chance.uniform(0.01, 0.5) if chance.random() < 0.25 else float("inf")):
                        await victims.serving()
                        tally.serving_seconds.append(time.monotonic() - began)
                        break
                    if tally.coordinator_kills >= plan.coordinator_kills:
                        await victims.serving()
                        tally.serving_seconds.append(time.monotonic() - began)
                        break
                    await victims.kill_coordinator()
                    tally.coordinator_kills += 1
                    tally.starting_kills += 1

    async def _report(self) -> None:
        tally, plan = self.tally, self._plan
        while True:
            await trio.sleep(10)
            self._say(
                f"{len(tally.ended)} of {plan.jobs} jobs have ended; kills: {tally.worker_kills} workers,"
                f" {tally.coordinator_kills} coordinators"
            )

    # ---------------------------------------------------------------------------------------------------------------- clients

    async def _client(self) -> None:
        """Submit one job after the other and wait for each, over as many connections as it takes."""
        number = await self._take()
        while number is not None:
            where = self._victims.where
            if where is None:
                raise AssertionError("clients start when the coordinator has said where it is")
            try:
                async with connect(where.client_url, self._victims.server_key, self._victims.keys, seconds=5.0) as client:
                    while number is not None:
                        with trio.fail_after(STUCK_SECONDS):
                            await self._attempt(client, number)
                        number = await self._take()
            except trio.TooSlowError:
                self.tally.outages += 1
            except ZiskError as error:
                if error.exit_code not in AGAIN:
                    self.tally.refused[-1 if number is None else number] = error.message
                    number = await self._take()
                    continue
                self.tally.outages += 1
                await trio.sleep(OUTAGE_SECONDS)

    async def _take(self) -> int | None:
        """The next job, as soon as it is its turn; None where there are no more."""
        plan = self._plan
        while self._next < plan.jobs and self._next >= plan.jobs * self._dealt() + plan.in_flight:  # noqa: ASYNC110 - many things move it
            await trio.sleep(0.02)
        if self._next >= plan.jobs:
            return None
        self._next += 1
        return self._next - 1

    async def _attempt(self, client: Client, number: int) -> None:
        """Submit a job, again where it was submitted before, and stay until it has ended and its proof is here."""
        plan, tally = self._plan, self.tally
        job = await client.submit(
            Kind.PROVE, plan.elf, stdin=plan.stdin(number), params=plan.params, name="chaos", key=f"chaos-{plan.seed}-{number}"
        )
        tally.resubmitted += number in tally.accepted
        if tally.accepted.setdefault(number, job) != job:
            tally.other_id.append(number)
        status = await client.wait(job, seconds=STUCK_SECONDS / 2)
        if status.state is State.COMPLETED and status.result is not None:
            tally.proofs[number] = await client.fetch(status.result)
        tally.ended[number] = status


def _first(error: BaseException) -> BaseException:
    """The error that is not the end of something else: the innermost first one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _judge(plan: Plan, tally: Tally, seconds: float, disk: OnDisk, ended_alone: list[str]) -> Outcome:
    states = [status.state for status in tally.ended.values()]
    verified = _verified(plan, tally)
    completed = states.count(State.COMPLETED)
    failed = [status for status in tally.ended.values() if status.state is not State.COMPLETED]
    lost = sorted(set(tally.accepted) - set(tally.ended))
    wanted = [
        (plan.jobs - len(tally.accepted), "jobs were never accepted"),
        (len(tally.refused), f"jobs were refused for good: {list(tally.refused.values())[:1]}"),
        (len(lost), f"accepted jobs were lost: {lost[:10]}"),
        (len(failed), f"jobs failed, such as: {failed[0].failure.message if failed and failed[0].failure else ''}"),
        (len(disk.ended_twice), f"jobs ended twice: {disk.ended_twice[:3]}"),
        (len(disk.not_ended), f"jobs have no end in the journal: {disk.not_ended[:3]}"),
        (len(disk.submitted_twice) + len(tally.other_id), f"keys made two jobs: {disk.submitted_twice[:3]} {tally.other_id[:3]}"),
        (completed - verified, "completed jobs have a proof that does not verify"),
        (len(disk.redone_unexcused), f"shares were computed again for no kill: {'; '.join(disk.redone_unexcused[:3])}"),
        (len(ended_alone), f"processes ended by themselves: {'; '.join(ended_alone[:3])}"),
        (max(0, plan.coordinator_kills - tally.coordinator_kills), "kills of the coordinator were not carried out in time"),
        (max(0, plan.worker_kills - tally.worker_kills), "kills of workers were not carried out in time"),
    ]
    return Outcome(
        plan=plan,
        seconds=seconds,
        tally=tally,
        disk=disk,
        completed=completed,
        failed=len(failed),
        lost=len(lost),
        verified=verified,
        serving=spread(tally.serving_seconds) if tally.serving_seconds else None,
        breaks=tuple(f"{count} {words}" for count, words in wanted if count),
    )


def _verified(plan: Plan, tally: Tally) -> int:
    """How many proofs are what they should be."""
    if plan.mock:
        from zisk_actors.mock import expected_proof

        return sum(
            proof == expected_proof(plan.elf, plan.stdin(number), plan.params, tally.ended[number].weights)
            for number, proof in tally.proofs.items()
        )
    from zisk_actors.proving import Prover, verify

    key = Prover().setup(plan.elf, plan.params)
    count = 0
    for proof in tally.proofs.values():
        with suppress(ProofInvalid):
            verify(proof, vk=key, level=plan.params)
            count += 1
    return count


__all__ = ["ChaosFailed", "Outcome", "Plan", "Tally", "run"]
