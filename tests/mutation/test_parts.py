"""For each part of a chip a job that is false, satisfied but for this part, and refused by it; or the reason why there is none."""

from __future__ import annotations

import pytest

from tests.mutation.airs import PARTS, Part
from tests.mutation.jobs import report
from tests.mutation.lies import SUBJECTS, attack, subject
from tests.mutation.source import mutants
from tests.mutation.survivors import CODE_SURVIVORS, SURVIVORS
from zisk_actors.chips import CHIPS

# What no quick test noticed once, by kind: flags, rows that count, result limbs, top chunks, carries, order in time, ends of tables.
SAMPLE = (
    *("mul/constraint/flag of MUL is a bit", "loadb/constraint/half is a bit", "shifti/constraint/flag of SLLI is a bit"),
    *("ram/constraint/real is a bit", "input/constraint/real is a bit", "add/constraint/real is a bit"),
    *("halt/constraint/real is a bit", "store/constraint/real is a bit"),
    *("mul/constraint/high limb of the result", "shift/constraint/low limb of the result"),
    *(
        "mul/range16/4",
        "mul/range16/7",
        "mul/range16/3",
        "mul/msb16/3",
        "div/constraint/q_sign is a bit",
        "div/constraint/d_carry 0 is a bit",
    ),
    *("mul/range16/0", "div/range16/1", "load/range16/1", "storeb/range16/2", "halt/range16/0", "sub/program/0"),
    *("ram/constraint/the last row is the region's last word", "input/constraint/used rows are a prefix", "ram/range16/1"),
    *("ram/constraint/image rows are used", "input/range16/3", "refresh/range16/1", "loadw/constraint/flag of LW is a bit"),
    *("sub/constraint/flag of SLTU is a bit", "loadb/constraint/bit1 is a bit", "storeb/constraint/half words are aligned", "jalr/pcmap/0"),
    *("branchlt/constraint/borrow of the high limb is a bit", "logici/constraint/flag of XORI is a bit"),
)


def test_explained_survivors_and_samples_exist():
    assert len({str(part) for part in PARTS}) == len(PARTS)
    assert set(SURVIVORS) <= {str(part) for part in PARTS}
    assert set(CODE_SURVIVORS) <= {str(mutant) for mutant in mutants()}
    assert set(SAMPLE) <= {str(part) for part in PARTS} - set(SURVIVORS)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_lie_that_only_this_part_refuses(name: str):
    part = next(part for part in PARTS if str(part) == name)
    assert attack(part).killed, f"no false job is refused by {name} alone"


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_programs_of_the_adversary_are_satisfied(name: str):
    found = report(subject(name).job)
    assert found.ok, str(found)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [chip.name for chip in CHIPS])
def test_every_part_of_a_chip_is_needed_or_explained(name: str):
    def wrong(part: Part) -> bool:
        return attack(part).killed == (str(part) in SURVIVORS)

    assert not [str(part) for part in PARTS if part.chip == name and wrong(part)]
