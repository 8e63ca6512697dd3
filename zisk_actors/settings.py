"""What can be set in the two daemons: every key with its type, limits, default and meaning.

Rules of this file:
* Names and defaults are those of the operator's manual, where it has them; units are in the names.
* The description of a key is a part of its type; the files in configs/ and the tables in docs/operations.md are written from here.
* Nothing is loaded or checked here beyond one value's own type and limits: that is `config.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from zisk_actors import ids
from zisk_actors.backends import DEFAULT, MOCK, PROVING, either

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1, le=10**9)]
Natural = Annotated[int, Meta(ge=0, le=10**9)]
Interval = Annotated[float, Meta(gt=0, le=3600)]


def says(text: str) -> Meta:
    """What a key means, for whoever sets it."""
    return Meta(description=text)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables of a configuration."""


# ----------------------------------------------------------------------------------------------------------------------- both


class Logging(Section, frozen=True):
    """Logs go to standard error, and to a file where one is named."""

    level: Annotated[str, says("trace, debug, info, warn or error; RUST_LOG wins")] = "info"
    format: Annotated[str, says("pretty, compact or json")] = "pretty"
    file_path: Annotated[str, says("also write here, a file a day; a relative name is in ./logs; empty: no file")] = ""


# ---------------------------------------------------------------------------------------------------------------- coordinator


class Service(Section, frozen=True):
    """Who we say we are."""

    name: Annotated[str, says("only said in the log")] = "zisk_actors coordinator"
    environment: Annotated[str, says("development, staging or production; only said in the log")] = "development"


class Server(Section, frozen=True):
    """Where clients come in."""

    host: Annotated[str, says("address to listen on for clients")] = "127.0.0.1"
    port: Annotated[Port, says("port for clients; 0 takes a free one")] = 7000
    shutdown_timeout_seconds: Annotated[Natural, says("how long SIGTERM lets running jobs end; the rest goes on at the next start")] = 30


class HttpPort(Section, frozen=True):
    """Metrics and health over HTTP, for everyone who can reach the port."""

    enabled: Annotated[bool, says("whether there is such a port")] = True
    host: Annotated[str, says("address to listen on for HTTP")] = "127.0.0.1"
    port: Annotated[Port, says("port of /metrics, /health, /livez and /readyz; 0 takes a free one")] = 9090


class CoordinatorCore(Section, frozen=True):
    """Where workers come in, and how jobs are run."""

    port: Annotated[Port, says("port for workers; 0 takes a free one")] = 50051
    host: Annotated[str, says("address to listen on for workers; empty: that of server.host")] = ""
    config_file: Annotated[str, says("a file whose [coordinator] table wins over this one, relative to this file; empty: none")] = ""
    max_workers_per_job: Annotated[Positive, says("a job gets no more workers than this")] = 10
    max_total_workers: Annotated[Positive, says("more workers than this are refused")] = 1000
    min_compute_units: Annotated[Positive, says("a job that does not say starts with no fewer compute units than this")] = 1
    default_compute_units: Annotated[Natural, says("a job that does not say gets about so many; 0 is all that are free")] = 0
    phase1_timeout_seconds: Annotated[Natural, says("limit of contribute, and of setup; 0 is no limit")] = 300
    phase2_timeout_seconds: Annotated[Natural, says("limit of prove; 0 is no limit")] = 600
    phase3_timeout_seconds: Annotated[Natural, says("limit of aggregate; 0 is no limit")] = 100
    execution_timeout_seconds: Annotated[Natural, says("limit of execute; 0 is no limit")] = 300
    check_execution_steps: Annotated[
        Natural, says("runs of up to so many steps the coordinator executes too, and believes no worker that says otherwise; 0: none")
    ] = 10**9
    heartbeat_interval_seconds: Annotated[Interval, says("period of heartbeats, which the coordinator dictates to the workers")] = 30
    heartbeat_max_missed: Annotated[int, Meta(ge=2, le=100), says("so many missed beats, and a worker is lost")] = 3
    reconnect_grace_period_ms: Annotated[Natural, says("how long a worker whose link breaks has to come back with its work")] = 500
    job_ttl_seconds: Annotated[Natural, says("how long an ended job can be asked for, with its result; 0: to the next sweep")] = 3600
    webhook_url: Annotated[str, says("told of each job's end; {$job_id} is replaced, else the id appended; empty: nobody")] = ""
    webhook_secret_file: Annotated[str, says("the secret that calls of the webhook are signed with; empty: not signed")] = ""
    webhook_give_up_seconds: Annotated[Natural, says("how long after a job's end its webhook is tried again")] = 86400
    max_queued_jobs: Annotated[Positive, says("more waiting jobs than this are refused")] = 1000
    max_queued_jobs_per_client: Annotated[Natural, says("more waiting jobs of one client than this are refused; 0 is no limit")] = 500
    max_kept_jobs_per_client: Annotated[Natural, says("more jobs of one client, ended ones too, are not kept; 0 is no limit")] = 100_000
    max_kept_bytes_per_client: Annotated[
        int, Meta(ge=0, le=2**50), says("so many bytes of inputs of one client's jobs are kept, and no more taken; 0 is no limit")
    ] = 64 * 1024**3
    max_programs_per_client: Annotated[Natural, says("more programs of one client are not kept; 0 is no limit")] = 1000
    program_ttl_seconds: Annotated[Natural, says("a program is kept so long after its client used it last; 0: for good")] = 30 * 86400
    restart_settle_seconds: Annotated[
        float, Meta(ge=0, le=3600), says("after a start with unfinished jobs, how long to wait for the workers that were there, at most")
    ] = 5
    max_input_bytes: Annotated[int, Meta(ge=1, le=2**40), says("a larger input is refused, or streamed no further")] = 1024**3
    input_timeout_seconds: Annotated[Positive, says("a job that waits so long for more of its input fails")] = 600
    max_attempts_per_share: Annotated[Positive, says("so many failures of one share in a phase end its job")] = 3
    max_losses_per_share: Annotated[Positive, says("so many workers lost with one share in a phase end its job")] = 100
    straggler_factor: Annotated[
        float, Meta(ge=0, le=1000), says("a share that takes this much longer than expected runs twice; 0: never")
    ] = 2
    straggler_min_seconds: Annotated[Natural, says("a share that has not taken this long is no straggler")] = 10
    worker_wait_seconds: Annotated[Natural, says("how long a running job waits for a worker to take a share over")] = 60


class Backend(Section, frozen=True):
    """Whether this cluster proves. A mock one is for developing clients and for trying a cluster out: what it makes is no proof, and
    every verifier refuses it."""

    mode: Annotated[str, says("coordinator: workers prove; mock: nobody does, jobs end at once with what is no proof")] = "coordinator"
    mock_workers: Annotated[int, Meta(ge=0, le=100), says("with mode mock: so many workers inside the coordinator")] = 1
    mock_verb_seconds: Annotated[float, Meta(ge=0, le=3600), says("with mode mock: how long a share takes in each phase")] = 0.05


class Store(Section, frozen=True):
    """Where the journal and the blobs are."""

    folder: Annotated[str, says("the state of the coordinator; empty: $ZISK_HOME/coordinator, or ~/.zisk/coordinator")] = ""
    reserve_bytes: Annotated[
        int, Meta(ge=0, le=2**50), says("so much of the disk is kept free: what would take it is refused, and the journal may")
    ] = 256 * 1024**2


class CoordinatorSecurity(Section, frozen=True):
    """The coordinator's key pair and the keys it lets in."""

    key_file: Annotated[str, says("the coordinator's key pair; empty: coordinator.key in store.folder, made once")] = ""
    allow_file: Annotated[str, says("who may connect, read again when it changes; empty: the file allowed in store.folder")] = ""
    max_connections: Annotated[Positive, says("open connections at each port; the oldest that has said nothing makes room")] = 2000
    max_connections_per_key: Annotated[Positive, says("open connections of one key at a port; more are refused")] = 64
    max_messages_per_second: Annotated[Positive, says("of one key; who sends faster is read more slowly, others are not")] = 5000
    max_bytes_per_second: Annotated[int, Meta(ge=2**20, le=2**40), says("of one key, in the same way")] = 512 * 1024**2
    max_bad_messages_per_minute: Annotated[Positive, says("of one key; who sends more that cannot be read is cut off")] = 20
    put_off_seconds: Annotated[Interval, says("for how long a key that was cut off is not let in")] = 30


class VerifierSettings(Section, frozen=True):
    """The two processes of the coordinator that compute: one derives keys and verifies proofs, one executes what jobs run."""

    backend: Annotated[str, says(f"what it computes with: {either(PROVING)}")] = DEFAULT
    threads: Annotated[Natural, says("threads of it; 0 is as many as there are processors")] = 0


class CoordinatorConfig(Section, frozen=True):
    """All settings of `zisk-coordinator`."""

    service: Service = Service()
    server: Server = Server()
    metrics: HttpPort = HttpPort()
    logging: Logging = Logging()
    coordinator: CoordinatorCore = CoordinatorCore()
    backend: Backend = Backend()
    store: Store = Store()
    security: CoordinatorSecurity = CoordinatorSecurity()
    verifier: VerifierSettings = VerifierSettings()


# --------------------------------------------------------------------------------------------------------------------- worker


class ComputeCapacity(Section, frozen=True):
    """How much of a job this worker takes, beside the units of others."""

    compute_units: Annotated[int, Meta(ge=1, le=1_000_000), says("shares are cut in proportion to it")] = 10


class WorkerCore(Section, frozen=True):
    """Who this worker is and what it computes with."""

    worker_id: Annotated[str, Meta(pattern=rf"^\Z|{ids.WORKER_PATTERN}"), says("unlike any other worker's; empty: made at the start")] = ""
    compute_capacity: ComputeCapacity = ComputeCapacity()
    backend: Annotated[str, says(f"what it computes with: {either(PROVING)}, or {MOCK} for a coordinator whose backend.mode is {MOCK}")] = (
        DEFAULT
    )
    mock_verb_seconds: Annotated[float, Meta(ge=0, le=3600), says("with backend mock: how long a share takes in each phase")] = 0.05
    threads: Annotated[Natural, says("threads of the prover; 0 is as many as there are processors")] = 0
    memory_bytes: Annotated[int, Meta(ge=0), says("larger shares are refused; 0: nine tenths of the machine's or control group's")] = 0
    cache_folder: Annotated[str, says("for blobs that can be fetched again; empty: a temporary folder")] = ""
    cache_bytes: Annotated[int, Meta(ge=0), says("how much is kept of them while there is nothing to do")] = 4 * 1024**3


class CoordinatorAddress(Section, frozen=True):
    """Where the coordinator is."""

    url: Annotated[str, says("tcp://, http:// or bare host:port of the coordinator's worker port")] = "http://127.0.0.1:50051"


class Connection(Section, frozen=True):
    """How a lost connection is dialled again: after this long at first, then longer each time, up to the maximum."""

    reconnect_interval_seconds: Annotated[Interval, says("the first pause")] = 1
    reconnect_max_seconds: Annotated[Interval, says("the longest pause")] = 30


class WorkerHttpPort(Section, frozen=True):
    """Metrics and health over HTTP, for everyone who can reach the port."""

    enabled: Annotated[bool, says("whether there is such a port; naming it in the environment or a flag says yes")] = False
    host: Annotated[str, says("address to listen on for HTTP")] = "127.0.0.1"
    port: Annotated[Port, says("port of /metrics, /health, /livez and /readyz; 0 takes a free one")] = 9091


class WorkerSecurity(Section, frozen=True):
    """This worker's key pair, and the coordinator's public key."""

    key_file: Annotated[str, says("this worker's key pair; needed")] = ""
    server_key: Annotated[str, says("the coordinator's public key, the 40 characters themselves; needed")] = ""


class WorkerConfig(Section, frozen=True):
    """All settings of `zisk-worker`."""

    worker: WorkerCore = WorkerCore()
    coordinator: CoordinatorAddress = CoordinatorAddress()
    connection: Connection = Connection()
    metrics: WorkerHttpPort = WorkerHttpPort()
    logging: Logging = Logging()
    security: WorkerSecurity = WorkerSecurity()


# ------------------------------------------------------------------------------------------------------------- what there is

COORDINATOR_ENVIRONMENT: Final = {
    "ZISK_COORDINATOR_API_PORT": "server.port",
    "ZISK_COORDINATOR_CLUSTER_PORT": "coordinator.port",
    "ZISK_COORDINATOR_METRICS_PORT": "metrics.port",
}

WORKER_ENVIRONMENT: Final = {
    "ZISK_WORKER_ID": "worker.worker_id",
    "ZISK_WORKER_COMPUTE_CAPACITY": "worker.compute_capacity.compute_units",
    "ZISK_WORKER_COORDINATOR_URL": "coordinator.url",
    "ZISK_WORKER_METRICS_PORT": "metrics.port",
}

COORDINATOR_FLAGS: Final = {
    "server.port": "-a, --api-port",
    "coordinator.port": "--cluster-port",
    "metrics.port": "--metrics-port",
    "server.host": "--host",
    "logging.level": "--log-level",
}

WORKER_FLAGS: Final = {
    "coordinator.url": "-c, --coordinator-url",
    "worker.worker_id": "--worker-id",
    "worker.compute_capacity.compute_units": "--compute-capacity",
    "worker.threads": "-n, --threads",
    "metrics.port": "--metrics-port",
    "logging.level": "--log-level",
}

WITHOUT_EFFECT: Final = {
    "server.proofs_dir": "proofs are in store.folder",
    "server.no_save_proofs": "proofs are always kept in store.folder",
    "coordinator.job_monitor_interval_seconds": "limits are kept to the moment, not by a sweep",
    "coordinator.stale_disconnected_threshold_seconds": "a lost worker is forgotten at once",
    "worker.environment": "it was only ever printed",
    "worker.inputs_folder": "inputs come from the client, through the coordinator; no worker opens a file or an address that a job names",
    "connection.heartbeat_timeout_seconds": "the coordinator dictates the period and the number of beats",
}
"""Keys that the operator's manual has and that there is no use for here: accepted, and said to be ignored."""

_UNITS: Final = (
    ("_seconds", "seconds"),
    ("_ms", "milliseconds"),
    ("_bytes", "bytes"),
    ("_steps", "steps"),
    ("compute_units", "compute units"),
)


class Key(NamedTuple):
    """One key: `table` and `name`, what it is without being set, what it means, and its unit where it has one."""

    table: str
    name: str
    default: Any  # Any: str, int, float or bool
    meaning: str
    unit: str

    @property
    def dotted(self) -> str:
        return f"{self.table}.{self.name}"


def keys(kind: type[Section], table: str = "") -> Iterator[Key]:
    """All keys of a configuration, in order; those of a table before those of the tables below it."""
    below: list[tuple[str, type[Section]]] = []
    for field in msgspec.structs.fields(kind):
        path = f"{table}.{field.name}" if table else field.name
        if isinstance(field.type, type) and issubclass(field.type, Section):
            below.append((path, field.type))
            continue
        meaning = "".join(meta.description or "" for meta in field.type.__metadata__ if isinstance(meta, Meta))
        unit = next((unit for ending, unit in _UNITS if field.name.endswith(ending)), "")
        yield Key(table, field.name, field.default, meaning, unit)
    for path, section in below:
        yield from keys(section, path)
