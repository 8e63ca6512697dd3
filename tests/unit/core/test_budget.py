"""What counts against a share's budget, and what a failure lists."""

from __future__ import annotations

import pytest

from zisk_actors.core.budget import MAX_LISTED, Budget, Tally, attempts, tally
from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job import JobRecord, begin, evolve, replay
from zisk_actors.core.job_events import Admitted, Contributed, JobEvent, PartialRejected, ShareFailed, Submitted
from zisk_actors.ids import JobId
from zisk_actors.wire.codec import decode_record, encode_record
from zisk_actors.wire.values import BlobRef, Kind, Phase

JOB = JobId("0" * 8 + "-0000-4000-8000-" + "0" * 12)
START = "a" * 32


def running() -> JobRecord:
    blob = BlobRef("0" * 64, 1)
    first = Submitted(at=1.0, job=JOB, kind=Kind.PROVE, program=blob, stdin=blob, params="test", client="c")
    return evolve(begin(first), Admitted(2.0, (1, 1)))


def failed(share: int = 0, *, lost: bool = False, worker: str = "a", phase: Phase = Phase.CONTRIBUTE) -> ShareFailed:
    return ShareFailed(3.0, phase, share, worker, START, "it did not work", lost=lost)


def after(*events: JobEvent) -> JobRecord:
    record = running()
    for event in events:
        record = evolve(record, event)
    return record


def test_failures_and_losses_are_counted_apart_and_by_share() -> None:
    record = after(failed(), failed(lost=True), failed(1), failed(lost=True))
    assert tally(record, (), Phase.CONTRIBUTE, 0) == Tally(1, 2)
    assert tally(record, (), Phase.CONTRIBUTE, 1) == Tally(1, 0)
    assert tally(record, (), Phase.PROVE, 0) == Tally(0, 0)
    assert tally(record, (failed(),), Phase.CONTRIBUTE, 0) == Tally(2, 2)


def test_losses_do_not_use_up_the_failures() -> None:
    budget = Budget(failures=3, losses=50)
    assert not budget.spent(Tally(2, 49))
    assert budget.spent(Tally(3, 0))
    assert budget.spent(Tally(0, 50))


def test_the_words_count_both() -> None:
    assert str(Tally(3, 0)) == "3 attempts"
    assert str(Tally(1, 1)) == "1 attempt and 1 lost worker"
    assert str(Tally(0, 12)) == "0 attempts and 12 lost workers"


def test_a_blame_is_a_failure_of_its_phase() -> None:
    record = evolve(running(), failed())
    record = evolve(record, Contributed(4.0, BlobRef("1" * 64, 1)))
    record = evolve(record, PartialRejected(5.0, 1, "b", START, "wrong"))
    assert tally(record, (), Phase.PROVE, 1) == Tally(1, 0)
    assert [(each.worker, each.phase) for each in attempts(record)] == [("b", Phase.PROVE), ("a", Phase.CONTRIBUTE)]


def test_a_failed_try_of_another_phase_is_refused() -> None:
    with pytest.raises(IllegalTransition):
        evolve(running(), failed(phase=Phase.PROVE))


def test_the_journal_gives_the_count_back() -> None:
    events: list[JobEvent] = [running().submitted, Admitted(2.0, (1, 1)), failed(), failed(lost=True)]
    again = replay([decode_record(encode_record(event), JobEvent) for event in events])
    assert tally(again, (), Phase.CONTRIBUTE, 0) == Tally(1, 1)


def test_a_failure_lists_the_last_ones_and_keeps_their_reasons_short() -> None:
    record = after(*(ShareFailed(3.0, Phase.CONTRIBUTE, 0, f"w{number}", START, "x" * 4000, lost=True) for number in range(MAX_LISTED + 5)))
    listed = attempts(record)
    assert len(listed) == MAX_LISTED
    assert listed[-1].worker == f"w{MAX_LISTED + 4}"
    assert max(len(each.reason) for each in listed) == 500
