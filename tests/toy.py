"""A small world of three chips that uses every feature of the protocol, for tests of the proof system alone.

* ``fib``: next row, first and last selectors, one bus term; a singleton. Its last row sends the result on OUT.
* ``square``: a row sends (x, x^2) for lookup and moves a token along CHAIN from x to x^2; heights of all sizes.
* ``table``: fixed columns (x, x^2), main multiplicity; once in every share.

The statement's first two outputs are the Fibonacci number, its final time counts the
steps of the chain: CHAIN starts at (2, 0) and ends at (exit code, steps).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from zisk_actors.air.air import Air, Column, Constraint, Row, T, Window
from zisk_actors.air.bus import Bus, Interaction, receive, send
from zisk_actors.backends.base import Backend
from zisk_actors.backends.reference import ReferenceBackend
from zisk_actors.stark import domain, params
from zisk_actors.stark.chipset import BoundaryTerm, Chip, ChipSet, Presence
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.params import Parameters
from zisk_actors.stark.proof import PartialProof, Proof
from zisk_actors.stark.prover import Table, contribute, prove
from zisk_actors.stark.setup import ProvingKey, setup
from zisk_actors.stark.statement import Contribution, Digest, Statement, global_challenge

OUT = Bus("out", 1, ("value",), "the Fibonacci number")
CHAIN = Bus("chain", 2, ("value", "step"), "the value after so many steps")
SQUARE = Bus("square", 3, ("x", "xx"), "xx is the square of x")

FIB_LOG, TABLE_LOG = 6, 7
MODULUS = 61  # the chain is x -> x^2 mod 61 through the table, whose rows are (x, x^2 mod 61)


class FibRow(Row[T]):
    """Two neighbours of the Fibonacci sequence."""

    a = Column("F(r)")
    b = Column("F(r + 1)")


def _fib_constraints(w: Window) -> Iterator[Constraint]:
    yield "starts at 0", w.first * w.row.a
    yield "starts at 1", w.first * (w.row.b - 1)
    yield "a moves on", (1 - w.last) * (w.next.a - w.row.b)
    yield "b moves on", (1 - w.last) * (w.next.b - w.row.a - w.row.b)


def _fib_interactions(w: Window) -> Iterator[Interaction]:
    yield send(OUT, w.row.b, times=w.last)


class SquareRow(Row[T]):
    """One step of the chain."""

    x = Column("before")
    xx = Column("after")
    step = Column("number of the step")
    real = Column("1 on a used row")


def _square_constraints(w: Window) -> Iterator[Constraint]:
    yield "real is a bit", w.row.real * (1 - w.row.real)


def _square_interactions(w: Window) -> Iterator[Interaction]:
    yield receive(CHAIN, w.row.x, w.row.step, times=w.row.real)
    yield send(CHAIN, w.row.xx, w.row.step + 1, times=w.row.real)
    yield send(SQUARE, w.row.x, w.row.xx, times=w.row.real)


class TableFixed(Row[T]):
    """All squares."""

    x = Column("x")
    xx = Column("its square")


class TableRow(Row[T]):
    """How often each is used."""

    times = Column("lookups of this row")


def _table_interactions(w: Window) -> Iterator[Interaction]:
    yield receive(SQUARE, w.fixed.x, w.fixed.xx, times=w.row.times)


def _none(w: Window) -> Iterator[Constraint]:
    yield from ()


FIB = Air("fib", FibRow, _fib_constraints, _fib_interactions)
SQUARES = Air("square", SquareRow, _square_constraints, _square_interactions)
TABLE = Air("table", TableRow, _none, _table_interactions, fixed=TableFixed)


def boundary(statement: Statement, vk: VerifyingKey) -> Sequence[BoundaryTerm]:
    """Takes the Fibonacci number off OUT, starts the chain at (vk.entry, 0) and takes its end."""
    return [
        BoundaryTerm(OUT, (statement.outputs[0] + (statement.outputs[1] << 32),), -1),
        BoundaryTerm(CHAIN, (vk.entry, 0), 1),
        BoundaryTerm(CHAIN, (statement.exit_code, statement.final_ts // 4), -1),
    ]


CHIPS = ChipSet(
    (
        Chip(FIB, Presence.SINGLETON, FIB_LOG, FIB_LOG),
        Chip(SQUARES, max_job_rows=2**10),
        Chip(TABLE, Presence.EVERY_SHARE),
    ),
    boundary,
    ((0, 64),),
)
START = 2
FIBONACCI = 10610209857723  # F(64)
OUTPUTS = (FIBONACCI % 2**32, FIBONACCI >> 32, *(0,) * 62)


def fixed_table() -> U64:
    """(2, 128) in storage order."""
    x = np.arange(1 << TABLE_LOG, dtype=np.uint64)
    return np.stack([x, x * x % np.uint64(MODULUS)])[:, domain.bit_reversal(TABLE_LOG)]


def proving_key(backend: Backend, parameters: Parameters = params.TEST) -> ProvingKey:
    """The key of the toy program."""
    return setup(backend, CHIPS, parameters, {2: fixed_table()}, entry=START)


def chain(steps: int) -> list[int]:
    """The values of the chain."""
    values = [START]
    for _ in range(steps):
        values.append(values[-1] ** 2 % MODULUS)
    return values


def fib_table() -> Table:
    """The singleton."""
    rows = [(0, 1)]
    while len(rows) < 1 << FIB_LOG:
        a, b = rows[-1]
        rows.append((b, (a + b) % P))
    return Table(0, np.array(rows, dtype=np.uint64).T[:, domain.bit_reversal(FIB_LOG)].copy())


def square_tables(first: int, counts: Sequence[tuple[int, int]]) -> list[Table]:
    """Tables of (rows used, log height) that go on from step ``first``."""
    values = chain(first + sum(count for count, _ in counts))
    tables = []
    step = first
    for count, log_height in counts:
        main = np.zeros((4, 1 << log_height), dtype=np.uint64)
        for row in range(count):  # any order of rows will do: these fill the storage order
            main[:, row] = values[step], values[step + 1], step, 1
            step += 1
        tables.append(Table(1, main))
    return tables


def lookup_table(squares: Sequence[Table]) -> Table:
    """The multiplicities of a share."""
    times = np.zeros(1 << TABLE_LOG, dtype=np.uint64)
    for table in squares:
        for x in table.main[0][table.main[3] == 1]:
            times[x] += 1
    return Table(2, times[None, domain.bit_reversal(TABLE_LOG)].copy())


# Share 0 has mixed heights, share 1 is smaller than the fixed tree of a chip that it has.
SHARES = ([(100, 8), (20, 6), (30, 6)], [(10, 6)])


def shares() -> list[list[Table]]:
    """The honest job's tables."""
    result = []
    step = 0
    for number, counts in enumerate(SHARES):
        squares = square_tables(step, counts)
        step += sum(count for count, _ in counts)
        result.append([*([fib_table()] if number == 0 else []), *squares, lookup_table(squares)])
    return result


def statement(vk: VerifyingKey) -> Statement:
    """The honest job's claim."""
    steps = sum(count for counts in SHARES for count, _ in counts)
    return Statement(vk.digest, OUTPUTS, chain(steps)[-1], 4 * steps)


@dataclass(frozen=True)
class Job:
    """Everything a test may want to change."""

    key: ProvingKey
    statement: Statement
    contributions: tuple[Contribution, ...]
    challenge: Digest
    partials: tuple[PartialProof, ...]

    @property
    def proof(self) -> Proof:
        """The parts as a proof, unchecked."""
        return Proof(self.key.vk.parameters, self.statement, self.contributions, self.partials)


def run(
    backend: Backend,
    key: ProvingKey | None = None,
    tables: Sequence[Sequence[Table]] | None = None,
    claim: Statement | None = None,
) -> Job:
    """Both phases for all shares."""
    key = key if key is not None else proving_key(backend)
    claim = claim if claim is not None else statement(key.vk)
    states = [contribute(backend, key, number, share) for number, share in enumerate(tables if tables is not None else shares())]
    contributions = tuple(state.contribution for state in states)
    challenge = global_challenge(key.vk.parameters, claim, contributions)
    partials = tuple(prove(backend, key, state, challenge) for state in states)
    return Job(key, claim, contributions, challenge, partials)


@cache
def honest() -> Job:
    """An honest job on the reference backend; values only, so tests may share it."""
    return run(ReferenceBackend())
