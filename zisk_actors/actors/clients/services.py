"""What the requests of clients are carried out with: each field is used by some request, and nothing else is here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from zisk_actors.actors.clients.overview import Overview
from zisk_actors.actors.clients.stalls import Stalls
from zisk_actors.actors.dispatch.sessions import Sessions
from zisk_actors.actors.jobs.admission import Admission
from zisk_actors.actors.jobs.ending import Endings
from zisk_actors.actors.jobs.inputs import Inputs
from zisk_actors.actors.jobs.programs import Programs
from zisk_actors.actors.jobs.retention import Retention
from zisk_actors.actors.jobs.submission import Submissions
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.keyed_lock import KeyedLock
from zisk_actors.store.blobs import BlobStore
from zisk_actors.web.cluster import Metrics


@dataclass(frozen=True, kw_only=True)
class Services:
    """`clock` is the wall clock, `chance` where the ids of jobs come from; two submits with one key are not looked at at once
    (`key_locks`)."""

    jobs: JobTable
    submissions: Submissions
    ending: Endings
    inputs: Inputs
    programs: Programs
    admission: Admission
    retention: Retention
    overview: Overview
    stalls: Stalls
    sessions: Sessions
    store: BlobStore
    metrics: Metrics
    epoch: int
    clock: Callable[[], float]
    chance: Random
    key_locks: KeyedLock = field(default_factory=KeyedLock)
