"""Aggregation: any order, nothing unchecked, nothing missing."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests import toy
from zisk_actors.backends.reference import ReferenceBackend
from zisk_actors.errors import ProofInvalid
from zisk_actors.stark import field
from zisk_actors.stark.aggregate import Aggregation, aggregate
from zisk_actors.stark.errors import BadContribution, BusImbalance, MissingShare, WrongChallenge, WrongChipSet, WrongProgram
from zisk_actors.stark.prover import Table
from zisk_actors.stark.verifier import verify

change = msgspec.structs.replace


def begin() -> Aggregation:
    job = toy.honest()
    return Aggregation(job.statement, job.contributions, job.key.vk, toy.CHIPS)


def test_partials_in_any_order_make_the_proof():
    job = toy.honest()
    proof = aggregate(job.statement, job.contributions, job.partials[::-1], job.key.vk, toy.CHIPS)
    assert proof == job.proof
    verify(proof, job.key.vk, toy.CHIPS, 0)


def test_one_by_one():
    job, aggregation = toy.honest(), begin()
    assert aggregation.challenge == job.challenge
    assert aggregation.missing == [0, 1]
    aggregation.add(job.partials[1])
    aggregation.add(job.partials[1])
    assert aggregation.missing == [0]
    with pytest.raises(MissingShare):
        aggregation.finish()
    aggregation.add(job.partials[0])
    assert aggregation.finish() == job.proof


def test_a_wrong_partial_is_named_and_not_kept():
    job, aggregation = toy.honest(), begin()
    wrong = change(job.partials[0], nonce=job.partials[0].nonce + 1)
    with pytest.raises(ProofInvalid) as caught:
        aggregation.add(wrong)
    assert caught.value.share == 0
    assert aggregation.missing == [0, 1]
    with pytest.raises(MissingShare):
        aggregation.add(change(job.partials[0], share=2))
    with pytest.raises(WrongChallenge):
        aggregation.add(change(job.partials[0], challenge=bytes(32)))


def test_the_claim_is_checked_first():
    job = toy.honest()
    with pytest.raises(WrongProgram):
        Aggregation(change(job.statement, vk=(1, 2, 3, 4)), job.contributions, job.key.vk, toy.CHIPS)
    with pytest.raises(BadContribution):
        Aggregation(job.statement, job.contributions[1:], job.key.vk, toy.CHIPS)
    with pytest.raises(WrongChipSet):
        Aggregation(job.statement, job.contributions, change(job.key.vk, chip_set=(1, 2, 3, 4)), toy.CHIPS)


def test_buses_must_balance():
    """Every partial proof is right by itself, and a multiplicity is wrong in one of them."""
    backend = ReferenceBackend()
    shares = toy.shares()
    table = shares[1][-1]
    shares[1][-1] = Table(table.chip, field.add(table.main, np.uint64(1)))
    job = toy.run(backend, tables=shares)
    aggregation = Aggregation(job.statement, job.contributions, job.key.vk, toy.CHIPS)
    for partial in job.partials:
        aggregation.add(partial)
    with pytest.raises(BusImbalance):
        aggregation.finish()
