"""What a siege costs honest clients: the figures behind `python -m tests.faults.hostile`.

Rules of this file:
* Attackers are processes of their own with the least priority (nice 19): they stand for other machines, and are not to take the
  coordinator's processors.
* An honest client is measured in pairs of windows, one quiet and one under attack, in turns, so that both see the same machine: in the
  quiet one the attackers run as well, against a port where nobody listens.
* One part sends every message through to the decoder of a coordinator that cuts nobody off, and counts; the others attack one with the
  settings that everybody has.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.hostile import GREETING, address, garbage, knock, p99, resident
from tests.faults.stage import ELF, process, refusals
from zisk_actors.client import local
from zisk_actors.client.blocking import BlockingClient
from zisk_actors.toml_files import Value
from zisk_actors.transport.allowlist import AllowList
from zisk_actors.transport.auth import KeyPair, new_keypair
from zisk_actors.wire.values import Kind, State

FAKE: Final = "tests.cluster.fake_prover:FakeProver"
OPEN: Final = {"security.max_bad_messages_per_minute": 1000000000, "security.max_messages_per_second": 1000000000}
MOST_WORSE: Final = 1.2
MOST_BYTES: Final = 64 * 2**20
ATTACK: Final = ("nice", "-n", "19", sys.executable, "-m", "tests.faults.hostile", "--attack")
NOWHERE: Final = "tcp://127.0.0.1:9"
BROKEN: Final = ("wire-", "frame-")


@dataclass(frozen=True)
class Plan:
    """How much of each."""

    seed: int
    frames: int
    garbage: int
    half_open: int
    repeats: int
    seconds: float


@dataclass
class Report:
    """Lines for people, and what broke."""

    breaks: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        print(line, flush=True)

    def check(self, right: bool, what: str) -> None:
        if not right:
            self.breaks.append(what)
            self.say(f"BREAK: {what}")


def siege(plan: Plan) -> int:
    """Everything; the exit code."""
    report = Report()
    report.say(f"seed {plan.seed}, load of the machine {os.getloadavg()[0]:.2f}, {os.cpu_count()} processors")
    if plan.frames:
        with _stage(OPEN) as stage:
            _decode(stage, plan, report)
    with _stage(local.NO_SETTINGS) as stage:
        _flood(stage, plan, report)
        _connections(stage, plan, report)
    report.say("nothing broke" if not report.breaks else f"{len(report.breaks)} breaks: " + "; ".join(report.breaks))
    return 1 if report.breaks else 0


class Stage:
    """A cluster of a coordinator and one worker, with a job that has ended and an honest client."""

    def __init__(self, cluster: local.LocalCluster, client: BlockingClient) -> None:
        self.cluster = cluster
        self.client = client
        self.pid = process(cluster, "coordinator").pid
        client.wait(client.submit(Kind.EXECUTE, ELF), seconds=30)
        client.wait(client.submit(Kind.SETUP, ELF, params="test"), seconds=30)
        self.before = self.state()

    def state(self) -> object:
        jobs = [(status.job, status.state) for status in self.client.jobs()]
        return jobs, self.client.programs(), [(each.worker, each.incarnation) for each in self.client.workers()]

    def key(self, role: str) -> KeyPair:
        """A new key that is allowed."""
        keys = new_keypair()
        AllowList(self.cluster.folder / "keys" / "allowed").add(role, keys.public, "mallory")
        return keys

    def url(self, port: str) -> str:
        return self.cluster.client_url if port == "client" else self.cluster.facts.worker_url

    def attacker(self, way: str, port: str, keys: KeyPair, *words: object, url: str = "") -> subprocess.Popen[str]:
        """An attack from another process; its last line says what it did."""
        command = [*ATTACK, way, port, url or self.url(port), self.cluster.server_key, keys.public, keys.secret, *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def check(self, report: Report, memory: int) -> None:
        """That all is as before, and that work goes on."""
        now = resident(self.pid)
        report.say(f"  memory {memory / 2**20:.0f} MiB before, {now / 2**20:.0f} MiB after")
        report.check(now - memory < MOST_BYTES, f"memory grew by {(now - memory) / 2**20:.0f} MiB")
        report.check(self.state() == self.before, "the state has changed")
        ended = self.client.wait(self.client.submit(Kind.EXECUTE, ELF), seconds=60).state
        report.check(ended is State.COMPLETED, f"a job afterwards is {ended.value}")
        self.before = self.state()


@contextmanager
def _stage(settings: Mapping[str, Value]) -> Iterator[Stage]:
    with local.embedded(workers=1, prover=FAKE, settings=settings) as cluster, cluster.connect() as client:
        yield Stage(cluster, client)


def _cpu(pid: int) -> float:
    """Seconds of processor that a process has used, its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _waits(client: BlockingClient, stop: Callable[[], bool]) -> list[float]:
    found: list[float] = []
    while not stop():
        began = time.perf_counter()
        client.jobs(limit=1)
        found.append(time.perf_counter() - began)
        time.sleep(0.005)
    return found


def _decode(stage: Stage, plan: Plan, report: Report) -> None:
    """Every message through the decoder, half at each port."""
    report.say(f"decode: {plan.frames} mutated messages of allowed keys, nobody cut off")
    for port in ("client", "worker"):
        count, memory, before, cpu = plan.frames // 2, resident(stage.pid), refusals(stage.cluster, port), _cpu(stage.pid)
        attack = stage.attacker("decode", port, stage.key(port), plan.seed, count)
        found = _waits(stage.client, lambda attack=attack: attack.poll() is not None)  # type: ignore[misc]
        out = attack.communicate()[0]
        report.check(attack.returncode == 0, f"the attack on the {port} port ended with {attack.returncode}")
        if attack.returncode:
            continue
        said = json.loads(out)
        spent = _cpu(stage.pid) - cpu
        counts = {reason: number - before.get(reason, 0) for reason, number in refusals(stage.cluster, port).items()}
        broken = sum(number for reason, number in counts.items() if reason.startswith(BROKEN))
        behind = counts.get("link-closed", 0)
        report.say(f"  {port} port: {said['sent']} sent, {said['readable']} of them readable; refused: {counts}")
        report.say(f"  {spent / said['sent'] * 1e6:.0f} us of processor for each; honest p99 {p99(found) * 1e3:.1f} ms meanwhile")
        missing = said["sent"] - said["readable"] - broken
        report.check(abs(missing) <= behind, f"{missing} messages at the {port} port were neither readable nor refused by reason")
        stage.check(report, memory)


def _pairs(stage: Stage, plan: Plan, report: Report, attack: Callable[[bool], AbstractContextManager[object]]) -> None:
    """An honest client, quiet and under attack in turns; `attack` is told whether it is in earnest."""
    quiet: list[list[float]] = []
    during: list[list[float]] = []
    spent: list[float] = []
    _window(stage, plan.seconds / 2)  # the first requests of a process are slow
    for _ in range(plan.repeats):
        for into in (quiet, during):
            with attack(into is during):
                cpu, began = _cpu(stage.pid), time.monotonic()
                into.append(_window(stage, plan.seconds))
                spent.append((_cpu(stage.pid) - cpu) / (time.monotonic() - began))
    pooled = [[each for window in windows for each in window] for windows in (quiet, during)]
    for name, windows, all_of in (("quiet", quiet, pooled[0]), ("attack", during, pooled[1])):
        each = ", ".join(f"{p99(window) * 1e3:.1f}" for window in windows)
        p50 = statistics.median(all_of) * 1e3
        report.say(f"  {name}: p50 {p50:.2f} ms, p99 {p99(all_of) * 1e3:.2f} ms of {len(all_of)} requests (windows: {each})")
    report.say(f"  coordinator: {statistics.mean(spent[::2]):.0%} of a processor quiet, {statistics.mean(spent[1::2]):.0%} under attack")
    typical = [statistics.median(map(p99, windows)) for windows in (quiet, during)]
    ratio = typical[1] / typical[0]
    report.say(f"  p99 of the median window: {typical[0] * 1e3:.2f} ms quiet, {typical[1] * 1e3:.2f} ms under attack, {ratio:.2f} of it")
    report.check(ratio <= MOST_WORSE, f"an honest client's p99 is {ratio:.2f} of the quiet one, more than {MOST_WORSE}")


def _window(stage: Stage, seconds: float) -> list[float]:
    end = time.monotonic() + seconds
    return _waits(stage.client, lambda: time.monotonic() >= end)


def _flood(stage: Stage, plan: Plan, report: Report) -> None:
    """As fast as a process can, over new connections when one is cut off; a fresh key for each window."""
    report.say("flood: mutated messages of an allowed key as fast as can be, default settings")
    memory = resident(stage.pid)
    keys = [stage.key(("client", "worker")[number % 2]) for number in range(plan.repeats)]
    time.sleep(1)
    sent = 0

    @contextmanager
    def attack(earnest: bool) -> Iterator[None]:
        nonlocal sent
        number = plan.repeats - len(keys)
        port = ("client", "worker")[number % 2]
        key, url = (keys.pop(0), "") if earnest else (new_keypair(), NOWHERE)
        child = stage.attacker("flood", port, key, plan.seed + number, plan.seconds + 3, url=url)
        assert child.stdout is not None
        child.stdout.readline()  # it has begun
        try:
            yield
        finally:
            sent += json.loads(child.communicate()[0])["sent"] if earnest else 0

    _pairs(stage, plan, report, attack)
    report.say(f"  {sent} messages handed to ZeroMQ")
    for port in ("client", "worker"):
        report.say(f"  refused at {port}: {refusals(stage.cluster, port)}")
        report.check("cut-off" in refusals(stage.cluster, port), f"nobody was cut off at the {port} port")
    stage.check(report, memory)


def _connections(stage: Stage, plan: Plan, report: Report) -> None:
    """Noise, and handshakes that never end, open as long as a window."""
    report.say(f"connections: {plan.garbage} of garbage, {plan.half_open} half-open handshakes in each window, default settings")
    memory = resident(stage.pid)

    @contextmanager
    def attack(earnest: bool) -> Iterator[None]:
        urls = [stage.url("client"), stage.url("worker")] if earnest else [NOWHERE, NOWHERE]
        with ExitStack() as stack:
            for number in range(plan.half_open if earnest else 0):
                link = stack.enter_context(socket.create_connection(address(stage.url(("client", "worker")[number % 2])), timeout=10))
                link.sendall(GREETING[: 1 + number % len(GREETING)])
            child = subprocess.Popen([*ATTACK, "garbage", *urls, str(plan.seed), str(plan.garbage)])
            yield
            child.wait(60)

    _pairs(stage, plan, report, attack)
    time.sleep(6)
    counts = {port: refusals(stage.cluster, port) for port in ("client", "worker")}
    for port, found in counts.items():
        report.say(f"  refused at {port}: {found}")
    total = sum(found.get(reason, 0) for found in counts.values() for reason in ("not-our-protocol", "handshake-unfinished"))
    asked = plan.repeats * (plan.garbage + plan.half_open)
    report.check(total >= 0.97 * asked, f"{total} of {asked} connections were counted")
    stage.check(report, memory)


def make_noise(urls: tuple[str, str], seed: int, count: int) -> None:
    """So many connections of garbage, at both ports in turns."""
    for number, content in enumerate(garbage(seed, count)):
        knock(urls[number % 2], content)
