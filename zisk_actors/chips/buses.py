"""The buses of the machine: name, number, fields. Each is declared here and nowhere else."""

from __future__ import annotations

from zisk_actors.air.bus import Bus

EXEC = Bus("exec", 1, ("pc", "ts"), "control flow: the instruction at ROM row pc is executed at time ts")
PROGRAM = Bus(
    "program",
    2,
    ("pc", "op", "rd", "rs1", "rs2", "x0", "x1", "x2"),
    "the ROM holds this decoded instruction at row pc",
)
TOKEN = Bus("token", 3, ("addr", "lo", "hi", "ts"), "the cell addr held this 64-bit value, in 32-bit limbs, since time ts")
RANGE16 = Bus("range16", 4, ("value",), "0 <= value < 2^16")
MSB16 = Bus("msb16", 5, ("value", "msb"), "value < 2^16 and msb is its bit 15")
AND8 = Bus("and8", 6, ("a", "b", "a_and_b"), "bytes a and b and their bitwise and")
POW64 = Bus("pow64", 7, ("value", "lo", "hi"), "2^(value mod 64) in 32-bit limbs, value < 2^16")
POW32 = Bus("pow32", 8, ("value", "power"), "2^(value mod 32), value < 2^16")
PCMAP = Bus("pcmap", 9, ("address", "pc"), "the instruction at byte address is ROM row pc")
IMAGE = Bus("image", 10, ("addr", "lo", "hi"), "initial value of a writable word of the program image")
PUBLIC = Bus("public", 11, ("addr", "lo", "hi"), "final value of a public output word")
HALT = Bus("halt", 12, ("code_lo", "code_hi", "ts"), "the run halted with this exit code at time ts")

BUSES = (EXEC, PROGRAM, TOKEN, RANGE16, MSB16, AND8, POW64, POW32, PCMAP, IMAGE, PUBLIC, HALT)
