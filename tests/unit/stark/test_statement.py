"""The global challenge covers the whole claim; claims out of range are refused."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import pytest

from tests import toy
from zisk_actors.stark.errors import BadStatement
from zisk_actors.stark.field import P
from zisk_actors.stark.statement import (
    Contribution,
    InstanceShape,
    Statement,
    canonical_order,
    global_challenge,
    heights,
    outputs_from_words,
)

S = TypeVar("S", bound=msgspec.Struct)


def replaced(struct: S, **changes: object) -> S:
    return msgspec.structs.replace(struct, **changes)


def test_every_part_of_the_claim_changes_the_challenge():
    job = toy.honest()
    claim, (first, second) = job.statement, job.contributions

    def challenge(
        statement: Statement = claim, contributions: tuple[Contribution, ...] = (first, second), parameters: int = 1
    ) -> tuple[int, ...]:
        return global_challenge(parameters, statement, contributions)

    outputs = claim.outputs
    shape = first.instances[1]
    others = [
        challenge(parameters=2),
        challenge(replaced(claim, vk=(1, 2, 3, 4))),
        challenge(replaced(claim, outputs=(*outputs[:-1], 1))),
        challenge(replaced(claim, exit_code=claim.exit_code + 1)),
        challenge(replaced(claim, exit_code=claim.exit_code + 2**32)),
        challenge(replaced(claim, final_ts=claim.final_ts + 4)),
        challenge(contributions=(first,)),
        challenge(contributions=(second, first)),
        challenge(contributions=(replaced(first, share=1), second)),
        challenge(contributions=(replaced(first, root=(1, 2, 3, 4)), second)),
        challenge(contributions=(first, replaced(second, root=(1, 2, 3, 4)))),
        challenge(contributions=(replaced(first, instances=first.instances[:-1]), second)),
        challenge(contributions=(replaced(first, instances=(InstanceShape(shape.chip, 9), *first.instances[1:])), second)),
        challenge(contributions=(replaced(first, bindings=((0, 0, 0), *first.bindings[1:])), second)),
        challenge(contributions=(replaced(first, bindings=first.bindings[1:]), second)),
    ]
    assert challenge() == job.challenge
    assert len({job.challenge, *others}) == len(others) + 1


@pytest.mark.parametrize(
    "change",
    [
        {"outputs": (0,) * 63},
        {"outputs": (2**32, *(0,) * 63)},
        {"outputs": (-1, *(0,) * 63)},
        {"exit_code": 2**64},
        {"exit_code": -1},
        {"final_ts": 0},
        {"final_ts": 6},
        {"final_ts": 2**48},
        {"vk": (0, 0, 0, P)},
    ],
)
def test_statements_out_of_range_are_refused_and_have_no_challenge(change: dict[str, object]):
    job = toy.honest()
    wrong = replaced(job.statement, **change)
    with pytest.raises(BadStatement):
        wrong.check()
    with pytest.raises(BadStatement):
        global_challenge(1, wrong, job.contributions)


def test_contributions_out_of_range_are_refused():
    job = toy.honest()
    wrong = replaced(job.contributions[0], root=(0, 0, 0, P))
    with pytest.raises(BadStatement):
        global_challenge(1, job.statement, [wrong])


def test_order_heights_and_outputs():
    a, b, c = InstanceShape(0, 5), InstanceShape(1, 7), InstanceShape(1, 5)
    assert canonical_order([a, b, c])
    assert canonical_order([b, b])
    assert not canonical_order([a, c, b])
    assert not canonical_order([b, a])
    assert heights([a, b, c]) == [7, 5]
    assert outputs_from_words([0x0000000200000001, 2**64 - 1]) == (1, 2, 2**32 - 1, 2**32 - 1)
    assert toy.honest().statement.steps == 160
