"""What can be found out about the way to a coordinator, step by step: name, port, protocol, keys, answers.

Rules of this file:
* Each step is one finding, with what to do next where it is not well; what cannot be looked at because of an earlier step is left out.
* Nothing is changed at the coordinator: a worker's key is tried without registering a worker.
* Every step has a limit, so that the whole ends within half a minute whatever is at the other end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import trio

from zisk_actors.backends import REAL, is_mock
from zisk_actors.client.client import attach
from zisk_actors.errors import NotAuthorised, Unreachable, UsageError, ZiskError
from zisk_actors.transport.auth import KeyPair
from zisk_actors.transport.base import Link
from zisk_actors.transport.curve import Network, WrongPort, endpoint_of
from zisk_actors.transport.reach import place_of, reach, resolve
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.operating import ClusterStatus
from zisk_actors.wire.worker_link import CoordinatorSays, Heartbeat, Reintroduce

State = Literal["ok", "warn", "fail"]
Role = Literal["client", "worker"]

STEP_SECONDS: Final = 5.0
SLOW_SECONDS: Final = 0.25
CLOCK_SECONDS: Final = 2.0
PORTS: Final = {
    "client": "clients go to server.port (7000), workers to coordinator.port (50051)",
    "worker": "workers go to coordinator.port (50051), clients to server.port (7000)",
}


@dataclass(frozen=True)
class Finding:
    """What one check found. `then` is what to do about it; `exit_code` and `code` are those of the error tree where it failed."""

    check: str
    state: State
    found: str
    then: str = ""
    exit_code: int = 0
    code: str = ""


def ok(check: str, found: str) -> Finding:
    return Finding(check, "ok", found)


def warn(check: str, found: str, then: str) -> Finding:
    return Finding(check, "warn", found, then)


def fail(check: str, found: str, then: str, exit_code: int = Unreachable.exit_code) -> Finding:
    return Finding(check, "fail", found, then, exit_code)


def failed(check: str, error: ZiskError) -> Finding:
    return Finding(check, "fail", error.message, error.hint, error.exit_code, error.code)


def probe(url: str, server_key: str, keys: KeyPair, role: Role, version: str) -> Iterator[Finding]:
    """Look at everything between us and a coordinator. `role` says which of its ports `url` is to be."""
    try:
        endpoint = endpoint_of(url)
    except UsageError as error:
        yield failed("address", error)
        return
    host, port = place_of(endpoint)
    try:
        found = [str(address[0]) for _, address in trio.run(resolve, endpoint, STEP_SECONDS)]
    except Unreachable as error:
        yield failed("name", error)
        return
    yield ok("name", f"{host} is {', '.join(found[:4])}")
    try:
        seconds = trio.run(reach, endpoint, STEP_SECONDS)
    except Unreachable as error:
        yield failed("port", error)
        return
    yield ok("port", f"{host}:{port} takes connections after {1000 * seconds:.0f} ms, and speaks ZeroMQ")
    yield from trio.run(_talk, url, server_key, keys, role, version)


async def _talk(url: str, server_key: str, keys: KeyPair, role: Role, version: str) -> list[Finding]:
    with Network() as network:
        try:
            link = await network.dial(url, server_key, keys, seconds=STEP_SECONDS)
        except (NotAuthorised, Unreachable) as error:
            then = error.hint
            if isinstance(error, WrongPort):
                then = PORTS[role]
            elif isinstance(error, NotAuthorised):
                then = (
                    f"put the line `{role} {keys.public} NAME` into the coordinator's allow-list (security.allow_file), where it has none"
                )
            return [replace(failed("handshake", error), then=then)]
        try:
            found = [ok("handshake", f"the coordinator has the key we expect, and allows ours ({keys.public}) at this port")]
            return found + (await _as_client(link, version) if role == "client" else await _as_worker(link))
        finally:
            await link.aclose()


async def _as_worker(link: Link) -> list[Finding]:
    """Say what a registered worker would, and hear that we are none: an answer, and no registration."""
    unpacker: Unpacker[Any] = Unpacker(CoordinatorSays)  # Any: the union has no type of its own
    began = trio.current_time()
    try:
        with trio.fail_after(STEP_SECONDS):
            await link.send(pack(Heartbeat(0)))
            message, _, _ = unpacker.unpack(await link.receive())
    except trio.TooSlowError:
        return [fail("answer", f"no answer within {STEP_SECONDS:g} s", "the coordinator hangs or is overloaded: see its log, and /readyz")]
    except ZiskError as error:
        return [failed("answer", error)]
    seconds = trio.current_time() - began
    if not isinstance(message, Reintroduce):
        return [warn("answer", f"it answered with {type(message).__name__}", "does it run the same release as this machine?")]
    return [
        _round_trip(seconds),
        ok("version", "not told to a worker before it registers; one of another release is refused with `version-mismatch` in both logs"),
    ]


async def _as_client(link: Link, version: str) -> list[Finding]:
    try:
        with trio.fail_after(2 * STEP_SECONDS):
            async with attach(link) as client:
                cluster = await client.cluster()
                asked_at, began = time.time(), trio.current_time()
                await client.ping()
                seconds = trio.current_time() - began
                cluster_now = (await client.cluster()).now
    except trio.TooSlowError:
        then = "the coordinator hangs or is overloaded: see its log, and /readyz"
        return [fail("answer", f"no answer within {2 * STEP_SECONDS:g} s", then)]
    except ZiskError as error:
        return [failed("answer", error)]
    return [_round_trip(seconds), *_of_cluster(cluster, version, cluster_now - asked_at)]


def _round_trip(seconds: float) -> Finding:
    words = f"the coordinator answers after {1000 * seconds:.1f} ms"
    return ok("answer", words) if seconds < SLOW_SECONDS else warn("answer", words, "a slow network or an overloaded coordinator")


def _of_cluster(cluster: ClusterStatus, version: str, ahead: float) -> Iterator[Finding]:
    """What the coordinator says of itself; `ahead` is how far its clock is before ours, in seconds."""
    if cluster.version == version:
        yield ok("version", f"both sides run {version}")
    else:
        words = f"the coordinator runs {cluster.version}, this machine {version}"
        yield warn("version", words, "run the same release everywhere; a worker of another one is refused")
    yield ok("role", f"our key has the role {cluster.role}")
    if abs(ahead) < CLOCK_SECONDS:
        yield ok("clock", f"the clocks agree within {max(0.1, abs(ahead)):.1f} s")
    else:
        words = f"the coordinator's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
        yield warn("clock", words, "set both by NTP: deadlines and times in logs are wrong by that much; leases and heartbeats are not")
    if cluster.problems:
        yield warn("cluster", f"takes no new work: {'; '.join(cluster.problems)}", "`zisk status` says more")
    elif not cluster.workers:
        yield warn("cluster", "no worker is connected, so no job can start", "`zisk doctor --worker --config FILE` on a worker's host")
    else:
        count = sum(cluster.workers.values())
        workers = f"{count} worker{'' if count == 1 else 's'}"
        yield ok("cluster", f"takes work; {workers}, {cluster.units_free} of {cluster.units} units free")
    if is_mock(cluster.backend):
        yield warn("mode", "the cluster is a mock: its proofs prove nothing", f'set backend.mode to "{REAL}" for real ones')
    low = cluster.disk_total_bytes and cluster.disk_free_bytes < max(2**30, cluster.disk_total_bytes // 50)
    if low:
        words = f"{cluster.disk_free_bytes / 2**30:.1f} GiB free where the coordinator's state is"
        yield warn("its disk", words, "make room before it is full: then new jobs are refused")
