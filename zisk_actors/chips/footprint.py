"""How much memory proving a share takes, from what is known before any of it is taken: its records per chip.

Rules of this file:
* Arithmetic over the definitions of the AIRs and the plan of their tables; nothing here is a second definition of either.
* It counts the matrices that live at once at the worst moment; `BESIDE` is for what the steps hold beside them, and `SURPLUS` for the
  process itself. Both are of measurements (1.0 and 4.0 million instructions took 0.90 and 2.8 GiB; estimated are 1.0 and 3.3), and a test
  holds them to what a run takes.
* The chips that only share 0 has are not counted by their rows, which nobody knows before: a run touches less memory than it executes
  instructions, with few exceptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from zisk_actors.air.air import Air
from zisk_actors.chips import AIRS, CHIPS, NUMBER, table16
from zisk_actors.chips.heights import share_heights
from zisk_actors.machine.plan import MIN_LOG
from zisk_actors.stark.layout import QUOTIENT_WIDTH

WORD: Final = 8  # bytes
DIGEST: Final = 4
TREES: Final = 3  # main, aux and quotients
BESIDE: Final = 1.2
SURPLUS: Final = 64 * 2**20  # bytes: the interpreter, the program, the native library


def proving_bytes(records: Mapping[str, int], rom_rows: int, log_blowup: int) -> int:
    """An estimate for a share with so many records per chip (as `Emulator.count` says), of a program with so many instructions.

    ``log_blowup``: the parameter set's.
    """
    main = aux = 0
    heights = set()
    for air, height in _tables(records, rom_rows):
        main += height * air.width
        aux += 3 * height * air.aux_width
        heights.add(height)
    blowup = 1 << log_blowup
    fixed = (1 + blowup) * sum(
        AIRS[NUMBER[name]].fixed_width << log_height
        for name, log_height in (("rom", _log_height(rom_rows)), ("table16", table16.LOG_HEIGHT))
    )
    tree = 2 * blowup * max(heights) * DIGEST
    filling = sum(count * CHIPS[NUMBER[name]].layout.dtype.itemsize for name, count in records.items()) // WORD + main
    contributing = (1 + blowup) * main + tree
    proving = blowup * (main + aux + QUOTIENT_WIDTH * max(heights)) + TREES * tree
    return int(BESIDE * WORD * (fixed + max(filling, contributing, proving))) + SURPLUS


def _tables(records: Mapping[str, int], rom_rows: int) -> Iterator[tuple[Air, int]]:
    others = [(AIRS[NUMBER["rom"]], _log_height(rom_rows)), (AIRS[NUMBER["table16"]], table16.LOG_HEIGHT)]
    for name, heights in share_heights(records, others).items():
        for log_height in heights:
            yield AIRS[NUMBER[name]], 1 << log_height
    for air, log_height in others:
        yield air, 1 << log_height


def _log_height(count: int) -> int:
    return max(MIN_LOG, (count - 1).bit_length())
