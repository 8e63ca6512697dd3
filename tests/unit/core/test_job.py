"""The job's table: each kind's path, every other move refused, and the journal's fold."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from zisk_actors.core import job as jobs
from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job import Stage, begin, evolve, replay
from zisk_actors.ids import BlobId, Incarnation, JobId, WorkerId
from zisk_actors.wire.codec import decode_record, encode_record
from zisk_actors.wire.values import BlobRef, Failure, FailureKind, Kind, Phase, State, VerifiedReport

BLOB = BlobRef(BlobId("ab" * 32), 3)
OTHER = BlobRef(BlobId("cd" * 32), 3)
START = Incarnation("0" * 32)
REPORT = VerifiedReport(program="ff", exit_code=0, output=(1, 2), params="test", bits=0.0, shares=2)


def submitted(kind: Kind) -> jobs.Submitted:
    return jobs.Submitted(
        at=1.0, job=JobId("01234567-89ab-4def-8123-456789abcdef"), kind=kind, program=BLOB, stdin=BLOB, params="test", client="me"
    )


EVENTS: dict[type, jobs.Event] = {
    jobs.Admitted: jobs.Admitted(2.0, (10, 20)),
    jobs.KeysMade: jobs.KeysMade(3.0, BLOB),
    jobs.Executed: jobs.Executed(3.0, BLOB),
    jobs.Contributed: jobs.Contributed(3.0, BLOB),
    jobs.Proved: jobs.Proved(4.0, BLOB, WorkerId("w")),
    jobs.Aggregated: jobs.Aggregated(5.0, BLOB),
    jobs.Verified: jobs.Verified(6.0, BLOB, REPORT),
    jobs.ShareAnswered: jobs.ShareAnswered(3.0, Phase.CONTRIBUTE, 1, WorkerId("w"), START, BLOB),
    jobs.ContributionRejected: jobs.ContributionRejected(4.0, 1, WorkerId("w"), START, "wrong"),
    jobs.PartialRejected: jobs.PartialRejected(4.0, 1, WorkerId("w"), START, "wrong"),
    jobs.AggregateRejected: jobs.AggregateRejected(5.0, 2, WorkerId("w"), START, "wrong"),
    jobs.InputGiven: jobs.InputGiven(1.5, OTHER),
    jobs.JobFailed: jobs.JobFailed(7.0, Failure(kind=FailureKind.GUEST, code="c", message="m")),
    jobs.Cancelled: jobs.Cancelled(7.0, "enough"),
}

PATHS: dict[Kind, list[type]] = {
    Kind.SETUP: [jobs.Admitted, jobs.KeysMade],
    Kind.EXECUTE: [jobs.Admitted, jobs.Executed],
    Kind.PROVE: [jobs.Admitted, jobs.Contributed, jobs.Proved, jobs.Aggregated, jobs.Verified],
}


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_goes_its_path_to_its_result(kind: Kind) -> None:
    job = begin(submitted(kind))
    assert job.state is State.QUEUED
    for event in PATHS[kind]:
        assert job.result is None
        job = evolve(job, EVENTS[event])
    assert job.state is State.COMPLETED
    assert job.result == BLOB
    assert job.weights == (10, 20)
    assert (job.started_at, job.ended_at) == (2.0, EVENTS[PATHS[kind][-1]].at)


def test_every_move_that_is_not_in_the_table_raises_and_changes_nothing() -> None:
    for kind, stage in itertools.product(Kind, Stage):
        job = jobs.JobRecord(submitted=submitted(kind), stage=stage)
        for event_type, event in EVENTS.items():
            if isinstance(event, jobs.ShareAnswered) and stage.phase is not None:
                event = msgspec.structs.replace(event, phase=stage.phase)
            if (kind, stage, event_type) in jobs.TRANSITIONS:
                assert evolve(job, event).stage is jobs.TRANSITIONS[kind, stage, event_type]
            else:
                with pytest.raises(IllegalTransition):
                    evolve(job, event)
                assert job.stage is stage


def test_an_end_has_no_way_out() -> None:
    assert not [move for move in jobs.TRANSITIONS if move[1].state.final]


@pytest.mark.parametrize("kind", Kind)
def test_a_job_can_fail_and_be_cancelled_wherever_it_is(kind: Kind) -> None:
    job = begin(submitted(kind))
    for event in PATHS[kind]:
        for end, state in ((jobs.JobFailed, State.FAILED), (jobs.Cancelled, State.CANCELLED)):
            ended = evolve(job, EVENTS[end])
            assert ended.state is state
            assert ended.ended_at == 7.0
        job = evolve(job, EVENTS[event])


@pytest.mark.parametrize("kind", Kind)
def test_the_job_is_the_fold_of_its_events_as_the_journal_writes_them(kind: Kind) -> None:
    events = [submitted(kind), *(EVENTS[event] for event in PATHS[kind])]
    read = [decode_record(encode_record(event), jobs.Event) for event in events]
    assert read == events
    assert replay(read).state is State.COMPLETED


@pytest.mark.parametrize("kind", [Kind.EXECUTE, Kind.PROVE])
def test_a_job_without_its_input_waits_for_it_and_for_nothing_else(kind: Kind) -> None:
    job = begin(msgspec.structs.replace(submitted(kind), stdin=None))
    assert (job.state, job.stage.phase, job.stdin) == (State.WAITING_FOR_INPUT, None, None)
    for event in (jobs.Admitted, jobs.ShareAnswered):
        with pytest.raises(IllegalTransition):
            evolve(job, EVENTS[event])
    assert evolve(job, EVENTS[jobs.Cancelled]).state is State.CANCELLED
    given = evolve(job, EVENTS[jobs.InputGiven])
    assert (given.state, given.stdin) == (State.QUEUED, OTHER)
    with pytest.raises(IllegalTransition):
        evolve(given, EVENTS[jobs.InputGiven])
    events = [msgspec.structs.replace(submitted(kind), stdin=None), EVENTS[jobs.InputGiven], *(EVENTS[event] for event in PATHS[kind])]
    assert replay([decode_record(encode_record(event), jobs.Event) for event in events]).state is State.COMPLETED


def test_a_history_without_a_beginning_is_none() -> None:
    with pytest.raises(IllegalTransition):
        replay([])
    with pytest.raises(IllegalTransition):
        replay([EVENTS[jobs.Admitted]])


def proving(*events: jobs.Event) -> jobs.JobRecord:
    """A job of two shares after these events; `answer` makes them."""
    return replay([submitted(Kind.PROVE), EVENTS[jobs.Admitted], *events])


def answer(phase: Phase, share: int, blob: BlobRef = BLOB) -> jobs.ShareAnswered:
    return jobs.ShareAnswered(3.0, phase, share, WorkerId(f"w{share}"), START, blob)


CONTRIBUTED = (answer(Phase.CONTRIBUTE, 0), answer(Phase.CONTRIBUTE, 1), jobs.Contributed(3.0, BLOB))
PROVEN = (*CONTRIBUTED, answer(Phase.PROVE, 0), answer(Phase.PROVE, 1), jobs.Proved(4.0, BLOB, WorkerId("w0")))
AGGREGATED = (*PROVEN, answer(Phase.AGGREGATE, 2), jobs.Aggregated(5.0, BLOB))


def test_a_share_is_answered_once_and_in_its_phase() -> None:
    job = proving(answer(Phase.CONTRIBUTE, 1))
    for wrong in (answer(Phase.CONTRIBUTE, 1, OTHER), answer(Phase.PROVE, 0)):
        with pytest.raises(IllegalTransition):
            evolve(job, wrong)
    assert job.answers[Phase.CONTRIBUTE, 1].answer == BLOB


def test_a_rejected_partial_takes_back_itself_and_the_aggregate_and_nothing_else() -> None:
    job = evolve(proving(*PROVEN), EVENTS[jobs.PartialRejected])
    assert job.stage is Stage.PROVE
    assert set(job.answers) == {(Phase.CONTRIBUTE, 0), (Phase.CONTRIBUTE, 1), (Phase.PROVE, 0)}
    assert (job.contributions, job.partials) == (BLOB, None)
    assert [blame.attempt.phase for blame in job.blames] == [Phase.PROVE]
    assert evolve(job, answer(Phase.PROVE, 1, OTHER)).answers[Phase.PROVE, 1].answer == OTHER


def test_a_rejected_contribution_takes_every_proof_back() -> None:
    job = evolve(proving(*CONTRIBUTED, answer(Phase.PROVE, 0)), EVENTS[jobs.ContributionRejected])
    assert (job.stage, job.contributions) == (Stage.CONTRIBUTE, None)
    assert set(job.answers) == {(Phase.CONTRIBUTE, 0)}


def test_a_rejected_aggregate_takes_back_itself() -> None:
    job = evolve(proving(*AGGREGATED), EVENTS[jobs.AggregateRejected])
    assert (job.stage, job.proof, job.partials) == (Stage.AGGREGATE, None, BLOB)
    assert (Phase.AGGREGATE, 2) not in job.answers
    assert len(job.answers) == 4


def test_stages_know_their_phase() -> None:
    assert Stage.QUEUED.phase is None
    assert Stage.PROVE.phase is Phase.PROVE
    assert Stage.FAILED.phase is None
    assert {stage.phase for stage in Stage if stage.state is State.RUNNING} == set(Phase)


def test_a_failed_execution_keeps_its_report() -> None:
    job = evolve(begin(submitted(Kind.EXECUTE)), EVENTS[jobs.Admitted])
    failed = evolve(job, jobs.JobFailed(3.0, Failure(kind=FailureKind.GUEST, code="c", message="m"), BLOB))
    assert failed.result == BLOB
