"""What is said of a program before it runs: what it needs, where that stands, and what will end a run."""

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.asm import CODE, DATA, assemble, elf, exit_with
from zisk_actors.machine.reference import Reference
from zisk_actors.machine.rom import load_program
from zisk_actors.machine.survey import survey

FADD_D, SH1ADD, UNIMP, EBREAK = 0x02B57553, 0x20B52533, 0xC0001073, 0x00100073


def test_instructions_are_counted_by_extension_and_by_chip():
    found = survey(
        assemble(["start: add a0, a1, a2", "mul a0, a0, a1", "ld a0, 0(a1)", "fence.i", "csrr_marchid a0", UNIMP, *exit_with(0)])
    )
    assert found.extensions == {"I": 5, "M": 1, "Zifencei": 1, "Zicsr": 1}
    assert found.chips == {"const": 2, "addi": 2, "add": 1, "mul": 1, "load": 1, "halt": 1}
    assert (found.entry, found.symbol, found.unsupported, found.warnings()) == (CODE, "start", (), [])


def test_what_is_not_run_here_is_named_with_its_place():
    found = survey(assemble(["start: nop", FADD_D, "other: nop", SH1ADD, EBREAK, 0xFFFFFFFF, *exit_with(0)]))
    assert [str(each) for each in found.unsupported] == [
        "`fadd.d (D)` at 0x80000004 (start+0x4)",
        "`sh1add (Zba)` at 0x8000000c (other+0x4)",
    ]
    assert (found.extensions["D"], found.extensions["Zba"]) == (1, 1)
    (warning,) = found.warnings()
    assert warning.startswith("this machine does not run `fadd.d (D)` at 0x80000004 (start+0x4), and 1 more:")


def test_a_run_ends_where_the_survey_says():
    data = assemble(["nop", SH1ADD, *exit_with(0)])
    trap = Reference(load_program(data)).run().trap
    (unsupported,) = survey(data).unsupported
    assert trap is not None
    assert (trap.pc, trap.instruction) == (unsupported.address, unsupported.name)


def test_compressed_code_is_walked_by_halves():
    """c.li a0, 0; addi a0, a0, 1 at 2 mod 4; c.nop; ecall."""
    code = struct.pack("<HIHI", 0x4501, 0x00150513, 0x0001, 0x00000073)
    found = survey(elf([(CODE, code, len(code), 5)], CODE, flags=1))
    assert [(each.address, each.name) for each in found.unsupported] == [(CODE, "c.li (C)"), (CODE + 6, "c.nop (C)")]
    assert found.extensions == {"I": 2, "C": 2}
    assert found.compressed


def test_data_that_cannot_be_stored_to_is_warned_of():
    code = struct.pack("<I", 0x73)
    found = survey(elf([(CODE, code, 4, 5), (0x80001000, b"abc", 16, 6), (DATA, b"x", 1, 6)], CODE))
    assert found.warnings() == ["what lies at [0x80001000, 0x80001010) is writable but not in RAM: a run that stores there has no proof"]


@pytest.mark.parametrize("size", range(9))
@pytest.mark.parametrize("flags", [0, 1])
def test_code_of_any_size_at_any_place_is_looked_at(size: int, flags: int):
    for offset in range(4):
        segments = [(CODE, struct.pack("<I", 0x73), 4, 5), (CODE + 64 + offset, bytes(range(size)), size, 5)]
        assert survey(elf(segments, CODE, flags=flags)).chips["halt"] == 1


@pytest.mark.parametrize("name", ["fibonacci", "matrix", "quicksort", "sha256", "cycles"])
def test_every_guest_of_the_suite_runs_here(guests: Path, name: str):
    data = (guests / f"{name}.elf").read_bytes()
    found, rom = survey(data), load_program(data).rom
    assert found.warnings() == []
    assert found.rows == len(rom)
    assert 0 < sum(found.chips.values()) <= np.count_nonzero(rom.op)
