"""The reference backend: numpy, the living definition of every operation.

Rules: never made clever. It does what base.py says, in the obvious order, and
is only used by tests and to compare other backends with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zisk_actors.air.air import Air
from zisk_actors.air.bus import pairs
from zisk_actors.air.evaluate import ColumnValues, over_columns
from zisk_actors.air.expr import Part
from zisk_actors.backends.base import ExtendedTable, Matrix, Opening, Tree
from zisk_actors.stark import domain, field, fri, poseidon2
from zisk_actors.stark.errors import ZeroDenominator
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.merkle import MerkleTree


@dataclass(frozen=True, eq=False)
class ReferenceMatrix:
    """A handle: the array itself."""

    values: U64

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.values.shape[0])

    @property
    def height(self) -> int:
        """Entries per column."""
        return int(self.values.shape[1])


def _values(matrix: Matrix) -> U64:
    assert isinstance(matrix, ReferenceMatrix)
    return matrix.values


def _cells(main: Matrix, fixed: Matrix | None, aux: Matrix | None, following: U64) -> Callable[[Part, int, int], U64]:
    """How leaves are read from the first entries of the columns; ``following``: the entry of each entry's next row."""

    def cell(part: Part, column: int, rotation: int) -> U64:
        if part is Part.AUX:
            assert aux is not None
            values = _ext_column(_values(aux), column)
        else:
            source = main if part is Part.MAIN else fixed
            assert source is not None
            values = _values(source)[column]
        return values[following] if rotation else values[: len(following)]

    return cell


def _ext_column(values: U64, column: int) -> U64:
    """Extension column ``column`` of a structure-of-arrays matrix, as (n, 3)."""
    return np.ascontiguousarray(values[3 * column : 3 * column + 3].T)


class ReferenceBackend:
    """``Backend`` in numpy."""

    def __init__(self, threads: int | None = None) -> None:
        """``threads``: none of its own, whatever is asked for."""

    def upload(self, values: U64) -> Matrix:
        """See base.py."""
        domain.log2_exact(values.shape[1])
        if np.any(values >= np.uint64(P)):
            raise ValueError("a word of the matrix is not below the modulus")
        return ReferenceMatrix(np.array(values, dtype=np.uint64, order="C"))

    def download(self, matrix: Matrix) -> U64:
        """See base.py."""
        return _values(matrix).copy()

    def lde(self, trace: Matrix, log_blowup: int) -> Matrix:
        """See base.py."""
        return ReferenceMatrix(domain.lde(_values(trace), log_blowup))

    def commit(self, matrices: Sequence[Matrix], cap_log: int) -> Tree:
        """See base.py."""
        return MerkleTree([_values(matrix) for matrix in matrices], cap_log)

    def commit_codeword(self, codeword: Matrix, log_arity: int, cap_log: int) -> Tree:
        """See base.py."""
        arity = 1 << log_arity
        elements = _values(codeword).T.reshape(-1, 3 * arity)
        return MerkleTree([np.ascontiguousarray(elements.T)], cap_log)

    def open(self, tree: Tree, indices: U64) -> Opening:
        """See base.py."""
        assert isinstance(tree, MerkleTree)
        rows, paths = tree.open(indices)
        return Opening(rows, paths)

    def logup(self, air: Air, main: Matrix, fixed: Matrix | None, challenges: U64) -> tuple[Matrix, U64]:
        """See base.py."""
        height = main.height
        values = self._on_trace(air, main, fixed, challenges)
        columns: list[U64] = []
        for group in pairs(air.bus_terms):
            total = np.zeros((height, 3), dtype=np.uint64)
            for term in group:
                fingerprint, times = over_columns([term.fingerprint(), term.times], values)
                fingerprint = np.broadcast_to(fingerprint, (height, 3))
                if not np.all(np.any(fingerprint, axis=1)):
                    raise ZeroDenominator(f"a tuple of chip {air.name} on bus {term.bus.name} has fingerprint zero")
                total = field.add(total, field.ext_scale(field.ext_inverse(fingerprint), np.broadcast_to(times, (height,))))
            columns.append(total)
        row_sums = domain.sum_ext(np.stack(columns), axis=0)
        claimed = domain.sum_ext(row_sums, axis=0)
        mean = field.ext_scale(claimed, np.uint64(pow(height, P - 2, P)))
        order = domain.bit_reversal(domain.log2_exact(height))
        steps = field.sub(row_sums, mean)[order]  # natural order: row r
        accumulator = np.zeros((height, 3), dtype=np.uint64)
        for row in range(1, height):
            accumulator[row] = field.add(accumulator[row - 1], steps[row - 1])
        aux = np.concatenate([accumulator[order].T, *(column.T for column in columns[1:])])
        return ReferenceMatrix(np.ascontiguousarray(aux)), claimed

    def _on_trace(self, air: Air, main: Matrix, fixed: Matrix | None, challenges: U64) -> ColumnValues:
        """The leaves of stage-1 expressions over all storage entries of a trace."""
        log_height = domain.log2_exact(main.height)
        order = domain.bit_reversal(log_height)
        first, last = ((order == row).astype(np.uint64) for row in (0, main.height - 1))
        return ColumnValues(_cells(main, fixed, None, domain.next_row(log_height, 1)), challenges, None, first, last)

    def quotient(self, tables: Sequence[ExtendedTable], log_blowup: int, challenges: U64, gamma: U64) -> Matrix:
        """See base.py."""
        height = max(table.main.height for table in tables) >> log_blowup
        quotient = np.zeros((2 * height, 3), dtype=np.uint64)
        factor = np.array([1, 0, 0], dtype=np.uint64)
        for table in tables:
            log_height = domain.log2_exact(table.main.height) - log_blowup
            log_size = log_height + 1
            points = domain.points(log_size, domain.SHIFT)
            first, last = domain.selectors(points, log_height)
            total = np.zeros((1 << log_size, 3), dtype=np.uint64)
            cells = _cells(table.main, table.fixed, table.aux, domain.next_row(log_size, 2))
            roots = [expr for _, expr in table.air.all_constraints]
            values = over_columns(roots, ColumnValues(cells, challenges, table.claim, first, last))
            for expr, value in zip(roots, values, strict=True):
                lifted = value if expr.is_extension else field.ext(value)
                total = field.add(total, field.ext_mul(lifted, factor))
                factor = field.ext_mul(factor, gamma)
            vanishing = field.sub(field.power(points, 1 << log_height), np.uint64(1))
            own = field.ext_scale(total, field.inverse(vanishing))
            quotient = field.add(quotient, np.repeat(own, height >> log_height, axis=0))
        coefficients = domain.coset_intt(np.ascontiguousarray(quotient.T))
        halves = np.concatenate([coefficients[:, :height], coefficients[:, height:]])
        return ReferenceMatrix(domain.coset_ntt(halves, domain.log2_exact(height) + log_blowup))

    def evaluate(self, lde: Matrix, log_blowup: int, columns: Sequence[int] | None, point: U64) -> U64:
        """See base.py."""
        values = _values(lde)
        chosen = values if columns is None else values[list(columns)]
        coefficients = domain.coset_intt(chosen)[:, : lde.height >> log_blowup]
        return domain.evaluate_base(coefficients, point)

    def deep(
        self,
        ldes: Sequence[Matrix],
        now: U64,
        following: Sequence[tuple[int, int]],
        then: U64,
        zeta: U64,
        next_zeta: U64,
        challenge: U64,
    ) -> Matrix:
        """See base.py."""
        size = ldes[0].height
        points = field.ext(domain.points(domain.log2_exact(size), domain.SHIFT))
        result = np.zeros((size, 3), dtype=np.uint64)
        factor = np.array([1, 0, 0], dtype=np.uint64)
        columns_now = [column for lde in ldes for column in _values(lde)]
        columns_then = [_values(ldes[matrix])[column] for matrix, column in following]
        for columns, opened, point in ((columns_now, now, zeta), (columns_then, then, next_zeta)):
            total = np.zeros((size, 3), dtype=np.uint64)
            for column, value in zip(columns, opened, strict=True):
                total = field.add(total, field.ext_mul(field.sub(field.ext(column), value), factor))
                factor = field.ext_mul(factor, challenge)
            result = field.add(result, field.ext_mul(total, field.ext_inverse(field.sub(points, point))))
        return ReferenceMatrix(np.ascontiguousarray(result.T))

    def fold(self, codeword: Matrix, log_arity: int, beta: U64) -> Matrix:
        """See base.py."""
        elements = _values(codeword).T.reshape(-1, 1 << log_arity, 3)
        leaves = np.arange(len(elements), dtype=np.uint64)
        folded = fri.fold_rows(elements, leaves, domain.log2_exact(codeword.height), beta)
        return ReferenceMatrix(np.ascontiguousarray(folded.T))

    def add_scaled(self, left: Matrix, right: Matrix, scalar: U64) -> Matrix:
        """See base.py."""
        lifted = np.repeat(_values(right), left.height // right.height, axis=1)
        scaled = field.ext_mul(lifted.T, scalar)
        return ReferenceMatrix(np.ascontiguousarray(field.add(_values(left).T, scaled).T))

    def grind(self, seed: U64, bits: int) -> int:
        """See base.py."""
        batch = 1024
        for start in range(0, 2**63, batch):
            nonces = np.arange(start, start + batch, dtype=np.uint64)
            words = poseidon2.grinding_words(seed, nonces, bits)
            found = np.flatnonzero((words & np.uint64((1 << bits) - 1)) == 0)
            if len(found):
                return start + int(found[0])
        raise AssertionError("unreachable: no nonce below 2^63")
