"""Parameters: published figures come out of our formulas, and the named sets are the cheapest that keep their promise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zisk_actors.errors import UsageError
from zisk_actors.stark import params
from zisk_actors.stark.errors import TooWeak
from zisk_actors.stark.params import LARGEST, LEVEL_128, TEST, Parameters, Shape, security

SECURE = [named for named in params.BY_NAME.values() if named.is_secure]

# (log2 of 1/rho, grinding bits, queries): ZisK's figures for 128 bits with gap 1/300.
PUBLISHED = [(1, 16, 228), (1, 20, 219), (1, 23, 213), (2, 16, 114), (2, 20, 110), (3, 20, 73), (4, 22, 54), (5, 22, 43)]


@pytest.mark.parametrize(("log_blowup", "pow_bits", "queries"), PUBLISHED)
def test_published_query_counts(log_blowup: int, pow_bits: int, queries: int):
    assert params.queries_for(128, pow_bits, 1 / 300, log_blowup) == queries


def test_published_batching_error():
    """ZisK's Main: 2^22 rows, 61 functions, about 128 bits."""
    import math

    m = math.ceil(math.sqrt(1 / 2) * 300 / 2)
    error = params.log2_proximity(23, m, 1) + math.log2(60)
    assert -129 < error < -128


@pytest.mark.parametrize("named", SECURE, ids=lambda named: named.name)
def test_named_sets_keep_their_level_for_the_largest_job_with_the_fewest_queries(named: Parameters):
    assert params.security_bits(named, LARGEST) >= named.level
    assert params.security_bits(replace(named, queries=named.queries - 1), LARGEST) < named.level


@pytest.mark.parametrize("named", SECURE, ids=lambda named: named.name)
def test_no_smaller_job_proves_less(named: Parameters):
    """So that comparing sizes with LARGEST is enough: the error grows in each of them."""
    bits = params.security_bits(named, LARGEST)
    for size in ("columns", "constraints", "interactions", "arity", "shares"):
        assert params.security_bits(named, replace(LARGEST, **{size: 1})) >= bits
    for log_rows in range(6, 22):
        assert params.security_bits(named, replace(LARGEST, log_rows=log_rows)) >= bits


def test_sizes_are_compared_one_by_one():
    params.check_size(LARGEST)
    for size in ("columns", "constraints", "interactions", "arity", "shares"):
        with pytest.raises(TooWeak, match=str(getattr(LARGEST, size))):
            params.check_size(replace(LARGEST, **{size: getattr(LARGEST, size) + 1}))


def test_the_best_johnson_parameter_is_chosen(monkeypatch: pytest.MonkeyPatch):
    report = security(LEVEL_128, LARGEST)
    for m in params.JOHNSON_PARAMETERS:
        monkeypatch.setattr(params, "JOHNSON_PARAMETERS", [m])
        assert security(LEVEL_128, LARGEST).bits <= report.bits
        assert (security(LEVEL_128, LARGEST).bits == report.bits) == (m == report.m)


def test_the_list_is_that_of_the_code_that_a_deep_quotient_proves():
    """A column of height N is proven to have degree up to N: m' is smaller than m would give by Johnson's bound of that code."""
    rows, m = 2.0**6, 35
    for log_blowup in (1, 2, 3):
        rho = 2.0**-log_blowup
        agreement = rho**0.5 * (1 + 1 / (2 * m))
        higher = (rho * (1 + 1 / rows)) ** 0.5
        exact = higher / (2 * (agreement - higher))  # m of that code at that agreement
        assert params.list_size(m, log_blowup) >= (exact + 0.5) / higher


def test_every_round_is_counted_and_they_add_up():
    report = security(LEVEL_128, LARGEST)
    assert set(report.terms) == {"binding", "logup", "constraints", "out-of-domain", "batching", "folding", "queries"}
    assert all(term < -128 for term in report.terms.values())
    assert report.log2_error > max(report.terms.values())
    assert report.log2_union_of_shares == pytest.approx(report.log2_error + 16)


@pytest.mark.parametrize(
    ("term", "larger"),
    [
        ("binding", replace(LARGEST, shares=2**18)),
        ("logup", replace(LARGEST, interactions=2**44)),
        ("constraints", replace(LARGEST, constraints=2**18)),
        ("batching", replace(LARGEST, columns=2**15)),
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
    assert [params.by_name(name).name for name in ("test", "100", "128", "128-b4", "128-b8")] == [*params.BY_NAME]
    assert len({p.number for p in params.BY_NAME.values()}) == 5
    with pytest.raises(UsageError):
        params.by_name("80")


def test_impossible_shapes_are_refused():
    for shape in ({"log_rows": 23}, {"log_rows": 5}, {"columns": 0}, {"shares": 0}, {"interactions": 0}):
        with pytest.raises(ValueError):
            replace(LARGEST, **shape)
