"""Parameters: published figures come out of our formulas, and the named sets are the cheapest that keep their promise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zisk_actors.errors import UsageError
from zisk_actors.stark import params
from zisk_actors.stark.params import LARGEST, LEVEL_100, LEVEL_128, TEST, Parameters, Shape, security

# (log2 of 1/rho, grinding bits, queries): ZisK's figures for 128 bits with gap 1/300.
PUBLISHED = [(1, 16, 228), (1, 20, 219), (1, 23, 213), (2, 16, 114), (2, 20, 110), (3, 20, 73), (4, 22, 54), (5, 22, 43)]


@pytest.mark.parametrize(("log_blowup", "pow_bits", "queries"), PUBLISHED)
def test_published_query_counts(log_blowup: int, pow_bits: int, queries: int):
    assert params.queries_for(128, pow_bits, 1 / 300, log_blowup) == queries


def test_published_batching_error():
    """ZisK's Main: 2^22 rows, 61 functions, about 128 bits."""
    import math

    error = params.log2_proximity(23, 1 / 300) + math.log2(60)
    assert -129 < error < -128


@pytest.mark.parametrize("named", [LEVEL_100, LEVEL_128])
def test_named_sets_keep_their_level_for_the_largest_job_with_the_fewest_queries(named: Parameters):
    assert params.security_bits(named, LARGEST) >= named.level
    for gap in (1 / n for n in range(20, 1500, 5)):
        fewer = replace(named, queries=named.queries - 1, gap=gap)
        assert params.security_bits(fewer, LARGEST) < named.level


def test_every_round_is_counted_and_they_add_up():
    report = security(LEVEL_128, LARGEST)
    assert set(report.terms) == {"binding", "logup", "constraints", "out-of-domain", "batching", "folding", "queries"}
    assert all(term < -128 for term in report.terms.values())
    assert report.log2_error > max(report.terms.values())
    assert report.log2_union_of_shares == pytest.approx(report.log2_error + 10)


@pytest.mark.parametrize(
    ("term", "larger"),
    [
        ("binding", replace(LARGEST, shares=2**12)),
        ("logup", replace(LARGEST, interactions=2**40)),
        ("constraints", replace(LARGEST, constraints=2**12)),
        ("batching", replace(LARGEST, columns=2**14)),
    ],
)
def test_larger_jobs_prove_less(term: str, larger: Shape):
    assert security(LEVEL_128, larger).terms[term] > security(LEVEL_128, LARGEST).terms[term]


def test_fewer_rows_or_more_queries_prove_more():
    small = replace(LARGEST, log_rows=10)
    assert params.security_bits(LEVEL_128, small) > params.security_bits(LEVEL_128, LARGEST)
    assert params.security_bits(replace(LEVEL_128, queries=300), small) > params.security_bits(LEVEL_128, small)


def test_the_test_set_claims_nothing():
    assert not TEST.is_secure
    assert params.security_bits(TEST, LARGEST) < 10


def test_names_and_numbers():
    assert [params.by_name(name).name for name in ("test", "100", "128")] == ["test", "100", "128"]
    assert len({p.number for p in params.BY_NAME.values()}) == 3
    with pytest.raises(UsageError):
        params.by_name("80")


def test_impossible_shapes_are_refused():
    for shape in ({"log_rows": 23}, {"log_rows": 4}, {"columns": 0}, {"shares": 0}, {"interactions": 0}):
        with pytest.raises(ValueError):
            replace(LARGEST, **shape)
