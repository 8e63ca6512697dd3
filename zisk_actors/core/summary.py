"""What is kept of a job that has ended: one value in the place of all its events.

Rules of this file:
* What a client may still ask for is in it: the result, the failure, who was faulty, what the input is called. What only a running job
  needs is not: the bytes of the input, the contributions, the partial proofs.
* `restore` of a summary is the job for everyone who asks; a field of a job that is in neither `JobSummary` nor `LEFT_OUT` fails a test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job import Fault, JobRecord
from zisk_actors.core.job_events import Submitted
from zisk_actors.core.stages import Stage
from zisk_actors.wire.values import BlobRef, Count, Failure, Seconds, Text, Value, VerifiedReport

LEFT_OUT: Final = frozenset({"contributions", "partials", "aggregator", "answers", "attempts"})
"""Fields of a job that mean nothing once it has ended."""


class JobSummary(Value, frozen=True, kw_only=True):
    """A job that has ended. `execution` and `verified` are the two kinds of reports."""

    submitted: Submitted
    stage: Stage
    stdin: BlobRef | None = None
    weights: tuple[Count, ...] = ()
    proof: BlobRef | None = None
    key: BlobRef | None = None
    execution: BlobRef | None = None
    verified: VerifiedReport | None = None
    faults: tuple[Fault, ...] = msgspec.field(default=(), name="blames")
    failure: Failure | None = None
    reason: Text = ""
    started_at: Seconds | None = None
    ended_at: Seconds


def summarise(job: JobRecord) -> JobSummary:
    """Raises `IllegalTransition` for a job that has not ended."""
    if not job.state.final or job.ended_at is None:
        raise IllegalTransition(f"job {job.job} has not ended")
    kept = {name: getattr(job, name) for name in JobRecord.__struct_fields__ if name not in LEFT_OUT and name != "report"}
    execution = job.report if isinstance(job.report, BlobRef) else None
    verified = job.report if isinstance(job.report, VerifiedReport) else None
    return JobSummary(**kept, execution=execution, verified=verified)


def restore(summary: JobSummary) -> JobRecord:
    """The job that has ended so, without what nobody needs any more."""
    kept = {name: getattr(summary, name) for name in JobSummary.__struct_fields__ if name not in ("execution", "verified")}
    kept["stdin"] = summary.stdin or summary.submitted.stdin  # the first summaries did not name it
    return JobRecord(**kept, report=summary.execution if summary.execution is not None else summary.verified)


def blobs_of(job: JobRecord) -> set[str]:
    """The names of all blobs that a job still needs, or that a client may still ask for. A manifest's own blobs are not among them."""
    if not job.state.final:
        return set(_names(job))
    summary = summarise(job)
    return {
        name for field in JobSummary.__struct_fields__ if field not in ("submitted", "stdin") for name in _names(getattr(summary, field))
    }


def _names(value: Any) -> Iterator[str]:  # Any: whatever a job is made of, so that no blob of a later field is forgotten
    if isinstance(value, BlobRef):
        yield value.sha256
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from _names(getattr(value, field))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _names(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _names(each)
