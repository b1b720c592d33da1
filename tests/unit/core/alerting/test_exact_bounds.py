"""Counts prove a rate by the exact tail of their distribution."""

import math

from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.alerting.exact_bounds import (
    poisson_tail,
    probability_at_least,
    rate_exceeds,
    share_exceeds,
)

ALPHA = 1e-9


@given(st.integers(1, 60), st.floats(0.01, 0.9), st.data())
def test_the_tail_is_the_sum_of_the_binomial_s_terms(n: int, share: float, data: st.DataObject) -> None:
    bad = data.draw(st.integers(math.floor(n * share) + 1, n)) if math.floor(n * share) < n else n
    exact = math.fsum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(bad, n + 1))
    assert math.isclose(exact, probability_at_least(bad, n, share), rel_tol=1e-9)


@given(st.floats(0.1, 50), st.integers(1, 60))
def test_the_tail_is_the_sum_of_the_poisson_s_terms(expected: float, more: int) -> None:
    count = math.ceil(expected) + more
    terms = (math.exp(k * math.log(expected) - expected - math.lgamma(k + 1)) for k in range(count, count + 400))
    assert math.isclose(math.fsum(terms), poisson_tail(count, expected), rel_tol=1e-9)


def test_few_errors_prove_nothing_and_many_prove_it_at_once() -> None:
    assert not share_exceeds(4, 4, 0.1, ALPHA)
    assert not share_exceeds(8, 8, 0.1, ALPHA)
    assert share_exceeds(10, 10, 0.1, ALPHA)
    assert share_exceeds(30, 100, 0.1, 1e-7)


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.01, 0.99))
def test_one_more_bad_request_proves_no_less(n: int, bad: int, limit: float) -> None:
    if bad < n and share_exceeds(bad, n, limit, ALPHA):
        assert share_exceeds(bad + 1, n, limit, ALPHA)


def test_nothing_exceeds_a_share_of_one_and_anything_a_share_of_none() -> None:
    assert not share_exceeds(50, 50, 1.0, ALPHA)
    assert share_exceeds(1, 50, 0.0, ALPHA)
    assert not share_exceeds(0, 0, 0.0, ALPHA)
    assert not share_exceeds(0, 0, 0.5, ALPHA)


def test_a_large_count_costs_no_overflow() -> None:
    assert share_exceeds(60_000, 500_000, 0.1, ALPHA)
    assert not share_exceeds(50_500, 500_000, 0.1, ALPHA)
    assert rate_exceeds(60_000, 50_000, ALPHA)
    assert not rate_exceeds(50_500, 50_000, ALPHA)
    assert rate_exceeds(1, 0, ALPHA)
