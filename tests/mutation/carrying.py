"""What a false value does to the rest of a job, where all that comes after only copies it.

Rules. Only cells that a row copies can take another value: what a store stores, what a load loads, what stood in a register before it is
written, how registers and memory end, and what the statement says. Whatever computes with a value stays as it is, and does not agree.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.mutation.jobs import Tables, end_of, open_tables, tokens
from zisk_actors.air.check import imbalances, said
from zisk_actors.air.expr import Expr, Kind, Part
from zisk_actors.chips import AIRS, NUMBER
from zisk_actors.chips.buses import TOKEN
from zisk_actors.stark.field import P

MOST = 12  # rows that a value is handed on by


def carried(job: Tables, keep: tuple[tuple[str, int], ...] = ()) -> Tables:
    """The job in which whoever takes a token takes the value that it has: only rows that copy values can.

    ``keep``: (chip, row) of rows that stay as they are.
    """
    for _ in range(MOST):
        wrong = [item for item in imbalances(tokens(job), 1000)[0] if item.bus == TOKEN.name]
        extra = {(item.values[0], item.values[3]): item.values for item in wrong if item.times == 1}
        missing = [item.values for item in wrong if item.times == -1]
        changes = [(old, extra[old[0], old[3]]) for old in missing if (old[0], old[3]) in extra]
        done = [change for change in changes if (changed := taken(job, *change, keep)) is not None and (job := changed)]
        if not done:
            break
    return _claimed(job)


def _plain(expr: Expr) -> int | None:
    """The column of an expression that is a cell."""
    return int(expr.args[1]) if expr.kind is Kind.CELL and expr.args[0] is Part.MAIN and not expr.args[2] else None


def taken(job: Tables, old: tuple[int, ...], new: tuple[int, ...], keep: tuple[tuple[str, int], ...]) -> Tables | None:
    """The job in which the taker of token ``old`` takes ``new``; None if nobody can."""
    for table in open_tables(job):
        for item in table.air.bus_terms:
            if item.bus is not TOKEN:
                continue
            for term in said(table, [item]):
                rows = term.rows[np.all(np.array(old, dtype=np.uint64) == term.values.T, axis=1) & (term.times == P - 1)]
                for row in rows.tolist():
                    if (table.air.name, row) in keep:
                        continue
                    columns = [_plain(expr) for expr in item.values]
                    cells = job.row(table.air.name, row)
                    good = True
                    for column, before, after in zip(columns, old, new, strict=True):
                        if before != after:
                            good &= column is not None
                            if column is not None:
                                cells[column] = after
                    if good:
                        return job.with_cells(table.air.name, row, cells)
    return None


def _claimed(job: Tables) -> Tables:
    """The job that claims what its tables say, where that can be claimed."""
    outputs = list(job.statement.outputs)
    ram = AIRS[NUMBER["ram"]].main(list(job.main["ram"]))
    rows = np.flatnonzero(ram.is_output == 1)
    for place, row in enumerate(rows.tolist()):
        outputs[2 * place : 2 * place + 2] = [int(ram.final[0][row]), int(ram.final[1][row])]
    statement = job.statement
    if len(rows) * 2 == len(outputs) and max(outputs) < 2**32:
        statement = type(statement)(statement.vk, tuple(outputs), statement.exit_code, statement.final_ts)
    return replace(job, statement=statement, end=end_of(job.main, statement))
