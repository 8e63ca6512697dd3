"""A row of loadw that counts nothing but a lookup: it takes back one that another row makes and that no table holds."""

from __future__ import annotations

from tests.mutation.jobs import Lie, Tables, run
from tests.mutation.programs import STDIN, program_of
from zisk_actors.stark.field import P


def sign_of_nothing() -> tuple[Tables | None, object]:
    """LW with the wrong sign: the rest of its limb is out of range, and a row with flags -1 and 1 takes that lookup back."""
    program = program_of("loadw")
    honest = run(program, STDIN)
    assert honest is not None
    row = next(r for r in honest.rows("loadw") if honest.cell("loadw", r, "is_lw") and honest.cell("loadw", r, "rd") == 5)
    limb, sign = honest.cell("loadw", row, "limb"), honest.cell("loadw", row, "sign")
    top = (limb >> 16) ^ 0x8000
    job = run(program, STDIN, {honest.cell("loadw", row, "ts") // 4 - 1: Lie(written=limb + (1 - sign) * (2**64 - 2**32))})
    assert job is not None
    job = job.with_cells("loadw", row, {"top": top, "sign": 1 - sign})
    rest = (limb - 2**16 * top) % P
    silent = {"is_lw": -1, "is_lwu": 1, "limb": rest, "word[0]": rest}
    return job.with_cells("loadw", len(job.rows("loadw")), silent), honest.end
