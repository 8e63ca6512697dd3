"""Each check, message, term and rule of the code is missed by a test when it is gone, or there is a reason why none can."""

from __future__ import annotations

import pytest

from tests.mutation.code import attacked, suite_of
from tests.mutation.source import ROOT, code_of, mutants
from tests.mutation.survivors import CODE_SURVIVORS

SAMPLE = ("stark/rules.py: check check_job: count > chip.max_job_rows", "chips/boundary.py: term boundary: 0 for code >> 32")


def test_mutants_have_names_of_their_own_and_compile():
    found = mutants()
    assert len({str(mutant) for mutant in found}) == len(found) > 80
    for mutant in found:
        code_of(mutant)
        assert all((ROOT / path).is_file() for path in suite_of(mutant))


@pytest.mark.parametrize("name", SAMPLE)
def test_a_missing_check_is_noticed(name: str):
    mutant = next(mutant for mutant in mutants() if str(mutant) == name)
    assert attacked(mutant).failed


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants(), ids=str)
def test_every_missing_check_is_noticed_or_explained(mutant: object):
    found = next(each for each in mutants() if each == mutant)
    assert bool(attacked(found).failed) != (str(found) in CODE_SURVIVORS)
