"""Burn rates: exact tails, when an alarm begins and ends, and the benchmark's judge beside the product's."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from benchmarks.burn_rates import HOUR, LEAD, METHODS, World, delays, false_alarms, judged
from modelops_pipelines.core.alerting.exact_bounds import probability_at_least, probability_at_most
from modelops_pipelines.core.alerting.objectives.burn_rates import (
    ABSENT,
    BURN_RATES,
    BURNS,
    CLEAR,
    LEVEL,
    LOOK_EVERY,
    UNDECIDED,
    Counts,
    judge_burn,
    rate_limit,
)

FAST, MEDIUM, SLOW = BURN_RATES
shares = st.sampled_from([1e-5, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999])


@given(st.integers(0, 5000), st.data(), shares)
def test_the_tails_are_those_of_scipy(n: int, data: st.DataObject, share: float) -> None:
    bad = data.draw(st.integers(0, n))
    assert probability_at_least(bad, n, share) == pytest.approx(binom.sf(bad - 1, n, share), rel=1e-8, abs=1e-14)
    assert probability_at_most(bad, n, share) == pytest.approx(binom.cdf(bad, n, share), rel=1e-8, abs=1e-14)


@pytest.mark.parametrize(("bad", "n", "share"), [(1200, 10**6, 0.001), (10**5, 10**8, 0.001), (10**7, 10**7, 0.01)])
def test_the_tails_hold_for_many_requests(bad: int, n: int, share: float) -> None:
    assert probability_at_least(bad, n, share) == pytest.approx(binom.sf(bad - 1, n, share), rel=1e-6, abs=1e-300)


def test_a_tail_far_out_is_exact_not_rounded_to_nothing() -> None:
    assert 1e-40 == pytest.approx(probability_at_least(20, 20, 0.01), rel=1e-12)
    assert (1.0, 0.0, 1.0) == (probability_at_least(0, 0, 0.1), probability_at_least(1, 0, 0.1), 1.0)


def test_one_look_may_alarm_by_chance_so_rarely_that_a_years_looks_do_at_most_once() -> None:
    looks = timedelta(days=365) / LOOK_EVERY * len(BURN_RATES)
    assert 1.0 == pytest.approx(LEVEL * looks)


@given(shares.filter(lambda share: share <= 0.5), st.integers(1, 2000))
def test_at_the_budgets_own_rate_a_look_alarms_no_more_often_than_its_level(budget: float, n: int) -> None:
    first = next((k for k in range(n + 1) if judge_burn(FAST, budget, Counts(n, k), Counts(1, 1)).state == BURNS), None)
    assert first is None or binom.sf(first - 1, n, budget) <= LEVEL * (1 + 1e-9)


def test_one_error_among_few_requests_is_undecided_and_never_an_alarm() -> None:
    """A ratio alone alarms: one of 40 requests is 25 times what 99.9 % allows."""
    assert UNDECIDED == judge_burn(FAST, 0.001, Counts(40, 1), Counts(3, 1)).state


def test_the_rate_must_be_reached_in_both_windows() -> None:
    assert BURNS == judge_burn(FAST, 0.001, Counts(240, 24), Counts(20, 2)).state
    assert CLEAR == judge_burn(FAST, 0.001, Counts(2400, 30), Counts(200, 20)).state  # 12.5 times in the long window
    assert CLEAR == judge_burn(FAST, 0.001, Counts(2400, 240), Counts(1000, 0)).state  # it is over


def test_the_limit_is_reached_at_it_and_not_one_request_below() -> None:
    n, limit = 100_000, round(14.4 * 0.001 * 100_000)
    states = [judge_burn(FAST, 0.001, Counts(n, bad), Counts(n, bad)).state for bad in (limit - 1, limit)]
    assert [CLEAR, BURNS] == states


def test_an_alarm_is_not_over_while_the_short_window_has_too_few_requests_to_tell() -> None:
    long = Counts(240, 24)
    assert UNDECIDED == judge_burn(FAST, 0.001, long, Counts(20, 0)).state
    assert UNDECIDED == judge_burn(FAST, 0.001, long, Counts(0, 0)).state
    assert CLEAR == judge_burn(FAST, 0.001, long, Counts(300, 0)).state
    assert CLEAR == judge_burn(FAST, 0.001, Counts(240, 3), Counts(20, 0)).state  # the long window is below the rate


def test_without_events_a_burn_rate_is_absent() -> None:
    assert ABSENT == judge_burn(FAST, 0.001, Counts(), Counts()).state


def test_an_outage_reaches_every_burn_rate_whatever_the_objective() -> None:
    for objective in (0.5, 0.9, 0.95, 0.99, 0.9999):
        assert all(rate_limit(rate.times, 1 - objective) < 1 for rate in BURN_RATES)
        assert all(
            BURNS == judge_burn(r, 1 - objective, Counts(10**4, 10**4), Counts(100, 100)).state for r in BURN_RATES
        )


def test_the_benchmark_judges_as_the_product_does() -> None:
    random = np.random.default_rng(5)
    n = random.poisson(8.0, (1, LEAD + 6 * HOUR))
    bad = random.binomial(n, np.where(np.arange(n.shape[1]) < LEAD, 0.004, 0.09))
    burns = dict(zip(METHODS, judged(0.99, n, bad), strict=True))["bound"]

    def window(span: timedelta, end: int) -> Counts:
        slots = int(span / LOOK_EVERY)
        start = end - slots if span <= timedelta(hours=1) else end // HOUR * HOUR - slots
        return Counts(int(n[0, start:end].sum()), int(bad[0, start:end].sum()))

    ends = range(LEAD, n.shape[1] - 1, 7)
    expected = [
        any(judge_burn(r, 0.01, window(r.long, end), window(r.short, end)).state == BURNS for r in BURN_RATES)
        for end in ends
    ]
    assert expected == [bool(burns[0, end]) for end in ends]
    assert {True, False} == set(expected)


def test_at_four_requests_a_minute_there_is_at_most_one_false_alarm_a_year() -> None:
    """Sixty weeks at the budget's own rate, where the usual table alarms every day; the benchmark has a thousand."""
    found = false_alarms(World(4.0, 0.999, 0.001), 60, np.random.default_rng(18))
    assert (0, True) == (found["bound"], found["usual"] > 60)


def test_ten_percent_errors_are_found_in_time_that_the_usual_table_needs_too() -> None:
    found = delays(World(60.0, 0.999, 0.10), 10, np.random.default_rng(18), hours=1)
    assert (np.median(found["bound"]), True) == (np.median(found["usual"]), max(found["bound"]) < 15)
