"""A machine that lies about one cell at time 0, and a prover who fills all tables as well as that lie allows.

Rules. The run, its records and every table are made from the lie: nothing else is wrong with them, so that what refuses the job is the
AIR's word on how the cell starts. The whole job is checked, on the real chips and with the verifier's own boundary terms.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.chips_harness import column
from tests.trace_job import INPUT, Job
from zisk_actors.air.check import Report, Table, Term, check
from zisk_actors.chips import CHIP_SET, CHIPS
from zisk_actors.chips.boundary import boundary
from zisk_actors.chips.ram import RAM
from zisk_actors.chips.witness import assemble, fixed_columns
from zisk_actors.chips.words import swap_order
from zisk_actors.machine import layout
from zisk_actors.machine.reference import Reference
from zisk_actors.machine.rom import Program
from zisk_actors.proving import public_statement
from zisk_actors.stark import params
from zisk_actors.stark.field import U64
from zisk_actors.stark.keys import VerifyingKey


class Liar(Reference):
    """The reference emulator, but the cell with token address ``cell`` starts as ``value``."""

    def __init__(self, program: Program, cell: int, value: int, stdin: bytes = INPUT) -> None:
        self.cell, self.lie = cell, value
        super().__init__(program, stdin)

    def _start(self) -> None:
        super()._start()
        if self.cell >= layout.REGISTER_BASE:
            self.value[self.cell] = self.lie

    def _initial(self, cell: int) -> int:
        return self.lie if cell == self.cell else super()._initial(cell)


def lying_job(program: Program, cell: int, value: int) -> tuple[Job, int]:
    """The job of a run in which ``cell`` starts as ``value``, and the value that it truly starts as."""
    machine = Liar(program, cell, value)
    run = machine.run()
    assert run.trap is None, str(run.trap)
    events = machine.replay(0, run.steps, final=True)
    assert events.final is not None
    return Job(program, run, (events,), np.ascontiguousarray(events.final)), Reference(program, INPUT)._initial(cell)


def attempts(job: Job, cell: int, value: int, truth: int) -> Iterator[list[Table]]:
    """The job's tables, once for each way in which its state tables can be filled with the lie."""
    final = job.final.copy()
    touched = np.flatnonzero(final[:, 0] == np.uint64(cell))
    in_ram = layout.RAM_START // layout.WORD <= cell < layout.RAM_END // layout.WORD
    if in_ram and touched.size:
        final[touched, 1] = truth  # the fill refuses the lie; the row is mended below
    fixed = {name: swap_order(columns) for name, columns in fixed_columns(job.program).items()}
    instances = assemble(job.program, job.events[0], final, 0)
    tables = [Table(CHIPS[each.air_id].air, swap_order(each.main), fixed.get(CHIPS[each.air_id].name)) for each in instances]
    if not in_ram:
        yield tables
        return
    place = next(i for i, table in enumerate(tables) if table.air is RAM.air)
    main = tables[place].main
    rows = np.flatnonzero(main[column(RAM, "addr")] == np.uint64(cell))
    for is_image in (0, 1):
        forged: U64 = main.copy()
        for name, limb in (("initial[0]", value & 0xFFFFFFFF), ("initial[1]", value >> 32), ("is_image", is_image)):
            forged[column(RAM, name), rows[0]] = limb
        yield [*tables[:place], Table(RAM.air, forged), *tables[place + 1 :]]


def verdicts(job: Job, cell: int, value: int, truth: int) -> list[Report]:
    """What is wrong with the job, for each way to fill its tables."""
    vk = VerifyingKey(params.TEST.number, CHIP_SET.digest, (0, 0, 0, 0), (), job.program.entry, CHIP_SET.memory)
    terms = [Term(term.bus, term.values, term.times) for term in boundary(public_statement(vk, job.run), vk)]
    return [check(tables, terms) for tables in attempts(job, cell, value, truth)]


def accepted(program: Program, cell: int, value: int) -> bool:
    """Whether the AIR allows ``cell`` to start as ``value`` in a run of the program."""
    job, truth = lying_job(program, cell, value)
    return any(report.ok for report in verdicts(job, cell, value, truth))
