"""Fresh identifiers: well formed, never the same, and the same again from the same seed."""

from __future__ import annotations

import re
from random import Random

from zisk_actors import ids


def test_fresh_identifiers_have_their_pattern_and_differ() -> None:
    for make, pattern in ((ids.new_job_id, ids.JOB_PATTERN), (ids.new_incarnation, ids.INCARNATION_PATTERN)):
        made = {make() for _ in range(1000)}
        assert len(made) == 1000
        assert all(re.match(pattern, each) for each in made)


def test_a_seed_gives_the_same_identifiers_again() -> None:
    assert ids.new_job_id(Random(7)) == ids.new_job_id(Random(7))
    assert ids.new_job_id(Random(7)) != ids.new_job_id(Random(8))
