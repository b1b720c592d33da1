"""Drift statistics: against scipy, by their laws, and on data that has nothing to say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from modelops_pipelines.core.drift.distances import (
    Statistic,
    chi_square,
    jensen_shannon,
    kolmogorov_smirnov,
    missing_shift,
    psi,
    two_proportion_z,
    wasserstein,
)
from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.profiles.profile import empty, fit_bins, merge, profile

pytestmark = pytest.mark.filterwarnings("error")

ALL = (psi, jensen_shannon, kolmogorov_smirnov, wasserstein, chi_square, two_proportion_z, missing_shift)
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


def test_a_tiny_chi_square_p_value_keeps_its_digits():
    p, q = (740, 260, 500), (500, 500, 500)
    found = chi_square(*categorical(*("a" * a + "b" * b + "c" * c for a, b, c in (p, q))))
    assert found.value == pytest.approx(stats.chisquare(p, q).pvalue, rel=1e-9)


def test_a_category_that_the_reference_lacks_has_no_chance_under_it():
    assert chi_square(*categorical(["a", "z"], ["a", "b"])) == Statistic(0.0)


@pytest.mark.parametrize(("current", "reference"), [((30, 70), (300, 500)), ((5, 1), (1, 5)), ((0, 9), (4, 9))])
def test_the_two_proportion_p_value_is_that_of_the_two_by_two_chi_square(current, reference):
    p, q = categorical(*("a" * a + "b" * b for a, b in (current, reference)))
    expected = stats.chi2_contingency([current, reference], correction=False).pvalue
    assert two_proportion_z(p, q).value == pytest.approx(expected, rel=1e-9)
    assert two_proportion_z(q, p).value == pytest.approx(expected, rel=1e-9)


def test_the_two_proportion_test_needs_two_categories():
    assert two_proportion_z(*categorical("aaa", "aa")) == Statistic(1.0)
    assert two_proportion_z(*categorical("abc", "ab")) == Statistic(None, "3 categories, but the test is for two")


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


@given(numbers, numbers, st.data())
def test_the_order_of_rows_changes_no_statistic(current, reference, data):
    p, q = numeric(current, reference)
    bins = q.bins
    shuffled = [profile(data.draw(st.permutations(side)), bins) for side in (current, reference)]
    assert [statistic(*shuffled) for statistic in ALL] == [statistic(p, q) for statistic in ALL]


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
    assert found == Statistic(None, "the bins of 'x' were fitted without values")


def test_distances_of_numbers_give_a_reason_on_categories():
    for statistic in (wasserstein, kolmogorov_smirnov):
        assert statistic(*categorical(["a"], ["a"])) == Statistic(
            None, "the statistic is not defined for column 'x', which is categorical"
        )


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
