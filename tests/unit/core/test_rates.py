"""Estimates: of what was measured, and of nothing else."""

from __future__ import annotations

import pytest

from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import Submitted
from zisk_actors.core.rates import LEAST_RETRY_SECONDS, MOST_RETRY_SECONDS, RETRY_SECONDS, Rates, starts_in
from zisk_actors.core.stages import Stage
from zisk_actors.ids import BlobId, JobId, WorkerId
from zisk_actors.wire.values import BlobRef, Kind, Phase, ShareStatus

P = BlobRef(BlobId("a" * 64), 1)
JOB = JobId("00000000-0000-4000-8000-000000000001")


def proving(stage: Stage, weights: tuple[int, ...]) -> JobRecord:
    said = Submitted(at=0.0, job=JOB, kind=Kind.PROVE, program=P, stdin=P, params="test", client="c")
    return JobRecord(submitted=said, stage=stage, weights=weights)


def measured() -> Rates:
    rates = Rates()
    for phase, seconds in ((Phase.CONTRIBUTE, 10.0), (Phase.PROVE, 20.0), (Phase.AGGREGATE, 3.0), (Phase.VERIFY, 1.0)):
        rates.phase_took(P.sha256, phase, seconds, 10)
    return rates


def test_nothing_measured_nothing_said() -> None:
    assert Rates().job_seconds(Kind.PROVE, P.sha256, 10) is None
    assert Rates().seconds_left(proving(Stage.PROVE, (10,)), ()) is None
    assert starts_in(0, [], 5.0) is None


def test_what_is_cut_takes_half_the_time_with_twice_the_units_and_the_rest_the_same() -> None:
    assert measured().job_seconds(Kind.PROVE, P.sha256, 10) == 34.0
    assert measured().job_seconds(Kind.PROVE, P.sha256, 20) == 19.0
    assert measured().job_seconds(Kind.PROVE, "another program", 20) == 19.0, "the mean of all is better than nothing"
    assert measured().job_seconds(Kind.EXECUTE, P.sha256, 10) is None


def test_the_rest_of_a_phase_and_those_behind_it_are_left() -> None:
    share = ShareStatus(share=0, worker=WorkerId("w"), attempt=1, phase=Phase.PROVE, fraction=0.5)
    assert measured().seconds_left(proving(Stage.PROVE, (10,)), (share,)) == 14.0
    assert measured().seconds_left(proving(Stage.VERIFY, (10,)), ()) == 1.0
    assert measured().seconds_left(proving(Stage.QUEUED, (10,)), ()) is None


def test_newer_measures_weigh_more() -> None:
    rates = Rates()
    for seconds in (10.0, 20.0, 20.0):
        rates.phase_took(P.sha256, Phase.EXECUTE, seconds, 1)
    assert rates.job_seconds(Kind.EXECUTE, P.sha256, 1) == pytest.approx(15.1)


def test_each_job_that_ends_lets_the_next_one_start() -> None:
    assert [starts_in(position, [1.0, 4.0], 10.0) for position in range(4)] == [1.0, 4.0, 11.0, 14.0]


def test_when_to_ask_again_is_the_usual_time_between_ends() -> None:
    rates = Rates()
    assert rates.retry_seconds() == RETRY_SECONDS
    for at in (0.0, 20.0, 40.0):
        rates.job_ended(at)
    assert rates.retry_seconds() == 20.0
    rates.job_ended(1e6)
    assert rates.retry_seconds() == MOST_RETRY_SECONDS
    often = Rates()
    for at in range(10):
        often.job_ended(at / 1000)
    assert often.retry_seconds() == LEAST_RETRY_SECONDS
