"""What the coordinator counts in more than one place, or in more than one series at once. The rest is declared where it is counted.

Rules of this file:
* What has a name in the operator's manual has that name and those labels here; the meanings are what the names say.
* Each method is one thing that happened. Gauges are not here: they are read from a view, `cluster_view.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, get_args

from zisk_actors.web.cluster_view import WORKER, ClusterView
from zisk_actors.web.series import ANY_SECONDS, LONG_SECONDS, MAX_SERIES, QUICK_SECONDS, Counter, Histogram, Label, SeriesRecorder
from zisk_actors.wire.values import Kind, State

OUTCOMES: Final = {State.COMPLETED: "success", State.FAILED: "failure", State.CANCELLED: "cancelled"}

RefusedAt = Literal["client", "worker", "http"]
"""Where somebody came to be refused."""

_METHOD: Final = Label("method")
_KIND: Final = Label("kind", tuple(kind.value for kind in Kind))
_OUTCOME: Final = Label("outcome", tuple(OUTCOMES.values()))

# ------------------------------------------------------------------------------------------------ names of the operator's manual

REQUESTS: Final = Counter(
    "coordinator_requests_total",
    "requests",
    "Requests of clients that were answered; status is ok or an error code.",
    (_METHOD, Label("status")),
)
REQUEST_SECONDS: Final = Histogram(
    "coordinator_request_duration_seconds",
    "From a client's request to its answer; waiting for a job is part of it.",
    ANY_SECONDS,
    (_METHOD,),
)
JOBS: Final = Counter(
    "coordinator_jobs_total", "jobs", "Jobs that have ended, each once, by what they were for and how they ended.", (_KIND, _OUTCOME)
)
WORKER_JOBS: Final = Counter(
    "coordinator_worker_jobs_total",
    "jobs",
    "Jobs that have ended and in which this worker held a share, by how the job ended.",
    (WORKER, _OUTCOME),
)
JOB_SECONDS: Final = Histogram(
    "coordinator_job_duration_seconds", "From a job's start, when it left the queue, to its end.", LONG_SECONDS, (_OUTCOME,)
)

# -------------------------------------------------------------------------------------------------------------------------- ours

COMMIT_SECONDS: Final = Histogram(
    "coordinator_journal_commit_seconds", "How long commits to the journal took, flush included.", QUICK_SECONDS
)
JOURNAL_EVENTS: Final = Counter("coordinator_journal_events_total", "events", "Events that were committed to the journal.")
ROTTEN: Final = Counter("coordinator_blobs_rotten_total", "blobs", "Blobs whose bytes were not what was kept; each was set aside.")
REFUSALS: Final = Counter(
    "coordinator_refusals_total",
    "refusals",
    "What was refused, by where it came in and why; reasons are error codes.",
    (Label("at", get_args(RefusedAt)), Label("reason")),
)


class Metrics(SeriesRecorder[ClusterView]):
    """What the coordinator records. Times are seconds; reasons and causes are short words of ours, never a peer's text."""

    def __init__(self) -> None:
        super().__init__("coordinator")
        self.refusals: dict[str, int] = {}
        """The same as the counter of refusals, by "WHERE REASON", for whoever has no Prometheus."""

    def request_finished(self, method: str, status: str, seconds: float) -> None:
        """A client's request was answered; `status` is "ok" or an error code."""
        self.count(REQUESTS, method, status)
        self.observe(REQUEST_SECONDS, seconds, method)

    def job_finished(self, kind: Kind, state: State, seconds: float | None, workers: Iterable[str] = ()) -> None:
        """A job ended in a final state; `seconds` since its start, None where it never started. `workers` held its shares."""
        outcome = OUTCOMES[state]
        self.count(JOBS, kind.value, outcome)
        if seconds is not None:
            self.observe(JOB_SECONDS, seconds, outcome)
        for worker in dict.fromkeys(workers):
            self.count(WORKER_JOBS, worker, outcome)

    def journal_commit(self, seconds: float, events: int) -> None:
        """A group of events is on disk."""
        self.observe(COMMIT_SECONDS, seconds)
        self.count(JOURNAL_EVENTS, amount=events)

    def blob_rotten(self) -> None:
        """The bytes of a blob are not what was kept."""
        self.count(ROTTEN)

    def refused(self, at: RefusedAt, reason: str, *, times: int = 1) -> None:
        """Something was refused, so many times; `reason` is an error code."""
        self.count(REFUSALS, at, reason, amount=times)
        key = f"{at} {reason}"
        if times and (key in self.refusals or len(self.refusals) < MAX_SERIES):
            self.refusals[key] = self.refusals.get(key, 0) + times
