"""The job's table: each kind's path, every other move refused, and the journal's fold."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from zisk_actors.core import job as jobs
from zisk_actors.core import job_events, kinds
from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job import begin, evolve, replay
from zisk_actors.core.stages import Stage
from zisk_actors.ids import BlobId, Incarnation, JobId, WorkerId
from zisk_actors.wire.codec import decode_record, encode_record
from zisk_actors.wire.values import BlobRef, Failure, FailureKind, Kind, Phase, State, VerifiedReport

BLOB = BlobRef(BlobId("ab" * 32), 3)
OTHER = BlobRef(BlobId("cd" * 32), 3)
START = Incarnation("0" * 32)
REPORT = VerifiedReport(program="ff", exit_code=0, output=(1, 2), params="test", bits=0.0, shares=2)


def submitted(kind: Kind) -> job_events.Submitted:
    return job_events.Submitted(
        at=1.0, job=JobId("01234567-89ab-4def-8123-456789abcdef"), kind=kind, program=BLOB, stdin=BLOB, params="test", client="me"
    )


EVENTS: dict[type, job_events.JobEvent] = {
    job_events.Admitted: job_events.Admitted(2.0, (10, 20)),
    job_events.KeysMade: job_events.KeysMade(3.0, BLOB),
    job_events.Executed: job_events.Executed(3.0, BLOB),
    job_events.Contributed: job_events.Contributed(3.0, BLOB),
    job_events.Proved: job_events.Proved(4.0, BLOB, WorkerId("w")),
    job_events.Aggregated: job_events.Aggregated(5.0, BLOB),
    job_events.Verified: job_events.Verified(6.0, BLOB, REPORT),
    job_events.ShareAnswered: job_events.ShareAnswered(3.0, Phase.CONTRIBUTE, 1, WorkerId("w"), START, BLOB),
    job_events.ContributionRejected: job_events.ContributionRejected(4.0, 1, WorkerId("w1"), START, "wrong"),
    job_events.PartialRejected: job_events.PartialRejected(4.0, 1, WorkerId("w1"), START, "wrong"),
    job_events.AggregateRejected: job_events.AggregateRejected(5.0, 2, WorkerId("w2"), START, "wrong"),
    job_events.ResultRejected: job_events.ResultRejected(3.0, 0, WorkerId("w0"), START, "wrong"),
    job_events.ContributionsLost: job_events.ContributionsLost(4.0, (1,), "rotten"),
    job_events.PartialsLost: job_events.PartialsLost(4.0, (1,), "rotten"),
    job_events.ProofLost: job_events.ProofLost(5.0, (2,), "rotten"),
    job_events.InputGiven: job_events.InputGiven(1.5, OTHER),
    job_events.JobFailed: job_events.JobFailed(7.0, Failure(kind=FailureKind.GUEST, code="c", message="m")),
    job_events.Cancelled: job_events.Cancelled(7.0, "enough"),
}

PATHS: dict[Kind, list[type]] = {
    Kind.SETUP: [job_events.Admitted, job_events.KeysMade],
    Kind.EXECUTE: [job_events.Admitted, job_events.Executed],
    Kind.PROVE: [job_events.Admitted, job_events.Contributed, job_events.Proved, job_events.Aggregated, job_events.Verified],
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
            if isinstance(event, job_events.ShareAnswered) and stage.phase is not None:
                event = msgspec.structs.replace(event, phase=stage.phase)
            if (kind, stage, event_type) in kinds.TRANSITIONS:
                assert evolve(job, event).stage is kinds.TRANSITIONS[kind, stage, event_type]
            else:
                with pytest.raises(IllegalTransition):
                    evolve(job, event)
                assert job.stage is stage


def test_an_end_has_no_way_out() -> None:
    assert not [move for move in kinds.TRANSITIONS if move[1].state.final]


@pytest.mark.parametrize("kind", Kind)
def test_a_job_can_fail_and_be_cancelled_wherever_it_is(kind: Kind) -> None:
    job = begin(submitted(kind))
    for event in PATHS[kind]:
        for end, state in ((job_events.JobFailed, State.FAILED), (job_events.Cancelled, State.CANCELLED)):
            ended = evolve(job, EVENTS[end])
            assert ended.state is state
            assert ended.ended_at == 7.0
        job = evolve(job, EVENTS[event])


@pytest.mark.parametrize("kind", Kind)
def test_the_job_is_the_fold_of_its_events_as_the_journal_writes_them(kind: Kind) -> None:
    events = [submitted(kind), *(EVENTS[event] for event in PATHS[kind])]
    read = [decode_record(encode_record(event), job_events.JobEvent) for event in events]
    assert read == events
    assert replay(read).state is State.COMPLETED


@pytest.mark.parametrize("kind", [Kind.EXECUTE, Kind.PROVE])
def test_a_job_without_its_input_waits_for_it_and_for_nothing_else(kind: Kind) -> None:
    job = begin(msgspec.structs.replace(submitted(kind), stdin=None))
    assert (job.state, job.stage.phase, job.stdin) == (State.WAITING_FOR_INPUT, None, None)
    for event in (job_events.Admitted, job_events.ShareAnswered):
        with pytest.raises(IllegalTransition):
            evolve(job, EVENTS[event])
    assert evolve(job, EVENTS[job_events.Cancelled]).state is State.CANCELLED
    given = evolve(job, EVENTS[job_events.InputGiven])
    assert (given.state, given.stdin) == (State.QUEUED, OTHER)
    with pytest.raises(IllegalTransition):
        evolve(given, EVENTS[job_events.InputGiven])
    events = [
        msgspec.structs.replace(submitted(kind), stdin=None),
        EVENTS[job_events.InputGiven],
        *(EVENTS[event] for event in PATHS[kind]),
    ]
    assert replay([decode_record(encode_record(event), job_events.JobEvent) for event in events]).state is State.COMPLETED


def test_a_history_without_a_beginning_is_none() -> None:
    with pytest.raises(IllegalTransition):
        replay([])
    with pytest.raises(IllegalTransition):
        replay([EVENTS[job_events.Admitted]])


def proving(*events: job_events.JobEvent) -> jobs.JobRecord:
    """A job of two shares after these events; `answer` makes them."""
    return replay([submitted(Kind.PROVE), EVENTS[job_events.Admitted], *events])


def answer(phase: Phase, share: int, blob: BlobRef = BLOB) -> job_events.ShareAnswered:
    return job_events.ShareAnswered(3.0, phase, share, WorkerId(f"w{share}"), START, blob)


CONTRIBUTED = (answer(Phase.CONTRIBUTE, 0), answer(Phase.CONTRIBUTE, 1), job_events.Contributed(3.0, BLOB))
PROVEN = (*CONTRIBUTED, answer(Phase.PROVE, 0), answer(Phase.PROVE, 1), job_events.Proved(4.0, BLOB, WorkerId("w0")))
AGGREGATED = (*PROVEN, answer(Phase.AGGREGATE, 2), job_events.Aggregated(5.0, BLOB))


def test_a_share_is_answered_once_and_in_its_phase() -> None:
    job = proving(answer(Phase.CONTRIBUTE, 1))
    for wrong in (answer(Phase.CONTRIBUTE, 1, OTHER), answer(Phase.PROVE, 0)):
        with pytest.raises(IllegalTransition):
            evolve(job, wrong)
    assert job.answers[Phase.CONTRIBUTE, 1].answer == BLOB


def test_a_rejected_partial_takes_back_itself_and_the_aggregate_and_nothing_else() -> None:
    job = evolve(proving(*PROVEN), EVENTS[job_events.PartialRejected])
    assert job.stage is Stage.PROVE
    assert set(job.answers) == {(Phase.CONTRIBUTE, 0), (Phase.CONTRIBUTE, 1), (Phase.PROVE, 0)}
    assert (job.contributions, job.partials) == (BLOB, None)
    assert [fault.attempt.phase for fault in job.faults] == [Phase.PROVE]
    assert evolve(job, answer(Phase.PROVE, 1, OTHER)).answers[Phase.PROVE, 1].answer == OTHER


def test_a_rejected_contribution_takes_every_proof_back() -> None:
    job = evolve(proving(*CONTRIBUTED, answer(Phase.PROVE, 0)), EVENTS[job_events.ContributionRejected])
    assert (job.stage, job.contributions) == (Stage.CONTRIBUTE, None)
    assert set(job.answers) == {(Phase.CONTRIBUTE, 0)}


def test_a_rejected_aggregate_takes_back_itself() -> None:
    job = evolve(proving(*AGGREGATED), EVENTS[job_events.AggregateRejected])
    assert (job.stage, job.proof, job.partials) == (Stage.AGGREGATE, None, BLOB)
    assert (Phase.AGGREGATE, 2) not in job.answers
    assert len(job.answers) == 4


@pytest.mark.parametrize("stage", [Stage.CONTRIBUTE, Stage.PROVE, Stage.AGGREGATE, Stage.VERIFY])
def test_a_contribution_of_another_run_is_taken_back_wherever_that_is_found(stage: Stage) -> None:
    before = {Stage.CONTRIBUTE: CONTRIBUTED[:2], Stage.PROVE: CONTRIBUTED, Stage.AGGREGATE: PROVEN, Stage.VERIFY: AGGREGATED}[stage]
    job = proving(*before)
    assert job.stage is stage
    for share in (0, 1):
        job = evolve(job, job_events.ContributionRejected(6.0, share, WorkerId(f"w{share}"), START, "another run"))
    assert (job.stage, job.answers, job.contributions, job.partials, job.proof) == (Stage.CONTRIBUTE, {}, None, None, None)
    assert [fault.attempt.worker for fault in job.faults] == ["w0", "w1"]


def test_who_is_wrong_takes_nothing_of_another_with_it() -> None:
    job = evolve(proving(answer(Phase.CONTRIBUTE, 1)), job_events.ContributionRejected(4.0, 1, WorkerId("w9"), START, "wrong"))
    assert (Phase.CONTRIBUTE, 1) in job.answers
    assert job.faults[0].attempt.worker == "w9"


@pytest.mark.parametrize(("kind", "phase"), [(Kind.SETUP, Phase.SETUP), (Kind.EXECUTE, Phase.EXECUTE)])
def test_a_rejected_result_is_made_again(kind: Kind, phase: Phase) -> None:
    job = replay([submitted(kind), EVENTS[job_events.Admitted], answer(phase, 0)])
    after = evolve(job, EVENTS[job_events.ResultRejected])
    assert (after.stage, after.answers) == (job.stage, {})
    assert [(fault.attempt.worker, fault.attempt.phase) for fault in after.faults] == [("w0", phase)]
    assert evolve(after, answer(phase, 0, OTHER)).answers[phase, 0].answer == OTHER


def test_an_end_keeps_why_nobody_vouches_for_it() -> None:
    job = evolve(replay([submitted(Kind.EXECUTE), EVENTS[job_events.Admitted]]), job_events.Executed(3.0, BLOB, "unconfirmed"))
    assert (job.state, job.reason) == (State.COMPLETED, "unconfirmed")
    job = evolve(proving(*AGGREGATED), job_events.Verified(6.0, BLOB, REPORT, "not run"))
    assert (job.state, job.reason) == (State.COMPLETED, "not run")


def test_stages_know_their_phase() -> None:
    assert Stage.QUEUED.phase is None
    assert Stage.PROVE.phase is Phase.PROVE
    assert Stage.FAILED.phase is None
    assert {stage.phase for stage in Stage if stage.state is State.RUNNING} == set(Phase)


def test_a_failed_execution_keeps_its_report() -> None:
    job = evolve(begin(submitted(Kind.EXECUTE)), EVENTS[job_events.Admitted])
    failed = evolve(job, job_events.JobFailed(3.0, Failure(kind=FailureKind.GUEST, code="c", message="m"), BLOB))
    assert failed.result == BLOB


def test_what_is_lost_is_made_again_with_what_was_made_of_it_and_nobody_is_at_fault() -> None:
    whole = proving(*AGGREGATED)
    lost = evolve(whole, EVENTS[job_events.ProofLost])
    assert (lost.stage, lost.proof, lost.partials) == (Stage.AGGREGATE, None, BLOB)
    assert set(lost.answers) == {(phase, share) for phase in (Phase.CONTRIBUTE, Phase.PROVE) for share in (0, 1)}
    lost = evolve(whole, EVENTS[job_events.PartialsLost])
    assert (lost.stage, lost.proof, lost.partials, lost.contributions) == (Stage.PROVE, None, None, BLOB)
    assert set(lost.answers) == {(Phase.CONTRIBUTE, 0), (Phase.CONTRIBUTE, 1), (Phase.PROVE, 0)}
    lost = evolve(whole, EVENTS[job_events.ContributionsLost])
    assert (lost.stage, lost.contributions, lost.partials) == (Stage.CONTRIBUTE, None, None)
    assert set(lost.answers) == {(Phase.CONTRIBUTE, 0)}
    assert lost.faults == ()
    for event in (job_events.PartialsLost, job_events.ProofLost):
        with pytest.raises(IllegalTransition):
            evolve(proving(answer(Phase.CONTRIBUTE, 0)), EVENTS[event])
