"""The instruction table against GNU as, and the assembler of the tests against the table."""

import numpy as np
import pytest

from tests.asm import words_of
from zisk_actors.machine import isa

# Assembled by GNU as 2.40 (-march=rv64im_zicsr, no relaxation), one instruction each; targets are distances.
ASSEMBLED = [
    ("lui a0, 0xfffff", 0xFFFFF537),
    ("auipc t6, 0x12345", 0x12345F97),
    ("jal ra, 2046", 0x7FE000EF),
    ("jal zero, -4096", 0x800FF06F),
    ("fence.i", 0x0000100F),
    ("csrr_marchid s3", 0xF12029F3),
    ("add s0, s1, s2", 0x01248433),
    ("addi t0, t1, -2048", 0x80030293),
    ("sub a1, a2, a3", 0x40D605B3),
    ("slt a4, a5, a6", 0x0107A733),
    ("sltu a7, s2, s3", 0x013938B3),
    ("slti s4, s5, 2047", 0x7FFAAA13),
    ("sltiu s6, s7, -1", 0xFFFBBB13),
    ("addw s8, s9, s10", 0x01AC8C3B),
    ("subw s11, t3, t4", 0x41DE0DBB),
    ("addiw t5, t6, 1365", 0x555F8F1B),
    ("and ra, sp, gp", 0x003170B3),
    ("or tp, t0, t1", 0x0062E233),
    ("xor t2, s0, s1", 0x009443B3),
    ("andi a0, a1, -1366", 0xAAA5F513),
    ("ori a2, a3, 7", 0x0076E613),
    ("xori a4, a5, -1", 0xFFF7C713),
    ("sll a6, a7, s2", 0x01289833),
    ("srl s3, s4, s5", 0x015A59B3),
    ("sra s6, s7, s8", 0x418BDB33),
    ("slli s9, s10, 63", 0x03FD1C93),
    ("srli s11, t3, 32", 0x020E5D93),
    ("srai t4, t5, 33", 0x421F5E93),
    ("sllw t6, ra, sp", 0x00209FBB),
    ("srlw gp, tp, t0", 0x005251BB),
    ("sraw t1, t2, s0", 0x4083D33B),
    ("slliw s1, a0, 31", 0x01F5149B),
    ("srliw a1, a2, 1", 0x0016559B),
    ("sraiw a3, a4, 17", 0x4117569B),
    ("beq a5, a6, 4094", 0x7F078FE3),
    ("bne a7, s2, -4096", 0x81289063),
    ("blt s3, s4, 2048", 0x0149C0E3),
    ("bge s5, s6, -2", 0xFF6ADFE3),
    ("bltu s7, s8, 8", 0x018BE463),
    ("bgeu s9, s10, -2050", 0xFFACFF63),
    ("jalr s11, -1(t3)", 0xFFFE0DE7),
    ("ld t4, 2047(t5)", 0x7FFF3E83),
    ("lw t6, -2048(ra)", 0x8000AF83),
    ("lwu sp, 4(gp)", 0x0041E103),
    ("lb tp, -1(t0)", 0xFFF28203),
    ("lbu t1, 1(t2)", 0x0013C303),
    ("lh s0, 2(s1)", 0x00249403),
    ("lhu a0, -2(a1)", 0xFFE5D503),
    ("sd a2, -2048(a3)", 0x80C6B023),
    ("sw a4, 2047(a5)", 0x7EE7AFA3),
    ("sb a6, -1(a7)", 0xFF088FA3),
    ("sh s2, 1365(s3)", 0x55299AA3),
    ("mul s4, s5, s6", 0x036A8A33),
    ("mulh s7, s8, s9", 0x039C1BB3),
    ("mulhsu s10, s11, t3", 0x03CDAD33),
    ("mulhu t4, t5, t6", 0x03FF3EB3),
    ("mulw ra, sp, gp", 0x023100BB),
    ("div tp, t0, t1", 0x0262C233),
    ("divu t2, s0, s1", 0x029453B3),
    ("rem a0, a1, a2", 0x02C5E533),
    ("remu a3, a4, a5", 0x02F776B3),
    ("divw a6, a7, s2", 0x0328C83B),
    ("divuw s3, s4, s5", 0x035A59BB),
    ("remw s6, s7, s8", 0x038BEB3B),
    ("remuw s9, s10, s11", 0x03BD7CBB),
    ("ecall", 0x00000073),
]
FENCE_RW_RW = 0x0330000F


@pytest.mark.parametrize(("text", "word"), ASSEMBLED)
def test_encodes_and_decodes_as_the_manual_says(text: str, word: int):
    assert words_of([text])[0] == [word]
    assert isa.disassemble(word, 0).split()[0] == text.split()[0]
    shown = isa.disassemble(word, 0x80000000).replace(", ", " ").split()
    given = text.replace(", ", " ").split()
    assert shown[:-1] == given[:-1]
    target = isa.BY_NAME[given[0]].format in (isa.Format.B, isa.Format.J)
    if given[-1].lstrip("-").startswith("0x") or given[-1].lstrip("-").isdigit():
        assert int(shown[-1], 0) == int(given[-1], 0) + (0x80000000 if target else 0)
    else:
        assert shown[-1] == given[-1]


def test_every_instruction_has_a_known_answer():
    names = {text.split()[0] for text, _ in ASSEMBLED} | {"fence"}
    assert names == set(isa.BY_NAME)
    assert isa.disassemble(FENCE_RW_RW, 0) == "fence"


def test_no_word_is_two_instructions():
    for i, first in enumerate(isa.INSTRUCTIONS):
        assert first.match & ~first.mask == 0
        for second in isa.INSTRUCTIONS[i + 1 :]:
            common = first.mask & second.mask
            assert first.match & common != second.match & common, (first.name, second.name)


def test_ops_are_dense_and_each_belongs_to_one_chip():
    assert sorted({i.op for i in isa.INSTRUCTIONS}) == list(isa.Op)[1:]
    assert [int(op) for op in isa.Op] == list(range(len(isa.Op)))
    assert len(isa.CHIP_OF_OP) == len(isa.Op)
    for instruction in isa.INSTRUCTIONS:
        assert isa.CHIP_OF_OP[instruction.op] == instruction.chip
        assert instruction.op in isa.OPS_OF_CHIP[instruction.chip]
        if instruction.op is not isa.Op.CONST:
            assert instruction.op.name == instruction.name.upper()
        assert isa.OPERAND_OF_OP[instruction.op] is instruction.operand
        assert isa.WRITES_RD[instruction.op] == instruction.writes_rd
    assert isa.op("ADD") == isa.Op.ADD


def test_what_an_operand_holds_is_in_the_word():
    """An immediate that the format has no place for would be 0 in every row."""
    reading = {isa.Operand.LIMBS, isa.Operand.LOW_LIMB, isa.Operand.OFFSET, isa.Operand.LINK}
    for instruction in isa.INSTRUCTIONS:
        form, operand = instruction.format, instruction.operand
        assert (operand in reading) == (form in (isa.Format.I, isa.Format.LOAD, isa.Format.S)), instruction.name
        assert (operand in (isa.Operand.POWER, isa.Operand.POWER32)) == (form is isa.Format.SHIFT), instruction.name
        assert (operand is isa.Operand.TARGET) == (form is isa.Format.B), instruction.name
        if operand is isa.Operand.POWER32:
            assert instruction.mask & 1 << 25, f"{instruction.name}: a shift amount of 32 or more has no power below 2^32"


@pytest.mark.parametrize(
    "word",
    [
        0,
        0xFFFFFFFF,
        0x00100073,  # ebreak
        0xC0001073,  # unimp
        0x30200073,  # mret
        0x10500073,  # wfi
        0xF1202573 ^ (1 << 15),  # csrr marchid that also sets bits of x1
        0xF1102573,  # csrr mvendorid
        0x1005252F,  # lr.w
        0x02B57553,  # fadd.d
        0x02051513 | 1 << 26,  # slli with bit 26 set
        0x0205151B,  # slliw by 32
        0x40051513 | 0,  # slli with the srai bit
        0x0000_4501,  # c.li
    ],
)
def test_what_this_machine_does_not_run_does_not_decode(word: int):
    assert isa.decode(np.array([word], np.uint32))[0] == -1


def test_trapping_words_have_names():
    assert isa.disassemble(0x00100073, 0) == "ebreak"
    assert isa.disassemble(0x00000000, 0) == "unimp (zero word)"
