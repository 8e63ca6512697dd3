"""The memory map of the machine, and the token address of every cell.

Rules of this file: byte addresses are what the guest sees; token addresses are what stands on the TOKEN bus. A read-only word and a
RAM word never share a token address, and a register shares one with nothing.
"""

from __future__ import annotations

from typing import Final

INPUT_START, INPUT_END = 0x40000000, 0x80000000  # read-only; zero past the input
INPUT_DATA = INPUT_START + 8  # where the bytes of the input file begin; the word before them is 0
CODE_START, CODE_END = 0x80000000, 0x88000000  # code and constants; only loaded words exist
RAM_START, RAM_END = 0xA0000000, 0xC0000000  # zero at the start, except for loaded words
CONSOLE = 0xA0000200  # a byte stored here is printed
IDENTITY, MARCHID = 0xA000F890, 0xFFFEEEE  # where a guest looks for CSR 0xF12, by whose value it recognises the zkVM
OUTPUT, OUTPUT_WORDS = 0xA0010000, 32  # the public output: 64-bit words, each two 32-bit output words
RETURN_ADDRESS = 0x1000  # three synthetic instructions that exit with code 0; ra at the start

MAX_INPUT: Final = INPUT_END - INPUT_DATA  # bytes

# What a verifying key says of all this: byte ranges [start, end).
MEMORY_MAP: Final = ((INPUT_START, INPUT_END), (CODE_START, CODE_END), (RAM_START, RAM_END))

WORD = 8  # bytes of a memory word
READ_ONLY_BASE: Final = 2**35  # + byte address / 8: a word of the input, or of the image outside RAM
REGISTER_BASE: Final = 2**40  # + register number
SINK = 32  # the register that takes what is written to x0
REGISTERS = 33
RA, A0, A1, A7 = 1, 10, 11, 17
EXIT_CALL = 93

# Registers that are not 0 at the start.
INITIAL_REGISTERS: Final = {RA: RETURN_ADDRESS, A0: INPUT_START, A1: OUTPUT}


def token_of_word(address: int) -> int:
    """Token address of the memory word at a multiple of 8."""
    return address // WORD if RAM_START <= address < RAM_END else READ_ONLY_BASE + address // WORD


def token_of_register(register: int) -> int:
    """Token address of a register, 0 to 32."""
    return REGISTER_BASE + register
