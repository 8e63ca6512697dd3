"""How the actors of a coordinator are put together: each is given what it uses, and nothing else.

Rules of this file:
* Who is given something stands below it: first what decides and carries out, then the jobs, then the workers' and the clients' side.
* One thing goes upwards: the dispatcher tells the supervision that a job was admitted.
* Nothing runs here, and nothing but the process that runs it all has the whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from zisk_actors import mock
from zisk_actors.actors.background import Background
from zisk_actors.actors.clients.gateway import ClientPort
from zisk_actors.actors.clients.overview import Overview
from zisk_actors.actors.clients.services import Services
from zisk_actors.actors.clients.stalls import Stalls
from zisk_actors.actors.device import ComputeDevice
from zisk_actors.actors.dispatch.dispatcher import Dispatcher
from zisk_actors.actors.dispatch.progress import ProgressTable
from zisk_actors.actors.dispatch.sessions import Sessions
from zisk_actors.actors.dispatch.stopping import Stopping
from zisk_actors.actors.dispatch.tasks import Tasks
from zisk_actors.actors.jobs.admission import Admission
from zisk_actors.actors.jobs.answers import Answers
from zisk_actors.actors.jobs.confirming import Confirmation
from zisk_actors.actors.jobs.deadlines import Deadlines
from zisk_actors.actors.jobs.disputes import Disputes
from zisk_actors.actors.jobs.ending import Endings
from zisk_actors.actors.jobs.faults import Faults
from zisk_actors.actors.jobs.inputs import Inputs
from zisk_actors.actors.jobs.limits import JobLimits
from zisk_actors.actors.jobs.measures import Measures
from zisk_actors.actors.jobs.outbox import Outbox
from zisk_actors.actors.jobs.programs import Programs
from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.jobs.repairs import Repairs
from zisk_actors.actors.jobs.retention import Retention
from zisk_actors.actors.jobs.submission import Submissions
from zisk_actors.actors.jobs.supervision import Supervision
from zisk_actors.actors.jobs.supervisor import Supervisor
from zisk_actors.actors.jobs.table import JobTable
from zisk_actors.actors.jobs.webhooks import Webhooks
from zisk_actors.actors.workers.heartbeat import HeartbeatMonitor
from zisk_actors.actors.workers.registration import WorkerPort
from zisk_actors.actors.workers.roster import Roster
from zisk_actors.config import CoordinatorConfig
from zisk_actors.core.budget import Budget
from zisk_actors.core.events import Admit
from zisk_actors.core.kinds import LEGS
from zisk_actors.core.policy import Policy
from zisk_actors.core.rates import Rates
from zisk_actors.core.scheduler import Scheduler
from zisk_actors.ids import CHANCE
from zisk_actors.settings import CoordinatorCore
from zisk_actors.store.blobs import BlobStore
from zisk_actors.store.journal import Journal
from zisk_actors.store.partial import PartialInputs
from zisk_actors.transport.base import Refusals
from zisk_actors.web.cluster import Metrics
from zisk_actors.web.webhook import Post, post, read_target


@dataclass(frozen=True, kw_only=True)
class Coordinator:
    """All actors of one coordinator, for the process that runs them."""

    journal: Journal
    verifier: ComputeDevice
    executor: ComputeDevice
    metrics: Metrics
    limits: JobLimits
    background: Background
    scheduler: Scheduler
    sessions: Sessions
    tasks: Tasks
    progress: ProgressTable
    dispatcher: Dispatcher
    recorder: Recorder
    store: BlobStore
    programs: Programs
    jobs: JobTable
    outbox: Outbox
    supervision: Supervision
    ending: Endings
    inputs: Inputs
    admission: Admission
    submissions: Submissions
    deadlines: Deadlines
    retention: Retention
    webhooks: Webhooks
    roster: Roster
    heartbeat: HeartbeatMonitor
    worker_port: WorkerPort
    overview: Overview
    client_port: ClientPort


def compose(
    config: CoordinatorConfig,
    journal: Journal,
    store: BlobStore,
    verifier: ComputeDevice,
    executor: ComputeDevice,
    *,
    metrics: Metrics,
    version: str,
    roster: Roster,
    ports: Mapping[str, Refusals],
    folder: Path | None = None,
    clock: Callable[[], float] = time.time,
    chance: Random = CHANCE,
    post: Post = post,
) -> Coordinator:
    """Put a coordinator together, from its settings. The `verifier` derives keys and verifies, the `executor` runs the jobs' programs;
    `ports` count what they refuse, by role. `clock` is the wall clock, `chance` where ids and jitter come from: with both given, and
    virtual time, a run is repeated exactly. Raises `UsageError` where the webhook's secret cannot be read."""
    core, limits = config.coordinator, limits_of(config.coordinator)
    mocked = config.backend.mode == mock.BACKEND
    target = read_target(core.webhook_url, core.webhook_secret_file)
    background = Background()
    # ------------------------------------------------------------------------------------------ decides and carries out
    scheduler = Scheduler(
        heartbeat_seconds=core.heartbeat_interval_seconds,
        max_missed=core.heartbeat_max_missed,
        max_workers=core.max_total_workers,
        policy=Policy(
            max_workers_per_job=core.max_workers_per_job,
            min_compute_units=core.min_compute_units,
            default_compute_units=core.default_compute_units,
        ),
    )
    sessions, progress, stopping = Sessions(), ProgressTable(), Stopping()
    tasks = Tasks(scheduler, sessions, progress)

    def admitted(admit: Admit) -> None:
        supervision.admitted(admit)  # the one step upwards

    dispatcher = Dispatcher(
        scheduler=scheduler,
        sessions=sessions,
        tasks=tasks,
        progress=progress,
        stopping=stopping,
        metrics=metrics,
        background=background,
        worker_wait_seconds=limits.worker_wait_seconds,
        admitted=admitted,
    )
    # --------------------------------------------------------------------------------------------------- a job's life
    recorder = Recorder(journal, metrics.journal_commit)
    programs = Programs(recorder, store, verifier, clock, most=limits.programs_per_client, ttl_seconds=limits.program_ttl_seconds)
    measures = Measures(metrics, Rates(), progress)
    outbox = Outbox(wanted=target is not None)
    jobs = JobTable(
        recorder,
        scheduler=scheduler,
        program_name=programs.name,
        progress=progress,
        stopping=stopping,
        measures=measures,
        outbox=outbox,
    )
    disputes = Disputes(scheduler=scheduler, dispatcher=dispatcher, tasks=tasks, limits=limits)
    faults = Faults(
        jobs=jobs,
        scheduler=scheduler,
        dispatcher=dispatcher,
        disputes=disputes,
        programs=programs,
        store=store,
        verifier=verifier,
        clock=clock,
    )
    confirmation = Confirmation(jobs=jobs, dispatcher=dispatcher, tasks=tasks, faults=faults, store=store, limits=limits, clock=clock)
    supervisor = Supervisor(
        jobs=jobs,
        scheduler=scheduler,
        dispatcher=dispatcher,
        tasks=tasks,
        progress=progress,
        faults=faults,
        confirmation=confirmation,
        repairs=Repairs(jobs=jobs, scheduler=scheduler, dispatcher=dispatcher, programs=programs, store=store, clock=clock),
        programs=programs,
        store=store,
        verifier=verifier,
        executor=executor,
        metrics=metrics,
        limits=limits,
        background=background,
        clock=clock,
        chance=chance,
    )
    supervision = Supervision(jobs=jobs, dispatcher=dispatcher, background=background, supervise=supervisor.run)
    ending = Endings(jobs=jobs, dispatcher=dispatcher, supervision=supervision, stopping=stopping, clock=clock)
    inputs = Inputs(jobs=jobs, partials=PartialInputs(store), supervision=supervision, ending=ending, limits=limits, clock=clock)
    admission = Admission(scheduler=scheduler, jobs=jobs, limits=limits, inputs=inputs, rates=measures.rates)
    deadlines = Deadlines(clock=clock, ending=ending)
    submissions = Submissions(
        admission=admission,
        recorder=recorder,
        jobs=jobs,
        scheduler=scheduler,
        supervision=supervision,
        inputs=inputs,
        ending=ending,
        deadlines=deadlines,
        background=background,
    )
    retention = Retention(ttl_seconds=limits.job_ttl_seconds, recorder=recorder, store=store, jobs=jobs, programs=programs, clock=clock)
    webhooks = Webhooks(
        outbox=outbox,
        target=target,
        give_up_seconds=limits.webhook_seconds,
        post=post,
        recorder=recorder,
        store=store,
        metrics=metrics,
        record_of=jobs.record_of,
        clock=clock,
        chance=chance,
    )
    # ------------------------------------------------------------------------------------------------ the workers' side
    heartbeat = HeartbeatMonitor(dispatcher=dispatcher, roster=roster, metrics=metrics, period_seconds=core.heartbeat_interval_seconds)
    worker_port = WorkerPort(
        dispatcher=dispatcher,
        scheduler=scheduler,
        sessions=sessions,
        tasks=tasks,
        stopping=stopping,
        jobs=jobs,
        answers=Answers(scheduler=scheduler, jobs=jobs, tasks=tasks, clock=clock),
        roster=roster,
        store=store,
        metrics=metrics,
        epoch=recorder.epoch,
        version=version,
        heartbeat=(core.heartbeat_interval_seconds, core.heartbeat_max_missed),
        grace_seconds=core.reconnect_grace_period_ms / 1000,
        mocked=mocked,
    )
    # ------------------------------------------------------------------------------------------------ the clients' side
    overview = Overview(
        version=version,
        backend=mock.BACKEND if mocked else config.verifier.backend,
        scheduler=scheduler,
        progress=progress,
        jobs=jobs,
        programs=programs,
        admission=admission,
        outbox=outbox,
        recorder=recorder,
        store=store,
        heartbeat=heartbeat,
        metrics=metrics,
        limits=limits,
        clock=clock,
        ports=ports,
        folder=folder,
    )
    stalls = Stalls(scheduler=scheduler, dispatcher=dispatcher, sessions=sessions, progress=progress, measures=measures, clock=clock)
    services = Services(
        jobs=jobs,
        submissions=submissions,
        ending=ending,
        inputs=inputs,
        programs=programs,
        admission=admission,
        retention=retention,
        overview=overview,
        stalls=stalls,
        sessions=sessions,
        store=store,
        metrics=metrics,
        epoch=recorder.epoch,
        clock=clock,
        chance=chance,
    )
    client_port = ClientPort(services)
    return Coordinator(
        journal=journal,
        verifier=verifier,
        executor=executor,
        metrics=metrics,
        limits=limits,
        background=background,
        scheduler=scheduler,
        sessions=sessions,
        tasks=tasks,
        progress=progress,
        dispatcher=dispatcher,
        recorder=recorder,
        store=store,
        programs=programs,
        jobs=jobs,
        outbox=outbox,
        supervision=supervision,
        ending=ending,
        inputs=inputs,
        admission=admission,
        submissions=submissions,
        deadlines=deadlines,
        retention=retention,
        webhooks=webhooks,
        roster=roster,
        heartbeat=heartbeat,
        worker_port=worker_port,
        overview=overview,
        client_port=client_port,
    )


def limits_of(core: CoordinatorCore) -> JobLimits:
    """The limits of jobs, as the settings have them."""
    return JobLimits(
        seconds={phase: float(getattr(core, leg.limit)) for phase, leg in LEGS.items() if leg.limit},
        queued=core.max_queued_jobs,
        queued_per_client=core.max_queued_jobs_per_client,
        budget=Budget(failures=core.max_attempts_per_share, losses=core.max_losses_per_share),
        worker_wait_seconds=float(core.worker_wait_seconds),
        settle_seconds=float(core.restart_settle_seconds),
        input_bytes=core.max_input_bytes,
        input_seconds=float(core.input_timeout_seconds),
        straggler_factor=core.straggler_factor,
        straggler_seconds=float(core.straggler_min_seconds),
        job_ttl_seconds=float(core.job_ttl_seconds),
        webhook_seconds=float(core.webhook_give_up_seconds),
        own_run_steps=core.check_execution_steps,
        kept_per_client=core.max_kept_jobs_per_client,
        bytes_per_client=core.max_kept_bytes_per_client,
        programs_per_client=core.max_programs_per_client,
        program_ttl_seconds=float(core.program_ttl_seconds),
    )
