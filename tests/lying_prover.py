"""A prover that lies in one place, and carries the protocol to its end all the same.

Rules. It is the real prover (stark/prover.py) on a backend that tells the truth but once; whatever comes after a lie is computed from it,
and the transcript has absorbed it, so that a proof is well formed in every other way. What the prover checks of itself is left out.
Lies about tables come before the backend: cells (values, multiplicities, times), rows minted or dropped, a table twice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import pytest

from tests import toy
from zisk_actors.air import check
from zisk_actors.backends.reference import ReferenceBackend
from zisk_actors.stark import domain, fri, poseidon2, prover
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.proof import Proof
from zisk_actors.stark.prover import Table
from zisk_actors.stark.setup import ProvingKey
from zisk_actors.stark.statement import global_challenge

# What a lie may be about, with the method of the backend that tells it, where one does.
BACKEND: Final = {
    "low-degree extension": "lde",
    "bus columns": "logup",
    "claimed sum": "logup",
    "quotient": "quotient",
    "opening or binding": "evaluate",
    "DEEP quotient": "deep",
    "sum of codewords": "add_scaled",
    "FRI layer": "fold",
    "cap": "commit",
    "cap of a layer": "commit_codeword",
    "nonce": "grind",
}
TABLES: Final = ("cell", "row minted", "row dropped", "table twice")
PLACES: Final = (*TABLES, *BACKEND, "final polynomial")


@dataclass(frozen=True)
class Lie:
    """In which share, about what, the how manieth time that it comes up, and the seed of what is said instead."""

    share: int
    place: str
    call: int
    seed: int


def drawn(chance: random.Random) -> Lie:
    """Some lie."""
    return Lie(chance.randrange(2), chance.choice(PLACES), chance.randrange(6), chance.randrange(2**32))


class LyingBackend(ReferenceBackend):
    """Tells the truth but once. ``told``: whether it has lied."""

    def __init__(self, lie: Lie) -> None:
        super().__init__()
        self.told = False
        calls = 0
        method = BACKEND.get(lie.place)
        rng = np.random.default_rng(lie.seed)
        if method is None:
            return
        honest = getattr(self, method)

        def lying(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            said = honest(*args)
            if calls != lie.call + 1:
                return said
            self.told = True
            return _workless(*args) if lie.place == "nonce" else _otherwise(self, lie.place, said, rng)

        setattr(self, method, lying)


def _otherwise(backend: ReferenceBackend, place: str, said: Any, rng: np.random.Generator) -> Any:
    """Something else than the backend said."""
    if place == "claimed sum":
        return said[0], _random(said[1].shape, rng)
    if place == "bus columns":
        return backend.upload(_other_row(backend.download(said[0]), rng)), said[1]
    if place == "opening or binding":
        return _other_row(said, rng)
    if place in ("cap", "cap of a layer"):
        said.cap[:] = _random(said.cap.shape, rng)
        return said
    return backend.upload(_other_row(backend.download(said), rng))


def _workless(seed: U64, bits: int) -> int:
    """A nonce without work in it."""
    words = poseidon2.grinding_words(seed, np.arange(16, dtype=np.uint64), bits)
    return int(np.flatnonzero(words & np.uint64(2**bits - 1))[0])


def _random(shape: tuple[int, ...], rng: np.random.Generator) -> U64:
    return rng.integers(P, size=shape, dtype=np.uint64)


def _other_row(values: U64, rng: np.random.Generator) -> U64:
    """One row of a matrix replaced by noise."""
    other = np.array(values)
    row = int(rng.integers(len(other)))
    other[row] = _random(other[row].shape, rng)
    return other


def lied_about_tables(lie: Lie) -> list[list[Table]]:
    """The toy job's tables with the lie in them, or as they are."""
    shares = toy.shares()
    chance = random.Random(lie.seed)
    if lie.place == "cell":
        number = chance.randrange(len(shares[lie.share]))
        main = shares[lie.share][number].main.copy()
        place = chance.randrange(main.shape[0]), chance.randrange(main.shape[1])
        main[place] = chance.choice([(int(main[place]) + 1) % P, (int(main[place]) - 1) % P, 0, 1, chance.randrange(P)])
        shares[lie.share][number] = Table(shares[lie.share][number].chip, main)
    squares = [i for i, table in enumerate(shares[lie.share]) if table.chip == 1]
    number = chance.choice(squares)
    main = shares[lie.share][number].main.copy()
    used, unused = (np.flatnonzero(main[3] == real) for real in (1, 0))
    if lie.place == "row minted" and len(unused):
        main[:, chance.choice(unused.tolist())] = main[:, chance.choice(used.tolist())]
    elif lie.place == "row dropped":
        main[:, chance.choice(used.tolist())] = 0
    elif lie.place == "table twice":
        shares[lie.share].insert(number, shares[lie.share][number])
        return shares
    if lie.place in ("row minted", "row dropped"):
        shares[lie.share][number] = Table(1, main)
    return shares


def satisfied(shares: Sequence[Sequence[Table]], key: ProvingKey) -> bool:
    """Whether the tables are those of an honest job, as the checker of traces sees them."""
    orders = {table.main.shape[1]: domain.bit_reversal(table.main.shape[1].bit_length() - 1) for share in shares for table in share}
    fixed = toy.fixed_table()[:, domain.bit_reversal(toy.TABLE_LOG)]
    tables = [
        check.Table(toy.CHIPS.chips[table.chip].air, table.main[:, orders[table.main.shape[1]]], fixed if table.chip == 2 else None)
        for share in shares
        for table in share
    ]
    boundary = [check.Term(term.bus, term.values, term.times) for term in toy.boundary(toy.statement(key.vk), key.vk)]
    return check.check(tables, boundary).ok


@contextmanager
def unchecked(lie: Lie, told: list[bool]) -> Iterator[None]:
    """The prover without what it checks of itself, and with a lie about the polynomial that no backend makes."""
    rng = np.random.default_rng(lie.seed)

    def final(codeword: U64, bound: int) -> U64:
        coefficients = np.ascontiguousarray(domain.intt(codeword)[:, :bound].T)
        if lie.place != "final polynomial" or told:
            return coefficients
        told.append(True)
        return _other_row(coefficients, rng)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prover, "constraints_hold", lambda *_: True)
        patch.setattr(fri, "final_coefficients", final)
        yield


@cache
def key() -> ProvingKey:
    """The toy's key."""
    return toy.proving_key(ReferenceBackend())


def proof_with(lie: Lie) -> Proof | None:
    """A whole proof with that lie in it; None if there was no occasion for it, or if it is none."""
    shares = lied_about_tables(lie)
    if lie.place in TABLES and satisfied(shares, key()):
        return None
    told: list[bool] = []
    backends = [LyingBackend(lie) if number == lie.share else ReferenceBackend() for number in range(len(shares))]
    with unchecked(lie, told):
        pairs = list(zip(backends, shares, strict=True))
        states = [prover.contribute(backend, key(), number, tables) for number, (backend, tables) in enumerate(pairs)]
        claim = toy.statement(key().vk)
        contributions = tuple(state.contribution for state in states)
        challenge = global_challenge(key().vk.parameters, claim, contributions)
        same = challenge == toy.honest().challenge
        partials = tuple(
            toy.honest().partials[number] if same and number != lie.share else prover.prove(backend, key(), state, challenge)
            for number, (backend, state) in enumerate(zip(backends, states, strict=True))
        )
    liar = backends[lie.share]
    if lie.place not in TABLES and not told and not (isinstance(liar, LyingBackend) and liar.told):
        return None
    return Proof(key().vk.parameters, claim, contributions, partials)
