"""The transcript: a duplex sponge that turns messages into challenges.

Rules: prover and verifier both speak to it only by the verbs below, one for
each message of the protocol, so no step can forget to absorb. Every message is
framed by its kind and its length; a word that is not canonical is refused. The
sponge overwrites its rate, its capacity begins as (TRANSCRIPT, 0, 0, 0), and an
absorbed word throws away squeezed words that were not used yet.

A share's contribution has a transcript of its own: commitment -> [point, binding challenge].
After the global challenge, the order of a share's transcript is:
    share -> aux -> [constraint challenge] -> quotient -> [zeta] -> openings ->
    [DEEP challenge] -> (layer -> [fold])* -> final polynomial ->
    [grinding seed] -> nonce -> [indices]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

import numpy as np

from zisk_actors.air.bus import CHALLENGE_COUNT
from zisk_actors.air.evaluate import Ext
from zisk_actors.stark import domain, poseidon2
from zisk_actors.stark.field import U64, P


class Message(IntEnum):
    """The kinds of message, as they are framed."""

    GLOBAL_CHALLENGE = 1
    SHARE = 2
    AUX = 3
    QUOTIENT = 4
    OPENINGS = 5
    LAYER = 6
    FINAL = 7
    NONCE = 8
    COMMITMENT = 9


class Sponge:
    """The bare duplex sponge over words."""

    def __init__(self) -> None:
        self._state = [0] * poseidon2.WIDTH
        self._state[poseidon2.RATE] = poseidon2.Tag.TRANSCRIPT
        self._pending: list[int] = []
        self._ready: list[int] = []

    def _duplex(self) -> None:
        self._state[: len(self._pending)] = self._pending
        self._pending = []
        self._state = poseidon2.permute_state(self._state)
        self._ready = self._state[: poseidon2.RATE]

    def absorb(self, words: Iterable[int]) -> None:
        """Take words in; one outside [0, P) raises ValueError."""
        for word in words:
            if not 0 <= word < P:
                raise ValueError("a word is not a canonical field element")
            self._ready = []
            self._pending.append(word)
            if len(self._pending) == poseidon2.RATE:
                self._duplex()
                self._ready = []

    def squeeze(self, count: int) -> list[int]:
        """``count`` words out."""
        words: list[int] = []
        for _ in range(count):
            if self._pending or not self._ready:
                self._duplex()
            words.append(self._ready.pop(0))
        return words


class Transcript:
    """Messages in, challenges out. Begun by ``of_share`` before the global challenge exists, by ``of_job`` after."""

    def __init__(self, kind: Message, words: Sequence[int]) -> None:
        self._sponge = Sponge()
        self._absorb(kind, words)

    @classmethod
    def of_share(cls, vk: Sequence[int], instances: Sequence[int], root: Sequence[int]) -> Transcript:
        """For the contribution's binding: key, ``statement.instance_words`` and the stage-1 root."""
        return cls(Message.COMMITMENT, [*vk, *instances, *root])

    @classmethod
    def of_job(cls, global_challenge: Sequence[int]) -> Transcript:
        """For everything else: each share starts from the job's global challenge (stark/statement.py)."""
        return cls(Message.GLOBAL_CHALLENGE, global_challenge)

    def _absorb(self, kind: Message, words: Sequence[int]) -> None:
        self._sponge.absorb((int(kind), len(words)))
        self._sponge.absorb(words)

    def _challenge(self) -> U64:
        return np.array(self._sponge.squeeze(3), dtype=np.uint64)

    def binding_challenge(self) -> U64:
        """The challenge whose powers combine the main columns of one height, for the contribution's binding."""
        return self._challenge()

    def logup_challenges(self) -> U64:
        """alpha, beta, beta^2, ...: (CHALLENGE_COUNT, 3). Drawn directly after the start: the same in every share."""
        alpha, beta = self._challenge(), self._challenge()
        return np.concatenate([alpha[None], domain.ext_powers(beta, CHALLENGE_COUNT)[1:]])

    def share(self, index: int) -> None:
        """From here on the transcript belongs to one share."""
        self._absorb(Message.SHARE, (index,))

    def aux(self, root: Sequence[int] | None, sums: Sequence[Ext]) -> None:
        """Stage 2: the aux tree's root (None where no instance has bus terms) and every claimed sum."""
        words = [0] if root is None else [1, *root]
        self._absorb(Message.AUX, [*words, *(word for claimed in sums for word in claimed)])

    def constraint_challenge(self) -> U64:
        """gamma, which combines the constraints."""
        return self._challenge()

    def quotient(self, root: Sequence[int]) -> None:
        """The quotient tree's root."""
        self._absorb(Message.QUOTIENT, root)

    def evaluation_point(self) -> U64:
        """zeta. Outside the base field, so outside every trace domain and every coset: redrawn in the other case."""
        while True:
            zeta = self._challenge()
            if zeta[1] or zeta[2]:
                return zeta

    def openings(self, values: U64) -> None:
        """All values at zeta and at the next row's points, (count, 3), in the order of the proof."""
        self._absorb(Message.OPENINGS, [int(word) for word in values.ravel()])

    def deep_challenge(self) -> U64:
        """The challenge whose powers combine the columns of all heights."""
        return self._challenge()

    def layer(self, root: Sequence[int]) -> None:
        """The root of a FRI layer's codeword."""
        self._absorb(Message.LAYER, root)

    def fold_challenge(self) -> U64:
        """beta of a FRI layer."""
        return self._challenge()

    def final(self, coefficients: U64) -> None:
        """The final polynomial, (count, 3)."""
        self._absorb(Message.FINAL, [int(word) for word in coefficients.ravel()])

    def grinding_seed(self) -> U64:
        """What a nonce is ground for, (4,)."""
        return np.array(self._sponge.squeeze(poseidon2.DIGEST), dtype=np.uint64)

    def nonce(self, nonce: int) -> None:
        """The nonce found; queries depend on it."""
        self._absorb(Message.NONCE, (nonce,))

    def query_indices(self, count: int, log_size: int) -> U64:
        """``count`` indices below 2^log_size: low bits of squeezed words."""
        mask = (1 << log_size) - 1
        return np.array([word & mask for word in self._sponge.squeeze(count)], dtype=np.uint64)


def step_2_logup_challenges(challenge: Sequence[int], share: int) -> tuple[Transcript, U64]:
    """2. LogUp challenges, the same for all shares. The transcript is the share's from here on. One function for both sides."""
    transcript = Transcript.of_job(challenge)
    challenges = transcript.logup_challenges()
    transcript.share(share)
    return transcript, challenges
