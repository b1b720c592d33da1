"""Stacks: what a list of profiles says, said by arrays."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.errors import SchemaError
from modelops_pipelines.core.profiles.profile import empty, fit_bins, merge, profile
from modelops_pipelines.core.profiles.profile_stack import Stack

pytestmark = pytest.mark.filterwarnings("error")

NUMBERS = fit_bins("x", [float(i) for i in range(20)], "numeric")
NAMES = fit_bins("x", ["a", "b"], "categorical")
numbers = st.lists(st.one_of(st.integers(-3, 25).map(float), st.just(np.nan), st.just(np.inf)), max_size=8)
names = st.lists(st.sampled_from(["a", "b", "new", "newer", None]), max_size=8)
spans = st.tuples(st.integers(0, 5), st.integers(1, 6)).map(sorted).filter(lambda pair: pair[0] < pair[1])


def merged_one_by_one(bins, profiles):
    return reduce(merge, profiles, empty(bins))


@given(st.lists(numbers, min_size=6, max_size=6), st.lists(spans, max_size=5))
def test_merging_spans_of_numbers_is_merging_their_profiles(hours, wanted):
    profiles = [profile(values, NUMBERS) for values in hours]
    found = Stack.of(NUMBERS, profiles).merged([a for a, _ in wanted], [b for _, b in wanted])
    expected = [merged_one_by_one(NUMBERS, profiles[a:b]) for a, b in wanted]
    assert expected == [found.take([i]).total() for i in range(len(wanted))]


@given(st.lists(names, min_size=6, max_size=6), st.lists(spans, max_size=5))
def test_merging_spans_of_categories_is_merging_their_profiles(hours, wanted):
    profiles = [profile(values, NAMES) for values in hours]
    found = Stack.of(NAMES, profiles).merged([a for a, _ in wanted], [b for _, b in wanted])
    expected = [merged_one_by_one(NAMES, profiles[a:b]) for a, b in wanted]
    assert expected == [found.take([i]).total() for i in range(len(wanted))]


def test_a_span_that_holds_no_window_is_refused():
    stack = Stack.of(NUMBERS, [profile([1.0], NUMBERS)])
    with pytest.raises(ValueError, match="no window"):
        stack.merged([0], [0])


def test_profiles_of_other_bins_are_refused():
    with pytest.raises(SchemaError, match="bins"):
        Stack.of(NUMBERS, [profile(["a"], NAMES)])
