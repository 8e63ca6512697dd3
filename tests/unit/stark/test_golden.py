"""Golden values of the protocol: what must not change without a new protocol number.

Another implementation of hash, trees, transcript and statement reproduces exactly these. If a change here is meant, raise the
version in ``statement.PROTOCOL`` and write new vectors.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from zisk_actors.stark import domain, merkle, poseidon2
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.statement import Contribution, InstanceShape, Statement, global_challenge
from zisk_actors.stark.transcript import Transcript

GOLDEN = json.loads((Path(__file__).parents[2] / "vectors" / "protocol_v2.json").read_text())


def values() -> dict[str, object]:
    """Everything that is pinned, computed."""
    matrices = [np.arange(width << log, dtype=np.uint64).reshape(width, -1) for width, log in ((3, 7), (13, 9), (1, 7))]
    key = VerifyingKey(3, (1, 2, 3, 4), (5, 6, 7, 8), (InstanceShape(2, 16), InstanceShape(3, 5)), 9, ((0, 64), (128, 256)))
    claim = Statement(key.digest, tuple(range(64)), 2**40 + 5, 4 * 123456)
    contributions = [
        Contribution(0, (InstanceShape(0, 9), InstanceShape(2, 16)), (11, 12, 13, 14), ((1, 2, 3), (4, 5, 6))),
        Contribution(1, (InstanceShape(2, 16),), (21, 22, 23, 24), ((7, 8, 9),)),
    ]
    challenge = global_challenge(3, claim, contributions)
    transcript = Transcript.of_job(challenge)
    drawn = transcript.logup_challenges()[:3]
    transcript.share(1)
    transcript.aux((31, 32, 33, 34), [(1, 2, 3)])
    gamma = transcript.constraint_challenge()
    transcript.nonce(99)
    return {
        "hash_words_1_2_3": list(poseidon2.hash_words([1, 2, 3])),
        "hash_words_empty": list(poseidon2.hash_words([])),
        "mixed_root": merkle.MerkleTree(matrices, 8).root.tolist(),
        "lde": domain.lde(np.arange(4, dtype=np.uint64)[None], 1)[0].tolist(),
        "key_digest": list(key.digest),
        "key_bytes": key.encode().hex(),
        "global_challenge": list(challenge),
        "alpha_beta": drawn.tolist(),
        "gamma": gamma.tolist(),
        "indices": transcript.query_indices(5, 20).tolist(),
        "binding_point": Transcript.of_share((1, 2, 3, 4), (0, 1, 2, 9), (5, 6, 7, 8)).evaluation_point().tolist(),
    }


def test_nothing_has_changed():
    assert values() == GOLDEN
