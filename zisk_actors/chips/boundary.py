"""What the statement itself puts on the buses: the ends of the run, and its public outputs.

These are the verifier's own terms. Without them nothing would start the chain
of control, take its end, or tie output memory to what is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence

from zisk_actors.chips.buses import EXEC, HALT, PUBLIC
from zisk_actors.machine.events import time_of
from zisk_actors.machine.layout import OUTPUT, token_of_word
from zisk_actors.stark.chipset import BoundaryTerm
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.statement import Statement

FIRST_TS = time_of(0)
OUTPUT_WORD = token_of_word(OUTPUT)  # of the first 64-bit output word


def boundary(statement: Statement, vk: VerifyingKey) -> Sequence[BoundaryTerm]:
    """+EXEC(entry, 4), -HALT(exit code, final ts), -PUBLIC(address, value) for all 32 words of 64 bits."""
    code = statement.exit_code
    terms = [
        BoundaryTerm(EXEC, (vk.entry, FIRST_TS), 1),
        BoundaryTerm(HALT, (code & 0xFFFFFFFF, code >> 32, statement.final_ts), -1),
    ]
    for i in range(len(statement.outputs) // 2):
        low, high = statement.outputs[2 * i : 2 * i + 2]
        terms.append(BoundaryTerm(PUBLIC, (OUTPUT_WORD + i, low, high), -1))
    return terms
