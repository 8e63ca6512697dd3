"""The summary of an ended job: nothing that a client may ask for is lost, and no field of a job is forgotten about."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.core.test_job import BLOB, EVENTS, OTHER, PATHS, START, submitted
from zisk_actors.core import job as jobs
from zisk_actors.core import job_events
from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job import JobRecord, evolve, replay
from zisk_actors.core.summary import LEFT_OUT, JobSummary, blobs_of, restore, summarise
from zisk_actors.ids import BlobId, WorkerId
from zisk_actors.wire.codec import decode_record, encode_record
from zisk_actors.wire.values import BlobRef, Kind, Phase


def ended(kind: Kind, last: type | None = None) -> JobRecord:
    path = [EVENTS[event] for event in PATHS[kind]]
    return replay([submitted(kind), *(path if last is None else [path[0], EVENTS[last]])])


def test_every_field_of_a_job_is_kept_or_left_out_on_purpose() -> None:
    kept = set(JobSummary.__struct_fields__) - {"execution", "verified"} | {"report"}
    assert kept | LEFT_OUT >= set(JobRecord.__struct_fields__)
    assert not kept & LEFT_OUT


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("last", [None, job_events.JobFailed, job_events.Cancelled])
def test_a_summary_gives_the_job_back(kind: Kind, last: type | None) -> None:
    job = ended(kind, last)
    summary = decode_record(encode_record(summarise(job)), JobSummary)
    empty = {name: getattr(JobRecord(submitted=job.submitted), name) for name in LEFT_OUT if name in JobRecord.__struct_fields__}
    assert restore(summary) == msgspec.structs.replace(job, **empty)
    assert restore(summary).result == job.result


def test_the_blamed_are_in_the_summary() -> None:
    answer = job_events.ShareAnswered(3.0, Phase.CONTRIBUTE, 1, WorkerId("w"), START, BLOB)
    first = [
        EVENTS[job_events.Admitted],
        answer,
        EVENTS[job_events.Contributed],
        EVENTS[job_events.ContributionRejected],
        EVENTS[job_events.Cancelled],
    ]
    job = replay([submitted(Kind.PROVE), *first])
    assert summarise(job).faults == job.faults != ()


def test_a_job_that_has_not_ended_has_no_summary() -> None:
    with pytest.raises(IllegalTransition, match="has not ended"):
        summarise(jobs.begin(submitted(Kind.PROVE)))


def test_a_running_job_needs_all_its_blobs_and_an_ended_one_its_result() -> None:
    stdin, program, bundle = (BlobRef(BlobId(two * 32), 3) for two in ("11", "22", "33"))
    job = jobs.begin(msgspec.structs.replace(submitted(Kind.PROVE), stdin=stdin, program=program))
    job = evolve(job, job_events.Admitted(2.0, (10,)))
    job = evolve(job, job_events.ShareAnswered(3.0, Phase.CONTRIBUTE, 0, WorkerId("w"), START, OTHER))
    assert blobs_of(job) == {stdin.sha256, program.sha256, OTHER.sha256}
    job = evolve(job, job_events.Contributed(3.0, bundle))
    assert blobs_of(job) == {stdin.sha256, program.sha256, OTHER.sha256, bundle.sha256}
    for event in PATHS[Kind.PROVE][2:]:
        job = evolve(job, EVENTS[event])
    assert blobs_of(job) == {BLOB.sha256}
