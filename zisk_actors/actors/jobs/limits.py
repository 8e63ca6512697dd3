"""The limits of jobs, as the settings have them."""

from __future__ import annotations

from dataclasses import dataclass, field

from zisk_actors.core.budget import Budget
from zisk_actors.wire.values import Phase


@dataclass(frozen=True, kw_only=True)
class JobLimits:
    """Limits of jobs; a phase without an entry, or with 0, has none. `budget` is how often one share is tried, `settle_seconds` how long
    workers have after a start with unfinished jobs to come back before shares are given to others. A share that takes `straggler_factor`
    times what is expected, and `straggler_seconds`, is tried a second time. A run of up to `own_run_steps` is executed by the coordinator
    as well; 0: none is.

    Of one client `queued_per_client` jobs may wait, `kept_per_client` jobs, `bytes_per_client` of their inputs and `programs_per_client`
    programs are kept; 0 is no limit. A program is kept for `program_ttl_seconds` after its client used it last; 0 is for good."""

    seconds: dict[Phase, float] = field(default_factory=dict)
    queued: int = 1000
    budget: Budget = field(default_factory=Budget)
    worker_wait_seconds: float = 60.0
    settle_seconds: float = 5.0
    input_bytes: int = 1024**3
    input_seconds: float = 600.0
    straggler_factor: float = 2.0
    straggler_seconds: float = 10.0
    job_ttl_seconds: float = 3600.0
    queued_per_client: int = 0
    webhook_seconds: float = 86400.0
    own_run_steps: int = 10**9
    kept_per_client: int = 0
    bytes_per_client: int = 0
    programs_per_client: int = 0
    program_ttl_seconds: float = 0.0
