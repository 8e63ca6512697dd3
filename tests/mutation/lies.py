"""The adversary: for each part of a chip, a whole job that is false and that only this part refuses.

Rules. A lie is accepted as such only by ``caught``: the job without the part is satisfied to the last tuple, the one with it is not, and
the run ends otherwise than the program does on this input (or puts a value on a token that is no 64-bit value). What is searched for is
searched with a seed, so that the same lies are found again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

import numpy as np

from tests.mutation.airs import Part
from tests.mutation.carrying import carried
from tests.mutation.elsewhere import ELSEWHERE, elsewhere
from tests.mutation.jobs import ROW, Lie, Tables, report, run, wide_tokens, without_part
from tests.mutation.memory import honest, lies_of
from tests.mutation.moving import moved, moves
from tests.mutation.programs import STDIN, program_of
from tests.mutation.quotients import any_quotient, bounds, claims, split_otherwise
from tests.mutation.rows import LOOKUPS, Cells, Chip, Search
from tests.trace_job import EVERYTHING, INPUT, WAITING, job_of
from zisk_actors.air.air import Air
from zisk_actors.chips import AIRS, NUMBER, OP_CHIPS
from zisk_actors.chips.buses import EXEC, PROGRAM, RANGE16, TOKEN
from zisk_actors.stark.field import P

SUBJECTS = tuple(chip.name for chip in OP_CHIPS)
STORED = 5  # the register whose values the programs store


@dataclass(frozen=True, eq=False)
class Verdict:
    """What became of the search for a lie."""

    part: Part
    how: str  # "" if no lie was found

    @property
    def killed(self) -> bool:
        """Whether the tests notice that the part is gone."""
        return bool(self.how)


def caught(part: Part, job: Tables | None, honest_end: object) -> bool:
    """Whether a job is false and is refused by this part alone."""
    if job is None or (job.end == honest_end and not wide_tokens(job)):
        return False
    if not report(job, without_part(part)).ok:
        return False
    found = report(job)
    reasons = {failure.constraint for failure in found.failures} | {item.bus for item in found.imbalances}
    return reasons == {part.label if part.bus is None else part.bus.name}


class Subject:
    """An instruction chip with its program and the program's honest run."""

    def __init__(self, name: str) -> None:
        self.name, self.air = name, AIRS[NUMBER[name]]
        self.program = program_of(name)
        job = run(self.program, STDIN)
        assert job is not None, f"the program for {name} traps"
        self.job: Tables = job
        rows = {int(address): pc for pc, address in enumerate(self.program.rom.address.tolist())}
        self.chip = Chip(self.air, rows)

    def step(self, row: int) -> int:
        """The step that a row executes."""
        return self.job.cell(self.name, row, "ts") // 4 - 1


@cache
def subject(name: str) -> Subject:
    """The chip's subject."""
    return Subject(name)


# --- the ways to lie ---------------------------------------------------------------


def access_of(air: Air, part: Part) -> int | None:
    """For a part that orders an access in time: the number of the interaction that takes the old token."""
    terms = air.bus_terms
    if part.bus is RANGE16 and part.index >= 2 and terms[part.index - 1].bus is TOKEN and terms[part.index - 2].bus is TOKEN:
        return part.index - 2
    return None


def out_of_time(subject: Subject, part: Part) -> Iterator[Tables | None]:
    """An access takes the token that it puts itself: a read of anything, a write that never was."""
    index = access_of(subject.air, part)
    assert index is not None
    take, put = subject.chip.terms[index : index + 2]
    writes = subject.air.bus_terms[index].values[1:3] != subject.air.bus_terms[index + 1].values[1:3]
    for row in subject.job.rows(subject.name):
        cells = subject.job.row(subject.name, row)
        addr, low, high, time = put.tuple(cells)
        if writes:
            yield run(subject.program, STDIN, {subject.step(row): Lie(addr, lost=True, slot=time % 4)})
            continue
        value = low + 2**32 * high
        for other in (value + 8, value - 8, value + 1, value ^ 1, value ^ 2**63, value + 16, 0, 5, 2**40 + 5, value + 12):
            yield run(subject.program, STDIN, {subject.step(row): Lie(addr, other % 2**64, slot=time % 4)})
    assert take.bus is TOKEN


def other_instruction(subject: Subject, part: Part) -> Iterator[Tables | None]:
    """The row executes an instruction that is not the program's."""
    honest = subject.program.rom
    for row in subject.job.rows(subject.name):
        step, pc = subject.step(row), subject.job.cell(subject.name, row, "pc")
        fields = {name: int(getattr(honest, name)[pc]) for name in ROW}
        for name, value in (("rd", 7), ("rs2", fields["rs1"]), ("rs1", fields["rs2"]), ("x0", pc + 3)):
            yield run(subject.program, STDIN, {step: Lie(row=tuple((fields | {name: value})[field] for field in ROW))})
    if subject.name == "halt":
        step = subject.job.statement.steps - 1
        yield from (run(subject.program, STDIN, {step - back: Lie(row=(61, 0, 17, 10, 0, 0, 0))}) for back in (4, 5, 6))


def forged_row(subject: Subject, part: Part, seed: int, budget: int) -> Iterator[Tables | None]:
    """One row is another solution."""
    if subject.name == "div" and str(part) not in ("div/constraint/unsigned is a bit", "div/constraint/remainder is a bit"):
        yield from _wrong_quotients(subject, part)
    rng = random.Random(seed)
    order = [row for row in subject.job.rows(subject.name) if not _is_twin(subject, row)]
    for rounds in (1, 2, 4):
        rng.shuffle(order)
        for row in order:
            search = Search(
                subject.chip, subject.job.row(subject.name, row), part, rng, max(budget // len(order), 200) * rounds // 7, 40 * rounds
            )
            for found, cells in enumerate(search.forged(search.seeds(rounds))):
                yield with_row(subject, row, cells)
                if found == 3:
                    break


def _wrong_quotients(subject: Subject, part: Part) -> Iterator[Tables | None]:
    """A division with another quotient."""
    for row in subject.job.rows("div"):
        if _is_twin(subject, row):
            continue
        cells = subject.job.row("div", row)
        search = Search(subject.chip, cells, part, random.Random(1))
        made = chain(*(way(subject.chip, cells) for way in (split_otherwise, bounds, claims)))
        if part.label in ("q_sign is a bit", "word 3 of the identity"):
            odd = subject.job.cell("div", row, "b[1]") % 2 and not subject.job.cell("div", row, "b[0]")
            made = iter([any_quotient(subject.chip, cells, part.label == "q_sign is a bit")] if odd else [])
        found = (claim for claim in made if search.accepts(claim))
        yield from (with_row(subject, row, claim) for claim, _ in zip(found, range(3), strict=False))


def _is_twin(subject: Subject, row: int) -> bool:
    """Whether a row executes again what the one before it did, and its result is not stored."""
    return "rd" in subject.chip.names and subject.job.cell(subject.name, row, "rd") != STORED


def with_row(subject: Subject, row: int, cells: Cells) -> Tables | None:
    """The job that goes on from a forged row; where its result can stand in no output, from the row's twin."""
    before = subject.job.row(subject.name, row)
    lie = Lie()
    for term in subject.chip.terms:
        if term.bus in LOOKUPS or term.bus is PROGRAM:
            continue
        old, new = term.spoken(before), term.spoken(cells)
        if old == new:
            continue
        if term.bus is EXEC:
            lie = replace(lie, npc=new[0])
        elif term.bus is TOKEN and new[1] < 2**32 and new[2] < 2**32:
            lie = replace(lie, **{"written" if new[3] % 4 == 3 else "stored": new[1] + 2**32 * new[2]})
        elif term.bus is TOKEN:
            return _in_twin(subject, row, before, cells)
        else:
            return None
    if lie.npc is not None and not 0 <= lie.npc < len(subject.program.rom):
        return None
    job = run(subject.program, STDIN, {subject.step(row): lie})
    return None if job is None else job.with_cells(subject.name, row, cells)


def _in_twin(subject: Subject, row: int, before: Cells, cells: Cells) -> Tables | None:
    """The same change of cells in the row's twin; whoever takes the token takes it as it is."""
    if row + 1 not in subject.job.rows(subject.name) or not _is_twin(subject, row + 1):
        return None
    twin = subject.job.row(subject.name, row + 1)
    changed = [new if new != old else same for old, new, same in zip(before, cells, twin, strict=True)]
    return carried(subject.job.with_cells(subject.name, row + 1, changed))


def there_and_back(subject: Subject, part: Part) -> Iterator[Tables | None]:
    """A row that counts -1 undoes one that counts 1, but for the old value of what it writes: any token becomes another."""
    names, name, job = subject.chip.names, subject.name, subject.job
    if "old[0]" not in names:
        return
    # The last result that is stored: its token has another value when the store takes it.
    store = max(row for row in job.rows("store") if job.cell("store", row, "rs2") == STORED)
    old = {f"old[{i}]": job.cell("store", store, f"b[{i}]") for i in range(2)} | {"old_prev": job.cell("store", store, "b_prev")}
    free = len(job.rows(name))
    if free + 2 > job.main[name].shape[1]:
        job = replace(job, main={**job.main, name: np.pad(job.main[name], ((0, 0), (0, job.main[name].shape[1])))})
    cells = dict(zip(names, job.row(name, free - 1), strict=True)) | {"rd": STORED, "real": 1, "ts": job.statement.final_ts} | old
    back = cells | {"old[0]": old["old[0]"] ^ 1, "real": P - 1}
    yield carried(job.with_cells(name, free, cells).with_cells(name, free + 1, back), keep=((name, free), (name, free + 1)))


# --- the adversary -----------------------------------------------------------------


def attack(part: Part, *, seed: int = 0, budget: int = 60_000) -> Verdict:
    """Look for a lie that only ``part`` refuses. ``budget``: rows tried in a search."""
    left_out = without_part(part)
    if not report(honest_job(part.chip), left_out).ok:
        return Verdict(part, "the honest job")
    for job, end in lies_of(str(part)):
        if caught(part, job, end):
            return Verdict(part, "made by hand")
    if moves(part) and any(caught(part, job, end) for job, end in moved(part)):
        return Verdict(part, "another word")
    if str(part) in ELSEWHERE and caught(part, *elsewhere(part)):
        return Verdict(part, "another chip's instruction")
    if part.chip in SUBJECTS:
        for how, jobs in ways(subject(part.chip), part, seed, budget):
            for job in jobs:
                if caught(part, job, subject(part.chip).job.end):
                    return Verdict(part, how)
    return Verdict(part, "")


def honest_job(chip: str) -> Tables:
    """A job that uses the chip, all of it."""
    if chip in SUBJECTS:
        return subject(chip).job
    return everything() if chip in ("table16", "refresh", "rom") else honest()


@cache
def everything() -> Tables:
    """A job with every instruction, every lookup table, and refreshes."""
    job = run(job_of((*WAITING, *EVERYTHING)).program, INPUT, most=10**5)
    assert job is not None
    return job


def ways(aim: Subject, part: Part, seed: int, budget: int) -> Iterator[tuple[str, Iterator[Tables | None]]]:
    """The ways to lie that suit a part of an instruction chip."""
    if part.bus is PROGRAM:
        yield "another instruction", other_instruction(aim, part)
    elif part.bus is not None and access_of(aim.air, part) is not None:
        yield "an access out of time", out_of_time(aim, part)
    else:
        if part.label == "real is a bit":
            yield "a row there and a row back", there_and_back(aim, part)
        yield "a forged row", forged_row(aim, part, seed, budget)
