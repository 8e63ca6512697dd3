"""The chips: every table of the proof system, in canonical order.

Rules: a chip's index in ``CHIPS`` is its AIR id in statements and proofs. The
order and the constraints are part of every verifying key: new chips go where
they belong, and the set's digest changes with them.
"""

from __future__ import annotations

from typing import Final

from zisk_actors.air.air import Air
from zisk_actors.chips.add import ADD, ADDI
from zisk_actors.chips.addw import ADDIW, ADDW
from zisk_actors.chips.base import Chip
from zisk_actors.chips.boundary import boundary
from zisk_actors.chips.branch import BRANCHEQ, BRANCHLT
from zisk_actors.chips.const import CONST
from zisk_actors.chips.div import DIV
from zisk_actors.chips.halt import HALT
from zisk_actors.chips.image import IMAGE
from zisk_actors.chips.input import INPUT
from zisk_actors.chips.jump import JALR
from zisk_actors.chips.load import LOAD, LOADB, LOADW
from zisk_actors.chips.logic import LOGIC, LOGICI
from zisk_actors.chips.mul import MUL
from zisk_actors.chips.ram import RAM
from zisk_actors.chips.refresh import REFRESH
from zisk_actors.chips.registers import REGISTERS
from zisk_actors.chips.rom import ROM
from zisk_actors.chips.shift import SHIFT, SHIFTI, SHIFTIW, SHIFTW
from zisk_actors.chips.store import STORE, STOREB, STOREW
from zisk_actors.chips.sub import SLTI, SUB
from zisk_actors.chips.table16 import TABLE16
from zisk_actors.machine.layout import MEMORY_MAP
from zisk_actors.machine.records import Layout
from zisk_actors.stark.chipset import ChipSet

# Chips with a row per executed instruction, in the order of machine/isa.py.
OP_CHIPS: Final[tuple[Chip, ...]] = (
    *(CONST, ADD, ADDI, SUB, SLTI, ADDW, ADDIW, LOGIC, LOGICI),
    *(SHIFT, SHIFTI, SHIFTW, SHIFTIW, BRANCHEQ, BRANCHLT, JALR),
    *(LOAD, LOADW, LOADB, STORE, STOREW, STOREB, MUL, DIV, HALT),
)
# Chips that are filled from records of the run; the emulator writes their layouts, in this order.
RECORDED: Final[tuple[Chip, ...]] = (*OP_CHIPS, REFRESH)
LAYOUTS: Final[tuple[Layout, ...]] = tuple(chip.layout for chip in RECORDED)

CHIPS: Final[tuple[Chip, ...]] = (*RECORDED, ROM, TABLE16, REGISTERS, IMAGE, RAM, INPUT)
AIRS: Final[tuple[Air, ...]] = tuple(chip.air for chip in CHIPS)
NUMBER: Final[dict[str, int]] = {chip.name: number for number, chip in enumerate(CHIPS)}

# What the verifier goes by: the AIRs, how often each may occur, the statement's own bus terms, and the memory map.
CHIP_SET: Final = ChipSet(tuple(chip.rules for chip in CHIPS), boundary, MEMORY_MAP)
