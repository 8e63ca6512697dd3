"""What each phase asks, and how far a job is."""

from __future__ import annotations

import msgspec
import pytest

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import Submitted
from zisk_actors.core.phases import PHASES, Gathered, percent, seconds_left
from zisk_actors.core.stages import Stage
from zisk_actors.ids import BlobId, Incarnation, JobId, WorkerId
from zisk_actors.wire.values import BlobRef, Kind, Lease, Phase, ShareStatus
from zisk_actors.wire.worker_link import PHASE_OF

BLOB = BlobRef(BlobId("ab" * 32), 3)
OTHER = BlobRef(BlobId("cd" * 32), 4)
JOB = JobId("01234567-89ab-4def-8123-456789abcdef")
LEASE = Lease(WorkerId("w"), Incarnation("0" * 32), JOB, 1, 1)


def record(stage: Stage, kind: Kind = Kind.PROVE) -> JobRecord:
    said = Submitted(at=0.0, job=JOB, kind=kind, program=BLOB, stdin=OTHER, params="test", client="me")
    return JobRecord(submitted=said, stdin=said.stdin, stage=stage, weights=(10, 20), contributions=BLOB, partials=OTHER)


def share(number: int, phase: Phase, fraction: float) -> ShareStatus:
    return ShareStatus(share=number, worker=WorkerId("w"), attempt=1, phase=phase, fraction=fraction)


@pytest.mark.parametrize("stage", PHASES)
def test_a_phase_asks_its_own_task_and_folds_to_the_next_stage(stage: Stage) -> None:
    phase = PHASES[stage]
    task = phase.task(record(stage), LEASE, 60.0)
    assert PHASE_OF[type(task)] is phase.name
    assert (task.lease, task.limit_seconds) == (LEASE, 60.0)
    event = phase.fold(Gathered(answers=(BLOB,), folded=BLOB, first=WorkerId("w")), 9.0)
    assert event.at == 9.0


def test_the_aggregate_is_one_past_the_shares() -> None:
    assert list(PHASES[Stage.PROVE].shares(record(Stage.PROVE))) == [0, 1]
    assert list(PHASES[Stage.AGGREGATE].shares(record(Stage.AGGREGATE))) == [2]


def test_a_phase_without_its_inputs_is_a_bug_that_says_so() -> None:
    bare = msgspec.structs.replace(record(Stage.PROVE), contributions=None)
    with pytest.raises(IllegalTransition, match="contributions"):
        PHASES[Stage.PROVE].task(bare, LEASE, 1.0)


def test_percent_grows_with_phases_and_shares() -> None:
    steps = [
        percent(record(Stage.QUEUED), ()),
        percent(record(Stage.CONTRIBUTE), (share(0, Phase.CONTRIBUTE, 0.5),)),
        percent(record(Stage.CONTRIBUTE), (share(0, Phase.CONTRIBUTE, 1.0), share(1, Phase.CONTRIBUTE, 1.0))),
        percent(record(Stage.PROVE), (share(0, Phase.CONTRIBUTE, 1.0),)),
        percent(record(Stage.PROVE), (share(0, Phase.PROVE, 1.0),)),
        percent(record(Stage.AGGREGATE), (share(2, Phase.AGGREGATE, 1.0),)),
        percent(record(Stage.VERIFY), ()),
        percent(record(Stage.COMPLETED), ()),
    ]
    assert steps == sorted(steps)
    assert steps[0] == 0
    assert steps[-1] == 100


def test_an_estimate_needs_something_to_go_by() -> None:
    assert seconds_left(1.0, 100.0) is None
    assert seconds_left(50.0, 0.1) is None
    assert seconds_left(25.0, 10.0) == 30.0
