"""What operands.py says of op numbers; its soundness is tested with the chips that use it."""

from __future__ import annotations

import pytest

from zisk_actors.chips.operands import grid
from zisk_actors.machine import isa


def test_a_grid_is_one_number_and_two_steps() -> None:
    base, down, across = grid("LB", "LH", "LBU", "LHU")
    assert [base, base + down, base + across, base + down + across] == [isa.op(name) for name in ("LB", "LH", "LBU", "LHU")]


def test_other_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not a grid"):
        grid("LB", "LH", "LBU", "ECALL")
