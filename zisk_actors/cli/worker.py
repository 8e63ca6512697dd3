"""`zisk-worker`: the daemon that proves shares. Flags and settings as in the operator's manual."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from zisk_actors import __version__, config, ids, log, mock
from zisk_actors.cli import daemon
from zisk_actors.errors import UsageError, ZiskError

if TYPE_CHECKING:
    from zisk_actors.actors.worker.connection import WorkerActor
    from zisk_actors.settings import WorkerHttpPort
    from zisk_actors.web.worker import WorkerMetrics


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="zisk-worker")
@click.option("--config", "config_file", envvar=["ZISK_WORKER_CONFIG_PATH", "ZISK_WORKER_CONFIG"], metavar="FILE", help="Settings file.")
@click.option("-c", "--coordinator-url", help="tcp://, http:// or bare HOST:PORT of the coordinator's worker port.")
@click.option("--worker-id", help="Name of this worker, unlike that of any other.")
@click.option("--compute-capacity", type=int, help="Compute units, which say how large its shares are.")
@click.option("--metrics-port", type=int, help="Port for metrics and health over HTTP, which there is none of unless said; 0: a free one.")
@click.option("-n", "--threads", type=int, help="Threads of the prover; 0 takes all processors.")
@click.option("--log-level", help="trace, debug, info, warn or error.")
@click.option("--check-config", is_flag=True, help="Check the settings, print what they are, and end.")
@click.option("--die-with-parent", type=int, default=0, hidden=True)
@click.option("--prover", default="", hidden=True)
def main(
    config_file: str | None,
    coordinator_url: str | None,
    worker_id: str | None,
    compute_capacity: int | None,
    metrics_port: int | None,
    threads: int | None,
    log_level: str | None,
    check_config: bool,
    die_with_parent: int,
    prover: str,
) -> None:
    """Run a worker until it is told to stop."""
    from zisk_actors.transport.allowlist import check_public_key
    from zisk_actors.transport.curve import endpoint_of

    flags = {
        "coordinator.url": coordinator_url,
        "worker.worker_id": worker_id,
        "worker.compute_capacity.compute_units": compute_capacity,
        "worker.threads": threads,
        "metrics.port": metrics_port,
        "logging.level": log_level,
    }
    daemon.keep_files_private()
    try:
        files = daemon.config_files("worker", config_file, os.environ)
        settings, origins = config.load(config.WorkerConfig, files, os.environ, config.WORKER_ENVIRONMENT, flags)
        endpoint_of(settings.coordinator.url)
        if settings.security.server_key:
            check_public_key(settings.security.server_key, "security.server_key")
        if check_config:
            daemon.show(settings, origins, os.environ)
            return
        daemon.start_log(settings.logging, origins, os.environ)
        code = daemon.run(partial(_work, settings, die_with_parent, prover))
    except ZiskError as error:
        daemon.say(error)
        code = error.exit_code
    sys.exit(code)


async def _work(settings: config.WorkerConfig, parent: int, prover: str) -> None:
    from zisk_actors.actors.compute import DEFAULT_PROVER
    from zisk_actors.actors.device import Device, DeviceSettings
    from zisk_actors.actors.mock_device import MockDevice
    from zisk_actors.actors.signals import until_signalled
    from zisk_actors.actors.worker.connection import WorkerActor, WorkerFacts
    from zisk_actors.actors.worker.memory import memory_of_machine
    from zisk_actors.store.blobs import BlobStore
    from zisk_actors.transport.allowlist import check_public_key
    from zisk_actors.transport.auth import read_keypair
    from zisk_actors.transport.curve import Network, endpoint_of

    if not settings.security.key_file or not settings.security.server_key:
        raise UsageError(
            "a worker needs security.key_file and security.server_key",
            hint="`zisk key new` makes the first; docs/two-machines.md has both, and `zisk up` writes them for this machine",
        )
    url = endpoint_of(settings.coordinator.url)
    keys = read_keypair(Path(settings.security.key_file))
    server_key = check_public_key(settings.security.server_key, "security.server_key")
    core = settings.worker
    memory = core.memory_bytes or memory_of_machine()
    facts = WorkerFacts(
        worker=ids.WorkerId(core.worker_id) if core.worker_id else ids.new_worker_id(),
        incarnation=ids.new_incarnation(),
        units=core.compute_capacity.compute_units,
        version=__version__,
        backend=core.backend,
        threads=core.threads or os.cpu_count() or 1,
        reconnect_seconds=settings.connection.reconnect_interval_seconds,
        reconnect_max_seconds=settings.connection.reconnect_max_seconds,
        cache_bytes=core.cache_bytes,
        memory_bytes=memory,
        measure=not prover and core.backend != mock.BACKEND,
    )
    device = DeviceSettings(core.backend, core.threads, prover or DEFAULT_PROVER, memory)
    mocked = core.backend == mock.BACKEND
    words = log.get(worker=facts.worker)
    words.info("Connecting to coordinator at", url=url, compute_units=facts.units, threads=facts.threads, version=facts.version)

    async def work() -> None:
        with _cache_folder(core.cache_folder) as cache, Network() as network:
            store = BlobStore(Path(cache) / "blobs", durable=False)
            metrics = _metrics() if settings.metrics.enabled else None
            restarted = metrics.child_restarted if metrics is not None else lambda cause: None
            own = MockDevice(core.mock_verb_seconds, facts.worker) if mocked else Device(device, facts.worker, restarted)
            async with own as child:
                dial = partial(network.dial, url, server_key, keys, seconds=10.0)
                worker = WorkerActor(facts, dial, child, store, metrics)
                if metrics is not None:
                    await _work_and_tell(settings.metrics, worker, metrics)
                else:
                    await worker.run()

    await until_signalled(work, parent=parent)
    words.info("stopped gracefully")


def _cache_folder(named: str) -> AbstractContextManager[str]:
    """The folder that is named; else one that goes with this process, unless it is killed: so none is made where one is named."""
    return nullcontext(named) if named else tempfile.TemporaryDirectory(prefix="zisk-worker-")


def _metrics() -> WorkerMetrics:
    """Loaded only where somebody wants them: most workers have no use for it."""
    from zisk_actors.web.worker import WorkerMetrics

    return WorkerMetrics()


async def _work_and_tell(port: WorkerHttpPort, worker: WorkerActor, metrics: WorkerMetrics) -> None:
    """Be a worker with an HTTP port. Raises `PortInUse` and `CannotListen`, and what the worker raises."""
    from zisk_actors.actors.worker.pages import serve_worker_pages
    from zisk_actors.web.server import listen_http

    listeners = await listen_http(port.host, port.port, "metrics.port, --metrics-port")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_worker_pages, worker, metrics, listeners)
        await worker.run()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    main()
