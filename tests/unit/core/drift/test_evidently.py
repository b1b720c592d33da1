"""Evidently's defaults from profiles: bounds of its p values, what becomes a category, what is not judged."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from modelops_pipelines.core.drift.distances import Statistic
from modelops_pipelines.core.drift.evidently import as_categories, judge_evidently, kolmogorov_smirnov_p
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.profiles.profile import empty, fit_bins, fit_profile, merge, profile

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("rows", [(1_000, 900), (400, 7_000), (1_000, 30_000), (37, 5), (1, 1)])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_scipys_p_value_lies_within_the_bound(rows, shift):
    rng = np.random.default_rng(5)
    reference, current = rng.normal(size=rows[0]), rng.normal(shift, 1, rows[1])
    then = fit_profile("x", reference, "numeric")
    found = kolmogorov_smirnov_p(profile(current, then.bins), then)
    expected = stats.ks_2samp(reference, current).pvalue
    assert found.value + found.bound - 1e-12 <= expected <= found.value + 1e-12


def test_a_p_value_is_exact_when_every_value_is_a_bin_of_its_own():
    rng = np.random.default_rng(6)
    reference, current = rng.poisson(9, 900) * 1.0, rng.poisson(9.4, 700) * 1.0
    then = fit_profile("x", reference, "numeric")
    expected = stats.ks_2samp(reference, current).pvalue
    assert kolmogorov_smirnov_p(profile(current, then.bins), then) == Statistic(pytest.approx(expected, rel=1e-12))


def test_a_verdict_that_rows_would_have_to_decide_says_so():
    reference = np.linspace(0, 1, 1_000)
    then = fit_profile("x", reference, "numeric")
    open_ones = []
    for shift in np.linspace(0.05, 0.07, 41):
        (verdict,) = judge_evidently({"x": profile(reference + shift, then.bins)}, {"x": then})
        found = kolmogorov_smirnov_p(profile(reference + shift, then.bins), then)
        between = found.value + found.bound <= 0.05 < found.value
        assert (verdict.reason is not None) == between
        open_ones.append(between)
    assert any(open_ones)


def test_numbers_of_up_to_five_values_become_categories_and_those_of_six_do_not():
    five, six = ([float(code % distinct) for code in range(60)] for distinct in (5, 6))
    then = fit_profile("x", five, "numeric")
    now, same = as_categories(profile([1.0, 1.0, 4.0], then.bins), then)
    assert (now.counts, same.counts) == ((0, 2, 0, 0, 1), (12,) * 5)
    assert as_categories(profile(six, then.bins), then) is None


def test_a_value_between_two_known_ones_is_a_category_and_two_of_them_are_not():
    then = fit_profile("x", [0.0, 3.0] * 50, "numeric")
    now, _ = as_categories(profile([1.0] * 30, then.bins), then)
    assert (now.n, len(now.counts)) == (30, 3)
    assert as_categories(profile([1.0, 1.2] * 30, then.bins), then) is None


def test_a_side_without_values_is_not_judged_and_the_reason_has_the_numbers():
    then = fit_profile("x", [1.0, 2.0], "numeric")
    (verdict,) = judge_evidently({"x": profile([math.nan] * 9, then.bins)}, {"x": then})
    assert (verdict.drifted, verdict.value, verdict.missing) == (None, None, 1.0)
    assert verdict.reason == "no values to compare: 9 rows, 9 of them missing against 2 rows, 0 of them missing"


def test_a_column_missing_on_one_side_is_not_judged_and_says_which():
    one = fit_profile("x", ["a"], "categorical")
    old, new = judge_evidently({"new": one}, {"gone": one})
    assert (old.column, old.drifted, old.reason) == ("gone", None, "missing in the window")
    assert (new.column, new.drifted, new.reason) == ("new", None, "missing in the reference")
    assert (old.statistic, old.kind) == ("jensen_shannon", "categorical")


def test_text_is_not_judged_as_evidently_needs_the_texts():
    one = fit_profile("x", ["some words"], "text")
    (verdict,) = judge_evidently({"x": one}, {"x": one})
    assert (verdict.drifted, verdict.value) == (None, None)
    assert "the texts, which profiles do not keep" in verdict.reason


def test_profiles_of_different_bins_are_refused():
    with pytest.raises(SchemaError, match="different bins"):
        judge_evidently({"x": fit_profile("x", [1.0], "numeric")}, {"x": fit_profile("x", [2.0], "numeric")})


number = st.sampled_from([math.nan, math.inf, 0.0, 1e139, -1e139, 5e-324]) | st.integers(-3, 3).map(float)
numbers = st.lists(number, max_size=20)
words = st.lists(st.none() | st.sampled_from("abc"), max_size=20)


@given(numbers, numbers, numbers)
def test_any_numbers_are_judged_or_have_a_reason(fitted, reference, current):
    assert_defined(fit_bins("x", fitted, "numeric"), reference, current)


@given(words, words, words)
def test_any_categories_are_judged_or_have_a_reason(fitted, reference, current):
    assert_defined(fit_bins("x", fitted, "categorical"), reference, current)


def assert_defined(bins, reference, current):
    then, now = profile(reference, bins), profile(current, bins)
    (verdict,) = judge_evidently({"x": now}, {"x": then})
    assert (verdict.drifted is None) == (verdict.value is None)
    assert verdict.value is not None or verdict.reason
    assert verdict.value is None or math.isfinite(verdict.value)
    (alone,) = judge_evidently({"x": merge(now, then)}, {"x": empty(bins)})
    assert alone.drifted is None
