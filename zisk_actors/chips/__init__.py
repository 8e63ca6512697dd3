"""The chips: every table of the proof system, in canonical order.

Rules: a chip's index in ``CHIPS`` is its AIR id in statements and proofs. The
order and the constraints are part of every verifying key. A chip is a value of
a module in this folder, and nothing lists those that are filled from records of
the run: the instruction table says the order of the chips that prove an
instruction, the others come behind them by name.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Final

from zisk_actors.air.air import Air
from zisk_actors.chips.base import Chip
from zisk_actors.chips.boundary import boundary
from zisk_actors.chips.image import IMAGE
from zisk_actors.chips.input import INPUT
from zisk_actors.chips.ram import RAM
from zisk_actors.chips.registers import REGISTERS
from zisk_actors.chips.rom import ROM
from zisk_actors.chips.table16 import TABLE16
from zisk_actors.machine import isa
from zisk_actors.machine.layout import MEMORY_MAP
from zisk_actors.machine.records import Layout
from zisk_actors.stark.chipset import ChipSet

USERS: Final = ("footprint", "heights", "pages", "witness")  # modules here that are made of all chips, and have none


def _filled_from_records() -> dict[str, Chip]:
    """Every chip of this folder that takes records, by its name. ValueError for two of one name."""
    found: dict[str, Chip] = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in USERS):
        for value in vars(importlib.import_module(f"{__name__}.{module}")).values():
            if isinstance(value, Chip) and value.fill is not None and found.setdefault(value.name, value) is not value:
                raise ValueError(f"two chips are called {value.name}")
    return found


_RECORDED: Final = _filled_from_records()
# Chips with a row per executed instruction, in the order of machine/isa.py.
OP_CHIPS: Final[tuple[Chip, ...]] = tuple(_RECORDED[name] for name in isa.CHIPS)
# Chips that are filled from records of the run; the emulator writes their layouts, in this order.
RECORDED: Final[tuple[Chip, ...]] = (*OP_CHIPS, *(_RECORDED[name] for name in sorted(set(_RECORDED) - set(isa.CHIPS))))
LAYOUTS: Final[tuple[Layout, ...]] = tuple(chip.layout for chip in RECORDED)

CHIPS: Final[tuple[Chip, ...]] = (*RECORDED, ROM, TABLE16, REGISTERS, IMAGE, RAM, INPUT)
AIRS: Final[tuple[Air, ...]] = tuple(chip.air for chip in CHIPS)
NUMBER: Final[dict[str, int]] = {chip.name: number for number, chip in enumerate(CHIPS)}

# What the verifier goes by: the AIRs, how often each may occur, the statement's own bus terms, and the memory map.
CHIP_SET: Final = ChipSet(tuple(chip.rules for chip in CHIPS), boundary, MEMORY_MAP)
