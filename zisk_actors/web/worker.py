"""The worker's metrics: what a view of it holds, what each series means, and how events are recorded.

Rules of this file are those of `cluster.py`: gauges read one `WorkerView`, built for one scrape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from zisk_actors.web.series import LONG_SECONDS, QUICK_SECONDS, Counter, Gauge, Histogram, Label, Readings, SeriesRecorder, one
from zisk_actors.wire.values import Phase

PHASES: Final = tuple(phase for phase in Phase if phase is not Phase.VERIFY)
"""What a worker does; the coordinator verifies."""

ShareOutcome = Literal["done", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class WorkerView:
    """How things stand in a worker at one moment.

    `phase` is what it computes now, None while it is idle. `shares_held` are those it has a lease of, `results_kept` the results that the
    coordinator has not acknowledged. `heartbeat_age_seconds` is since the coordinator was last heard, None before the first time.
    """

    version: str
    worker: str
    backend: str
    connected: bool
    units: int
    phase: Phase | None
    shares_held: int
    results_kept: int
    heartbeat_age_seconds: float | None


def _phase(view: WorkerView) -> Readings:
    return [((phase.value,), float(view.phase is phase)) for phase in PHASES]


def _heartbeat_age(view: WorkerView) -> Readings:
    return [] if view.heartbeat_age_seconds is None else [((), view.heartbeat_age_seconds)]


_PHASE: Final = Label("phase", tuple(phase.value for phase in PHASES))

GAUGES: Final[tuple[Gauge[WorkerView], ...]] = (
    Gauge(
        "worker_info",
        "",
        "Always 1; the labels say what runs.",
        lambda view: [((view.worker, view.version, view.backend), 1)],
        (Label("worker_id"), Label("version"), Label("backend")),
    ),
    Gauge("worker_connected", "", "1 while registered with a coordinator.", one(lambda view: view.connected)),
    Gauge("worker_busy", "", "1 while computing.", one(lambda view: view.phase is not None)),
    Gauge("worker_phase", "", "1 for the phase that is computed now, 0 for all others.", _phase, (_PHASE,)),
    Gauge("worker_compute_units", "compute units", "What this worker declares as its capacity.", one(lambda view: view.units)),
    Gauge("worker_shares_held", "shares", "Shares this worker has a lease of.", one(lambda view: view.shares_held)),
    Gauge("worker_results_kept", "results", "Results kept until the coordinator acknowledges them.", one(lambda view: view.results_kept)),
    Gauge("worker_heartbeat_age_seconds", "seconds", "Since the coordinator was last heard; absent before the first time.", _heartbeat_age),
)

SHARES: Final = Counter(
    "worker_shares_total", "shares", "Shares this worker computed a phase of.", (_PHASE, Label("outcome", get_args(ShareOutcome)))
)
SHARE_SECONDS: Final = Histogram("worker_share_duration_seconds", "How long done phases of shares took.", LONG_SECONDS, (_PHASE,))
RESTARTS: Final = Counter("worker_child_restarts_total", "starts", "Starts of a compute process after the first.", (Label("cause"),))
CONNECTS: Final = Counter(
    "worker_connects_total", "attempts", "Attempts to reach the coordinator.", (Label("outcome", ("success", "failure")),)
)
LOOP_LAG: Final = Histogram("worker_loop_lag_seconds", "By how much the event loop was late, each time it looked.", QUICK_SECONDS)


class WorkerMetrics(SeriesRecorder[WorkerView]):
    """What a worker records. Times are seconds; causes are short words of ours."""

    def __init__(self) -> None:
        super().__init__("worker")

    def share_finished(self, phase: Phase, outcome: ShareOutcome, seconds: float) -> None:
        """A phase of a share came to its end here."""
        self.count(SHARES, phase.value, outcome)
        if outcome == "done":
            self.observe(SHARE_SECONDS, seconds, phase.value)

    def child_restarted(self, cause: str) -> None:
        """A compute process was started because the last one is gone."""
        self.count(RESTARTS, cause)

    def connected(self, *, success: bool) -> None:
        """An attempt to reach the coordinator ended."""
        self.count(CONNECTS, "success" if success else "failure")

    def loop_lag(self, seconds: float) -> None:
        """The loop ran this much later than it was to."""
        self.observe(LOOP_LAG, max(0.0, seconds))
