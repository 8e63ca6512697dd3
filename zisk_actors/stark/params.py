"""Parameter sets, and the bits that they prove.

Rules: nothing is claimed that ``security`` does not compute. It works in the
list-decoding regime of Reed-Solomon codes up to the Johnson bound, with the
linear-in-n proximity gap of Ben-Sasson, Carmon, Haboeck, Kopparty and Saraf
(2025, theorem 4.2): no conjecture about capacity enters. Every round of the
protocol has an error; the level is that of their SUM for one share together
with the job-wide rounds. (In the Fiat-Shamir transform each hash query attacks
one round of one share, so more shares do not add to it; the sum over all shares
is reported beside it, as ``log2_union_of_shares``.) The hash itself, with 256-bit digests,
gives 128 bits of collision resistance.

All errors here are base-2 logarithms of probabilities, all domains have rate 1/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from zisk_actors.errors import UsageError
from zisk_actors.stark import domain
from zisk_actors.stark.field import P

LOG2_FIELD = 3 * math.log2(P)
FOLD_LOG_ARITY = 3
FINAL_LOG_DEGREE = 5


@dataclass(frozen=True)
class Parameters:
    """A named set. ``gap``: how far below the Johnson bound's complement the proximity parameter stays."""

    name: str
    number: int  # in statements and keys
    level: int  # bits that it stands for, 0 for the insecure one
    queries: int
    pow_bits: int
    gap: float

    @property
    def is_secure(self) -> bool:
        """Whether the set claims anything at all."""
        return self.level > 0


# Solved by tests/unit/stark/test_params.py: the fewest queries with which LARGEST keeps the level.
TEST = Parameters("test", 1, 0, queries=8, pow_bits=2, gap=1 / 100)
LEVEL_100 = Parameters("100", 2, 100, queries=161, pow_bits=20, gap=1 / 1000)
LEVEL_128 = Parameters("128", 3, 128, queries=227, pow_bits=20, gap=1 / 95)

BY_NAME = {parameters.name: parameters for parameters in (TEST, LEVEL_100, LEVEL_128)}
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
    columns: int  # functions batched at one height of one share
    constraints: int  # of one AIR
    interactions: int  # rows times interactions, over the whole job
    arity: int  # fields of the widest bus tuple
    shares: int
    heights: int = 1  # distinct heights in a share
    degree: int = 3

    def __post_init__(self) -> None:
        if not domain.MIN_LOG_HEIGHT <= self.log_rows <= domain.MAX_LOG_HEIGHT:
            raise ValueError(f"2^{self.log_rows} rows are outside the heights of this protocol")
        if min(self.columns, self.constraints, self.interactions, self.arity, self.shares, self.heights, self.degree) < 1:
            raise ValueError("every size of a shape is at least one")


# The largest job that the named sets keep their level for.
LARGEST = Shape(log_rows=22, columns=4096, constraints=512, interactions=2**36, arity=8, shares=2**10, heights=18)


@dataclass(frozen=True)
class Report:
    """log2 of the error of every round, by name, and the level they add up to."""

    terms: dict[str, float]
    shares: int

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


def query_bits(gap: float, log_blowup: int = domain.LOG_BLOWUP) -> float:
    """Bits that one query proves: -log2(sqrt(rho) + gap)."""
    return -math.log2(math.sqrt(2.0**-log_blowup) + gap)


def queries_for(bits: float, pow_bits: int, gap: float, log_blowup: int = domain.LOG_BLOWUP) -> int:
    """The fewest queries that give ``bits`` with ``pow_bits`` of grinding."""
    return math.ceil((bits - pow_bits) / query_bits(gap, log_blowup))


def multiplicity(gap: float, log_blowup: int = domain.LOG_BLOWUP) -> int:
    """m of the Johnson-bound analysis: max(ceil(sqrt(rho) / (2 gap)), 3)."""
    return max(math.ceil(math.sqrt(2.0**-log_blowup) / (2 * gap)), 3)


def list_size(gap: float, log_blowup: int = domain.LOG_BLOWUP) -> float:
    """How many codewords may be that close to a word: (m + 1/2) / sqrt(rho)."""
    return (multiplicity(gap, log_blowup) + 0.5) / math.sqrt(2.0**-log_blowup)


def log2_proximity(log_size: int, gap: float, log_blowup: int = domain.LOG_BLOWUP) -> float:
    """log2 of the error of a random line over a code of length 2^log_size. Batching k functions by powers costs (k-1) times it."""
    rho = 2.0**-log_blowup
    root = math.sqrt(rho)
    gamma = 1 - root - gap
    m = multiplicity(gap, log_blowup) + 0.5
    error = (2 * m**5 + 3 * m * gamma * rho) / (3 * rho * root) * 2.0**log_size + m / root
    return math.log2(error) - LOG2_FIELD


def fold_schedule(log_size: int) -> list[int]:
    """Log sizes of the codewords that are folded, for the longest case: one height only."""
    return list(range(log_size, FINAL_LOG_DEGREE + domain.LOG_BLOWUP, -FOLD_LOG_ARITY))


def security(parameters: Parameters, shape: Shape) -> Report:
    """The error of every round, for a proof of that shape."""
    log_size = shape.log_rows + domain.LOG_BLOWUP
    gap = parameters.gap
    log_list = math.log2(list_size(gap))
    rows = 2.0**shape.log_rows
    # Every height batches at most all columns, over a domain at most half the one above it.
    batches = sum(2.0 ** log2_proximity(log_size - k, gap) for k in range(shape.heights))
    pairs_of_list = list_size(gap) * (list_size(gap) - 1) / 2
    layers = fold_schedule(log_size)
    folds = sum((2**FOLD_LOG_ARITY - 1) * 2.0 ** log2_proximity(size, gap) for size in layers)
    rolls = sum(2.0 ** log2_proximity(log_size - k, gap) for k in range(1, shape.heights))
    terms = {
        # Two tuples of polynomials near one commitment agree at a random point, or under random powers. In every share.
        "binding": math.log2(pairs_of_list * (rows + shape.columns)) + math.log2(shape.shares) - LOG2_FIELD,
        # A sum over unbalanced buses vanishes: a numerator of degree N * (width of the tuple + 2) in the challenges.
        "logup": math.log2(shape.interactions * (shape.arity + 2)) - LOG2_FIELD,
        # A violated constraint cancels in the sum by powers of gamma, for some tuple of the list.
        "constraints": log_list + math.log2(shape.constraints) - LOG2_FIELD,
        # The identity holds at zeta although it does not hold as polynomials, for some tuple of the list.
        "out-of-domain": log_list + math.log2((shape.degree + 1) * rows) - LOG2_FIELD,
        # Columns combined by powers at each height.
        "batching": math.log2(max(shape.columns - 1, 1) * batches),
        # Layers, and the heights that join them; the smallest proofs have none.
        "folding": math.log2(folds + rolls) if folds + rolls else -math.inf,
        # All queries fall where the word agrees with the code.
        "queries": -parameters.queries * query_bits(gap) - parameters.pow_bits,
    }
    return Report(terms, shape.shares)


def security_bits(parameters: Parameters, shape: Shape) -> float:
    """Proven bits of a proof of that shape."""
    return security(parameters, shape).bits
