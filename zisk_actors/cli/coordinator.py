"""`zisk-coordinator`: the daemon that takes jobs and gives work out. Flags and settings as in the operator's manual."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import trio

from zisk_actors import __version__, config
from zisk_actors.cli import daemon
from zisk_actors.cli.output import echo
from zisk_actors.errors import UsageError, ZiskError

if TYPE_CHECKING:
    from zisk_actors.transport.allowlist import AllowList
    from zisk_actors.transport.auth import KeyPair


ORPHAN_SECONDS: Final = 1.0
SPARE_DESCRIPTORS: Final = 500
"""For files, pipes and the HTTP port, beside the connections."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="zisk-coordinator")
@click.option("--config", "config_file", envvar="ZISK_COORDINATOR_CONFIG", metavar="FILE", help="Settings file, over those that are found.")
@click.option("-a", "--api-port", type=int, help="Port for clients; 0 takes a free one.")
@click.option("--cluster-port", type=int, help="Port for workers; 0 takes a free one.")
@click.option("--metrics-port", type=int, help="Port for metrics and health over HTTP; 0 takes a free one.")
@click.option("--host", help="Address to listen on.")
@click.option("--log-level", help="trace, debug, info, warn or error.")
@click.option("--check-config", is_flag=True, help="Check the settings, print what they are, and end.")
@click.option("--check-state", is_flag=True, help="Check the journal, print what is damaged, and end; not while it is in use.")
@click.option("--set-aside", metavar="JOB", help="Move a damaged job's rows out of the way, and end; not while the state is in use.")
@click.option("--accept-loss", is_flag=True, help="Start on the state as it is, whatever of the journal was lost; says what that was.")
@click.option("--ready-file", metavar="FILE", hidden=True)
@click.option("--die-with-parent", type=int, default=0, hidden=True)
@click.option("--remove-when-orphaned", metavar="FOLDER", hidden=True)
@click.option("--prover", default="", hidden=True)
def main(
    config_file: str | None,
    api_port: int | None,
    cluster_port: int | None,
    metrics_port: int | None,
    host: str | None,
    log_level: str | None,
    check_config: bool,
    check_state: bool,
    set_aside: str | None,
    accept_loss: bool,
    ready_file: str | None,
    die_with_parent: int,
    remove_when_orphaned: str | None,
    prover: str,
) -> None:
    """Run a coordinator until it is told to stop."""
    flags = {
        "server.port": api_port,
        "coordinator.port": cluster_port,
        "metrics.port": metrics_port,
        "server.host": host,
        "logging.level": log_level,
    }
    daemon.keep_files_private()
    try:
        files = daemon.config_files("coordinator", config_file, os.environ)
        settings, origins = config.load(config.CoordinatorConfig, files, os.environ, config.COORDINATOR_ENVIRONMENT, flags)
        if check_config:
            daemon.show(settings, origins, os.environ)
            return
        if check_state or set_aside:
            sys.exit(_look_at_state(_state_folder(settings), set_aside))
        daemon.start_log(settings.logging, origins, os.environ)
        if accept_loss:
            _accept_loss(_state_folder(settings))
        code = daemon.run(partial(_serve, settings, ready_file, die_with_parent, prover))
        if remove_when_orphaned and os.getppid() != die_with_parent:
            time.sleep(ORPHAN_SECONDS)  # for the workers to end, which see the same
            shutil.rmtree(remove_when_orphaned, ignore_errors=True)
    except ZiskError as error:
        daemon.say(error)
        code = error.exit_code
    sys.exit(code)


def _state_folder(settings: config.CoordinatorConfig) -> Path:
    return Path(settings.store.folder) if settings.store.folder else daemon.home(os.environ) / "coordinator"


def _look_at_state(folder: Path, job: str | None) -> int:
    """Say what is damaged, or set a job aside; the exit code, 1 where there is damage."""
    from zisk_actors.store.damage import check, set_aside

    if job:
        echo(f"{set_aside(folder / 'journal', job)} rows of job {job} set aside")
        return 0
    found = check(folder / "journal")
    for damage in found.damages:
        echo(f"job {damage.job} cannot be read: {damage.reason}" if damage.job else f"the journal: {damage.reason}")
    echo(f"{found.jobs} jobs, {found.ended} of them ended, {sum(bool(damage.job) for damage in found.damages)} damaged")
    return 1 if found.damages else 0


def _accept_loss(folder: Path) -> None:
    from zisk_actors import log
    from zisk_actors.store import damage

    for words in damage.accept_loss(folder / "journal"):
        log.get().warning("loss accepted", what=words)


async def _serve(settings: config.CoordinatorConfig, ready_file: str | None, parent: int, prover: str) -> None:
    from zisk_actors.actors.compute import DEFAULT_PROVER
    from zisk_actors.actors.coordinator.process import run_coordinator
    from zisk_actors.actors.device import DeviceSettings
    from zisk_actors.actors.ready import Endpoints, write_ready_file
    from zisk_actors.actors.signals import until_signalled
    from zisk_actors.transport.allowlist import AllowList

    folder = _state_folder(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(f"cannot use {folder} for the coordinator's state: {error}") from None
    key_file = Path(settings.security.key_file or folder / "coordinator.key")
    keys = _keys(key_file, make=not settings.security.key_file)
    allowed = AllowList(Path(settings.security.allow_file or folder / "allowed"))
    allowed.load()
    _check_hosts(settings, allowed)
    _allow_descriptors(settings.security.max_connections)

    # A collection looks at every object that is younger than the one before it, and nobody is answered meanwhile. With a thousand workers a
    # full one takes 100 to 260 ms, one after 10,000 new objects 60, one after 1,000 up to 20. So often the young ones, and the old ones
    # seldom; what the journal left at the start is never looked at again.
    gc.set_threshold(1_000, 5, 1_000)
    # The threads that write journal and blobs wait for the interpreter as long as this after each call of the system; the loop is busy.
    sys.setswitchinterval(0.0005)

    def ready(where: Endpoints) -> None:
        gc.freeze()
        if ready_file:
            write_ready_file(Path(ready_file), where)

    device = DeviceSettings(settings.verifier.backend, settings.verifier.threads, prover or DEFAULT_PROVER)
    leave = trio.Event()
    serve = partial(
        run_coordinator,
        settings,
        folder=folder,
        keys=keys,
        allowed=allowed,
        version=__version__,
        device=device,
        ready=ready,
        leave=leave,
    )
    await until_signalled(serve, parent=parent, leave=leave)


def _check_hosts(settings: config.CoordinatorConfig, allowed: AllowList) -> None:
    """Beyond this machine we listen only for somebody. Raises `UsageError` where a port would be open and nobody allowed at it."""
    from zisk_actors.transport.curve import is_loopback

    server, core = settings.server, settings.coordinator
    for port, host, key in (("client", server.host, "server.host"), ("worker", core.host or server.host, "coordinator.host")):
        if not is_loopback(host) and not allowed.count(port):
            raise UsageError(
                f"{key} is {host}, which is beyond this machine, and {allowed.path} allows no key at the {port} port",
                hint=f"allow a key there first, or listen on 127.0.0.1; a line of it is ROLE KEY NAME, here with the role {port}",
            )


def _allow_descriptors(connections: int) -> None:
    """Let this process have as many open files as it can need: a connection is one, at each of two ports, and some are kept for journal,
    blobs and children. Raises `UsageError` where the machine does not let it."""
    count = 2 * connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (resource.RLIM_INFINITY, -1) and hard < count:
        raise UsageError(
            f"security.max_connections is {connections}, which takes up to {count} open files, and this process may have {hard}",
            hint=f"raise the hard limit (LimitNOFILE= of the unit, `ulimit -Hn`), or set it to {max(1, (hard - SPARE_DESCRIPTORS) // 2)}",
        )
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _keys(path: Path, *, make: bool) -> KeyPair:
    """The coordinator's keys; where no file is named, its own are made once."""
    from zisk_actors.transport.auth import new_keypair, read_keypair, write_keypair

    if make and not path.exists():
        write_keypair(path, new_keypair())
    return read_keypair(path)


if __name__ == "__main__":
    main()
