"""The interface between the prover and whoever does its arithmetic.

Rules of this file:
* A backend is about fifteen coarse operations on opaque handles, named after
  the protocol. ``reference.py`` (numpy) defines what each of them returns; every
  other backend returns the same words, bit for bit, and passes the same suite
  (tests/conformance/test_backends.py).
* A matrix is (width, height), column-major, canonical uint64, height a power of
  two. An extension column is three consecutive base columns (its coefficients
  of 1, x, x^2). Extension scalars cross this interface as (3,) uint64 arrays.
* Storage order is bit-reversed everywhere: entry s of a trace column of height
  N = 2^k is the value at w_N^bitrev_k(s), that is, on row bitrev_k(s). An
  extended ("LDE") column has M = 2^log_blowup N entries, entry s is the value at
  7 * w_M^bitrev(s); so its first N entries lie on 7 * H_N, its first 2N on
  7 * H_2N. Codewords of FRI are (3, M) in the same order, over the points
  without the shift 7.
* Handles are immutable: an operation returns new ones. A handle's memory is
  freed when Python drops the last reference to it.
* Nothing here draws randomness or knows a transcript.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from zisk_actors.air.air import Air
from zisk_actors.stark.field import U64


class Matrix(Protocol):
    """A handle of a (width, height) matrix that lives with the backend."""

    @property
    def width(self) -> int:
        """Number of base columns."""
        ...

    @property
    def height(self) -> int:
        """Entries per column, a power of two."""
        ...


class Tree(Protocol):
    """A handle of a mixed-height Merkle tree. It keeps its matrices alive."""

    @property
    def root(self) -> U64:
        """The digest, shape (4,)."""
        ...

    @property
    def cap(self) -> U64:
        """The nodes of level c = min(cap_log, log2 of the largest height), left to right, shape (2^c, 4)."""
        ...

    @property
    def log_height(self) -> int:
        """log2 of the number of leaves, that is, of the largest matrix height."""
        ...


@dataclass(frozen=True)
class Opening:
    """Rows of a tree with their paths, for q indices of the largest height.

    ``rows``: per matrix, in the order of commitment, (q, width) uint64: row
    ``index >> (log2 of the tree's height - log2 of the matrix's height)``.
    ``paths``: (q, depth, 4) uint64, depth = log_height - c: the siblings from
    the leaf upwards to just below the cap.
    """

    rows: tuple[U64, ...]
    paths: U64


@dataclass(frozen=True)
class ExtendedTable:
    """One instance as the quotient reads it: LDEs, and the value of the CLAIM leaf, T/N as (3,).

    ``fixed`` and ``aux`` are None where the AIR has no such columns.
    """

    air: Air
    main: Matrix
    fixed: Matrix | None
    aux: Matrix | None
    claim: U64


class Backend(Protocol):
    """What the prover asks for. The heights allowed are 2^6 to 2^22 for traces; the blowup is 2, 4 or 8."""

    def upload(self, values: U64) -> Matrix:
        """Take a (width, height) matrix. It is copied or kept; the caller no longer writes to it.

        Raises ValueError for a word that is not canonical, or a height that is no power of two.
        """
        ...

    def download(self, matrix: Matrix) -> U64:
        """The words of a matrix, (width, height), C-contiguous."""
        ...

    def lde(self, trace: Matrix, log_blowup: int) -> Matrix:
        """(w, N) trace -> (w, M) values of the same polynomials on the coset 7 * H_M, M = 2^log_blowup N."""
        ...

    def commit(self, matrices: Sequence[Matrix], cap_log: int) -> Tree:
        """The mixed-height tree (stark/merkle.py) over LDE matrices, in the given order; leaf i hashes row i."""
        ...

    def commit_codeword(self, codeword: Matrix, log_arity: int, cap_log: int) -> Tree:
        """The tree over a (3, M) codeword whose leaf j holds the 2^log_arity elements from j * 2^log_arity on.

        As a matrix: width 3 * 2^log_arity, height M / 2^log_arity; row j is
        element 0's three coefficients, then element 1's, and so on. ``open``
        returns that row as its only matrix.
        """
        ...

    def open(self, tree: Tree, indices: U64) -> Opening:
        """Rows and paths at ``indices`` (q,), each below 2^tree.log_height; repeated indices are allowed."""
        ...

    def logup(self, air: Air, main: Matrix, fixed: Matrix | None, challenges: U64) -> tuple[Matrix, U64]:
        """Stage 2 of one instance: (aux, T).

        ``main``: trace (air.width, N). ``fixed``: trace (air.fixed_width, N), None if the AIR has none.
        ``challenges``: (CHALLENGE_COUNT, 3): alpha, beta, beta^2, ... T: (3,), the sum over all rows and
        interactions of times / fingerprint. ``aux``: (3 * air.aux_width, N) in storage order: extension column 0 is
        the accumulator phi (0 on row 0, phi(r+1) = phi(r) + the sum of row r's fractions - T/N), column j >= 1 the
        fraction sum of pair j (see air/bus.py).
        Raises ``ZeroDenominator`` when a fingerprint is zero. Only called with air.aux_width >= 1.
        """
        ...

    def quotient(self, tables: Sequence[ExtendedTable], log_blowup: int, challenges: U64, gamma: U64) -> Matrix:
        """The one quotient of all tables, extended: (6, M), M = 2^log_blowup N, N being the largest height.

        With all constraints of the tables numbered on in order (air.all_constraints of the first, then of the second, ...),
        a table of height n contributes q(x) = sum_k gamma^k c_k(x) / (x^n - 1) on 7 * H_2n, "next row" being storage entry
        bitrev(bitrev(s) + 2 mod 2n) of the first 2n; lifted to 7 * H_2N, where entry s takes entry s >> log2(N / n). The
        sum Q has degree below 2N; its coefficients are split, Q = Q0 + x^N Q1, and the base columns of the result are
        Q0's three coefficient polynomials, then Q1's, each evaluated on 7 * H_M.
        ``challenges`` as in ``logup``. Selectors are the Lagrange polynomials of row 0 and row N-1. A trace that
        violates a constraint gives a result that does not verify; it is not detected here.
        """
        ...

    def evaluate(self, lde: Matrix, log_blowup: int, columns: Sequence[int] | None, point: U64) -> U64:
        """Values at the extension ``point`` (3,) of the polynomials of degree < N behind an LDE (w, 2^log_blowup N).

        All columns, or those listed, in that order: (count, 3). The point is outside the LDE's coset.
        """
        ...

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
        """The DEEP codeword (3, M) of all LDEs of one height M.

        With p_0, p_1, ... all columns of ``ldes`` in order (W of them) and q_0, q_1, ... the columns listed in
        ``following`` as (matrix, column), a = ``challenge``:

            f(x) = sum_k a^k (p_k(x) - now_k) / (x - zeta)  +  sum_j a^(W+j) (q_j(x) - then_j) / (x - next_zeta)

        at x = 7 * w_M^bitrev(s). ``now``: (W, 3), ``then``: (len(following), 3).
        """
        ...

    def fold(self, codeword: Matrix, log_arity: int, beta: U64) -> Matrix:
        """One FRI layer: (3, M) -> (3, M / 2^log_arity).

        With f(x) = sum_j x^j f_j(x^a), a = 2^log_arity, the result is sum_j beta^j f_j. Entry s of the codeword
        belongs to the point w_M^bitrev(s) (no shift), so entries 2i and 2i+1 are x and -x, and the result is
        log_arity binary folds (f(x) + f(-x))/2 + b (f(x) - f(-x))/(2x) with b = beta, beta^2, beta^4.
        """
        ...

    def add_scaled(self, left: Matrix, right: Matrix, scalar: U64) -> Matrix:
        """left + scalar * lift(right): (3, M), of codewords (3, M) and (3, M / 2^k).

        Lifting is f(x) -> f(x^(2^k)): entry s takes entry s >> k.
        """
        ...

    def grind(self, seed: U64, bits: int) -> int:
        """The smallest nonce whose grinding word (stark/poseidon2.py, ``grinding_words``) has ``bits`` low zero bits.

        ``seed``: (4,). The word is permute(seed | nonce | 0 x 7 | GRIND, bits, 0, 0)[0].
        """
        ...
