"""What an operator asks of a coordinator, and is told: how the cluster stands, what does not get on, how much is logged.

Rules of this file:
* These are messages like all others (`client_link.py`): a request has a number that its reply repeats, and every field is bounded.
* Only reading and the level of the log are here. What changes jobs is in `client_link.py`.
"""

from __future__ import annotations

from typing import Literal

from zisk_actors.wire.requests import Reply, Request
from zisk_actors.wire.values import Count, Fraction, Job, Kind, Phase, Seconds, Size, Tagged, Text, Value, Word, Worker

Level = Literal["trace", "debug", "info", "warn", "error"]


class ClusterStatus(Value, frozen=True, kw_only=True):
    """How the cluster stands at `now` (wall clock of the coordinator). `role` is that of who asked; `jobs` and `workers` are counts by
    state, `refusals` by where and why; `backend` is what the workers are to compute with."""

    version: Word
    backend: Word
    role: Word
    epoch: Count
    now: Seconds
    uptime_seconds: Seconds
    standing: Word
    problems: tuple[Text, ...]
    loop_lag_seconds: Seconds
    log_level: Word
    jobs: dict[Word, Count]
    queue_depth: Count
    queue_oldest_seconds: Seconds
    shares_waiting: Count
    shares_running: Count
    workers: dict[Word, Count]
    units: Count
    units_free: Count
    refusals: dict[Word, Count]
    disk_free_bytes: Size
    disk_total_bytes: Size


class Stall(Value, frozen=True, kw_only=True):
    """A job, or one share of it, that has not got on for `still_seconds`, and what it waits for. `share` and `worker` are empty where it is
    not a worker that it waits for; `held_seconds` is how long that worker has had the share."""

    job: Job
    kind: Kind
    phase: Phase | None = None
    share: Count | None = None
    worker: Worker | None = None
    attempt: Count = 0
    held_seconds: Seconds = 0.0
    still_seconds: Seconds
    fraction: Fraction = 0.0
    step: Word = ""
    waiting_for: Text


# ----------------------------------------------------------------------------------------------------------- coordinator to client


class ClusterReply(Reply, frozen=True):
    """How the cluster stands."""

    cluster: ClusterStatus


class StallList(Reply, frozen=True):
    """What does not get on, the longest first. One reply may come in several parts."""

    stalls: tuple[Stall, ...]
    last: bool


class LogLevelSet(Reply, frozen=True):
    """It is set, or on its way to the worker."""


# ----------------------------------------------------------------------------------------------------------- client to coordinator


class ShowCluster(Request[ClusterReply], frozen=True):
    """Tell me how the cluster stands."""


class ListStalls(Request[StallList], frozen=True):
    """Tell me what has not got on for so long, of the jobs that I may see."""

    seconds: Seconds


class SetLogLevel(Request[LogLevelSet], frozen=True):
    """Log so much from now on, until the process is started again; `worker` names whose log, empty is the coordinator's own."""

    level: Level
    worker: Word = ""


# ----------------------------------------------------------------------------------------------------------- coordinator to worker


class LogLevel(Tagged, frozen=True):
    """Log so much from now on."""

    level: Level
