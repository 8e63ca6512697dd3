"""What every chip is made of: Chip and Frame, the words in which constraints and bus terms are said, and columns filled from numbers.

Rules. What several chips' *rows* have in common is in frames.py, memory.py, compare.py and words.py; here is what knows of no column.
A token access takes (addr, old value, prev) and puts (addr, new value, time) with time - prev - 1 in [0, 2^16): strictly later, and never
twice the same token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import numpy as np

from zisk_actors.air.air import Air, Constraint, Row
from zisk_actors.air.bus import Interaction, receive, send
from zisk_actors.air.expr import Expr
from zisk_actors.chips.buses import AND8, MSB16, RANGE16, TOKEN
from zisk_actors.machine.records import Field, Layout
from zisk_actors.stark import chipset
from zisk_actors.stark.chipset import Presence
from zisk_actors.stark.field import U64, P

T = TypeVar("T")

MASK16, MASK32 = np.uint64(0xFFFF), np.uint64(0xFFFFFFFF)
ONES32 = 2**32 - 1
INV_2_32 = pow(2, -32, P)


class Frame(Row[T]):
    """Base of frames and of the rows that are made of them.

    ``record`` says what the class itself takes of an event record; a row's layout is what all its classes take (machine/records.py).
    The methods that yield constraints and bus terms are for rows of expressions, ``fill`` is for rows of numpy columns. Frames read
    each other's cells by name: ``ts`` is Step's, ``real`` and ``op`` come from the frame that knows the operation (Real, OneHot), or from
    the row.
    """

    ts: Any
    record: ClassVar[tuple[Field, ...]] = ()

    @property
    def real(self) -> Any:
        """1 on a used row, 0 on padding."""
        raise NotImplementedError(f"{type(self).__name__} has no frame that says which rows are used")

    @property
    def op(self) -> Any:
        """The number of the row's operation."""
        raise NotImplementedError(f"{type(self).__name__} has no frame that says what its operation is")

    def fill(self: Frame[U64], records: Any) -> None:
        """Write the columns of this very class (zeroed, N >= n entries) from n event records."""


def fill_row(row: Frame[U64], records: Any) -> None:
    """Each class that the row is made of fills its own columns; the chip's own class is the last one."""
    for part in reversed(type(row).__mro__):
        if "fill" in vars(part):
            part.fill(row, records)  # type: ignore[attr-defined]


@dataclass(frozen=True, eq=False)
class Chip:
    """An AIR with the records that its trace is filled from and how often it may occur.

    ``max_job_rows`` bounds the sum of its heights over a job.
    """

    air: Air
    presence: Presence = Presence.OPTIONAL
    max_job_rows: int = 2**40

    @property
    def name(self) -> str:
        """The AIR's name; also the key of its event records."""
        return self.air.name

    @cached_property
    def layout(self) -> Layout:
        """What its row takes of an event record; without fields for chips whose columns the witness assembly computes itself."""
        taken = (field for part in self.air.main.__mro__ for field in vars(part).get("record", ()))
        return Layout.of(self.name, taken)

    @property
    def fill(self) -> Callable[[Any, Any], None] | None:
        """``fill(row, records)`` writes the first n entries of the zeroed columns ``row`` (Row over uint64 arrays of one height N >= n)
        from n event records; None for chips that take none."""
        return fill_row if self.layout.fields else None

    @property
    def rules(self) -> chipset.Chip:
        """What the verifier must know of it."""
        return chipset.Chip(self.air, self.presence, max_job_rows=self.max_job_rows)


# --- constraints and bus terms ---------------------------------------------


def is_bit(name: str, value: Expr) -> Constraint:
    """value is 0 or 1."""
    return f"{name} is a bit", value * (1 - value)


def total(terms: Iterable[Any]) -> Expr:
    """The sum of expressions."""
    result: Any = 0
    for term in terms:
        result = term + result
    return result  # type: ignore[no-any-return]


def limbs_of(chunks: Sequence[Expr]) -> tuple[Expr, ...]:
    """Pairs of 16-bit chunks, least significant first, as 32-bit limbs."""
    return tuple(chunks[i] + 2**16 * chunks[i + 1] for i in range(0, len(chunks), 2))


def access(
    real: Expr, addr: Expr | int, old: Sequence[Expr | int], new: Sequence[Expr | int], prev: Expr, time: Expr
) -> Iterator[Interaction]:
    """One access to a cell: ``old`` limbs since ``prev`` become ``new`` at ``time``."""
    yield receive(TOKEN, addr, *old, prev, times=real)
    yield send(TOKEN, addr, *new, time, times=real)
    yield send(RANGE16, time - prev - 1, times=real)


def range16(real: Expr, *values: Expr) -> Iterator[Interaction]:
    """Each value is below 2^16."""
    for value in values:
        yield send(RANGE16, value, times=real)


def byte(real: Expr, value: Expr) -> Interaction:
    """0 <= value < 2^8."""
    return send(AND8, value, 0, 0, times=real)


def sign16(real: Expr, limb: Expr, top: Expr, sign: Expr) -> Iterator[Interaction]:
    """``sign`` is bit 31 of ``limb``, whose upper half is ``top``.

    MSB16 bounds ``top``, RANGE16 the rest: the split of the limb is unique.
    """
    yield send(MSB16, top, sign, times=real)
    yield send(RANGE16, limb - 2**16 * top, times=real)


# --- filling ---------------------------------------------------------------


def put(column: U64, values: Any) -> None:
    """Write ``values`` (n,) into the first n entries of ``column``."""
    column[: len(values)] = values


def put_limbs(columns: Sequence[U64], values: U64) -> None:
    """A 64-bit value in two 32-bit limbs."""
    put(columns[0], values & MASK32)
    put(columns[1], values >> np.uint64(32))


def put_chunks(columns: Sequence[U64], values: U64) -> None:
    """A value in 16-bit chunks, as many as there are columns."""
    for i, column in enumerate(columns):
        put(column, (values >> np.uint64(16 * i)) & MASK16)
