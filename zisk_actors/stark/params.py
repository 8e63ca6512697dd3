"""Parameter sets, and the bits that they prove.

Rules: nothing is claimed that ``security`` does not compute. It works in the
list-decoding regime of Reed-Solomon codes up to the Johnson bound, with the
linear-in-n proximity gap of Ben-Sasson, Carmon, Haboeck, Kopparty and Saraf
(2025, theorem 4.2): no conjecture about capacity enters. Every round of the
protocol has an error; the level is that of their SUM for one share together
with the job-wide rounds. (In the Fiat-Shamir transform each hash query attacks
one round of one share, so more shares do not add to it; the sum over all shares
is reported beside it, as ``log2_union_of_shares``.) The hash itself, with 256-bit digests,
gives 128 bits of collision resistance. docs/protocol.md, section 5, derives each term.

The verdict needs no floating point: the named sets keep their level for every
shape up to LARGEST (tests compute that), and ``check_size`` compares integers.

All errors here are base-2 logarithms of probabilities.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from zisk_actors.errors import UsageError
from zisk_actors.stark import domain
from zisk_actors.stark.errors import TooWeak
from zisk_actors.stark.field import P

LOG2_FIELD = 3 * math.log2(P)
FOLD_LOG_ARITY = 3


@dataclass(frozen=True)
class Parameters:
    """A named set. Codes have rate 2^-log_blowup. FRI stops at polynomials of at most 2^final_log_degree coefficients.

    ``level``: the bits that it stands for, 0 for the insecure one.
    """

    name: str
    number: int  # in statements and keys
    level: int
    log_blowup: int
    queries: int
    pow_bits: int
    final_log_degree: int = 8  # another layer would cost more bytes than it saves

    @property
    def is_secure(self) -> bool:
        """Whether the set claims anything at all."""
        return self.level > 0

    @property
    def cap_log(self) -> int:
        """The level of Merkle caps: one more would cost more than it saves in the paths of that many queries."""
        return (self.queries - 1).bit_length()


# Solved by tests/unit/stark/test_params.py: the fewest queries with which LARGEST keeps the level.
TEST = Parameters("test", 1, 0, log_blowup=1, queries=8, pow_bits=2, final_log_degree=4)
LEVEL_100 = Parameters("100", 2, 100, log_blowup=1, queries=164, pow_bits=20)
LEVEL_128 = Parameters("128", 3, 128, log_blowup=1, queries=227, pow_bits=20)
LEVEL_128_B4 = Parameters("128-b4", 4, 128, log_blowup=2, queries=112, pow_bits=20)
LEVEL_128_B8 = Parameters("128-b8", 5, 128, log_blowup=3, queries=75, pow_bits=20)

BY_NAME = {parameters.name: parameters for parameters in (TEST, LEVEL_100, LEVEL_128, LEVEL_128_B4, LEVEL_128_B8)}
BY_NUMBER = {parameters.number: parameters for parameters in BY_NAME.values()}


def by_name(name: str) -> Parameters:
    """The set called ``name``; UsageError for any other word."""
    try:
        return BY_NAME[name]
    except KeyError:
        raise UsageError(f"no parameter set {name!r}", hint=f"known sets: {', '.join(BY_NAME)}") from None


@dataclass(frozen=True)
class Shape:
    """The sizes that errors depend on: maxima over the shares of a job, and totals of the job."""

    log_rows: int  # largest trace height in a share
    columns: int  # functions that one share's DEEP codeword batches
    constraints: int  # of all tables of one share
    interactions: int  # rows times interactions, over the whole job
    arity: int  # fields of the widest bus tuple
    shares: int

    def __post_init__(self) -> None:
        if not domain.MIN_LOG_HEIGHT <= self.log_rows <= domain.MAX_LOG_HEIGHT:
            raise ValueError(f"2^{self.log_rows} rows are outside the heights of this protocol")
        if min(self.columns, self.constraints, self.interactions, self.arity, self.shares) < 1:
            raise ValueError("every size of a shape is at least one")


# The largest job that the named sets keep their level for.
LARGEST = Shape(log_rows=domain.MAX_LOG_HEIGHT, columns=2**13, constraints=2**16, interactions=2**40, arity=8, shares=2**16)


def check_size(shape: Shape) -> None:
    """Raise TooWeak for a job that is in any way larger than LARGEST: no set keeps its level there."""
    for size in fields(Shape):
        actual, most = getattr(shape, size.name), getattr(LARGEST, size.name)
        if actual > most:
            raise TooWeak(f"parameter sets keep their level up to {most} {size.name.replace('_', ' ')}; this job has {actual}")


@dataclass(frozen=True)
class Report:
    """log2 of the error of every round, by name, and the level they add up to. ``m``: the Johnson parameter of the analysis."""

    terms: dict[str, float]
    shares: int
    m: int

    @property
    def log2_error(self) -> float:
        """log2 of the sum of all terms: one share and the job-wide rounds."""
        return math.log2(sum(2.0**term for term in self.terms.values()))

    @property
    def bits(self) -> float:
        """Proven bits."""
        return -self.log2_error

    @property
    def log2_union_of_shares(self) -> float:
        """log2 of the sum over all shares of the job: the error of the interactive protocol."""
        return self.log2_error + math.log2(self.shares)


# The analysis may choose any m below the smallest height, see ``list_size``.
JOHNSON_PARAMETERS = range(3, 2**domain.MIN_LOG_HEIGHT)


def johnson_gap(m: int, log_blowup: int) -> float:
    """How far below the Johnson bound's complement the proximity parameter stays, for the Johnson parameter m: sqrt(rho) / 2m."""
    return math.sqrt(2.0**-log_blowup) / (2 * m)


def query_bits(gap: float, log_blowup: int) -> float:
    """Bits that one query proves: -log2(sqrt(rho) + gap)."""
    return -math.log2(math.sqrt(2.0**-log_blowup) + gap)


def queries_for(bits: float, pow_bits: int, gap: float, log_blowup: int) -> int:
    """The fewest queries that give ``bits`` with ``pow_bits`` of grinding."""
    return math.ceil((bits - pow_bits) / query_bits(gap, log_blowup))


def list_size(m: int, log_blowup: int) -> float:
    """How many tuples of column polynomials may be that close to the committed ones: (m' + 1/2) / sqrt(rho).

    A DEEP quotient of degree below N proves a column of degree up to N, a code of rate rho (1 + 1/N). Its Johnson bound is
    higher by a factor below 1 + 1/2N, so the agreement sqrt(rho) (1 + 1/2m) leaves it m' with 1/m' = 1/m - 1/N; N is the
    smallest height (a table of fewer rows than the tallest counts with its own N, docs/protocol.md, section 5).
    """
    reduced = 1 / (1 / m - 2.0**-domain.MIN_LOG_HEIGHT)
    return (reduced + 0.5) / math.sqrt(2.0**-log_blowup)


def log2_proximity(log_size: int, m: int, log_blowup: int) -> float:
    """log2 of the error of a random line over a code of length 2^log_size. Batching k functions by powers costs (k-1) times it."""
    rho = 2.0**-log_blowup
    root = math.sqrt(rho)
    gamma = 1 - root - johnson_gap(m, log_blowup)
    half = m + 0.5
    error = (2 * half**5 + 3 * half * gamma * rho) / (3 * rho * root) * 2.0**log_size + half / root
    return math.log2(error) - LOG2_FIELD


def fold_schedule(parameters: Parameters, log_rows: int) -> list[int]:
    """log2 of the degree bounds of the codewords that FRI commits to, largest first."""
    return list(range(log_rows, parameters.final_log_degree, -FOLD_LOG_ARITY))


def security(parameters: Parameters, shape: Shape) -> Report:
    """The error of every round, for a proof of that shape, with the Johnson parameter that proves most."""
    return max((_security(parameters, shape, m) for m in JOHNSON_PARAMETERS), key=lambda report: report.bits)


def _security(parameters: Parameters, shape: Shape, m: int) -> Report:
    log_blowup = parameters.log_blowup
    many = list_size(m, log_blowup)
    rows = 2.0**shape.log_rows
    layers = [size + log_blowup for size in fold_schedule(parameters, shape.log_rows)]
    folds = sum((2**FOLD_LOG_ARITY - 1) * 2.0 ** log2_proximity(size, m, log_blowup) for size in layers)
    terms = {
        # Two tuples of polynomials near one commitment agree at a random point, or under random powers. In every share.
        "binding": math.log2(many * (many - 1) / 2 * (rows + shape.columns)) + math.log2(shape.shares) - LOG2_FIELD,
        # A sum over unbalanced buses vanishes: a numerator of degree N * (width of the tuple + 2) in the challenges.
        "logup": math.log2(shape.interactions * (shape.arity + 2)) - LOG2_FIELD,
        # A violated constraint cancels in the sum by powers of gamma, for some tuple of the list.
        "constraints": math.log2(many * shape.constraints) - LOG2_FIELD,
        # For some tuple of the list, the identity (of degree below 4 rows) holds at zeta although it does not hold as
        # polynomials, or a column that is no polynomial of its own height passes for one there.
        "out-of-domain": math.log2(many * 5 * rows) - LOG2_FIELD,
        # Columns combined by powers.
        "batching": math.log2(max(shape.columns - 1, 1)) + log2_proximity(shape.log_rows + log_blowup, m, log_blowup),
        # The layers; the smallest proofs have none.
        "folding": math.log2(folds) if folds else -math.inf,
        # All queries fall where the word agrees with the code.
        "queries": -parameters.queries * query_bits(johnson_gap(m, log_blowup), log_blowup) - parameters.pow_bits,
    }
    return Report(terms, shape.shares, m)


def security_bits(parameters: Parameters, shape: Shape) -> float:
    """Proven bits of a proof of that shape."""
    return security(parameters, shape).bits
