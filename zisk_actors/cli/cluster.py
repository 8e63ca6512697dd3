"""`zisk up`, `zisk ps`, `zisk down`: a cluster of this machine, with a coordinator and workers as processes.

Rules of this file:
* Without --detach the cluster belongs to the command: Ctrl-C, SIGTERM or the command's death end all of it.
* `down` is done when no process is left; doing it twice is fine.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from zisk_actors.cli.output import json_option, print_json, say, table
from zisk_actors.cli.verbs import verb
from zisk_actors.errors import Unreachable

if TYPE_CHECKING:
    from zisk_actors.client.local import LocalCluster

WATCH_SECONDS = 0.2


@verb(40)
@click.command()
@click.option("--workers", type=click.IntRange(1, 1000), default=2, show_default=True, help="How many workers.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of each worker; the cores are shared out unless said.")
@click.option("--api-port", type=click.IntRange(1, 65535), help="Port for clients on loopback; a free one unless said.")
@click.option("--cluster-port", type=click.IntRange(1, 65535), help="Port for workers on loopback; a free one unless said.")
@click.option("--mock", is_flag=True, help="A cluster that proves nothing, at once: its proofs are none, and are refused everywhere.")
@click.option("--detach", is_flag=True, help="Leave the cluster running and return when it is ready.")
@json_option
def up(workers: int, threads: int | None, api_port: int | None, cluster_port: int | None, mock: bool, detach: bool, as_json: bool) -> None:
    """Start a coordinator and workers on this machine.

    Makes its own keys. Returns when all workers are registered with --detach; stays until Ctrl-C without.
    """
    from zisk_actors.client import local

    say(f"starting a coordinator and {workers} worker{'' if workers == 1 else 's'}")
    if mock:
        say("MOCK: this cluster proves nothing, and `zisk verify` refuses what it makes")
    cluster = local.start(
        workers=workers, threads=threads or 0, api_port=api_port or 0, cluster_port=cluster_port or 0, mock=mock, detach=detach
    )
    try:
        show(cluster, as_json=as_json)
        if not detach:
            say("ready; Ctrl-C stops it")
            stay(cluster)
    except KeyboardInterrupt:
        if detach:
            raise
        say("stopping")
    finally:
        if not detach:
            cluster.stop()
            say("the cluster is stopped")


def stay(cluster: LocalCluster) -> None:
    """Waits until the coordinator dies by itself. Raises Unreachable then."""
    while cluster.alive:
        time.sleep(WATCH_SECONDS)
    raise Unreachable("the coordinator has ended by itself", hint=f"its log is in {cluster.folder}")


def show(cluster: LocalCluster | None, *, as_json: bool) -> None:
    """The processes of the cluster; None is no cluster."""
    processes = cluster.processes if cluster else ()
    if as_json:
        rows = [{"role": p.role, "name": p.name, "pid": p.pid, "alive": p.alive, "log": p.log} for p in processes]
        where = {"client_url": cluster.client_url, "metrics_url": cluster.metrics_url, "folder": str(cluster.folder)} if cluster else {}
        print_json("zisk.ps/1", running=cluster is not None, **where, processes=rows)
        return
    if cluster is None:
        say("no cluster is running")
        return
    table(
        ("ROLE", "NAME", "PID", "STATE", "LOG"), [(p.role, p.name, str(p.pid), "running" if p.alive else "gone", p.log) for p in processes]
    )


@verb(50)
@click.command()
@json_option
def ps(as_json: bool) -> None:
    """Show the processes of the cluster that runs on this machine."""
    from zisk_actors.client import local

    show(local.find(), as_json=as_json)


@verb(60)
@click.command()
@json_option
def down(as_json: bool) -> None:
    """Stop the cluster that runs on this machine, and wait until no process is left."""
    from zisk_actors.client import local

    cluster = local.find()
    if cluster is not None:
        cluster.stop()
    if as_json:
        print_json("zisk.down/1", stopped=[p.pid for p in cluster.processes] if cluster else [])
        return
    say("no cluster is running" if cluster is None else f"stopped {len(cluster.processes)} processes")
