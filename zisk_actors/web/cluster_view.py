"""The state of the cluster as the coordinator's gauges read it.

Rules of this file:
* A gauge reads one `ClusterView`, built for one scrape. Whoever builds it computes nothing that is not there.
* What has a name in the operator's manual has that name here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal, get_args

from zisk_actors.web.series import Gauge, Label, Readings, one
from zisk_actors.wire.values import Phase, State

WorkerState = Literal["idle", "computing", "suspect", "draining", "quarantined"]
"""What a connected worker is to the scheduler: a suspect is late with its heartbeats, a draining one gets no new work, and a quarantined
one gave something wrong and gets none until it is restarted."""


@dataclass(frozen=True, kw_only=True)
class WorkerSeen:
    """A worker that is connected. `free_units` are those that new work could have now; `measured` is how many trace cells its device
    commits to in a second, 0 where that is not known; `programs` are those that it has at hand."""

    worker: str
    state: WorkerState
    units: int
    free_units: int
    heartbeat_age_seconds: float
    measured: float = 0.0
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClusterView:
    """How things stand in the coordinator at one moment.

    `jobs` and `phases` may leave out what there is none of. Shares are those of running jobs: `shares_waiting` have no holder,
    `shares_running` have one, `shares_done` have given what their job's phase asked. A job that goes on after a restart and waits for
    workers is in `jobs` with the state that clients see, and in the queue.
    """

    version: str
    backend: str
    ready: bool
    epoch: int
    programs: int
    jobs: tuple[tuple[State, int], ...]
    phases: tuple[tuple[Phase, int], ...]
    queue_depth: int
    queue_oldest_age_seconds: float
    shares_waiting: int
    shares_running: int
    shares_done: int
    workers: tuple[WorkerSeen, ...]
    webhooks_owed: int = 0


def _active(view: ClusterView) -> float:
    return sum(count for state, count in view.jobs if state is State.RUNNING)


def _jobs(view: ClusterView) -> Readings:
    counts = dict(view.jobs)
    return [((state.value,), counts.get(state, 0)) for state in State]


def _phases(view: ClusterView) -> Readings:
    counts = dict(view.phases)
    return [((phase.value,), counts.get(phase, 0)) for phase in Phase]


def _shares(view: ClusterView) -> Readings:
    return [(("waiting",), view.shares_waiting), (("running",), view.shares_running), (("done",), view.shares_done)]


def _workers(view: ClusterView) -> Readings:
    counts = Counter(seen.state for seen in view.workers)
    return [((state,), counts[state]) for state in get_args(WorkerState)]


def _setup(view: ClusterView) -> Readings:
    counts = Counter(program for seen in view.workers for program in seen.programs)
    return [((program,), count) for program, count in counts.most_common(MAX_PROGRAMS)]


MAX_PROGRAMS: Final = 100
"""Programs that are shown, those that most workers have."""

WORKER: Final = Label("worker_id")
PHASE: Final = Label("phase", tuple(phase.value for phase in Phase))
_STATE: Final = Label("state", tuple(state.value for state in State))

ACTIVE_JOBS: Final = Gauge(
    "coordinator_active_jobs", "jobs", "Jobs that have started and not ended; queued ones are not among them.", one(_active)
)
PROGRAMS: Final = Gauge[ClusterView](
    "coordinator_registered_programs_total", "programs", "Programs the cluster knows now.", one(lambda view: view.programs)
)
WORKERS_CONNECTED: Final = Gauge[ClusterView](
    "coordinator_workers_connected", "workers", "Workers with a live session now, suspects included.", one(lambda view: len(view.workers))
)

GAUGES: Final[tuple[Gauge[ClusterView], ...]] = (
    ACTIVE_JOBS,
    PROGRAMS,
    WORKERS_CONNECTED,
    Gauge(
        "coordinator_info",
        "",
        "Always 1; the labels say what runs.",
        lambda view: [((view.version, view.backend), 1)],
        (Label("version"), Label("backend")),
    ),
    Gauge("coordinator_ready", "", "1 while new work is taken, 0 while starting, draining or unable.", one(lambda view: view.ready)),
    Gauge("coordinator_epoch", "", "How often a coordinator has started on this state.", one(lambda view: view.epoch)),
    Gauge(
        "coordinator_jobs_known", "jobs", "Jobs that can be asked about, by state; ended ones until they are forgotten.", _jobs, (_STATE,)
    ),
    Gauge("coordinator_phase_jobs", "jobs", "Running jobs by phase.", _phases, (PHASE,)),
    Gauge(
        "coordinator_webhooks_owed",
        "jobs",
        "Ended jobs whose end the webhook has not been told of yet.",
        one(lambda view: view.webhooks_owed),
    ),
    Gauge("coordinator_queue_depth", "jobs", "Jobs that wait for workers.", one(lambda view: view.queue_depth)),
    Gauge(
        "coordinator_queue_oldest_age_seconds",
        "seconds",
        "How long the job that has waited longest waits; 0 with an empty queue.",
        one(lambda view: view.queue_oldest_age_seconds),
    ),
    Gauge(
        "coordinator_shares",
        "shares",
        "Shares of running jobs: waiting for a holder, running, or done with the phase.",
        _shares,
        (Label("state", ("waiting", "running", "done")),),
    ),
    Gauge("coordinator_workers", "workers", "Connected workers by state.", _workers, (Label("state", get_args(WorkerState)),)),
    Gauge(
        "coordinator_compute_units",
        "compute units",
        "Compute units of the connected workers.",
        one(lambda view: sum(seen.units for seen in view.workers)),
    ),
    Gauge(
        "coordinator_compute_units_free",
        "compute units",
        "Compute units that new work could have now.",
        one(lambda view: sum(seen.free_units for seen in view.workers)),
    ),
    Gauge(
        "coordinator_workers_setup",
        "workers",
        "Connected workers that have this program at hand; new work on it goes to them first.",
        _setup,
        (Label("program"),),
    ),
    Gauge(
        "coordinator_worker_measured_rate",
        "cells per second",
        "How many trace cells this worker's device commits to in a second, as it measured at its start; absent where it has not.",
        lambda view: [((seen.worker,), seen.measured) for seen in view.workers if seen.measured],
        (WORKER,),
    ),
    Gauge(
        "coordinator_worker_heartbeat_age_seconds",
        "seconds",
        "Since this worker was last heard.",
        lambda view: [((seen.worker,), seen.heartbeat_age_seconds) for seen in view.workers],
        (WORKER,),
    ),
)
