"""Profiles: merging is adding, and nothing in the data can break them."""

import json
import math
from collections import Counter
from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.profiles.profile import (
    CATEGORY_LIMIT,
    NEW_LIMIT,
    ColumnBins,
    Profile,
    empty,
    fit_bins,
    fit_profile,
    merge,
    profile,
)
from modelops_pipelines.core.profiles.profile_stack import Stack
from tests.unit.core.profiles.columns import COLUMNS, KINDS, numbers, texts, words

pytestmark = pytest.mark.filterwarnings("error")

RNG_SEED = 7


def numeric_bins(reference: list[float]) -> ColumnBins:
    return fit_bins("x", np.array(reference), "numeric")


def assert_close(actual: Profile, expected: Profile, scale: float) -> None:
    """Equal in all that is exact, and to 1e-9 of the greatest term in sums."""
    assert replace(actual, sums=(), squares=0.0) == replace(expected, sums=(), squares=0.0)
    assert actual.sums == pytest.approx(expected.sums, rel=1e-9, abs=1e-9 * scale)
    assert actual.squares == pytest.approx(expected.squares, rel=1e-9)


def largest(*parts: list[float]) -> float:
    return max((abs(x) for part in parts for x in part if abs(x) <= 1e140), default=0.0)


@given(numbers, numbers, numbers)
def test_numeric_profiles_merge_in_any_order_and_grouping(reference, left, right):
    bins = numeric_bins(reference)
    a, b, c = (profile(np.array(values), bins) for values in (reference, left, right))
    assert merge(a, b) == merge(b, a)
    assert merge(a, empty(bins)) == a
    assert_close(merge(merge(a, b), c), merge(a, merge(b, c)), largest(reference, left, right))


@given(words, words, words)
def test_categorical_profiles_merge_exactly_in_any_order_and_grouping(reference, left, right):
    bins = fit_bins("x", reference, "categorical")
    a, b, c = (profile(values, bins) for values in (reference, left, right))
    assert merge(a, b) == merge(b, a)
    assert merge(a, empty(bins)) == a
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(numbers, numbers, st.data())
def test_the_profile_of_the_whole_is_the_merge_of_any_numeric_split(reference, values, data):
    bins = numeric_bins(reference)
    cut = data.draw(st.integers(0, len(values)))
    parts = merge(profile(values[:cut], bins), profile(values[cut:], bins))
    assert_close(parts, profile(values, bins), largest(reference, values))


@given(words, words, st.data())
def test_the_profile_of_the_whole_is_the_merge_of_any_categorical_split(reference, values, data):
    bins = fit_bins("x", reference, "categorical")
    cut = data.draw(st.integers(0, len(values)))
    assert merge(profile(values[:cut], bins), profile(values[cut:], bins)) == profile(values, bins)


@given(numbers, st.data())
def test_the_order_of_rows_changes_nothing(values, data):
    shuffled = data.draw(st.permutations(values))
    bins = numeric_bins(values)
    assert numeric_bins(shuffled) == bins
    assert profile(shuffled, bins) == profile(values, bins)


@given(words, st.data())
def test_the_order_of_categories_changes_nothing(values, data):
    shuffled = data.draw(st.permutations(values))
    bins = fit_bins("x", values, "categorical")
    assert fit_bins("x", shuffled, "categorical") == bins
    assert profile(shuffled, bins) == profile(values, bins)


@given(texts, texts, texts)
def test_texts_merge_exactly_in_any_order_and_grouping(first, left, right):
    bins = fit_bins("x", [], "text")
    a, b, c = (profile(values, bins) for values in (first, left, right))
    assert merge(a, b) == merge(b, a)
    assert merge(a, empty(bins)) == a
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(merge(a, b), c) == profile([*first, *left, *right], bins)


@given(texts, st.data())
def test_the_order_of_texts_changes_nothing(values, data):
    bins = fit_bins("x", values, "text")
    assert profile(data.draw(st.permutations(values)), bins) == profile(values, bins)


@given(texts)
def test_a_text_is_one_row_however_many_words_it_has(values):
    summary = profile(values, fit_bins("x", values, "text"))
    assert (summary.n, summary.nulls) == (len(values), values.count(None))
    assert sum(summary.counts) >= summary.present


@given(COLUMNS)
def test_fitting_and_summarising_in_one_step_is_the_same_as_in_two(column):
    kind, values = column
    bins = fit_bins("x", values, kind)
    summary = fit_profile("x", values, kind)
    assert (summary, summary.bins.fingerprint) == (profile(values, bins), bins.fingerprint)


@given(st.one_of(words, texts), st.sampled_from(KINDS[1:]))
def test_a_mapping_of_value_to_count_is_the_same_as_the_values(values, kind):
    counted = dict(Counter(values))
    assert fit_profile("x", counted, kind) == fit_profile("x", values, kind)


@given(st.permutations([0.0, -0.0, -0.0, 1.0]))
def test_both_zeros_are_one_value_whichever_comes_first(values):
    summary = fit_profile("x", values, "numeric")
    assert json.dumps(summary.to_dict()) == json.dumps(fit_profile("x", [0.0, 0.0, 0.0, 1.0], "numeric").to_dict())


@given(numbers, numbers)
def test_a_numeric_profile_and_its_bins_survive_json_exactly(reference, values):
    bins = numeric_bins(reference)
    summary = profile(values, bins)
    text = json.dumps([bins.to_dict(), summary.to_dict()], allow_nan=False)
    stored_bins, stored = json.loads(text)
    assert ColumnBins.from_dict(stored_bins) == bins
    assert Profile.from_dict(stored, ColumnBins.from_dict(stored_bins)) == summary


@given(words, words, st.sampled_from(KINDS[1:]))
def test_a_profile_of_strings_and_its_bins_survive_json_exactly(reference, values, kind):
    bins = fit_bins("x", reference, kind)
    summary = profile(values, bins)
    stored_bins, stored = json.loads(json.dumps([bins.to_dict(), summary.to_dict()]))
    assert ColumnBins.from_dict(stored_bins) == bins
    assert Profile.from_dict(stored, ColumnBins.from_dict(stored_bins)) == summary


@given(numbers, st.integers(1, 300))
def test_edges_rise_strictly_contain_the_deciles_and_stay_bounded(reference, wanted):
    bins = fit_bins("x", np.array(reference), "numeric", wanted)
    assert all(left < right for left, right in zip(bins.edges, bins.edges[1:], strict=False))
    assert set(bins.deciles) <= set(bins.edges)
    assert len(bins.edges) + 1 <= max(wanted, 13)


@given(numbers, numbers)
def test_every_value_is_counted_once(reference, values):
    summary = profile(values, numeric_bins(reference))
    finite = [x for x in values if abs(x) <= 1e140]
    assert summary.n == len(values)
    assert summary.present == len(finite)
    assert summary.nulls == sum(math.isnan(x) for x in values)
    assert summary.minimum == min(finite, default=None)
    assert summary.maximum == max(finite, default=None)


@given(numbers.filter(lambda values: any(abs(x) <= 1e140 for x in values)), numbers)
def test_out_of_range_counts_what_lies_outside_the_reference(reference, values):
    inside = [x for x in reference if abs(x) <= 1e140]
    outside = [x for x in values if abs(x) <= 1e140 and not min(inside) <= x <= max(inside)]
    assert profile(values, numeric_bins(reference)).out_of_range == len(outside)


def test_the_nine_deciles_are_edges_exactly():
    values = np.random.default_rng(RNG_SEED).normal(size=9_999)
    bins = fit_bins("x", values, "numeric")
    deciles = tuple(np.quantile(values, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]).tolist())
    assert bins.deciles == deciles
    assert set(deciles) <= set(bins.edges)
    assert len(bins.edges) + 1 == 253


def test_a_value_with_much_mass_is_a_bin_of_its_own():
    noise = np.random.default_rng(RNG_SEED).normal(size=1_000)
    values = np.concatenate([noise, np.zeros(500)])
    bins = fit_bins("x", values, "numeric")
    assert profile(values, bins).counts[bins.edges.index(0.0)] == 500


def test_few_distinct_values_are_a_bin_each():
    bins = fit_bins("x", np.array([1.0, 2.0, 2.0, 7.0]), "numeric")
    counts = profile([1.0, 2.0, 2.0, 7.0, 3.0], bins).counts
    assert [counts[bins.edges.index(value)] for value in (1.0, 2.0, 7.0)] == [1, 2, 1]


def test_mean_and_spread_keep_their_digits_under_a_large_offset():
    values = np.random.default_rng(RNG_SEED).normal(size=5_000) + 1e9
    summary = profile(values, fit_bins("x", values, "numeric"))
    assert summary.mean == pytest.approx(values.mean(), rel=1e-15)
    assert summary.std == pytest.approx(values.std(), rel=1e-9)


def test_mean_and_spread_of_nothing_are_none():
    nothing = profile([math.nan], numeric_bins([]))
    assert (nothing.mean, nothing.std, nothing.out_of_range) == (None, None, 0)


def test_nan_inside_a_list_of_categories_is_a_null():
    bins = fit_bins("x", np.array(["a", None, math.nan], dtype=object), "categorical")
    assert bins.categories == ("a",)
    assert profile(["a", "b", None], bins) == Profile(bins, (1,), other=1, new={"b": 1}, nulls=1)


def test_the_most_frequent_categories_are_listed_and_ties_go_by_name():
    assert fit_bins("x", ["b", "a", "c", "c"], "categorical").categories == ("c", "a", "b")


def test_lists_of_categories_are_bounded_and_nothing_is_lost():
    many = [f"{number:04}" for number in range(1_000)]
    bins = fit_bins("x", many, "categorical")
    summary = profile(many, bins)
    assert len(bins.categories) == CATEGORY_LIMIT
    assert list(summary.new) == many[CATEGORY_LIMIT : CATEGORY_LIMIT + NEW_LIMIT]
    assert summary.n == 1_000


def test_a_named_new_category_keeps_its_exact_count_through_bounded_merges():
    bins = fit_bins("x", [], "categorical")
    parts = [profile([f"{number:04}" for number in range(start, 400, 3)], bins) for start in (0, 1, 2)]
    first, second, third = parts
    whole = profile([f"{number:04}" for number in range(400)], bins)
    assert merge(merge(first, second), third) == whole
    assert merge(first, merge(second, third)) == whole


def test_profiles_of_different_bins_do_not_merge():
    with pytest.raises(SchemaError, match="different bins"):
        merge(empty(numeric_bins([1.0])), empty(numeric_bins([2.0])))


def test_a_stored_profile_is_refused_with_other_bins():
    stored = empty(numeric_bins([1.0])).to_dict()
    with pytest.raises(SchemaError, match="The profile has bins"):
        Profile.from_dict(stored, numeric_bins([2.0]))


def test_text_in_a_numeric_column_is_refused_with_its_name():
    with pytest.raises(SchemaError, match="'x' is not numeric"):
        profile(["many"], numeric_bins([1.0]))


def test_an_object_in_a_categorical_column_is_refused_with_its_name():
    with pytest.raises(SchemaError, match="'x' contains"):
        fit_bins("x", np.array([object()]), "categorical")


@given(st.lists(COLUMNS, min_size=1, max_size=4))
def test_a_stack_adds_up_to_the_merge_of_its_profiles(columns):
    kind, first = columns[0]
    bins = fit_bins("x", first, kind)
    profiles = [profile(values, bins) for other, values in columns if other == kind]
    stack = Stack.of(bins, profiles)
    whole = reduce(merge, profiles)
    assert_close(stack.total(), whole, largest(*(values for other, values in columns if other == kind == "numeric")))
    assert (stack.n.sum(), stack.present.sum()) == (whole.n, whole.present)
