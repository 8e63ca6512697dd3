"""A kind of job is a path of phases: its moves, limits and parts follow from its row."""

from __future__ import annotations

import pytest

from zisk_actors.core import job_events as events
from zisk_actors.core.kinds import KINDS, LEGS, Leg, Path, moves_of
from zisk_actors.core.phases import PHASES
from zisk_actors.core.stages import Stage
from zisk_actors.settings import CoordinatorCore
from zisk_actors.wire.values import Kind


def test_another_kind_is_a_row_from_which_its_moves_follow() -> None:
    path = Path(
        takes_input=False,
        legs=(
            Leg(stage=Stage.EXECUTE, part=0.5, limit="execution_timeout_seconds", done=events.Executed),
            Leg(
                stage=Stage.CONTRIBUTE,
                part=0.5,
                limit="phase1_timeout_seconds",
                done=events.Contributed,
                rejected=events.ContributionRejected,
            ),
        ),
    )
    moves = {(stage, event): after for (_, stage, event), after in moves_of(Kind.EXECUTE, path)}
    assert moves == {
        (Stage.QUEUED, events.Admitted): Stage.EXECUTE,
        (Stage.EXECUTE, events.Executed): Stage.CONTRIBUTE,
        (Stage.CONTRIBUTE, events.Contributed): Stage.COMPLETED,
        (Stage.CONTRIBUTE, events.ContributionRejected): Stage.CONTRIBUTE,
        **{(stage, event): stage for stage in (Stage.EXECUTE, Stage.CONTRIBUTE) for event in (events.ShareAnswered, events.ShareFailed)},
        **{(stage, events.JobFailed): Stage.FAILED for stage in (Stage.QUEUED, Stage.EXECUTE, Stage.CONTRIBUTE)},
        **{(stage, events.Cancelled): Stage.CANCELLED for stage in (Stage.QUEUED, Stage.EXECUTE, Stage.CONTRIBUTE)},
    }


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_has_a_path_whose_parts_are_the_whole(kind: Kind) -> None:
    assert sum(leg.part for leg in KINDS[kind].legs) == pytest.approx(1.0)
    assert len({leg.stage for leg in KINDS[kind].legs}) == len(KINDS[kind].legs)


@pytest.mark.parametrize("leg", LEGS.values(), ids=lambda leg: leg.phase.value)
def test_a_phase_that_workers_do_has_a_limit_that_is_a_setting_and_a_spec(leg: Leg) -> None:
    assert (leg.stage in PHASES) == bool(leg.limit)
    assert not leg.limit or hasattr(CoordinatorCore(), leg.limit)


def test_a_phase_that_is_on_several_paths_is_the_same_on_each() -> None:
    for path in KINDS.values():
        assert all(LEGS[leg.phase] == leg for leg in path.legs)
