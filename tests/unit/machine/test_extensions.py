"""Names of what this machine does not run, against a disassembler that nobody here wrote."""

import pytest

from zisk_actors.machine import extensions, isa

# Disassembled by LLVM 14 (llvm-mc --disassemble -triple=riscv64 -M no-aliases), operands left out; rdcycle and rdinstret are aliases.
NAMED = {
    0x1005252F: "lr.w (A)",
    0x1805352F: "sc.d (A)",
    0x00A5252F: "amoadd.w (A)",
    0x08A5352F: "amoswap.d (A)",
    0xE0A5352F: "amomaxu.d (A)",
    0x00052507: "flw (F)",
    0x00A53027: "fsd (D)",
    0x02B57553: "fadd.d (D)",
    0x18B57553: "fdiv.s (F)",
    0x62B57543: "fmadd.d (D)",
    0xA2B51553: "flt.d (D)",
    0xC2257553: "fcvt.l.d (D)",
    0x42050553: "fcvt.d.s (D)",
    0xE2050553: "fmv.x.d (D)",
    0xF2050553: "fmv.d.x (D)",
    0xE0051553: "fclass.s (F)",
    0x20B52533: "sh1add (Zba)",
    0x20B5653B: "sh3add.uw (Zba)",
    0x08B5053B: "add.uw (Zba)",
    0x40B57533: "andn (Zbb)",
    0x60051513: "clz (Zbb)",
    0x6025151B: "cpopw (Zbb)",
    0x6B855513: "rev8 (Zbb)",
    0x0805453B: "zext.h (Zbb)",
    0x63F55513: "rori (Zbb)",
    0x0AB53533: "clmulh (Zbc)",
    0x28B51533: "bset (Zbs)",
    0x4BF55513: "bexti (Zbs)",
    0x30051573: "csrrw 0x300 (Zicsr)",
    0xC0002573: "rdcycle (Zicntr)",
    0xC0202573: "rdinstret (Zicntr)",
    0x30200073: "mret (privileged)",
    0x10500073: "wfi (privileged)",
    0x12000073: "sfence.vma (privileged)",
    # 16 bits, with the neighbour's in the upper half.
    0xFFFF4501: "c.li (C)",
    0x00130001: "c.nop (C)",
    0x00130141: "c.addi (C)",
    0x00136141: "c.addi16sp (C)",
    0x00138D0D: "c.sub (C)",
    0x00139D2D: "c.addw (C)",
    0x00138082: "c.jr (C)",
    0x00139002: "c.ebreak (C)",
    0x00139502: "c.jalr (C)",
    0x0013852E: "c.mv (C)",
    0x0013952E: "c.add (C)",
    0x0013E406: "c.sdsp (C)",
    0x00136502: "c.ldsp (C)",
    0x0013C119: "c.beqz (C)",
    0x00132108: "c.fld (C, D)",
    # What is nothing.
    0xFFFFFFFF: "no RISC-V instruction (0xffffffff)",
    0x00130000: "no RISC-V instruction (0x0000)",
    0x00138002: "no RISC-V instruction (0x8002)",
}


@pytest.mark.parametrize("word", NAMED, ids=NAMED.values())
def test_a_word_is_named_with_its_extension(word: int):
    assert isa.disassemble(word, 0) == NAMED[word]


def test_no_name_is_another_s():
    """Where two rows fit one word, the first is more special: it looks at all bits of the other, and more."""
    table = extensions._table()
    for i, first in enumerate(table):
        for second in table[i + 1 :]:
            common = first.mask & second.mask
            if first.match & common == second.match & common:
                assert first.mask & second.mask == second.mask, (first.name, second.name)
        assert first.match & ~first.mask == 0
        assert first.mask < 2**32


def test_nothing_that_the_machine_runs_has_a_name_here():
    for instruction in isa.INSTRUCTIONS:
        assert isa.disassemble(instruction.match, 0).split()[0] == instruction.name
        for foreign in extensions._table():
            common = foreign.mask & instruction.mask
            if foreign.match & common == instruction.match & common:
                assert foreign.extension == "Zicsr", (foreign.name, instruction.name)
