"""`simulate`: one seed, from the beginning of its world to its rest, on virtual time and without any chance but the seed's."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
import trio
import trio.testing

from tests.simulation.faults import Plan, plan
from tests.simulation.world import World


@dataclass(frozen=True)
class Outcome:
    """What came of a seed. `breaks` is empty where every law held."""

    seed: int | str
    breaks: tuple[str, ...]
    digest: str
    lines: int
    virtual_seconds: float
    cpu_seconds: float
    ended: dict[str, int]
    epochs: int


@contextmanager
def _quiet_logs(say: Callable[[str], None] | None) -> Iterator[None]:
    """No log, or one with virtual times for who replays a seed."""

    def tell(logger: object, name: str, fields: Any) -> str:
        if say is not None:
            say(f"{trio.current_time():.6f}     log {name} " + " ".join(f"{key}={value}" for key, value in fields.items()))
        raise structlog.DropEvent

    before = structlog.get_config()
    level = 0 if say is not None else 50
    structlog.configure(processors=[tell], wrapper_class=structlog.make_filtering_bound_logger(level), cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def _deterministic(seed: int | str) -> Iterator[None]:
    """Have trio run tasks in an order that the seed gives, and Python collect no cycles at moments of its own choice."""
    core: Any = trio._core._run
    before = core._ALLOW_DETERMINISTIC_SCHEDULING
    core._ALLOW_DETERMINISTIC_SCHEDULING = True
    core._r.seed(f"tasks {seed}")
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        core._ALLOW_DETERMINISTIC_SCHEDULING = before
        if collects:
            gc.enable()


def simulate(seed: int | str, *, say: Callable[[str], None] | None = None, todo: Plan | None = None) -> Outcome:
    """Run a seed's world from its beginning to its rest."""
    began = time.process_time()
    world = World(seed, todo if todo is not None else plan(seed), say)
    seconds = 0.0

    async def main() -> None:
        nonlocal seconds
        await world.run()
        seconds = trio.current_time()

    with _quiet_logs(say), _deterministic(seed):
        try:
            trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
        except Exception as error:
            world.breaks.append("".join(traceback.format_exception(error)))
    ended: dict[str, int] = {}
    for state in world.laws.ended.values():
        ended[state.value] = ended.get(state.value, 0) + 1
    world.disk.close()
    return Outcome(
        seed, tuple(world.breaks), world.trace.digest, world.trace.lines, seconds, time.process_time() - began, ended, world.epochs
    )
