"""Quantiles of sorted values are numpy's, to the last bit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.quantiles import Ordered, quantiles

pytestmark = pytest.mark.filterwarnings("error")

finite = st.lists(st.floats(-1e140, 1e140) | st.integers(-3, 3).map(float), min_size=1, max_size=60)
shares = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(finite, shares)
def test_quantiles_of_rising_values_are_numpys_to_the_last_bit(values, wanted):
    expected = np.quantile(values, wanted)
    assert quantiles(np.sort(values), np.asarray(wanted)).tolist() == expected.tolist()


@given(finite)
def test_the_median_is_numpys(values):
    assert Ordered.of(np.asarray(values), 1e140).median == np.median(values)


def test_nulls_infinities_and_what_is_too_large_are_counted_apart():
    found = Ordered.of(np.asarray([3.0, math.nan, -math.inf, 1.0, 1e200, -1e141, math.nan, math.inf, -1e140]), 1e140)
    assert (found.finite.tolist(), found.infinities, found.nulls) == ([-1e140, 1.0, 3.0], 4, 2)


def test_each_bin_starts_behind_the_edge_that_it_does_not_hold():
    found = Ordered.of(np.asarray([1.0, 2.0, 2.0, 3.0]), 1e140)
    assert found.starts([1.0, 2.5]).tolist() == [0, 1, 3]
