"""`zisk doctor`: what is wrong between this machine and a coordinator, and on this machine, each with what to do next.

Rules of this file:
* A line for each check: ok, warn or fail; below what is not well, the next step.
* Ends with 0 where nothing failed, otherwise with the exit code of the first failure.
* It repairs nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from zisk_actors import __version__
from zisk_actors.cli.connection import named_in, read_keys
from zisk_actors.cli.output import echo, json_option, print_json, size
from zisk_actors.cli.verbs import verb
from zisk_actors.errors import UsageError, ZiskError

if TYPE_CHECKING:
    from zisk_actors.client.probe import Finding, Role
    from zisk_actors.transport.auth import KeyPair

OPEN_FILES: Final = 4096
FREE_BYTES: Final = 2**30
COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@verb(80)
@click.command()
@click.argument("address", required=False)
@click.option("--config", "config_file", metavar="FILE", help="A worker's settings: check as that worker.")
@click.option("--server-key", metavar="KEY", help="The coordinator's public key.")
@click.option("--key-file", metavar="FILE", help="Our key pair.")
@click.option("--worker", "as_worker", is_flag=True, help="ADDRESS is the workers' port, and the key a worker's.")
@json_option
def doctor(
    address: str | None, config_file: str | None, server_key: str | None, key_file: str | None, as_worker: bool, as_json: bool
) -> None:
    """Check this machine and the way to a coordinator, and say what to do.

    \b
    zisk doctor                                   the cluster of `zisk up`, or that of ZISK_URL
    zisk doctor --config worker.toml              as that worker, on its host
    zisk doctor HOST:7000 --server-key KEY --key-file FILE
    """
    findings: list[Finding] = []
    for finding in _all(address, config_file, server_key, key_file, as_worker):
        findings.append(finding)
        if not as_json:
            mark = click.style(f"{finding.state:4}", fg=COLOURS[finding.state])
            echo(f"{mark}  {finding.check:12} {finding.found}")
            if finding.state != "ok" and finding.then:
                echo(f"{'':6}{'':12} -> {finding.then}")
    bad = [finding for finding in findings if finding.state == "fail"]
    if as_json:
        print_json("zisk.doctor/1", healthy=not bad, findings=[asdict(finding) for finding in findings])
    elif not bad:
        warnings = sum(finding.state == "warn" for finding in findings)
        echo(f"nothing is broken{f', {warnings} to look at' if warnings else ''}")
    else:
        echo(f"{len(bad)} broken; first: {probe_summary(bad[0])}")
    if bad:
        raise click.exceptions.Exit(bad[0].exit_code)


def probe_summary(finding: Finding) -> str:
    """The one line to read when only one is read."""
    return f"{finding.check}: {finding.found}"


def _all(address: str | None, config_file: str | None, server_key: str | None, key_file: str | None, as_worker: bool) -> Iterator[Finding]:
    from zisk_actors.client.probe import failed, probe

    said: list[Finding] = []
    for finding in local_findings(config_file):
        said.append(finding)
        yield finding
    try:
        target = _target(address, config_file, server_key, key_file, as_worker)
    except ZiskError as error:
        if (finding := failed("settings", error)) not in said:
            yield finding
        return
    if target is None:
        yield failed("address", UsageError("no cluster is named, and none runs here", hint="name one, or start one: `zisk up --detach`"))
        return
    yield from probe(*target, __version__)


def _target(
    address: str | None, config_file: str | None, server_key: str | None, key_file: str | None, as_worker: bool
) -> tuple[str, str, KeyPair, Role] | None:
    """Whom to probe: address, server key, our keys, and as what. None where nobody is named. Raises what is wrong with the settings."""
    from zisk_actors.client import local
    from zisk_actors.transport.allowlist import check_public_key

    role: Role = "worker" if as_worker else "client"
    if config_file is not None:
        from zisk_actors import config
        from zisk_actors.cli import daemon

        files = daemon.config_files("worker", config_file, os.environ)
        settings, _ = config.load(config.WorkerConfig, files, os.environ, config.WORKER_ENVIRONMENT, {})
        role = "worker"
        address = address or settings.coordinator.url
        server_key = server_key or settings.security.server_key
        key_file = key_file or settings.security.key_file
    elif address is None or server_key is None or key_file is None:
        named, running = named_in(os.environ), local.find()
        if named is not None:
            address, server_key, key_file = address or named.url, server_key or named.server_key, key_file or named.key_file
        elif running is not None:
            url = running.facts.worker_url if as_worker else running.client_url
            address, server_key = address or url, server_key or running.server_key
            key_file = key_file or (str(running.folder / "keys" / "worker-1.key") if as_worker else running.facts.client_key_file)
    if address is None:
        return None
    if not server_key or not key_file:
        missing = " and ".join(name for name, value in (("--server-key", server_key), ("--key-file", key_file)) if not value)
        raise UsageError(f"{address} cannot be asked without {missing}", hint="a worker's settings have both: --config worker.toml")
    return address, check_public_key(server_key, "the server key"), read_keys(key_file), role


def local_findings(config_file: str | None) -> Iterator[Finding]:
    """What is well and what is not on this machine."""
    from zisk_actors.client.probe import ok

    yield ok("release", f"zisk_actors {__version__}")
    yield from _backends()
    yield from _settings(config_file)
    yield _disk()
    yield _files()


def _backends() -> Iterator[Finding]:
    """What backends say of this machine."""
    from zisk_actors import backends
    from zisk_actors.client.probe import failed, ok, warn

    for title, words, then, error in backends.checks():
        if error is not None:
            yield failed(title, error)
        else:
            yield warn(title, words, then) if then else ok(title, words)


def _settings(config_file: str | None) -> Iterator[Finding]:
    """Whether the settings that the daemons would find here can be used."""
    from zisk_actors import config
    from zisk_actors.cli import daemon
    from zisk_actors.client.probe import failed, ok, warn

    for name, kind, names in (
        ("coordinator", config.CoordinatorConfig, config.COORDINATOR_ENVIRONMENT),
        ("worker", config.WorkerConfig, config.WORKER_ENVIRONMENT),
    ):
        named = config_file if name == "worker" else None
        files = daemon.config_files(name, named, os.environ)
        there = [str(path) for path, _ in files if path.exists()]
        if not there and named is None:
            continue
        try:
            _, origins = config.load(kind, files, os.environ, names, {})  # type: ignore[type-var]
        except ZiskError as error:
            yield failed("settings", error)
            continue
        if origins.ignored:
            yield warn("settings", f"of the {name}: {', '.join(origins.ignored)} set and without effect", "remove them")
        else:
            yield ok("settings", f"of the {name} can be used: {', '.join(there)}")


def _disk() -> Finding:
    from zisk_actors.client.local import home
    from zisk_actors.client.probe import fail, ok, warn

    folder = home()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return fail("disk", f"{there} cannot be read: {error.strerror}", "check the mount", UsageError.exit_code)
    words = f"{size(free)} free for {folder}"
    if not os.access(there, os.W_OK):
        return fail("disk", f"{there} cannot be written by us", "give it to this user, or set ZISK_HOME", UsageError.exit_code)
    if free < FREE_BYTES:
        return warn("disk", words, "make room: a coordinator whose disk is full refuses new jobs")
    return ok("disk", words)


def _files() -> Finding:
    import resource

    from zisk_actors.client.probe import ok, warn

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    words = f"{soft} at most" if soft != resource.RLIM_INFINITY else "without limit"
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        then = f"a coordinator needs about two for each worker and client: `ulimit -n {OPEN_FILES}` (hard limit {hard}), or LimitNOFILE"
        return warn("open files", words, then)
    return ok("open files", words)
