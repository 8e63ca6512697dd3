"""A cluster in memory for the commands' tests: it plays a list of statuses and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from zisk_actors.cli.connection import Session
from zisk_actors.errors import NotFoundError, Unreachable
from zisk_actors.ids import JobId, ProgramId, blob_id
from zisk_actors.wire.operating import ClusterStatus, Level, Stall
from zisk_actors.wire.values import BlobRef, JobStatus, Kind, Phase, ProgramStatus, ShareStatus, State, VerifiedReport, WorkerStatus

JOB = JobId("00000000-0000-4000-8000-000000000001")
OUTPUT = (0x04030201, *[0] * 63)


def ref(content: bytes) -> BlobRef:
    return BlobRef(blob_id(content), len(content))


def status(**changes: Any) -> JobStatus:
    fields: dict[str, Any] = {
        "job": JOB,
        "kind": Kind.PROVE,
        "state": State.QUEUED,
        "program": ProgramId("ab" * 32),
        "program_name": "fibonacci",
        "params": "128",
        "submitted_at": 1_800_000_000.0,
    }
    return JobStatus(**(fields | changes))


def running(phase: Phase, percent: float, eta: float | None = None) -> JobStatus:
    shares = tuple(ShareStatus(share=i, worker=f"w{i}", attempt=1, phase=phase) for i in range(2))  # type: ignore[arg-type]
    return status(state=State.RUNNING, phase=phase, percent=percent, eta_seconds=eta, shares=shares)


def completed(proof: bytes) -> JobStatus:
    verified = VerifiedReport(program="cd" * 32, exit_code=0, output=OUTPUT, params="128", bits=128, shares=2, steps=1234)
    return status(state=State.COMPLETED, percent=100.0, result=ref(proof), verified=verified)


class FakeInput:
    """An input on its way: `submitted` gets it as `stdin` when it ends, and `aborted` where it breaks off."""

    job = JOB

    def __init__(self, submitted: dict[str, Any]) -> None:
        self._submitted = submitted
        self._parts: list[bytes] = []

    def write(self, content: bytes) -> None:
        self._parts.append(content)

    def __enter__(self) -> FakeInput:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._submitted |= {"stdin": b"".join(self._parts)} if kind is None else {"aborted": True}


class FakeCluster:
    """Answers from what it was given; `watch` plays `story`, raising where an element is an exception."""

    def __init__(self, story: Sequence[JobStatus | BaseException] = (), *, embedded: bool = False) -> None:
        self.embedded = embedded
        self.story = story
        self.blobs: dict[str, bytes] = {}
        self.known: list[ProgramStatus] = []
        self.submitted: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self.filters: dict[str, Any] = {}
        self.stands: ClusterStatus | None = None
        self.stalled: list[Stall] = []
        self.levels: list[tuple[str, str]] = []

    def keep(self, content: bytes) -> BlobRef:
        self.blobs[blob_id(content)] = content
        return ref(content)

    def submit(self, kind: Kind, program: bytes | BlobRef, *, stdin: bytes = b"", params: str, name: str = "", **wishes: Any) -> str:
        said = {"kind": kind, "program": program, "stdin": stdin, "params": params, "name": name}
        self.submitted.append(said | {name: wish for name, wish in wishes.items() if wish != (name == "queue")})
        return JOB

    def open_input(self, kind: Kind, program: bytes | BlobRef, *, params: str, name: str = "", **wishes: Any) -> FakeInput:
        self.submit(kind, program, params=params, name=name, **wishes)
        return FakeInput(self.submitted[-1])

    def retry(self, job: str) -> str:
        self.submitted.append({"retried": job})
        return JOB

    def watch(self, job: str, *, after: int = 0) -> Iterator[JobStatus]:
        for step in self.story:
            if isinstance(step, JobStatus) and step.number <= after and not step.state.final and after:
                continue
            if isinstance(step, BaseException):
                raise step
            yield step

    def job(self, job: str) -> JobStatus:
        for step in reversed(self.story):
            if isinstance(step, JobStatus) and step.job.startswith(job):
                return step
        raise NotFoundError(f"no job {job}")

    def jobs(self, *, limit: int, state: str = "", **filters: Any) -> Sequence[JobStatus]:
        self.filters = {name: value for name, value in filters.items() if value}
        return [step for step in self.story if isinstance(step, JobStatus) and state in ("", step.state.value)][:limit]

    def cancel(self, job: str) -> tuple[bool, JobStatus]:
        self.cancelled.append(job)
        return True, status(state=State.CANCELLED, stopped=("worker-1",), stopping=("worker-2",))

    def fetch(self, blob: BlobRef) -> bytes:
        return self.blobs[blob.sha256]

    def add_program(self, elf: bytes, *, name: str) -> ProgramStatus:
        self.known.append(ProgramStatus(program=ProgramId(blob_id(elf)), name=name, size=len(elf), added_at=1_800_000_000.0))
        return self.known[-1]

    def remove_program(self, program: str) -> ProgramStatus:
        return self.known.pop()

    def programs(self) -> Sequence[ProgramStatus]:
        return self.known

    def workers(self) -> Sequence[WorkerStatus]:
        return []

    def cluster(self) -> ClusterStatus:
        if self.stands is None:
            raise Unreachable("no cluster is running")
        return self.stands

    def stalls(self, *, seconds: float) -> Sequence[Stall]:
        return [each for each in self.stalled if each.still_seconds >= seconds]

    def set_log_level(self, level: Level, *, worker: str) -> None:
        self.levels.append((level, worker))


def install(monkeypatch: pytest.MonkeyPatch, cluster: FakeCluster | None) -> None:
    """Makes every command talk to this cluster, or find none."""

    @contextmanager
    def connect(*, embedded: bool) -> Iterator[Session]:
        if cluster is None or (cluster.embedded and not embedded):
            raise Unreachable("no cluster is running", hint="zisk up --detach")
        yield Session(cluster, embedded=cluster.embedded)

    there = cluster is not None and not cluster.embedded
    monkeypatch.setattr("zisk_actors.cli.connection.is_there_a_cluster", lambda: there)
    for module in ("jobs", "operating", "programs", "prove"):
        monkeypatch.setattr(f"zisk_actors.cli.{module}.connect", connect)
