"""What goes wrong in a world, and when: drawn from the seed before anything begins.

Rules of this file:
* A plan is a value; the world carries it out. The same seed is the same plan, whatever the code under test does.
* Faults end at `Plan.quiet_at`: what comes after is a cluster without faults, which must bring every job to its end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tests.simulation.network import Weather
from tests.simulation.prover import LIES, STEPS
from zisk_actors.wire.values import Kind

FAULTS = (
    "kill worker",
    "stop worker",
    "cut worker",
    "hold worker",
    "isolate worker",
    "slow worker",
    "dying child",
    "hanging child",
    "liar",
    "kill coordinator",
    "stop coordinator",
    "slow disk",
    "full disk",
    "cut client",
    "hold client",
    "partition",
    "broken verifier",
    "ghost",
)
WEIGHTS = (5, 2, 4, 4, 3, 2, 2, 2, 3, 4, 1, 2, 1, 3, 2, 1, 1, 2)


@dataclass(frozen=True)
class Fault:
    """One fault: `who` picks its victim, `seconds` is how long it lasts, `detail` which variant it is."""

    at: float
    what: str
    who: int
    seconds: float
    detail: float


@dataclass(frozen=True)
class Order:
    """A job that a client will submit. `cancel_after` is when it cancels, `deadline` what it asks for; None for never. `units` is how much
    of the cluster it wants, 0 for all; `streams`: its input is sent while it is made."""

    at: float
    client: int
    kind: Kind
    program: int
    stdin: bytes
    priority: int
    cancel_after: float | None
    deadline: float | None
    loses_reply: bool
    watches: bool
    units: int
    streams: bool


@dataclass(frozen=True)
class Plan:
    """All of a seed. `memory` is what each worker has for a share, 0 where it knows of no limit; `webhook`: somebody is told of
    all ends."""

    units: tuple[int, ...]
    memory: tuple[int, ...]
    webhook: bool
    pace: float
    clients: int
    settings: dict[str, int | float]
    weather: Weather
    orders: tuple[Order, ...]
    faults: tuple[Fault, ...]
    quiet_at: float

    @property
    def checked(self) -> bool:
        """Whether the coordinator can run every job itself, at any time."""
        breaks = any(fault.what == "broken verifier" for fault in self.faults)
        return self.settings["check_execution_steps"] >= STEPS and not breaks


def plan(seed: int | str) -> Plan:
    """The plan of a seed."""
    chance = Random(f"plan {seed}")
    clients = chance.randint(1, 3)
    span = chance.uniform(15, 45)
    orders = tuple(
        Order(
            at=chance.uniform(0, 0.7 * span),
            client=chance.randrange(clients),
            kind=chance.choices((Kind.PROVE, Kind.EXECUTE, Kind.SETUP), (6, 2, 1))[0],
            program=chance.randrange(2),
            stdin=b"input %d" % chance.randrange(1000) + (b" trap" if chance.random() < 0.05 else b""),
            priority=chance.choice((0, 0, 0, 1, 5)),
            cancel_after=chance.uniform(0, 20) if chance.random() < 0.15 else None,
            deadline=round(chance.uniform(1, 40), 1) if chance.random() < 0.1 else None,
            loses_reply=chance.random() < 0.2,
            watches=chance.random() < 0.6,
            units=chance.choice((0, 0, 0, 5, 25)),
            streams=chance.random() < 0.2,
        )
        for _ in range(chance.randint(2, 7))
    )
    some = chance.sample(range(len(FAULTS)), chance.randint(3, 9))
    faults = [
        Fault(
            at=chance.uniform(0.5, span),
            what=FAULTS[index],
            who=chance.randrange(1000),
            seconds=chance.choice((0.3, 1.0, 3.0, 8.0, 15.0)) * chance.uniform(0.5, 1.5),
            detail=chance.random(),
        )
        for index in chance.choices(some, [WEIGHTS[index] for index in some], k=chance.randint(2, 12))
    ]
    settings: dict[str, int | float] = {
        "heartbeat_interval_seconds": 2,
        "heartbeat_max_missed": chance.choice((2, 3)),
        "reconnect_grace_period_ms": chance.choice((100, 500, 3000)),
        "worker_wait_seconds": chance.choice((5, 20)),
        "phase1_timeout_seconds": chance.choice((20, 60)),
        "phase2_timeout_seconds": chance.choice((20, 60)),
        "phase3_timeout_seconds": chance.choice((15, 40)),
        "execution_timeout_seconds": chance.choice((15, 40)),
        "restart_settle_seconds": chance.choice((1, 2, 5)),
        "straggler_factor": chance.choice((1.5, 3.0)),
        "straggler_min_seconds": chance.choice((2, 5, 30)),
        "max_attempts_per_share": chance.choice((1, 2, 3)),
        "max_losses_per_share": chance.choice((2, 5)),
        "max_queued_jobs": chance.choice((2, 1000, 1000)),
        "max_workers_per_job": chance.choice((2, 3, 10)),
        "check_execution_steps": Random(f"check {seed}").choices((10**9, 0, STEPS - 1), (6, 1, 1))[0],
    }
    weather = Weather(0.001, chance.choice((0.002, 0.05, 0.5)), chance.choice((0.0, 0.0, 0.05)))
    units = tuple(chance.choice((1, 10, 10, 30)) for _ in range(chance.randint(1, 5)))
    small = Random(f"memory {seed}")
    tight = small.random() < 0.3
    return Plan(
        units=units,
        memory=tuple(small.choice((0, 25, 40, 80, 200)) if tight else 0 for _ in units),
        webhook=Random(f"webhook {seed}").random() < 0.5,
        pace=chance.choice((0.3, 1.0, 3.0)),
        clients=clients,
        settings=settings,
        weather=weather,
        orders=tuple(sorted(orders, key=lambda order: order.at)),
        faults=tuple(sorted(faults, key=lambda fault: fault.at)),
        quiet_at=span + 1.0,
    )


def plan_of_liars(seed: int | str) -> Plan:
    """The plan of a seed, in which moreover each worker lies about something from near the beginning on."""
    todo, chance = plan(seed), Random(f"liars {seed}")
    liars = tuple(
        Fault(at=chance.uniform(0.1, 3), what="liar", who=who, seconds=0.0, detail=chance.random()) for who in range(len(todo.units))
    )
    return replace(todo, faults=tuple(sorted((*liars, *todo.faults), key=lambda fault: fault.at)))


def lie_of(fault: Fault) -> str:
    """What a liar lies about."""
    return LIES[int(fault.detail * len(LIES))]
