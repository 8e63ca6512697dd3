"""Proofs that are well formed in every way but one are refused."""

from __future__ import annotations

import random
import secrets

import pytest

from tests import toy
from tests.lying_prover import PLACES, Lie, drawn, key, proof_with
from zisk_actors.errors import ProofInvalid
from zisk_actors.stark.verifier import verify

EACH = 2  # lies of each kind in a quick run


def refused(lie: Lie) -> bool:
    """Whether the proof with that lie is refused; False too if there was no occasion for it."""
    proof = proof_with(lie)
    if proof is None:
        return False
    with pytest.raises(ProofInvalid):
        verify(proof, key().vk, toy.CHIPS, 0)
    return True


@pytest.mark.parametrize("place", PLACES)
def test_a_lie_of_each_kind_is_refused(place: str):
    told = 0
    for seed in range(40):
        told += refused(Lie(seed % 2, place, seed // 2 % 4, seed))
        if told == EACH:
            return
    raise AssertionError(f"only {told} occasions to lie about: {place}")


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_two_thousand_lies_are_refused():
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    told = 0
    while told < 2000:
        told += refused(drawn(chance))
