"""The load chips, and with them the pointers of operands.py: addresses, selections and signs that lie."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.instruction_forgery import attempt, check_instructions, check_thoroughly, split16
from tests.instruction_model import INPUT, RAM, TEXT, cases, cell
from zisk_actors.air.check import Table, said
from zisk_actors.chips.base import Chip
from zisk_actors.chips.buses import TOKEN
from zisk_actors.chips.load import LOAD, LOADB, LOADW
from zisk_actors.machine import isa
from zisk_actors.stark.field import P

FREE_W = {"top": "LWU does not extend a sign, so it does not split the limb"}
ALL = [(LOAD, ["LD"], {}), (LOADW, ["LW", "LWU"], FREE_W), (LOADB, ["LB", "LBU", "LH", "LHU"], {})]
CHIPS = pytest.mark.parametrize(("chip", "names", "free"), ALL, ids=["load", "loadw", "loadb"])
DERIVED = {"load": {}, "loadw": {"limb": "limb"}, "loadb": {"low": "low limb of the result"}}
WORD = 0x8899AABB_7766CC44


@CHIPS
@pytest.mark.parametrize("seed", range(2))
def test_loads(chip: Chip, names: list[str], free: dict[str, str], seed: int) -> None:
    check_instructions(chip, names, free=free, seed=seed)


@pytest.mark.slow
@CHIPS
def test_loads_resist_changes_of_several_cells(chip: Chip, names: list[str], free: dict[str, str]) -> None:
    check_thoroughly(chip, names, free=free, derived=DERIVED[chip.name])


@CHIPS
@pytest.mark.parametrize("addr", [RAM, RAM + 2**29 - 8, INPUT, TEXT + 64])
def test_the_address_space_cannot_lie(chip: Chip, names: list[str], free: dict[str, str], addr: int) -> None:
    tested = cases(chip, names, 4, fixed=[{"name": names[0], "a": addr, "addr": addr, "memory": WORD}])
    read_only = cell(tested, 0, "read_only")
    assert read_only == (addr < RAM)
    forged = attempt(tested, 0, {"read_only": 1 - read_only})
    assert not forged.stopped_by
    assert not forged.accepted, "the other space has no word there"
    # As any number it would reach any token: a register, say.
    register = (2**40 + 5 - addr // 8) * pow(2**35, -1, P)
    assert attempt(tested, 0, {"read_only": register}).stopped_by == {"read_only is a bit"}


@CHIPS
@pytest.mark.parametrize("base", [RAM + 1, RAM + 4, RAM - 1, 7, 1, 8, 2**32 - 1, 2**32 - 8, RAM - 8, INPUT - 8, 2**31])
def test_no_choice_reaches_another_token(chip: Chip, names: list[str], free: dict[str, str], base: int) -> None:
    """Whatever the prover says of the address's low bits and space: a token is met only at the word that is meant."""
    bits = {"load": {}, "loadw": {"half": 4}, "loadb": {"bit2": 4, "bit1": 2, "bit0": 1}}[chip.name]
    tested = cases(chip, names, 4, fixed=[{"name": names[0], "a": RAM, "addr": RAM, "memory": 0}])
    for imm in (0, 2047, -2048, -8, 4, 1):
        choices = list(itertools.product((0, 1), repeat=len(bits) + 1))
        main = np.repeat(tested.main[:, [0]], len(choices), axis=1)
        row = chip.air.main(list(main))
        row.base[:], row.offset[:] = base, imm % P
        for column, name in enumerate([*bits, "read_only"]):
            getattr(row, name)[:] = [choice[column] for choice in choices]
        (taken,) = said(Table(chip.air, main), chip.air.bus_terms[6:7])
        assert taken.bus is TOKEN
        for token, choice in zip(taken.values[0].tolist(), choices, strict=True):
            within = sum(weight * bit for weight, bit in zip(bits.values(), choice, strict=False))
            space = 2**35 * choice[-1]
            if base + imm < 0:
                assert token >= 2**60 or space - 512 <= token < space, "beyond all tokens, or just below the read-only ones"
            elif token < 2**41:
                assert 8 * (token - space) + within == base + imm


@pytest.mark.parametrize("name", ["LW", "LWU"])
@pytest.mark.parametrize("half", [0, 1])
def test_lw_takes_the_limb_of_its_address(name: str, half: int) -> None:
    addr = RAM + 16 + 4 * half
    tested = cases(LOADW, ["LW", "LWU"], 4, fixed=[{"name": name, "a": addr, "addr": addr, "memory": WORD}])
    other = WORD >> 32 if half == 0 else WORD & (2**32 - 1)
    sign = int(name == "LW" and other >> 31)
    lie = {"limb": other, "top": other >> 16, "sign": sign}
    assert attempt(tested, 0, lie).stopped_by == {"limb"}
    selected = attempt(tested, 0, lie | {"half": 1 - half})
    assert not selected.stopped_by
    assert not selected.accepted, "that is another address, half a word off"
    # A fraction of half as well as a whole limb of something else.
    assert "half is a bit" in attempt(tested, 0, {"half": 2, "limb": WORD & 1}).stopped_by


@pytest.mark.parametrize("memory", [WORD, 0x7FFFFFFF, 0x80000000, 0])
def test_the_sign_of_a_limb_cannot_lie(memory: int) -> None:
    fixed = [{"name": name, "a": RAM, "addr": RAM, "memory": memory} for name in ("LW", "LWU")]
    tested = cases(LOADW, ["LW", "LWU"], 4, fixed=fixed)
    sign, top = cell(tested, 0, "sign"), cell(tested, 0, "top")
    assert attempt(tested, 0, {"sign": 1 - sign}).stopped_by == {"msb16"}
    forged = attempt(tested, 0, {"sign": 1 - sign, "top": top ^ 0x8000})
    assert forged.stopped_by == {"range16"}
    assert forged.different
    for _, other in split16(memory & 0xFFFFFFFF)[2:]:
        assert attempt(tested, 0, {"top": other}).stopped_by >= {"range16"}
    assert attempt(tested, 1, {"sign": 1}).stopped_by == {"no sign if unsigned"}


def _byte_cells(addr: int, half_word: bool) -> dict[str, int]:
    """What an honest prover fills in for WORD at another address."""
    half = WORD >> 8 * (addr & 6) & 0xFFFF
    upper = addr & 1 or half_word
    return {
        "bit2": addr >> 2 & 1,
        "bit1": addr >> 1 & 1,
        "bit0": addr & 1,
        "other": WORD >> 8 * (addr & 6 ^ 2) & 0xFFFF,
        "byte": half >> 8 if upper else half & 255,
        "rest": half & 255 if upper else half >> 8,
    }


@pytest.mark.parametrize(
    ("name", "within"), [*itertools.product(["LB", "LBU"], range(8)), *itertools.product(["LH", "LHU"], range(0, 8, 2))]
)
def test_a_byte_is_that_of_its_address(name: str, within: int) -> None:
    half_word = name in ("LH", "LHU")
    addr = RAM + 8 + within
    tested = cases(LOADB, ["LB"], 4, fixed=[{"name": name, "a": addr, "addr": addr, "memory": WORD}])
    for lie in range(8):
        if lie == within or (half_word and lie % 2):
            continue
        cells = _byte_cells(RAM + lie, half_word)
        value = cells["rest"] + 256 * cells["byte"] if half_word else cells["byte"]
        sign = int(name in ("LB", "LH") and cells["byte"] >> 7)
        cells |= {"sign": sign, "low": value + sign * (2**32 - (2**16 if half_word else 2**8))}
        moved = attempt(tested, 0, cells)
        assert not moved.stopped_by
        assert not moved.accepted, "its token is not at a whole address"
        honest_bits = {bit: cell(tested, 0, bit) for bit in ("bit2", "bit1", "bit0")}
        assert "limb" in attempt(tested, 0, cells | honest_bits).stopped_by


def test_bytes_and_halves_have_one_form() -> None:
    """The same limb from other parts: whole carries, and fractions that only one lookup can see."""
    addr = RAM + 2
    tested = cases(LOADB, ["LBU"], 4, fixed=[{"name": "LBU", "a": addr, "addr": addr, "memory": WORD}])
    byte, rest, other = (cell(tested, 0, name) for name in ("byte", "rest", "other"))
    for lie in (0, 255, byte ^ 1, byte + 256, byte - 256):
        change = lie - byte  # the byte has weight 2^16 in the limb, the rest 2^24, the other half 1
        forged = attempt(tested, 0, {"byte": lie, "low": lie, "rest": rest - change * pow(256, -1, P)})
        assert forged.stopped_by == {"and8"}
        assert forged.different
        assert attempt(tested, 0, {"byte": lie, "low": lie, "other": other - change * 2**16}).stopped_by >= {"range16"}


@pytest.mark.parametrize("name", ["LB", "LBU", "LH", "LHU"])
@pytest.mark.parametrize("memory", [0, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0x80FF, 0xFF7F])
def test_the_sign_of_a_byte_cannot_lie(name: str, memory: int) -> None:
    tested = cases(LOADB, ["LB"], 4, fixed=[{"name": name, "a": RAM, "addr": RAM, "memory": memory}])
    sign, low = cell(tested, 0, "sign"), cell(tested, 0, "low")
    extension = 2**32 - (2**16 if name in ("LH", "LHU") else 2**8)
    forged = attempt(tested, 0, {"sign": 1 - sign, "low": low + (1 - 2 * sign) * extension})
    assert forged.stopped_by == {"and8"}
    assert forged.different
    assert attempt(tested, 0, {"low": low + 1}).stopped_by == {"low limb of the result"}


@pytest.mark.parametrize("name", ["LH", "LHU"])
def test_half_words_are_aligned(name: str) -> None:
    """The honest row, moved up by one byte: bit 0 would make up for it."""
    tested = cases(LOADB, ["LB"], 4, fixed=[{"name": name, "a": RAM, "addr": RAM, "memory": WORD}])
    byte, rest = cell(tested, 0, "byte"), cell(tested, 0, "rest")
    stopped = attempt(tested, 0, {"base": RAM + 1, "bit0": 1, "byte": byte, "rest": rest}).stopped_by
    assert "half words are aligned" in stopped
    for chip, misaligned in ((LOAD, RAM + 4), (LOADW, RAM + 2), (LOADW, RAM + 1)):
        tested = cases(chip, [ALL[chip is LOADW][1][0]], 4, fixed=[{"name": ALL[chip is LOADW][1][0], "a": RAM, "addr": RAM}])
        assert not attempt(tested, 0, {"base": misaligned}).accepted


def test_bits_of_the_operation_cannot_mix() -> None:
    """As any numbers they could give the ROM's op number and another width or sign."""
    names = ["LB", "LBU", "LH", "LHU"]
    tested = cases(LOADB, names, 8)
    across, down = isa.op("LBU") - isa.op("LB"), isa.op("LH") - isa.op("LB")
    for row in range(8):
        half, unsigned = cell(tested, row, "half"), cell(tested, row, "unsigned")
        stopped = attempt(tested, row, {"half": half + 5 * across, "unsigned": unsigned - 5 * down}).stopped_by
        assert {"half is a bit", "unsigned is a bit"} <= stopped
        assert "program" not in stopped
