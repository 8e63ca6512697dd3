"""The kinds of jobs: each is a path of phases, and every move of a job between its stages follows from it.

Rules of this file:
* A kind is a row of `KINDS`, and what is different about a phase stands in its row of that path: the part of the job's time that it takes,
  the setting that limits it, what ends it, and what is taken back where something of it is wrong.
* A move that is not in TRANSITIONS does not exist. Completed, failed and cancelled have no way out.
* What a phase asks of a worker, and what the answers make, is its spec (`core.phases`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from zisk_actors.core.job_events import (
    Admitted,
    Aggregated,
    AggregateRejected,
    Cancelled,
    Contributed,
    ContributionRejected,
    ContributionsLost,
    Executed,
    InputGiven,
    JobFailed,
    KeysMade,
    Lost,
    PartialRejected,
    PartialsLost,
    ProofLost,
    Proved,
    Recut,
    ResultRejected,
    ShareAnswered,
    ShareFailed,
    Verified,
)
from zisk_actors.core.stages import Stage
from zisk_actors.wire.values import Kind, Phase

TakenBack = ContributionRejected | PartialRejected | AggregateRejected | ResultRejected
"""What a worker gave is taken back."""


@dataclass(frozen=True, kw_only=True)
class Leg:
    """A phase on the path of a kind. `part` is what it takes of the job's time, of our own measurements on one machine, and only for the
    progress shown; `limit` the setting that limits it, empty for a phase that the coordinator does itself, without shares; `done` the event
    that ends it. `rejected` takes back what is wrong of it, found out in it or as late as in stage `found_in`; `lost` is that something of
    it is not on our disk any more, in it or later; with `recut` its shares can be cut finer."""

    stage: Stage
    part: float
    done: type
    limit: str = ""
    rejected: type[TakenBack] | None = None
    found_in: Stage | None = None
    lost: type[Lost] | None = None
    recut: bool = False

    @property
    def phase(self) -> Phase:
        return Phase(self.stage.value)


@dataclass(frozen=True, kw_only=True)
class Path:
    """The way of a kind of job, from when it is admitted."""

    legs: tuple[Leg, ...]
    takes_input: bool = True


KINDS: Final[Mapping[Kind, Path]] = {
    Kind.SETUP: Path(
        takes_input=False,
        legs=(Leg(stage=Stage.SETUP, part=1.0, limit="phase1_timeout_seconds", done=KeysMade, rejected=ResultRejected),),
    ),
    Kind.EXECUTE: Path(
        legs=(Leg(stage=Stage.EXECUTE, part=1.0, limit="execution_timeout_seconds", done=Executed, rejected=ResultRejected),),
    ),
    Kind.PROVE: Path(
        legs=(
            Leg(
                stage=Stage.CONTRIBUTE,
                part=0.33,
                limit="phase1_timeout_seconds",
                done=Contributed,
                rejected=ContributionRejected,
                found_in=Stage.VERIFY,
                lost=ContributionsLost,
                recut=True,
            ),
            Leg(
                stage=Stage.PROVE,
                part=0.57,
                limit="phase2_timeout_seconds",
                done=Proved,
                rejected=PartialRejected,
                found_in=Stage.AGGREGATE,
                lost=PartialsLost,
            ),
            Leg(
                stage=Stage.AGGREGATE,
                part=0.05,
                limit="phase3_timeout_seconds",
                done=Aggregated,
                rejected=AggregateRejected,
                found_in=Stage.VERIFY,
                lost=ProofLost,
            ),
            Leg(stage=Stage.VERIFY, part=0.05, done=Verified),
        ),
    ),
}

Move = tuple[Kind, Stage, type]


def moves_of(kind: Kind, path: Path) -> Iterator[tuple[Move, Stage]]:
    """Every move of a kind of job: along its path, back on it, and to an end."""
    stages = [leg.stage for leg in path.legs]
    before = [Stage.WAITING_FOR_INPUT, Stage.QUEUED] if path.takes_input else [Stage.QUEUED]
    if path.takes_input:
        yield (kind, Stage.WAITING_FOR_INPUT, InputGiven), Stage.QUEUED
    yield (kind, Stage.QUEUED, Admitted), stages[0]
    for place, leg in enumerate(path.legs):
        yield (kind, leg.stage, leg.done), stages[place + 1] if place + 1 < len(stages) else Stage.COMPLETED
        if leg.limit:
            yield (kind, leg.stage, ShareAnswered), leg.stage
            yield (kind, leg.stage, ShareFailed), leg.stage
        if leg.recut:
            yield (kind, leg.stage, Recut), leg.stage
        if leg.rejected is not None:
            for stage in stages[place : stages.index(leg.found_in or leg.stage) + 1]:
                yield (kind, stage, leg.rejected), leg.stage
        if leg.lost is not None:
            for stage in stages[place:]:
                yield (kind, stage, leg.lost), leg.stage
    for stage in before + stages:
        yield (kind, stage, JobFailed), Stage.FAILED
        yield (kind, stage, Cancelled), Stage.CANCELLED


TRANSITIONS: Final[Mapping[Move, Stage]] = {move: after for kind, path in KINDS.items() for move, after in moves_of(kind, path)}

LEGS: Final[Mapping[Phase, Leg]] = {leg.phase: leg for path in KINDS.values() for leg in path.legs}
"""The phases that there are; one that is on several paths is the same on each."""
