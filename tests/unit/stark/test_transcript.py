"""The transcript: every message changes what comes after it, and nothing before it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from zisk_actors.stark import field
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.transcript import Sponge, Transcript

ROOT, OTHER = (1, 2, 3, 4), (1, 2, 3, 5)
VALUES = np.arange(12, dtype=np.uint64).reshape(4, 3)
CHANGED = VALUES.copy()
CHANGED[3, 2] += np.uint64(1)

# The whole conversation of a share, and for each message another one.
MESSAGES: list[tuple[str, Callable[[Transcript], None], Callable[[Transcript], None]]] = [
    ("share", lambda t: t.share(0), lambda t: t.share(1)),
    ("aux root", lambda t: t.aux(ROOT, [(1, 2, 3)]), lambda t: t.aux(OTHER, [(1, 2, 3)])),
    ("sum", lambda t: t.aux(ROOT, [(1, 2, 3)]), lambda t: t.aux(ROOT, [(1, 2, 4)])),
    ("no aux root", lambda t: t.aux(ROOT, []), lambda t: t.aux(None, [])),
    ("quotient", lambda t: t.quotient(ROOT), lambda t: t.quotient(OTHER)),
    ("openings", lambda t: t.openings(VALUES), lambda t: t.openings(CHANGED)),
    ("number of openings", lambda t: t.openings(VALUES), lambda t: t.openings(VALUES[:3])),
    ("layer", lambda t: t.layer(ROOT), lambda t: t.layer(OTHER)),
    ("final", lambda t: t.final(VALUES), lambda t: t.final(CHANGED)),
    ("nonce", lambda t: t.nonce(7), lambda t: t.nonce(8)),
    ("kind of message", lambda t: t.layer(ROOT), lambda t: t.quotient(ROOT)),
]


@pytest.mark.parametrize(("message", "other"), [m[1:] for m in MESSAGES], ids=[m[0] for m in MESSAGES])
def test_every_message_changes_what_follows(message: Callable[[Transcript], None], other: Callable[[Transcript], None]):
    def challenges(*messages: Callable[[Transcript], None]) -> list[list[int]]:
        transcript = Transcript.of_job(ROOT)
        before = transcript.constraint_challenge().tolist()
        for absorb in messages:
            absorb(transcript)
        return [before, transcript.constraint_challenge().tolist()]

    said, otherwise = challenges(message), challenges(other)
    assert said[0] == otherwise[0]
    assert said[1] != otherwise[1]
    assert challenges(message) == said
    assert challenges(message, message)[1] != said[1]
    assert challenges()[1] != said[1]


def test_the_start_counts():
    def first(transcript: Transcript) -> list[int]:
        return transcript.constraint_challenge().tolist()

    starts = [
        Transcript.of_job(ROOT),
        Transcript.of_job(OTHER),
        Transcript.of_share(ROOT, (0, 1), ROOT),
        Transcript.of_share(OTHER, (0, 1), ROOT),
        Transcript.of_share(ROOT, (0, 2), ROOT),
        Transcript.of_share(ROOT, (0, 1), OTHER),
    ]
    assert len({tuple(first(start)) for start in starts}) == len(starts)


def test_messages_of_equal_words_but_other_borders_differ():
    def after(*parts: U64) -> list[int]:
        transcript = Transcript.of_job(ROOT)
        for part in parts:
            transcript.openings(part)
        return transcript.deep_challenge().tolist()

    assert after(VALUES) != after(VALUES[:2], VALUES[2:])


def test_logup_challenges_are_alpha_and_powers_of_beta():
    challenges = Transcript.of_job(ROOT).logup_challenges()
    alpha, beta = challenges[0], challenges[1]
    assert challenges.shape == (9, 3)
    assert alpha.tolist() != beta.tolist()
    assert np.array_equal(challenges[8], field.ext_power(beta, 8))


@pytest.mark.parametrize("word", [P, 2**64 - 1, -1])
def test_words_that_are_not_canonical_are_refused(word: int):
    with pytest.raises(ValueError):
        Transcript.of_job((0, 0, 0, word))
    with pytest.raises(ValueError):
        Transcript.of_job(ROOT).nonce(word)


def test_indices_are_in_the_domain_and_use_all_of_it():
    indices = Transcript.of_job(ROOT).query_indices(500, 5)
    assert set(indices.tolist()) == set(range(32))
    assert Transcript.of_job(ROOT).query_indices(500, 6).max() >= 32


def test_zeta_is_outside_the_base_field():
    zeta = Transcript.of_job(ROOT).evaluation_point()
    assert zeta[1] or zeta[2]


def test_the_sponge_forgets_squeezed_words_when_it_absorbs():
    one, two = Sponge(), Sponge()
    one.squeeze(1)
    one.absorb([5])
    two.squeeze(12)
    two.absorb([5])
    assert one.squeeze(30) == two.squeeze(30)  # what was left of a block is thrown away, not kept
    assert len(set(one.squeeze(40))) == 40
