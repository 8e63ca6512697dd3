"""The initial words that the AIR allows are those that some input gives: region by region, over whole jobs."""

from __future__ import annotations

from functools import cache

import pytest

from tests.asm import DATA as DATA_START
from tests.asm import RODATA as RODATA_START
from tests.asm import assemble, exit_with
from tests.initial_words import accepted
from tests.trace_job import DATA, INPUT, RODATA, run_of
from zisk_actors.chips.words import INPUT_WORDS
from zisk_actors.machine import layout
from zisk_actors.machine.emulator import Emulator
from zisk_actors.machine.layout import token_of_register, token_of_word
from zisk_actors.machine.reference import Reference
from zisk_actors.machine.rom import Program, load_program

LIES = (1, 2**32, 2**64 - 1)


@cache
def reader(address: int) -> Program:
    """A program that outputs the word at ``address``."""
    lines = [f"li t0, {address}", "ld t1, 0(t0)", "sd t1, 0(a1)", *exit_with(0)]
    return load_program(assemble(lines, DATA, RODATA, bss=64))


def allowed(address: int) -> set[int]:
    """Which of LIES, 0 and the true value the word at ``address`` may start as."""
    truth = Reference(reader(address), INPUT)._initial(token_of_word(address))
    return {value for value in (0, truth, *LIES) if accepted(reader(address), token_of_word(address), value)}


def word(content: bytes, at: int = 0) -> int:
    return int.from_bytes(content[at : at + 8], "little")


@pytest.mark.parametrize("address", [layout.INPUT_DATA, layout.INPUT_DATA + 56, layout.INPUT_DATA + 2**20, layout.INPUT_END - 8])
def test_a_word_of_the_input_may_be_anything_and_some_input_has_it(address: int):
    """Within the input's bytes, past their end (a longer input has them there), and up to the region's last word."""
    assert allowed(address) >= {0, *LIES}
    assert address - layout.INPUT_DATA + layout.WORD <= layout.MAX_INPUT, "no input is that long"
    if address < layout.INPUT_DATA + 2**21:
        for value in LIES:
            stdin = bytes(address - layout.INPUT_DATA) + value.to_bytes(8, "little")
            assert word(Reference(reader(address), stdin).run().output.tobytes()) == value


def test_the_input_fills_its_region_to_the_end():
    assert layout.INPUT_DATA + layout.MAX_INPUT == layout.INPUT_END
    assert (INPUT_WORDS.first, INPUT_WORDS.last) == (token_of_word(layout.INPUT_START), token_of_word(layout.INPUT_END - 8))


def test_the_word_before_the_input_is_0():
    """a0 points at it when the program starts; no input reaches it."""
    assert allowed(layout.INPUT_START) == {0}
    program = reader(layout.INPUT_START)
    for stdin in (b"", b"\xff" * 64):
        for machine in (Reference(program, stdin), Emulator(program, stdin)):
            run = machine.run(1000)
            assert run.trap is None
            assert not run.output.any()
    honest = run_of(assemble(["ld t1, 0(a0)", "sd t1, 0(a1)", *exit_with(0)]), b"\xff" * 64).check()
    assert honest.ok, str(honest)


@pytest.mark.parametrize("offset", [0, 8, 56])
def test_a_read_only_word_of_the_image_is_the_program_s(offset: int):
    assert allowed(RODATA_START + offset) == {word(RODATA, offset)}


def test_code_is_the_program_s():
    assert len(allowed(layout.CODE_START)) == 1


@pytest.mark.parametrize("offset", [0, 8, 56])
def test_a_writable_word_of_the_image_is_the_program_s(offset: int):
    assert allowed(DATA_START + offset) == {word(DATA, offset)}


def test_the_word_by_which_the_machine_is_recognised_is_its_own():
    assert allowed(layout.IDENTITY) == {layout.MARCHID}


@pytest.mark.parametrize("address", [layout.RAM_START, DATA_START + 64, DATA_START + 120, 0xB000_0000, layout.RAM_END - 8])
def test_any_other_word_of_ram_is_0(address: int):
    assert allowed(address) == {0}


@pytest.mark.parametrize("address", [layout.OUTPUT, layout.OUTPUT + 8, layout.OUTPUT + 8 * (layout.OUTPUT_WORDS - 1)])
def test_a_word_of_the_output_is_0(address: int):
    assert allowed(address) == {0}


@pytest.mark.parametrize("address", [layout.OUTPUT + 8, layout.OUTPUT + 8 * (layout.OUTPUT_WORDS - 1)])
def test_a_word_of_the_output_that_nobody_touches_is_0(address: int):
    """It is public all the same: the lie is in the claim."""
    program = load_program(assemble(["sd zero, 0(a1)", *exit_with(0)]))
    assert [value for value in (0, *LIES) if accepted(program, token_of_word(address), value)] == [0]


FEW = (0, 1, 2, 10, 11, 17, 31)


@pytest.mark.parametrize("register", [pytest.param(r, marks=() if r in FEW else pytest.mark.slow) for r in range(32)])
def test_a_register_starts_as_the_abi_says(register: int):
    """x0 among them: it is 0 because it starts so and nothing writes it."""
    base = 12 if register == layout.A1 else layout.A1
    # Neither the address nor the number of the exit call is made with a register that may lie.
    lines = [f"lui x{base}, {layout.OUTPUT >> 12}", f"slli x{base}, x{base}, 32", f"srli x{base}, x{base}, 32"] if base == 12 else []
    lines += [f"sd x{register}, 0(x{base})", "la t0, data", "ld a7, 0(t0)", "ecall"]
    program = load_program(assemble(lines, (93).to_bytes(8, "little")))
    truth = layout.INITIAL_REGISTERS.get(register, 0)
    tried = {truth, truth + 1, truth ^ 2**32}
    assert {value for value in tried if accepted(program, token_of_register(register), value)} == {truth}
