"""The ROM and the image of small programs, field by field."""

import struct

import numpy as np
import pytest

from tests.asm import CODE, DATA, RODATA, assemble, elf
from zisk_actors.machine import rom as rom_module
from zisk_actors.machine.elf import ElfTooLarge
from zisk_actors.machine.isa import Op, op
from zisk_actors.machine.rom import NO_ROW, Program, load_program

P = 2**64 - 2**32 + 1
ONES = 2**32 - 1


def row(program: Program, index: int) -> tuple[int, ...]:
    """op, rd, rs1, rs2, x0, x1, x2 of the index-th instruction of the program."""
    return tuple(int(getattr(program.rom, name)[program.entry + index]) for name in ("op", "rd", "rs1", "rs2", "x0", "x1", "x2"))


FIELDS = {
    "lui a0, 0x80000": ("CONST", 10, 0, 0, 0x80000000, ONES, 4),
    "auipc a0, 0x1": ("CONST", 10, 0, 0, 0x80001000, 0, 4),
    "auipc a0, 0x80000": ("CONST", 10, 0, 0, 0, 0, 4),
    "jal ra, 8": ("CONST", 1, 0, 0, 0x80000004, 0, 5),
    "jal zero, 0": ("CONST", 32, 0, 0, 0x80000004, 0, 3),
    "jal zero, 2": ("CONST", 32, 0, 0, 0x80000004, 0, NO_ROW),
    "jal zero, -8": ("CONST", 32, 0, 0, 0x80000004, 0, NO_ROW),
    "fence": ("CONST", 32, 0, 0, 0, 0, 4),
    "fence.i": ("CONST", 32, 0, 0, 0, 0, 4),
    "csrr_marchid t0": ("CONST", 5, 0, 0, 0xFFFEEEE, 0, 4),
    "csrr_marchid zero": ("CONST", 32, 0, 0, 0xFFFEEEE, 0, 4),
    "add a0, a1, a2": ("ADD", 10, 11, 12, 0, 0, 0),
    "add zero, a1, zero": ("ADD", 32, 11, 0, 0, 0, 0),
    "addi a0, a1, -1": ("ADDI", 10, 11, 0, ONES, ONES, 0),
    "addi a0, a1, 5": ("ADDI", 10, 11, 0, 5, 0, 0),
    "sltiu a0, a1, -2": ("SLTIU", 10, 11, 0, ONES - 1, ONES, 0),
    "xori a0, a1, -1": ("XORI", 10, 11, 0, ONES, ONES, 0),
    "addiw a0, a1, -1": ("ADDIW", 10, 11, 0, ONES, 0, 0),
    "slli a0, a1, 31": ("SLLI", 10, 11, 0, 2**31, 0, 31),
    "srai a0, a1, 63": ("SRAI", 10, 11, 0, 0, 2**31, 63),
    "srli a0, a1, 0": ("SRLI", 10, 11, 0, 1, 0, 0),
    "sraiw a0, a1, 31": ("SRAIW", 10, 11, 0, 2**31, 0, 31),
    "beq a0, a1, 8": ("BEQ", 0, 10, 11, 5, 0, 0),
    "bgeu a0, a1, -4": ("BGEU", 0, 10, 11, NO_ROW, 0, 0),
    "blt a0, a1, 12": ("BLT", 0, 10, 11, 6, 0, 0),
    "blt a0, a1, 16": ("BLT", 0, 10, 11, NO_ROW, 0, 0),
    "jalr a0, -8(a1)": ("JALR", 10, 11, 0, P - 8, 0x80000004, 0),
    "ld a0, 2040(a1)": ("LD", 10, 11, 0, 2040, 0, 0),
    "lbu zero, -2048(a1)": ("LBU", 32, 11, 0, P - 2048, 0, 0),
    "sb a0, -1(a1)": ("SB", 0, 11, 10, P - 1, 0, 0),
    "mulhsu a0, a1, a2": ("MULHSU", 10, 11, 12, 0, 0, 0),
    "remuw a0, a1, a2": ("REMUW", 10, 11, 12, 0, 0, 0),
    "ecall": ("ECALL", 0, 0, 0, 0, 0, 0),
}


@pytest.mark.parametrize("text", FIELDS)
def test_fields(text: str):
    name, *rest = FIELDS[text]
    program = load_program(assemble([text, "nop", "nop"]))
    assert program.entry == 3
    assert row(program, 0) == (op(str(name)), *rest)


def test_rows_ascend_by_address_with_the_return_code_first_and_a_guard_last():
    program = load_program(assemble(["nop", 0xFFFFFFFF, "ecall"]))
    assert program.rom.address.tolist() == [0x1000, 0x1004, 0x1008, CODE, CODE + 4, CODE + 8, CODE + 12]
    assert program.rom.op.tolist() == [Op.ADDI, Op.ADDI, Op.ECALL, Op.ADDI, Op.TRAP, Op.ECALL, Op.TRAP]
    assert row(program, 1) == (0,) * 7
    assert [program.disassemble(i) for i in (1, 4, 6)] == ["addi a7, zero, 93", "no RISC-V instruction (0xffffffff)", "end of code"]
    assert program.row_of(CODE + 4) == 4
    assert program.row_of(CODE + 2) is None
    assert program.row_of(CODE + 16) is None
    assert program.row_of(2**70) is None
    assert all(getattr(program.rom, name).dtype == np.uint64 for name in ("op", "rd", "rs1", "rs2", "x0", "x1", "x2", "address"))


def test_code_that_touches_is_one_run_and_code_apart_is_guarded():
    ecall = struct.pack("<I", 0x73)
    program = load_program(elf([(CODE, ecall, 4, 5), (CODE + 4, ecall, 4, 5), (CODE + 64, ecall, 4, 5)], CODE))
    assert program.rom.address[3:].tolist() == [CODE, CODE + 4, CODE + 8, CODE + 64, CODE + 68]
    assert program.rom.op[3:].tolist() == [Op.ECALL, Op.ECALL, Op.TRAP, Op.ECALL, Op.TRAP]


def test_code_at_odd_bounds_is_read_at_multiples_of_four():
    words = struct.pack("<III", 0x73, 0x13, 0x73)
    program = load_program(elf([(CODE + 2, b"\xff\xff" + words[4:] + b"\x13", 11, 5)], CODE + 4))
    assert program.rom.address[3:].tolist() == [CODE + 4, CODE + 8, CODE + 12, CODE + 16]
    assert program.words[3:].tolist() == [0x13, 0x73, 0x13, 0]


def test_image_words_are_padded_sorted_and_marked():
    program = load_program(assemble(["nop"], b"0123456789", b"abc", bss=1000))
    image = program.image
    ram, code, constants = DATA // 8, 2**35 + CODE // 8, 2**35 + RODATA // 8
    assert image.addr.tolist() == [0xA000F890 // 8, ram, ram + 1, code, constants]
    assert image.read_only.tolist() == [False, False, False, True, True]
    assert image.lo.tolist() == [0xFFFEEEE, 0x33323130, 0x3938, 0x13, 0x636261]
    assert image.hi.tolist() == [0, 0x37363534, 0, 0, 0]


def test_the_word_by_which_the_machine_is_recognised_gives_way_to_a_program_s_own():
    program = load_program(elf([(CODE, struct.pack("<I", 0x73), 4, 5), (0xA000F894, b"own", 3, 6)], CODE))
    assert (program.image.addr[0], program.image.lo[0], program.image.hi[0]) == (0xA000F890 // 8, 0, int.from_bytes(b"own", "little"))
    assert len(program.image) == 2


def test_segments_that_share_a_word_both_count():
    program = load_program(elf([(CODE, struct.pack("<I", 0x73), 4, 5), (CODE + 4, b"\x01\x02", 3, 4)], CODE))
    assert program.image.addr[1:].tolist() == [2**35 + CODE // 8]
    assert (program.image.lo[1:].tolist(), program.image.hi[1:].tolist()) == ([0x73], [0x0201])


def test_zeros_behind_constants_exist():
    program = load_program(elf([(CODE, struct.pack("<I", 0x73), 4, 5), (RODATA, b"x", 17, 4)], CODE))
    assert (program.image.addr[2:] - np.uint64(2**35 + RODATA // 8)).tolist() == [0, 1, 2]


def test_the_same_file_gives_the_same_program():
    data = assemble(["nop"])
    assert load_program(data).elf_sha256 == load_program(data).elf_sha256
    assert load_program(data).elf_sha256 != load_program(assemble(["nop", "nop"])).elf_sha256


@pytest.mark.parametrize("segment", [(RODATA, b"", 2**25 + 8, 4), (0x80010000, b"", 2**24, 5)])
def test_what_no_table_can_hold_is_refused(segment: tuple[int, bytes, int, int]):
    with pytest.raises(ElfTooLarge):
        load_program(elf([(CODE, struct.pack("<I", 0x73), 4, 5), segment], CODE))


def test_decoding_a_large_rom_is_vectorised():
    words = np.random.default_rng(5).integers(0, 2**32, 200_000, dtype=np.uint32)
    address = np.uint64(CODE) + np.uint64(4) * np.arange(len(words), dtype=np.uint64)
    rom = rom_module.build_rom(words, address)
    assert len(rom) == len(words)
    assert len(np.unique(rom.op)) > 20
    assert (rom.rd <= 32).all()
    assert (rom.rs1 < 32).all()
