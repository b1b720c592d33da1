"""Drift statistics: against scipy, by their laws, and on data that has nothing to say."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from modelops_pipelines.core.drift import (
    ColumnVerdict,
    Statistic,
    chi_square,
    chi_square_tail,
    jensen_shannon,
    judge_fixed,
    kolmogorov_smirnov,
    missing_shift,
    psi,
    share_drifted,
    wasserstein,
)
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.profiles import empty, fit_bins, merge, profile

ALL = (psi, jensen_shannon, kolmogorov_smirnov, wasserstein, chi_square, missing_shift)
OF_NUMBERS = (psi, jensen_shannon, kolmogorov_smirnov, wasserstein, chi_square)

SPECIAL = [math.nan, math.inf, -math.inf, 0.0, 5e-324, 1e139, -1e139, 1e-300]
number = st.sampled_from(SPECIAL) | st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float)
numbers = st.lists(number, max_size=30)
words = st.lists(st.none() | st.sampled_from("abcdef"), max_size=30)

# name, reference, current
SAMPLES = {
    "the same normal": lambda rng: (rng.normal(size=20_000), rng.normal(size=9_000)),
    "a shifted normal": lambda rng: (rng.normal(size=20_000), rng.normal(0.3, 1, 9_000)),
    "a wider normal": lambda rng: (rng.normal(size=20_000), rng.normal(0, 1.5, 9_000)),
    "another unit": lambda rng: (rng.normal(20, 5, 20_000), rng.normal(68, 9, 9_000)),
    "a heavy tail": lambda rng: (rng.lognormal(0, 1, 20_000), rng.lognormal(0.1, 1.2, 9_000)),
    "many zeros": lambda rng: (rng.normal(size=20_000).clip(0), rng.normal(0.2, 1, 9_000).clip(0)),
    "a large offset": lambda rng: (1e9 + rng.normal(size=20_000), 1e9 + rng.normal(0.2, 1, 9_000)),
    "counts": lambda rng: (rng.poisson(4, 20_000) * 1.0, rng.poisson(5, 9_000) * 1.0),
    "two values": lambda rng: (rng.integers(0, 2, 20_000) * 1.0, (rng.random(9_000) < 0.7) * 1.0),
    "nothing shared": lambda rng: (rng.random(20_000), 5 + rng.random(9_000)),
}
samples = pytest.mark.parametrize("draw", SAMPLES.values(), ids=SAMPLES.keys())


def numeric(current, reference):
    bins = fit_bins("x", reference, "numeric")
    return profile(current, bins), profile(reference, bins)


def categorical(current, reference):
    bins = fit_bins("x", reference, "categorical")
    return profile(current, bins), profile(reference, bins)


def draw_categories(rng, categories="abcdefgh", n=5_000):
    return list(rng.choice(list(categories), n, p=rng.dirichlet(np.full(len(categories), 2.0))))


@samples
def test_wasserstein_is_within_two_thousandths_of_a_standard_deviation_of_scipy(draw):
    reference, current = draw(np.random.default_rng(1))
    expected = stats.wasserstein_distance(current, reference) / reference.std()
    assert wasserstein(*numeric(current, reference)).value == pytest.approx(expected, abs=0.002)


@samples
def test_kolmogorov_smirnov_holds_scipys_within_its_bound(draw):
    reference, current = draw(np.random.default_rng(2))
    found = kolmogorov_smirnov(*numeric(current, reference))
    expected = stats.ks_2samp(current, reference, method="asymp").statistic
    assert found.value - 1e-12 <= expected <= found.value + found.bound + 1e-12
    assert found.bound <= 0.01


def test_kolmogorov_smirnov_is_exact_on_few_distinct_values():
    current, reference = [1.0, 2.0, 2.5, 9.0, 9.0], [1.0, 2.0, 3.0, 3.0]
    assert kolmogorov_smirnov(*numeric(current, reference)) == Statistic(pytest.approx(0.4), bound=0.0)


@pytest.mark.parametrize("name", ["the same normal", "a shifted normal", "a heavy tail", "another unit"])
def test_psi_of_numbers_is_exact_on_the_references_deciles(name):
    reference, current = SAMPLES[name](np.random.default_rng(3))
    edges = [-np.inf, *np.quantile(reference, np.arange(1, 10) / 10), np.inf]
    p, q = (np.histogram(values, edges)[0] / len(values) for values in (current, reference))
    for shares in (p, q):
        shares[shares == 0] = 1e-4 if shares[shares > 0].min() > 1e-4 else shares[shares > 0].min() / 1e6
    expected = np.sum((p - q) * np.log(p / q))
    assert psi(*numeric(current, reference)).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_jensen_shannon_of_categories_equals_scipys(seed):
    rng = np.random.default_rng(seed)
    reference, current = draw_categories(rng, "abcdef"), draw_categories(rng, "cdefgh")
    p, q = ([values.count(name) for name in "abcdefgh"] for values in (current, reference))
    expected = distance.jensenshannon(p, q)
    assert jensen_shannon(*categorical(current, reference)).value == pytest.approx(expected, rel=1e-12)


def test_psi_of_categories_counts_an_empty_cell_as_a_ten_thousandth():
    found = psi(*categorical(["a", "a", "a", "c"], ["a", "b"])).value
    pairs = [(0.75, 0.5), (1e-4, 0.5), (0.25, 1e-4)]
    assert found == pytest.approx(sum((p - q) * math.log(p / q) for p, q in pairs), rel=1e-12)


def test_psi_counts_an_empty_cell_as_a_millionth_of_a_share_no_greater_than_that():
    reference = ["a"] * 9_999 + ["b"]
    found = psi(*categorical([*reference, "c"], reference)).value
    p_c, q_c = 1 / 10_001, 1e-4 / 1e6
    assert found == pytest.approx((p_c - q_c) * math.log(p_c / q_c), rel=1e-3)


@pytest.mark.parametrize("seed", range(10))
def test_the_chi_square_p_value_equals_scipys(seed):
    rng = np.random.default_rng(seed)
    reference = draw_categories(rng)
    current = list(rng.choice(reference, 900))
    p, q = (np.array([values.count(name) for name in "abcdefgh"]) for values in (current, reference))
    expected = stats.chisquare(p, q * (900 / len(reference))).pvalue
    assert chi_square(*categorical(current, reference)).value == pytest.approx(expected, rel=1e-9)


@given(st.floats(0, 3_000), st.integers(1, 600))
def test_the_chi_square_tail_equals_scipys(statistic, degrees):
    expected = stats.chi2.sf(statistic, degrees)
    assert chi_square_tail(statistic, degrees) == pytest.approx(expected, rel=1e-10, abs=1e-290)


def test_the_chi_square_tail_ends_at_one_and_at_zero():
    assert [chi_square_tail(0.0, 3), chi_square_tail(5e-324, 1), chi_square_tail(5.0, 0)] == [1.0, 1.0, 1.0]
    assert chi_square_tail(1e12, 3) == 0.0


def test_a_tiny_chi_square_tail_keeps_its_digits():
    assert chi_square_tail(80.0, 3) == pytest.approx(stats.chi2.sf(80.0, 3), rel=1e-10)


def test_a_category_that_the_reference_lacks_has_no_chance_under_it():
    assert chi_square(*categorical(["a", "z"], ["a", "b"])) == Statistic(0.0)


@given(numbers.filter(lambda values: any(map(math.isfinite, values))))
def test_numbers_do_not_differ_from_themselves(values):
    p, q = numeric(values, values)
    assert [statistic(p, q).value for statistic in (psi, jensen_shannon, wasserstein)] == [0.0, 0.0, 0.0]
    assert [statistic(p, q).value for statistic in (kolmogorov_smirnov, missing_shift)] == [0.0, 0.0]
    assert chi_square(p, q).value == 1.0


@given(words.filter(any))
def test_categories_do_not_differ_from_themselves(values):
    p, q = categorical(values, values)
    assert [psi(p, q).value, jensen_shannon(p, q).value, missing_shift(p, q).value] == [0.0, 0.0, 0.0]
    assert chi_square(p, q).value == 1.0


@given(words.filter(any), words.filter(any), words)
def test_jensen_shannon_and_psi_of_categories_are_symmetric(current, reference, fitted):
    bins = fit_bins("x", fitted, "categorical")
    p, q = profile(current, bins), profile(reference, bins)
    for statistic in (jensen_shannon, psi):
        assert statistic(p, q).value == pytest.approx(statistic(q, p).value, rel=1e-12, abs=1e-12)
    assert jensen_shannon(p, q).value <= math.sqrt(math.log(2)) + 1e-12


@given(numbers, numbers, numbers)
def test_every_statistic_of_any_numbers_is_a_number_or_has_a_reason(current, reference, fitted):
    bins = fit_bins("x", fitted, "numeric")
    p, q = profile(current, bins), profile(reference, bins)
    assert_defined(p, q)


@given(words, words, words)
def test_every_statistic_of_any_categories_is_a_number_or_has_a_reason(current, reference, fitted):
    bins = fit_bins("x", fitted, "categorical")
    p, q = profile(current, bins), profile(reference, bins)
    assert_defined(p, q)


def assert_defined(p, q):
    for found in (statistic(p, q) for statistic in ALL):
        assert (found.value is None) != (found.reason is None)
        assert found.value is None or math.isfinite(found.value)
        assert found.bound >= 0.0


@given(numbers, numbers)
def test_a_merged_profile_drifts_like_the_whole(left, right):
    bins = fit_bins("x", left, "numeric")
    reference = profile(left, bins)
    merged = merge(profile(left, bins), profile(right, bins))
    whole = profile(left + right, bins)
    for statistic in (psi, jensen_shannon, kolmogorov_smirnov, chi_square):
        assert statistic(merged, reference) == statistic(whole, reference)


@pytest.mark.parametrize(
    ("current", "reference", "words"),
    [
        ([], [1.0, 2.0], "0 rows, 0 of them missing against 2 rows"),
        ([math.nan], [1.0, 2.0], "1 rows, 1 of them missing against 2 rows"),
        ([1.0], [math.nan], "1 rows, 0 of them missing against 1 rows, 1 of them missing"),
        ([math.inf, math.nan], [1.0], "2 rows, 2 of them missing"),
    ],
)
def test_a_side_without_values_is_named_with_its_numbers(current, reference, words):
    for statistic in OF_NUMBERS:
        found = statistic(*numeric(current, reference))
        assert found.value is None
        assert words in found.reason


def test_bins_fitted_on_no_value_give_a_reason():
    bins = fit_bins("x", [], "numeric")
    found = wasserstein(profile([1.0], bins), profile([2.0], bins))
    assert found == Statistic(None, "the bins of 'x' were fitted on no value")


def test_distances_of_numbers_give_a_reason_on_categories():
    for statistic in (wasserstein, kolmogorov_smirnov):
        assert statistic(*categorical(["a"], ["a"])) == Statistic(None, "column 'x' is categorical")


@pytest.mark.parametrize("value", [4.0, 6.0, 5.0000001, -5.0])
def test_a_move_off_a_constant_to_either_side_is_seen_by_all(value):
    p, q = numeric([value] * 100, [5.0] * 100)
    assert psi(p, q).value > 9
    assert jensen_shannon(p, q).value == pytest.approx(math.sqrt(math.log(2)))
    assert kolmogorov_smirnov(p, q) == Statistic(1.0)
    assert wasserstein(p, q).value == pytest.approx(abs(value - 5) / 0.001)
    assert chi_square(p, q).value == 0.0


def test_a_constant_that_stays_has_not_moved():
    p, q = numeric([5.0], [5.0] * 100)
    assert [statistic(p, q).value for statistic in OF_NUMBERS] == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_missing_shift_is_signed_and_counts_infinities():
    p, q = numeric([math.nan, math.inf, 1.0, 1.0], [1.0, 1.0, 1.0, math.nan])
    assert (missing_shift(p, q).value, missing_shift(q, p).value) == (0.25, -0.25)
    assert missing_shift(p, empty(p.bins)) == Statistic(None, "no rows: 4 current, 0 of the reference")


@pytest.mark.parametrize("statistic", ALL)
def test_profiles_of_different_bins_are_refused(statistic):
    (a, _), (b, _) = numeric([1.0], [1.0]), numeric([1.0], [2.0])
    with pytest.raises(SchemaError, match="different bins"):
        statistic(a, b)


def judge(current, reference, **settings):
    (verdict,) = judge_fixed({"x": current}, {"x": reference}, **settings)
    return verdict


def test_numbers_that_moved_have_drifted_and_those_that_did_not_have_not():
    rng = np.random.default_rng(4)
    reference = rng.normal(size=5_000)
    moved = judge(*numeric(rng.normal(0.3, 1, 5_000), reference))
    stayed = judge(*numeric(rng.normal(size=5_000), reference))
    assert (moved.statistic, moved.threshold, moved.drifted) == ("wasserstein", 0.1, True)
    assert moved.reason == f"the distance {moved.value:.4g} reaches 0.1"
    assert (stayed.drifted, stayed.reason) == (False, None)


def test_a_verdict_holds_all_that_a_row_of_the_drift_table_needs():
    p, q = categorical(["a"] * 600 + [None] * 400, ["a"] * 500 + ["b"] * 500)
    assert judge(p, q) == ColumnVerdict(
        column="x",
        kind="categorical",
        statistic="jensen_shannon",
        value=jensen_shannon(p, q).value,
        threshold=0.1,
        drifted=True,
        n=1_000,
        n_reference=1_000,
        missing=0.4,
        missing_reference=0.0,
        reason="the missing share moved by +0.4, more than 0.05",
    )


def test_thresholds_are_reached_not_passed():
    p, q = categorical(["a"] * 600, ["a"] * 500 + ["b"] * 500)
    exact = jensen_shannon(p, q).value
    assert judge(p, q, categorical_threshold=exact).drifted is True
    assert judge(p, q, categorical_threshold=exact + 1e-9).drifted is False


@pytest.mark.parametrize(("missing", "drifted"), [(50, False), (51, True)])
def test_missing_values_drift_when_their_share_moves_by_more_than_the_threshold(missing, drifted):
    reference = np.arange(1_000.0)
    current = np.concatenate([np.full(missing, math.nan), np.linspace(0, 999, 1_000 - missing)])
    assert judge(*numeric(current, reference)).drifted is drifted


def test_too_few_rows_are_not_judged_and_the_reason_has_the_numbers():
    verdict = judge(*numeric([9.0] * 499, [1.0] * 1_000))
    assert judge(*numeric([math.nan] * 1_000, [1.0] * 499)).drifted is None
    assert judge(*numeric([9.0] * 500, [1.0] * 500)).drifted is True
    assert verdict.drifted is None
    assert verdict.value == pytest.approx(8_000)
    assert verdict.reason == "499 rows against 1000 of the reference: 500 are needed on each side"


def test_a_column_that_is_nearly_always_null_is_judged_by_its_nulls_only():
    current = [9.0] * 20 + [math.nan] * 980
    verdict = judge(*numeric(current, [1.0] * 20 + [math.nan] * 980))
    assert verdict.drifted is None
    assert verdict.reason == "20 values against 20 of the reference: 500 are needed on each side"
    assert judge(*numeric([1.0] * 520 + [math.nan] * 520, [9.0] * 499 + [math.nan] * 501)).drifted is None
    assert judge(*numeric(current, [1.0] * 1_000)).drifted is True


def test_a_column_that_is_null_on_both_sides_is_not_judged():
    verdict = judge(*numeric([math.nan] * 600, [math.nan] * 600))
    assert (verdict.drifted, verdict.value, verdict.missing) == (None, None, 1.0)
    assert verdict.reason.startswith("no value to compare")


def test_a_column_missing_on_one_side_is_not_judged_and_says_which():
    p, q = numeric([1.0], [1.0])
    old, new = judge_fixed({"new": p}, {"gone": q})
    assert (old.column, old.drifted, old.reason) == ("gone", None, "absent from the current side")
    assert (new.column, new.drifted, new.reason) == ("new", None, "absent from the reference side")
    assert (old.n, old.missing, old.n_reference, old.missing_reference) == (0, None, 1, 0.0)


def test_verdicts_come_in_order_of_name_whatever_the_order_of_columns():
    p, q = numeric([1.0], [1.0])
    for names in itertools.permutations("abc"):
        verdicts = judge_fixed(dict.fromkeys(names, p), dict.fromkeys(reversed(names), q))
        assert [verdict.column for verdict in verdicts] == ["a", "b", "c"]


def test_the_share_of_drifted_columns_leaves_out_those_not_judged():
    p, q = numeric([1.0] * 600, [1.0] * 600)
    shifted, _ = numeric([2.0] * 600, [1.0] * 600)
    few, _ = numeric([1.0], [1.0] * 600)
    verdicts = judge_fixed({"a": p, "b": shifted, "c": few}, dict.fromkeys("abc", q))
    assert share_drifted(verdicts) == 0.5
    assert share_drifted(verdicts[2:]) is None
    assert share_drifted([]) is None
