"""Whether a daemon lives, and whether it is ready: pages for load balancers, supervisors and people.

Rules of this file:
* `/health` says OK as long as anything is answered, as in the operator's manual; `/livez` says the same with figures. All three say it
  where the backend is a mock.
* `/readyz` is 200 only where new work is taken; otherwise 503 with the reasons.
* Anyone who can reach the port reads these pages: no paths, keys or ids are in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from zisk_actors.backends import is_mock
from zisk_actors.web.server import JSON, PLAIN, HttpAnswer, Page, Routes

MOST_LAG_SECONDS: Final = 5.0
"""A loop that is later than this takes no new work well."""


class Standing(Enum):
    """Where a daemon is between its start and its end."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


@dataclass(frozen=True, kw_only=True)
class Health:
    """How a daemon is. `problems` are what keeps a serving one from taking work, one short sentence each; `warnings` what somebody
    should look at.

    `loop_lag_seconds` is by how much the event loop was late when it last looked; `workers` are those connected, None on a worker;
    `backend` is what it proves or verifies with.
    """

    standing: Standing
    version: str
    uptime_seconds: float
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    loop_lag_seconds: float = 0.0
    workers: int | None = None
    backend: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not ready; nothing where it is."""
        reasons = () if self.standing is Standing.SERVING else (self.standing.value,)
        late = (f"the event loop is {self.loop_lag_seconds:.1f} s late",) if self.loop_lag_seconds > MOST_LAG_SECONDS else ()
        return reasons + self.problems + late

    @property
    def ready(self) -> bool:
        return not self.reasons


def health_pages(source: Callable[[], Health]) -> Routes:
    """The three pages. `source` is called for each request."""

    async def health() -> HttpAnswer:
        mocked = is_mock(source().backend)
        return HttpAnswer(200, PLAIN, b"OK (MOCK backend: no proof made here proves anything)" if mocked else b"OK")

    async def live() -> HttpAnswer:
        return _answer(200, "ok", source(), ())

    async def ready() -> HttpAnswer:
        said = source()
        return _answer(200, "ready", said, ()) if said.ready else _answer(503, "not ready", said, said.reasons)

    pages: dict[str, Page] = {"/health": health, "/livez": live, "/readyz": ready}
    return pages


def _answer(status: int, word: str, health: Health, reasons: tuple[str, ...]) -> HttpAnswer:
    said: dict[str, object] = {
        "status": word,
        "standing": health.standing.value,
        "reasons": reasons,
        "warnings": health.warnings,
        "version": health.version,
        "uptime_seconds": round(health.uptime_seconds, 3),
        "loop_lag_seconds": round(health.loop_lag_seconds, 6),
    }
    if health.workers is not None:
        said["workers"] = health.workers
    if health.backend:
        said["backend"] = health.backend
    return HttpAnswer(status, JSON, msgspec.json.encode(said) + b"\n")
