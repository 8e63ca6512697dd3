"""The cpu backend: every operation of base.py by the native library, on numpy arrays.

Rules of this file: shapes are checked here, and what zk/interface.h says is checked before each call; C checks nothing.
Arrays that C fills are allocated here and written whole. Evaluators of an AIR are looked up by the digest of the code they were
compiled from; one that the library lacks is compiled on the spot where there are sources and a compiler (tests), and refused
otherwise.
"""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from zisk_actors import memory
from zisk_actors.air.air import Air
from zisk_actors.air.bus import CHALLENGE_COUNT
from zisk_actors.air.emit import Emitted, emit, gamma_powers, reads_selectors, uniform_values
from zisk_actors.air.evaluate import Ext, ext_mul
from zisk_actors.backends.base import ExtendedTable, Matrix, Opening, Tree
from zisk_actors.backends.build import BuildError, build_air
from zisk_actors.backends.cpu_tree import CpuTree, TreeRows
from zisk_actors.c_interface import Columns
from zisk_actors.errors import Incompatible
from zisk_actors.native import Library, load
from zisk_actors.stark import domain, field
from zisk_actors.stark.errors import ZeroDenominator
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.poseidon2 import DIGEST

# Barycentric weights are kept for the next matrix of the same height, up to this many bytes.
WEIGHT_CACHE_BYTES = 128 << 20


class AirNotBuilt(Incompatible):
    """The native library has no evaluators for an AIR, and they cannot be compiled here."""

    code = "air-not-built"


@dataclass(frozen=True, eq=False)
class CpuMatrix:
    """A handle: a C-contiguous array."""

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
    if not isinstance(matrix, CpuMatrix):
        raise TypeError(f"a {type(matrix).__name__} is no handle of the cpu backend")
    return matrix.values


def _scalar(element: U64) -> Ext:
    return domain.ext_scalar(element)


def _words(elements: Sequence[Ext]) -> U64:
    return np.array(elements, dtype=np.uint64).reshape(-1, 3)


def _extension(element: U64, name: str) -> U64:
    """An extension scalar as three canonical words."""
    result = np.ascontiguousarray(element, dtype=np.uint64)
    if result.shape != (3,) or np.any(result >= np.uint64(P)):
        raise ValueError(f"{name} is no canonical extension element")
    return result


class _CompiledAir:
    """The evaluators of one AIR in a library, with the sizes of what they are to be given (zk/interface.h)."""

    def __init__(self, air: Air) -> None:
        self.emitted: Emitted = emit(air)
        self.reads_selectors = reads_selectors(air)
        self.width, self.fixed_width, self.aux_width = air.width, air.fixed_width, air.aux_width
        self.constraint_uniforms = len(air.all_constraints) + len(self.emitted.constraint_uniforms)
        self.fraction_uniforms = len(self.emitted.fraction_uniforms)
        self.address = _find(self.emitted, load())
        if self.address is None:
            try:
                self._library = Library(build_air(air), load().header)
            except BuildError as error:
                raise AirNotBuilt(f"the native library has no code for AIR {air.name}: {error.message}", hint=error.hint) from error
            self.address = _find(self.emitted, self._library)
            assert self.address is not None, "a library just built has the AIR it was built for"

    def for_constraints(self, challenges: U64, claim: U64, powers: Sequence[Ext]) -> U64:
        """A power of gamma for each constraint, then what the constraints read of the challenges."""
        values = uniform_values(self.emitted.constraint_uniforms, [_scalar(each) for each in challenges], _scalar(claim))
        return _words([*powers, *values])

    def for_fractions(self, challenges: U64) -> U64:
        """What the fractions read of the challenges."""
        return _words(uniform_values(self.emitted.fraction_uniforms, [_scalar(each) for each in challenges], (0, 0, 0)))


def _find(emitted: Emitted, library: Library) -> int | None:
    count = ctypes.c_size_t.from_address(library.address("zk_air_count")).value
    entry: int | None = load().zk_find_air(library.address("zk_airs"), count, emitted.digest)
    return entry


@cache
def _compiled(digest: bytes, air: Air) -> _CompiledAir:
    return _CompiledAir(air)


class CpuBackend:
    """``Backend`` on this machine's processor. ``threads``: for all backends of this process; all cores if not given."""

    def __init__(self, threads: int | None = None) -> None:
        self._native = load()
        if threads is not None:
            if threads < 1:
                raise ValueError("threads must be at least 1")
            self._native.zk_set_threads(threads)
        self._weights: OrderedDict[tuple[int, bytes], U64] = OrderedDict()

    def upload(self, values: U64) -> Matrix:
        """See base.py. ValueError for a word that is not canonical."""
        array = np.ascontiguousarray(values, dtype=np.uint64)
        if array.ndim != 2:
            raise ValueError(f"a matrix has two axes, not {array.ndim}")
        domain.log2_exact(array.shape[1])
        if not self._native.zk_all_canonical(array, array.size):
            raise ValueError("a word of the matrix is not below the modulus")
        return CpuMatrix(array)

    def download(self, matrix: Matrix) -> U64:
        """See base.py."""
        return _values(matrix).copy()

    def lde(self, trace: Matrix, log_blowup: int) -> Matrix:
        """See base.py."""
        values = _values(trace)
        width, height = values.shape
        extended = memory.words(width, height << _blowup(log_blowup))
        self._native.zk_lde(values, extended, width, domain.log2_exact(height), log_blowup)
        return CpuMatrix(extended)

    def commit(self, matrices: Sequence[Matrix], cap_log: int) -> Tree:
        """See base.py."""
        if not matrices:
            raise ValueError("a tree needs at least one matrix")
        return CpuTree([TreeRows(_values(matrix), 1) for matrix in matrices], cap_log)

    def commit_codeword(self, codeword: Matrix, log_arity: int, cap_log: int) -> Tree:
        """See base.py."""
        return CpuTree([TreeRows(_values(codeword), 1 << log_arity)], cap_log)

    def open(self, tree: Tree, indices: U64) -> Opening:
        """See base.py."""
        if not isinstance(tree, CpuTree):
            raise TypeError(f"a {type(tree).__name__} is no tree of the cpu backend")
        return tree.open(np.asarray(indices, dtype=np.uint64))

    def logup(self, air: Air, main: Matrix, fixed: Matrix | None, challenges: U64) -> tuple[Matrix, U64]:
        """See base.py."""
        compiled = _compiled(air.digest, air)
        log_height, arguments = _parts(air, main, fixed)
        uniforms = compiled.for_fractions(_challenges(challenges))
        aux = memory.words(3 * air.aux_width, 1 << log_height)
        total = np.zeros(3, dtype=np.uint64)
        if not self._native.zk_logup(
            compiled,
            *arguments,
            log_height,
            uniforms,
            int(compiled.reads_selectors),
            aux,
            total,
        ):
            raise ZeroDenominator(f"a tuple of chip {air.name} has fingerprint zero")
        return CpuMatrix(aux), total

    def quotient(self, tables: Sequence[ExtendedTable], log_blowup: int, challenges: U64, gamma: U64) -> Matrix:
        """See base.py."""
        powers = gamma_powers(_scalar(_extension(gamma, "gamma")), sum(len(table.air.all_constraints) for table in tables))
        by_height: dict[int, U64] = {}  # log height to (3, 2N)
        first = 0
        for table in tables:
            air = table.air
            compiled = _compiled(air.digest, air)
            log_size, arguments = _parts(air, table.main, table.fixed)
            size, log_height = 1 << log_size, log_size - _blowup(log_blowup)
            if log_height not in by_height:
                by_height[log_height] = memory.zeros(3, 2 << log_height)
            if air.aux_width and (table.aux is None or _values(table.aux).shape != (3 * air.aux_width, size)):
                raise ValueError(f"{air.name}: aux is not ({3 * air.aux_width}, {size})")
            last = first + len(air.all_constraints)
            uniforms = compiled.for_constraints(_challenges(challenges), _extension(table.claim, "the claim"), powers[first:last])
            first = last
            self._native.zk_add_quotient(
                compiled,
                *arguments,
                _values(table.aux) if table.aux is not None else None,
                size,
                log_height,
                uniforms,
                int(compiled.reads_selectors),
                by_height[log_height],
            )
        one = np.array([1, 0, 0], dtype=np.uint64)
        total: Matrix | None = None
        for log_height in sorted(by_height):
            level = CpuMatrix(by_height[log_height])
            total = level if total is None else self.add_scaled(level, total, one)
        assert total is not None, "a share has at least one table"
        extended = memory.words(6, 1 << log_height + log_blowup)
        self._native.zk_split_quotient(_values(total), extended, log_height, log_blowup)
        return CpuMatrix(extended)

    def evaluate(self, lde: Matrix, log_blowup: int, columns: Sequence[int] | None, point: U64) -> U64:
        """See base.py. Barycentric, over the coset 7 * H_N that each column begins with."""
        values = _values(lde)
        log_height = domain.log2_exact(lde.height) - _blowup(log_blowup)
        chosen = np.arange(lde.width) if columns is None else np.array(columns, dtype=np.int64)
        if np.any(chosen < 0) or np.any(chosen >= lde.width):
            raise ValueError("a column is outside the matrix")
        sums = np.zeros((len(chosen), 3), dtype=np.uint64)
        weights = self._barycentric(log_height, _extension(point, "the point"))
        self._native.zk_weighted_sums(weights, log_height, Columns.of([values]).take(chosen), len(chosen), sums)
        # ((z / 7)^N - 1) / N
        height = 1 << log_height
        inside = ext_mul(_scalar(point), (pow(domain.SHIFT, P - 2, P), 0, 0))
        power = domain.ext_pow(inside, height)
        scale = ext_mul(((power[0] - 1) % P, power[1], power[2]), (pow(height, P - 2, P), 0, 0))
        return _words([ext_mul(_scalar(each), scale) for each in sums])

    def _barycentric(self, log_height: int, point: U64) -> U64:
        key = (log_height, point.tobytes())
        weights = self._weights.pop(key, None)
        if weights is None:
            weights = memory.words(3, 1 << log_height)
            self._native.zk_weights(point, log_height, weights)
        self._weights[key] = weights
        while len(self._weights) > 1 and sum(each.nbytes for each in self._weights.values()) > WEIGHT_CACHE_BYTES:
            self._weights.popitem(last=False)
        return weights

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
        values = [_values(lde) for lde in ldes]
        size = values[0].shape[1]
        if any(each.shape[1] != size for each in values):
            raise ValueError("matrices of one DEEP codeword have one height")
        log_size = domain.log2_exact(size)
        columns = Columns.of(values)
        first = np.cumsum([0, *(each.shape[0] for each in values)])
        chosen = np.array([first[matrix] + column for matrix, column in following], dtype=np.int64)
        read = columns + columns.take(chosen)
        opened = np.concatenate([now, then.reshape(-1, 3)])
        if opened.shape != (len(read), 3):
            raise ValueError(f"{len(read)} columns, {len(opened)} opened values")
        factors = np.ascontiguousarray(domain.ext_powers(_extension(challenge, "the challenge"), len(read)))
        products = field.ext_mul(factors, opened)
        split = len(columns)
        parts = [slice(0, split)] + ([slice(split, None)] if len(chosen) else [])
        constants = np.stack([domain.sum_ext(products[part], axis=0) for part in parts])
        widths = np.array([len(factors[part]) for part in parts], dtype=np.uint64)
        points = np.stack([_extension(zeta, "zeta"), _extension(next_zeta, "zeta on the next row")])
        codeword = memory.words(3, size)
        self._native.zk_deep(read, widths, factors, constants, points, len(parts), log_size, codeword)
        return CpuMatrix(codeword)

    def fold(self, codeword: Matrix, log_arity: int, beta: U64) -> Matrix:
        """See base.py."""
        values = _codeword(codeword)
        log_size = domain.log2_exact(values.shape[1])
        if not 1 <= log_arity <= log_size:
            raise ValueError(f"a codeword of 2^{log_size} entries cannot be folded by 2^{log_arity}")
        beta = _extension(beta, "beta")
        folded = memory.words(3, 1 << (log_size - log_arity))
        self._native.zk_fold(values, log_size, log_arity, beta, folded)
        return CpuMatrix(folded)

    def add_scaled(self, left: Matrix, right: Matrix, scalar: U64) -> Matrix:
        """See base.py."""
        a, b = _codeword(left), _codeword(right)
        log_lift = domain.log2_exact(a.shape[1]) - domain.log2_exact(b.shape[1])
        if log_lift < 0:
            raise ValueError("the right codeword is the longer one")
        scalar = _extension(scalar, "the scalar")
        result = memory.words(*a.shape)
        self._native.zk_add_scaled(a, b, scalar, result, a.shape[1], log_lift)
        return CpuMatrix(result)

    def grind(self, seed: U64, bits: int) -> int:
        """See base.py."""
        words = np.ascontiguousarray(seed, dtype=np.uint64)
        if words.shape != (DIGEST,) or not 0 <= bits <= 40:
            raise ValueError("grinding takes a digest and at most 40 bits")
        nonce: int = self._native.zk_grind(words, bits)
        return nonce


def _blowup(log_blowup: int) -> int:
    if not 1 <= log_blowup <= 3:
        raise ValueError(f"a blowup of 2^{log_blowup} is none of 2, 4 and 8")
    return log_blowup


def _codeword(matrix: Matrix) -> U64:
    values = _values(matrix)
    if values.shape[0] != 3:
        raise ValueError(f"a codeword has three columns, not {values.shape[0]}")
    return values


def _challenges(challenges: U64) -> U64:
    if challenges.shape != (CHALLENGE_COUNT, 3):
        raise ValueError(f"challenges are ({CHALLENGE_COUNT}, 3), not {challenges.shape}")
    return challenges


def _parts(air: Air, main: Matrix, fixed: Matrix | None) -> tuple[int, tuple[U64, U64 | None]]:
    """log2 of the height, and main and fixed, once their shapes are those of ``air``."""
    values = _values(main)
    height = values.shape[1]
    if values.shape[0] != air.width:
        raise ValueError(f"{air.name} has {air.width} columns, got {values.shape[0]}")
    if not air.fixed_width:
        return domain.log2_exact(height), (values, None)
    if fixed is None or _values(fixed).shape != (air.fixed_width, height):
        raise ValueError(f"{air.name}: fixed is not ({air.fixed_width}, {height})")
    return domain.log2_exact(height), (values, _values(fixed))
