"""Prover and verifier together: honest jobs pass, traces that are wrong do not, and nothing depends on what is not said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests import toy
from tests.both_verifiers import verify_values as verify
from zisk_actors.air.air import Air
from zisk_actors.air.bus import CHALLENGE_COUNT
from zisk_actors.backends.base import Matrix
from zisk_actors.backends.reference import ReferenceBackend
from zisk_actors.errors import ProofInvalid
from zisk_actors.stark import domain, field, fri, params, proof, verifier
from zisk_actors.stark.chipset import BoundaryTerm, Chip, ChipSet, Presence
from zisk_actors.stark.errors import (
    BadShare,
    BusImbalance,
    FinalMismatch,
    FoldMismatch,
    QuotientMismatch,
    TooWeak,
    UnsatisfiedTrace,
    WrongShape,
    ZeroDenominator,
)
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.layout import TreeKind
from zisk_actors.stark.prover import Table, contribute, prove
from zisk_actors.stark.setup import setup
from zisk_actors.stark.statement import Statement, global_challenge
from zisk_actors.stark.transcript import Transcript
from zisk_actors.stark.verifier import check_balance

BACKEND = ReferenceBackend()


def check(job: toy.Job, chip_set: ChipSet = toy.CHIPS) -> None:
    verify(job.proof, job.key.vk, chip_set, 0)


def test_an_honest_job_is_accepted():
    job = toy.honest()
    verified = verify(job.proof, job.key.vk, toy.CHIPS, 0)
    assert verified.statement == job.statement
    assert verified.parameters is params.TEST
    assert 5 < verified.bits < 10


def test_a_test_proof_is_not_enough():
    job = toy.honest()
    for level in (1, 100, 128):
        with pytest.raises(TooWeak):
            verify(job.proof, job.key.vk, toy.CHIPS, level)
    with pytest.raises(TooWeak):
        verify(job.proof, job.key.vk, toy.CHIPS)


def test_a_job_larger_than_a_secure_set_keeps_its_level_for_is_refused(monkeypatch: pytest.MonkeyPatch):
    """Integers decide; the insecure set has no such limit. (The native verifier's are compiled into it.)"""
    job = toy.honest()
    monkeypatch.setattr(params, "LARGEST", replace(params.LARGEST, log_rows=7))
    verifier.verify(job.proof, job.key.vk, toy.CHIPS, 0)
    monkeypatch.setitem(params.BY_NUMBER, params.TEST.number, replace(params.TEST, name="boastful", level=128))
    with pytest.raises(TooWeak, match="up to 7 log rows; this job has 8"):
        verifier.verify(job.proof, job.key.vk, toy.CHIPS, 100)


@pytest.mark.slow
def test_a_secure_proof_is_accepted_at_its_level():
    key = toy.proving_key(BACKEND, replace(params.LEVEL_100, pow_bits=20))
    job = toy.run(BACKEND, key)
    assert verify(job.proof, key.vk, toy.CHIPS, 100).bits > 100
    with pytest.raises(TooWeak):
        verify(job.proof, key.vk, toy.CHIPS, 128)


def test_proving_is_deterministic_and_survives_a_lost_state():
    job = toy.honest()
    tables = toy.shares()[0]
    again = contribute(BACKEND, job.key, 0, [*tables[1:], tables[0]])  # in any order
    assert again.contribution == job.contributions[0]
    assert prove(BACKEND, job.key, again, job.challenge) == job.partials[0]
    with pytest.raises(ValueError):
        prove(BACKEND, job.key, again, job.challenge)


def altered(share: int, chip: int, column: int, row: int, value: int) -> list[list[Table]]:
    """The honest tables with one cell changed (storage row ``row`` of the first table of that chip)."""
    shares = toy.shares()
    for number, table in enumerate(shares[share]):
        if table.chip == chip:
            main = table.main.copy()
            main[column, row] = value
            shares[share][number] = Table(chip, main)
            return shares
    raise AssertionError("no such table")


@pytest.mark.parametrize(("share", "chip", "column", "row"), [(0, 0, 0, 3), (0, 0, 1, 0), (0, 1, 3, 5), (1, 1, 3, 2)])
def test_a_trace_that_breaks_a_constraint_has_no_proof(share: int, chip: int, column: int, row: int):
    with pytest.raises(UnsatisfiedTrace):
        toy.run(BACKEND, tables=altered(share, chip, column, row, 5))


@pytest.mark.parametrize(
    ("share", "chip", "column", "row", "value"),
    [
        (0, 1, 1, 7, 60),  # a wrong square, not in the table
        (0, 1, 2, 7, 60),  # a wrong step: the chain is broken
        (1, 1, 0, 2, 3),
        (0, 2, 0, 9, 1),  # a wrong multiplicity
        (1, 2, 0, 9, 1),
    ],
)
def test_a_trace_that_leaves_a_bus_unbalanced_is_refused(share: int, chip: int, column: int, row: int, value: int):
    job = toy.run(BACKEND, tables=altered(share, chip, column, row, value))
    with pytest.raises(BusImbalance):
        check(job)


@pytest.mark.parametrize(
    "change",
    [{"exit_code": 17}, {"final_ts": 4}, {"outputs": (5, *(0,) * 63)}],
    ids=["exit code", "steps", "output"],
)
def test_a_false_claim_proven_from_the_start_is_refused(change: dict[str, object]):
    key = toy.proving_key(BACKEND)
    job = toy.run(BACKEND, key, claim=msgspec.structs.replace(toy.statement(key.vk), **change))
    with pytest.raises(BusImbalance):
        check(job)


def test_a_whole_share_left_out_is_refused():
    key = toy.proving_key(BACKEND)
    job = toy.run(BACKEND, key, tables=toy.shares()[:1])
    with pytest.raises(BusImbalance):
        check(job)


def test_tables_that_are_not_allowed_are_the_callers_fault():
    key = toy.honest().key
    fib, table = toy.fib_table(), toy.lookup_table([])
    wrong: list[Sequence[Table]] = [
        [fib],
        [table],
        [fib, fib, table],
        [fib, Table(1, np.zeros((3, 64), dtype=np.uint64)), table],
        [fib, Table(1, np.zeros((4, 48), dtype=np.uint64)), table],
        [fib, Table(9, np.zeros((4, 64), dtype=np.uint64)), table],
    ]
    for tables in wrong:
        with pytest.raises(BadShare):
            contribute(BACKEND, key, 0, tables)


def test_fixed_columns_must_be_those_of_the_chips():
    for fixed in ({}, {1: toy.fixed_table(), 2: toy.fixed_table()}, {2: toy.fixed_table()[:1]}, {2: toy.fixed_table()[:, :16]}):
        with pytest.raises(ValueError):
            setup(BACKEND, toy.CHIPS, params.TEST, fixed, entry=0)


def test_another_fixed_column_is_another_key_and_fails():
    """A prover that uses its own table is caught by the root in the key."""
    fixed = toy.fixed_table()
    fixed[1, 9] ^= np.uint64(1)
    key = setup(BACKEND, toy.CHIPS, params.TEST, {2: fixed}, entry=toy.START)
    assert key.vk.digest != toy.honest().key.vk.digest
    assert key.vk.memory == toy.CHIPS.memory


def test_a_share_without_the_tallest_fixed_columns_and_chips_without_buses_or_fixed_columns():
    """The corners of the layout: a fixed tree taller than the share, no aux tree, no fixed tree, one height of 2^6."""
    lonely = Air("lonely", toy.FibRow, toy._fib_constraints, lambda w: iter(()))
    chips = ChipSet((Chip(lonely),), lambda statement, vk: [])
    key = setup(BACKEND, chips, params.TEST, {}, entry=0)
    claim = Statement(key.vk.digest, (0,) * 64, 0, 4)
    state = contribute(BACKEND, key, 0, [Table(0, toy.fib_table().main)])
    challenge = global_challenge(1, claim, [state.contribution])
    partial = prove(BACKEND, key, state, challenge)
    assert len(partial.layers) == 1
    whole = proof.Proof(1, claim, (state.contribution,), (partial,))
    verify(whole, key.vk, chips, 0)
    forged = msgspec.structs.replace(partial, sums=(1).to_bytes(8, "little") + partial.sums[8:])
    with pytest.raises(BusImbalance):
        verify(msgspec.structs.replace(whole, partials=(forged,)), key.vk, chips, 0)
    trees = list(partial.trees)
    trees[TreeKind.AUX] = proof.Opened(b"", bytes(8))
    with pytest.raises(WrongShape):
        verify(msgspec.structs.replace(whole, partials=(msgspec.structs.replace(partial, trees=tuple(trees)),)), key.vk, chips, 0)

    once = ChipSet((*toy.CHIPS.chips[:2], Chip(toy.TABLE, Presence.SINGLETON)), toy.boundary)
    key = setup(BACKEND, once, params.TEST, {2: toy.fixed_table()}, entry=toy.START)
    first, second = toy.square_tables(0, [(30, 6)]), toy.square_tables(30, [(20, 6)])
    values = toy.chain(50)
    claim = Statement(key.vk.digest, toy.OUTPUTS, values[-1], 200)
    states = [
        contribute(BACKEND, key, 0, [toy.fib_table(), *first, toy.lookup_table([*first, *second])]),
        contribute(BACKEND, key, 1, second),
    ]
    assert states[1].layout.log_domain < 8
    contributions = tuple(state.contribution for state in states)
    challenge = global_challenge(1, claim, contributions)
    whole = proof.Proof(1, claim, contributions, tuple(prove(BACKEND, key, state, challenge) for state in states))
    verify(whole, key.vk, once, 0)


def test_a_zero_denominator_is_an_error_not_a_patch():
    squares = toy.square_tables(0, [(5, 6)])[0]
    challenges = np.zeros((9, 3), dtype=np.uint64)
    challenges[1:, 0] = 1  # alpha = 0, beta = 1: the fingerprint of (x, step) on bus 2 is 2 + x + step
    main = squares.main.copy()
    main[:, 6] = (2**64 - 2**32 + 1) - 2, 0, 0, 0
    with pytest.raises(ZeroDenominator):
        BACKEND.logup(toy.SQUARES, BACKEND.upload(main), None, challenges)


def test_a_quotient_for_a_wrong_claim_does_not_verify():
    """The claimed sum enters the constraints: a prover that lies about it by hand is caught at zeta."""
    job = toy.honest()
    partial = job.partials[0]
    forged = msgspec.structs.replace(partial, sums=partial.sums[:24] + (7).to_bytes(8, "little") + partial.sums[32:])
    with pytest.raises(QuotientMismatch):
        verify(msgspec.structs.replace(job.proof, partials=(forged, job.partials[1])), job.key.vk, toy.CHIPS, 0)


def test_a_boundary_term_must_fit_its_bus_and_have_a_fingerprint(monkeypatch: pytest.MonkeyPatch):
    job = toy.honest()

    def balance(values: tuple[int, ...]) -> None:
        chips = ChipSet(toy.CHIPS.chips, lambda statement, vk: [BoundaryTerm(toy.CHAIN, values, 1)])
        check_balance((0, 0, 0), job.statement, job.challenge, job.key.vk, chips)

    with pytest.raises(ValueError, match="has 3 values"):
        balance((1, 2, 3))
    # No prover can hope for these challenges: alpha is minus the number of the bus, beta is 0.
    challenges = np.zeros((CHALLENGE_COUNT, 3), dtype=np.uint64)
    challenges[0, 0] = P - toy.CHAIN.number
    monkeypatch.setattr(Transcript, "logup_challenges", lambda self: challenges)
    with pytest.raises(BusImbalance, match="fingerprint zero"):
        balance((1, 2))


class WrongFold(ReferenceBackend):
    """Adds one to every element of one of FRI's folded codewords."""

    def __init__(self, wrong: int) -> None:
        super().__init__()
        self._left = wrong

    def fold(self, codeword: Matrix, log_arity: int, challenge: U64) -> Matrix:
        folded = self.download(super().fold(codeword, log_arity, challenge))
        self._left -= 1
        return self.upload(field.add(folded, np.uint64(1)) if self._left < 0 else folded)


@pytest.mark.parametrize(("wrong", "error"), [(0, FoldMismatch), (1, FinalMismatch)])
def test_a_fold_that_is_none(monkeypatch: pytest.MonkeyPatch, wrong: int, error: type[ProofInvalid]):
    """A prover whose codeword is another from some layer on, with trees and all that follows as it should be."""

    def truncated(codeword: U64, bound: int) -> U64:
        return np.ascontiguousarray(domain.intt(codeword)[:, :bound].T)

    monkeypatch.setattr(fri, "final_coefficients", truncated)
    job = toy.honest()
    states = [contribute(BACKEND, job.key, number, share) for number, share in enumerate(toy.shares())]
    partial = prove(WrongFold(wrong), job.key, states[0], job.challenge)
    with pytest.raises(error):
        verify(msgspec.structs.replace(job.proof, partials=(partial, job.partials[1])), job.key.vk, toy.CHIPS, 0)
